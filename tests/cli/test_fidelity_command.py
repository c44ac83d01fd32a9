"""`fidelity` and `run --fidelity` as a user gives them, with a fake worker; and two models against
each other for real."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.support.fidelity import FidelityWorker
from tests.support.folders import demo_folder, other_tokenizer
from vibecore import store
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.cli import app
from vibecore.core.errors import INTERRUPTED, InputError
from vibecore.core.paths import PROJECT_ROOT

TWO_PROMPTS = PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> FidelityWorker:
    fake = FidelityWorker()
    monkeypatch.setattr("vibecore.studies.workers.Worker", fake)
    return fake


def invoke(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in arguments])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result


def run(db: Path, *more: object) -> Result:
    configs = () if {"--resume", "--extend"} & set(more) else ("--config", "1M-bf16,1M-4bit")
    suite = () if "--resume" in more else ("--suite", TWO_PROMPTS)
    return invoke("run", "--db", db, "--study", "s", *configs, *suite, *more)


def items(db: Path) -> int:
    with store.reading(db) as connection:
        return sum(len(one.items) for one in store.read_fidelity(connection, "s"))


def test_a_study_is_measured_and_its_figures_printed(db: Path, worker: FidelityWorker) -> None:
    assert run(db).exit_code == 0
    done = invoke("fidelity", "--study", "s", "--db", db)
    assert done.exit_code == 0, done.stderr
    assert "Fidelity of study s: 2 comparisons over the 16-bit outputs and a running text" in (
        done.stderr
    )
    assert "1M-4bit: 5 texts compared" in done.stderr
    lines = [line for line in done.stdout.splitlines() if "1M-4bit" in line]
    assert len(lines) == 2
    assert "outputs, 20 tokens" in lines[0] and "text, 6 tokens" in lines[1]
    assert "1M-bf16 (itself, in a batch)" in done.stdout
    assert "how much a model changed, not how good it is" in " ".join(done.stderr.split())


def test_json_goes_to_stdout_alone_and_csv_has_a_number_a_column(
    db: Path, worker: FidelityWorker
) -> None:
    run(db)
    worker.parts = 30
    done = invoke("fidelity", "--study", "s", "--db", db, "--format", "json")
    rows = json.loads(done.stdout)
    child, over_text = (row for row in rows if row["config"] == "1M-4bit")
    assert (child["against"], child["reference"], child["tokens"]) == ("1M-bf16", "outputs", 20)
    assert child["floor"]["mean_kld"] == 0
    assert child["by_category"]
    measured = len(worker.measured)
    printed = invoke("fidelity", "--study", "s", "--db", db, "--format", "csv", "--stored")
    assert len(worker.measured) == measured
    flat = list(csv.DictReader(io.StringIO(printed.stdout)))
    same, same_text = (row for row in flat if row["config"] == "1M-4bit")
    assert float(same["mean_kld"]) == child["mean_kld"]
    # Two prompts are too few for an interval, thirty parts of a text are not.
    assert (same["mean_kld_low"], child["mean_kld_interval"]) == ("", None)
    assert float(same_text["mean_kld_low"]) == over_text["mean_kld_interval"][0]
    assert float(same["floor_mean_kld"]) == 0
    one = invoke(
        *("fidelity", "--study", "s", "--db", db, "--stored", "--config", "1M-4bit"),
        *("--format", "md"),
    )
    assert len(one.stdout.splitlines()) == 2 + 6, "the config and the two ways of its floor"


def test_nothing_stored_is_said(db: Path, worker: FidelityWorker) -> None:
    run(db)
    done = invoke("fidelity", "--study", "s", "--db", db, "--stored")
    assert done.exit_code == 0
    assert "Nothing is stored of the study 's'" in done.stderr
    empty = invoke("fidelity", "--study", "s", "--db", db, "--stored", "--format", "json")
    assert json.loads(empty.stdout) == []


def test_what_is_printed_of_what_is_stored_is_what_was_asked_for(
    db: Path, worker: FidelityWorker
) -> None:
    run(db, "--fidelity")
    stored = ("fidelity", "--study", "s", "--db", db, "--stored", "--format", "json")
    rows = json.loads(invoke(*stored).stdout)
    assert {row["reference"] for row in rows} == {"outputs", "text"}
    rows = json.loads(invoke(*stored, "--no-text").stdout)
    assert {row["reference"] for row in rows} == {"outputs"}
    with pytest.raises(InputError, match=r"no config 'nope'\. It has 1M-bf16, 1M-4bit"):
        invoke(*stored, "--config", "1M-4bit,nope")


def test_a_study_of_which_all_failed_is_not_told_to_do_it_again(
    db: Path, worker: FidelityWorker
) -> None:
    run(db)
    worker.broken = {"1M-4bit": "no luck", "1M-bf16": "no luck"}
    done = invoke("fidelity", "--study", "s", "--db", db)
    assert done.exit_code == 1
    assert "no luck" in done.stderr and "Measure it" not in done.stderr


def test_a_name_that_a_shell_would_read_is_quoted_where_a_command_is_named(
    db: Path, worker: FidelityWorker
) -> None:
    name = "my $(study)"
    done = invoke(
        *("run", "--db", db, "--study", name, "--config", "1M-bf16,1M-4bit"),
        *("--suite", TWO_PROMPTS),
    )
    assert f"summary --study '{name}' --db" in " ".join(done.stderr.split())
    done = invoke("fidelity", "--study", name, "--db", db, "--stored")
    assert f"python -m vibecore fidelity --study '{name}'" in " ".join(done.stderr.split())
    with pytest.raises(InputError) as refused:
        invoke("fidelity", "--study", name, "--db", db, "--config", "1M-fp16")
    assert "has no config" in str(refused.value)
    worker.interrupt_after = 1
    done = invoke("fidelity", "--study", name, "--db", db)
    assert f"fidelity --study '{name}'" in " ".join(done.stderr.split())


def test_a_failed_config_gives_exit_code_1_and_the_rest_is_printed(
    db: Path, worker: FidelityWorker
) -> None:
    run(db)
    worker.broken = {"1M-4bit": "1M-4bit ran out of memory."}
    done = invoke("fidelity", "--study", "s", "--db", db)
    assert done.exit_code == 1
    assert "ran out of memory" in done.stderr
    assert "1M-bf16 (itself, by graph)" in done.stdout


def test_ctrl_c_keeps_what_was_measured_and_says_how_to_go_on(
    db: Path, worker: FidelityWorker
) -> None:
    run(db)
    worker.interrupt_after = 3
    done = invoke("fidelity", "--study", "s", "--db", db)
    assert done.exit_code == INTERRUPTED
    assert "go on with fidelity --study s" in " ".join(done.stderr.split())
    assert items(db) > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Give --study NAME, or else --model A and --against B"),
        (("--study", "s", "--model", "x"), "Give --study NAME, or else"),
        (("--model", "x"), "give both"),
        (("--against", "x"), "give both"),
        (("--study", "s", "--suite", "vibe30"), "--suite goes with --model"),
        (("--model", "x", "--against", "y", "--again"), "--again goes with --study"),
        (("--study", "s", "--again", "--stored"), "give one"),
        (("--study", "s", "--stored", "--weights", "x"), "--weights goes with measuring"),
        (("--study", "s", "--stored", "--device", "cpu"), "--device goes with measuring"),
        (("--model", "nowhere", "--against", "1M"), "'nowhere' is neither"),
        (("--model", "1M", "--against", "1M", "--precision", "3bit"), "no precision '3bit'"),
    ],
)
def test_what_does_not_go_together_is_said(
    db: Path, worker: FidelityWorker, arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        invoke("fidelity", "--db", db, *arguments)


def test_a_run_measures_fidelity_at_its_end(db: Path, worker: FidelityWorker) -> None:
    done = run(db, "--fidelity")
    assert done.exit_code == 0, done.stderr
    # Before anything runs, and again when fidelity begins.
    told = " ".join(done.stderr.split())
    assert told.count("How long measuring fidelity takes is not known yet.") == 2
    # What needs most: the small parent, with the logits of a batch of four.
    assert told.count("1M-bf16 against itself needs about") == 2
    again = invoke("fidelity", "--study", "s", "--db", db, "--again").stderr
    assert "Measuring fidelity takes" in again
    assert "idelity takes" not in invoke("fidelity", "--study", "s", "--db", db).stderr
    # Two outputs and three parts of a text: of the config, and of two ways of the floor.
    assert items(db) == 15
    assert "2 of 2 configs complete" in done.stderr


def test_a_run_that_can_have_no_fidelity_does_not_begin(
    tmp_path: Path, worker: FidelityWorker
) -> None:
    db = tmp_path / "new.duckdb"
    with pytest.raises(InputError, match="there is no 1M at bf16"):
        invoke("run", "--db", db, "--study", "s", "--config", "1M-4bit", "--fidelity")
    with pytest.raises(InputError, match="--fidelity needs real weights"):
        run(db, "--weights", "dummy", "--fidelity")
    assert not db.exists() and worker.loaded == []


def test_a_run_whose_parent_failed_says_why_there_is_no_fidelity(
    db: Path, worker: FidelityWorker
) -> None:
    worker.broken = {"1M-bf16": "no luck"}
    done = run(db, "--fidelity")
    assert done.exit_code == 1
    assert "Fidelity was not measured: 1M-bf16 has no outputs" in " ".join(done.stderr.split())
    worker.broken = {}
    assert run(db, "--resume", "--fidelity").exit_code == 0
    assert items(db) == 15


def test_two_models_are_held_against_each_other(worker: FidelityWorker) -> None:
    done = invoke(
        *("fidelity", "--model", MODELS_DIR / "1M", "--against", "1M", "--precision", "4bit"),
        *("--suite", TWO_PROMPTS, "--format", "json"),
    )
    assert done.exit_code == 0, done.stderr
    rows = {(row["config"], row["way"], row["reference"]): row for row in json.loads(done.stdout)}
    assert {way for _, way, _ in rows} == {"alone", "batch", "graph"}
    assert {reference for *_, reference in rows} == {"outputs", "text"}
    [(config, *_)] = [key for key in rows if key[1:] == ("alone", "outputs")]
    assert config.endswith("1M-4bit")
    child = rows[config, "alone", "outputs"]
    assert (child["against"], child["prompts"], child["tokens"]) == ("1M-bf16", 2, 20)
    assert {(one, beside) for one, beside, *_ in worker.measured} == {
        ("1M-bf16", None),
        (config, "1M-bf16"),
    }


def test_two_models_that_cannot_be_compared_are_refused_before_anything_is_generated(
    worker: FidelityWorker, tmp_path: Path
) -> None:
    worker.unlike = "Their tokenizers differ."
    done = invoke("fidelity", "--model", "1M", "--against", "5M", "--suite", TWO_PROMPTS)
    assert done.exit_code == 1
    assert str(done.exception) == "Their tokenizers differ."
    assert worker.calls == [] and worker.measured == []
    folder = other_tokenizer(demo_folder(tmp_path / "mine"))
    with pytest.raises(InputError, match=r"mine-bf16 and 1M-bf16 cannot be compared.*Token \d+"):
        invoke("fidelity", "--model", folder, "--against", "1M", "--suite", TWO_PROMPTS)
    assert worker.loaded == ["5M-bf16"], "what the files say needs no model"


def test_a_model_against_itself_has_no_divergence_for_real() -> None:
    done = invoke(
        *("fidelity", "--model", "1M", "--against", "1M", "--suite", TWO_PROMPTS),
        *("--max-new-tokens", 5, "--no-text", "--device", "cpu", "--format", "json"),
    )
    assert done.exit_code == 0, done.stderr
    [own] = [row for row in json.loads(done.stdout) if row["way"] == "alone"]
    assert (own["tokens"], own["mean_kld"], own["kld_max"], own["same_top"]) == (10, 0, 0, 1)
