"""The command line as a user meets it: output, exit codes, and errors without tracebacks."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.commands import called
from vibecore import cli, store
from vibecore.cli import base
from vibecore.core.errors import INTERRUPTED, InputError, VibeError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.studies.published import DATA

SUMMARY_KEYS = {
    "config", "model", "precision", "prompts", "tokens_per_second", "vs_bf16", "repetitive",
    "repetition_rate", "empty", "garbage", "adherent_prompts", "prompt_adherence",
    "constraint_adherence", "memory_bytes", "memory_source", "sweet_spot",
}  # fmt: skip


def vibecore(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vibecore", *arguments],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def real_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real study on the smaller demo model, made by the command itself."""
    db = tmp_path_factory.mktemp("cli") / "real.duckdb"
    suite = PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml"
    done = vibecore(
        *("run", "--config", "1M-bf16", "--config", "1M-4bit", "--suite", str(suite)),
        *("--study", "real", "--max-new-tokens", "16", "--db", str(db)),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "2 of 2 configs complete" in done.stderr
    for spam in ("MatMul8bitLt", "kernels-community", "Traceback", "Warning"):
        assert spam not in done.stderr
    return db


def test_summary_json_is_the_contract(published_db: Path) -> None:
    done = vibecore(
        "summary", "--study", "published", "--format", "json", "--db", str(published_db)
    )
    rows = json.loads(done.stdout)
    assert len(rows) == 6
    assert set(rows[0]) >= SUMMARY_KEYS
    assert [row["config"] for row in rows if row["sweet_spot"]] == ["1.5B-4bit"]


def test_summary_answers_without_torch(published_db: Path) -> None:
    code = (
        "import sys; from vibecore.cli import app\n"
        f"app(['summary', '--study', 'published', '--db', {str(published_db)!r}],"
        " standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'pandas', 'streamlit', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_importing_vibecore_loads_neither_torch_nor_duckdb() -> None:
    code = (
        "import sys, vibecore, vibecore.cli\n"
        "assert not {'torch', 'duckdb', 'transformers'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT).returncode == 0


def test_every_format_of_every_reading_command(real_study: Path) -> None:
    for command in (["studies"], ["summary", "--study", "real"], ["outputs", "--study", "real"]):
        by_format = {
            name: called(*command, "--db", str(real_study), "--format", name)
            for name in ("table", "json", "csv", "md")
        }
        assert all(done.returncode == 0 and done.stdout for done in by_format.values())
        rows = json.loads(by_format["json"].stdout)
        assert len(list(csv.DictReader(io.StringIO(by_format["csv"].stdout)))) == len(rows)
        assert by_format["md"].stdout.count("\n| ") == len(rows) + 1


def test_a_real_study_reads_back(real_study: Path) -> None:
    done = called("outputs", "--study", "real", "--format", "json", "--db", str(real_study))
    rows = json.loads(done.stdout)
    assert len(rows) == 4
    for row in rows:
        assert row["new_tokens"] == len(row["token_ids"]) <= 16
        assert row["tokens_per_second"] > 0
        assert {c["status"] for c in row["constraints"]} <= {"pass", "fail"}
    one = called(
        *("outputs", "--study", "real", "--prompt", "code_001", "--config", "1M-4bit"),
        *("--db", str(real_study)),
    )
    assert "code_001 · 1M-4bit" in one.stdout
    assert "defines_any_function" in one.stdout


def test_sweet_spot_in_words_and_json(published_db: Path) -> None:
    words = called("sweet-spot", "--study", "published", "--db", str(published_db))
    assert words.stdout.splitlines()[0] == "Sweet spot: 1.5B-4bit"
    capped = called(
        *("sweet-spot", "--study", "published", "--vram-gb", "0.3", "--format", "json"),
        *("--db", str(published_db)),
    )
    assert json.loads(capped.stdout)["config"] is None
    assert capped.returncode == 0


def test_score_on_the_published_samples() -> None:
    done = called("score", "--suite", "vibe30", "--responses", str(DATA / "samples.jsonl"))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [round(row["repetition_ratio"], 3) for row in rows] == [0.726, 0.173]
    assert [row["repetitive"] for row in rows] == [True, False]
    assert rows[0]["constraints_met"] == 0
    judged = [[c for c in row["constraints"] if c["status"] != "skipped"] for row in rows]
    assert [len(constraints) for constraints in judged] == [4, 4]


def test_export_writes_what_it_lists(real_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    done = called("export", "--study", "real", "--out", str(out), "--db", str(real_study))
    listed = {Path(line).name for line in done.stdout.splitlines()}
    assert listed == {file.name for file in out.iterdir()}
    assert len((out / "outputs.jsonl").read_text().splitlines()) == 4
    assert len(json.loads((out / "summary.json").read_text())) == 2


def test_import_copies_a_study_of_another_database(real_study: Path, tmp_path: Path) -> None:
    home = tmp_path / "home.duckdb"
    command = ("import", str(real_study), "--study", "real", "--db", str(home))
    done, again = called(*command), called(*command)
    assert (done.returncode, again.returncode) == (0, 2)
    assert "Study real" in done.stderr
    assert "already has a study 'real'" in again.stderr
    tables = [
        called("outputs", "--study", "real", "--format", "json", "--db", str(db)).stdout
        for db in (real_study, home)
    ]
    assert tables[0] == tables[1] != ""


def test_doctor_tells_packages_and_fit() -> None:
    done = vibecore("doctor", "--format", "json", HF_ENDPOINT="http://127.0.0.1:9")
    rows = {row["what"]: row for row in json.loads(done.stdout)}
    assert rows["torch"]["state"] == "ok"
    assert rows["model hub"]["state"] == "missing"
    assert re.search(r"needs about 1\.\d\d GiB: fits in memory", rows["1.5B-4bit"]["detail"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["summary", "--study", "nope"], "no study 'nope'"),
        (["summary"], "--study"),
        (["outputs", "--study", "published", "--prompt", "x"], "code_001"),
        (["run", "--config", "9B-bf16"], "9B-bf16"),
        (["run", "--family", "demo", "--suite", "vibe99"], "vibe30"),
        (["run", "--family", "demo", "--max-new-tokens", "many"], "--max-new-tokens"),
        (["run", "--model", "/no/such/model", "--precision", "bf16"], "/no/such/model"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_usage_is_one_paragraph_and_exit_2(
    tmp_path: Path, published_db: Path, arguments: list[str], says: str
) -> None:
    db = published_db if arguments[0] != "run" else tmp_path / "new.duckdb"
    where = ["--db", str(db)] if arguments[0] != "nonsense" else []
    done = called(*arguments, *where)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "new.duckdb").exists()


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    db = tmp_path / "notes.txt"
    db.write_text("my notes\n" * 50)
    for arguments in (["studies"], ["run", "--config", "1M-bf16"]):
        done = vibecore(*arguments, "--db", str(db))
        assert done.returncode == 2
        assert "not a DuckDB database" in done.stderr
    assert db.read_text() == "my notes\n" * 50


def test_configs_are_listed_by_repetition_or_with_commas() -> None:
    assert base.listed(["1M-bf16", "1M-4bit, 5M-4bit"]) == ("1M-bf16", "1M-4bit", "5M-4bit")
    assert base.listed(None) == ()


@pytest.mark.parametrize(("error", "code"), [(InputError("in"), 2), (VibeError("run"), 1)])
def test_exit_codes(monkeypatch, capsys, error: VibeError, code: int) -> None:
    def fail(**options: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == code
    assert str(error) in capsys.readouterr().err


def test_a_failed_config_gives_exit_1(tmp_path: Path) -> None:
    from vibecore.catalog.demo_models import MODELS_DIR

    folder = tmp_path / "broken"
    folder.mkdir()
    for file in (MODELS_DIR / "1M").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    # What only loading finds: bad weights are refused before.
    (folder / "tokenizer.json").write_text("garbage")
    db = tmp_path / "failed.duckdb"
    done = vibecore(
        *("run", "--model", str(folder), "--precision", "bf16", "--study", "f", "--db", str(db))
    )
    assert done.returncode == 1
    assert "cannot be loaded" in done.stderr
    assert "Traceback" not in done.stderr
    with store.reading(db) as connection:
        [run] = store.read_configs(connection, "f")
    assert run.status == "failed"
    assert "cannot be loaded" in run.error


def test_a_closed_pipe_is_no_error(published_db: Path) -> None:
    command = f"{sys.executable} -m vibecore outputs --study published --db {published_db} | true"
    done = subprocess.run(command, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_progress_of_a_stopped_run_survives(tmp_path: Path) -> None:
    db = tmp_path / "stopped.duckdb"
    command = [sys.executable, "-m", "vibecore", "run", "--config", "1M-bf16", "--study", "s"]
    with subprocess.Popen(
        [*command, "--db", str(db)], cwd=PROJECT_ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and _stored(db) < 2:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        message = process.stderr.read()
        assert process.wait() == 130
    assert "--resume" in message
    assert "Traceback" not in message
    assert 2 <= _stored(db) < 30


@pytest.mark.parametrize("seconds", [0.8, 2.0])
def test_a_run_stopped_before_it_began_says_that_nothing_is_stored(
    tmp_path: Path, seconds: float
) -> None:
    db = tmp_path / "early.duckdb"
    command = [sys.executable, "-m", "vibecore", "run", "--config", "1M-bf16", "--study", "s"]
    with subprocess.Popen(
        [*command, "--db", str(db)],
        cwd=PROJECT_ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        time.sleep(seconds)
        # As a terminal does: to the run, and to what it has started.
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        message = process.stderr.read()
        # A shell reports both as 130. The second is Python's own: it ends by the signal where an
        # interrupt went through an exec or eval, as those of dataclasses, handled or not.
        assert process.wait() in (INTERRUPTED, -signal.SIGINT)
    assert "Traceback" not in message
    assert ("--resume --study s" in message) is _has_a_study(db)


def _has_a_study(db: Path) -> bool:
    """A file is made before its study is."""
    if not db.exists():
        return False
    try:
        with store.reading(db) as connection:
            return bool(store.list_studies(connection))
    except VibeError:
        return False


def _stored(db: Path) -> int:
    if not db.exists():
        return 0
    try:
        with store.reading(db) as connection:
            return store.list_studies(connection)[0].generations
    except (VibeError, IndexError):
        return 0
