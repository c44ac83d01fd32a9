"""`run` as a user gives it: several models with names, how prompts are asked, and --extend."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.support.gguf_files import TEMPLATE
from vibecore import list_studies, read_runs, store
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.cli import app
from vibecore.core.errors import InputError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import Asking

TWO_PROMPTS = PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml"


def run(db: Path, *arguments: object) -> int:
    given = ["run", "--db", db, "--study", "s", *arguments]
    result = CliRunner().invoke(app, [str(word) for word in given])
    if isinstance(result.exception, InputError):
        raise result.exception
    return result.exit_code


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    found = []
    for parent in ("a", "b"):
        found.append(Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / parent / "model")))
        (found[-1] / "chat_template.jinja").write_text(TEMPLATE)
    return found


def test_several_models_with_names_and_a_system_message(
    db: Path, fake_worker, folders: list[Path]
) -> None:
    first, second = folders
    code = run(
        db,
        *("--model", first, "--model", second, "--name", "first", "--precision", "bf16"),
        *("--config", "1M-4bit,5M-4bit", "--family", "demo", "--suite", TWO_PROMPTS),
        *("--system", "Be brief.", "--chat", "auto", "--max-new-tokens", 5),
    )
    assert code == 0
    configs = [row.config for row in read_runs(db, "s")]
    assert configs[-2:] == ["first-bf16", "model-bf16"]
    assert len(configs) == 8
    assert fake_worker.asked["first-bf16"] == Asking(system="Be brief.")
    [study] = list_studies(db)
    assert (study.protocol.chat, study.protocol.system) == ("auto", "Be brief.")


def test_extend_adds_and_resume_goes_on(db: Path, fake_worker, folders: list[Path]) -> None:
    assert run(db, "--config", "1M-bf16", "--suite", TWO_PROMPTS, "--chat", "off") == 0
    fake_worker.broken = {"model-bf16": "no luck"}
    assert run(db, "--extend", "--model", folders[0], "--precision", "bf16") == 1
    fake_worker.broken = {}
    assert [(row.config, row.status) for row in read_runs(db, "s")] == [
        ("1M-bf16", "complete"),
        ("model-bf16", "failed"),
    ]
    assert run(db, "--resume") == 0
    assert fake_worker.asked["model-bf16"] == Asking("off"), "the study's own protocol"
    assert [row.status for row in read_runs(db, "s")] == ["complete", "complete"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--config", "1M-bf16", "--extend", "--resume"), "one of them"),
        (("--config", "1M-bf16", "--chat", "off", "--system", "x"), "--chat off"),
        (("--config", "1M-bf16", "--name", "x"), "--name goes with --model"),
        (("--model", "a/b"), "--precision"),
        ((), "--family"),
    ],
)
def test_what_does_not_go_together_is_said(
    tmp_path: Path, fake_worker, arguments: tuple[str, ...], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        run(tmp_path / "new.duckdb", *arguments)
    assert not (tmp_path / "new.duckdb").exists()


def test_a_database_that_git_tracks_is_said_once(tmp_path: Path, fake_worker) -> None:
    for name in ("tracked.duckdb", "own.duckdb"):
        store.prepare(tmp_path / name)
    for command in (["init", "--quiet"], ["add", "tracked.duckdb"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)

    def messages(name: str) -> str:
        command = ["run", "--config", "1M-bf16,5M-bf16", "--suite", str(TWO_PROMPTS)]
        done = CliRunner().invoke(app, [*command, "--study", "s", "--db", str(tmp_path / name)])
        assert done.exit_code == 0, done.stderr
        return done.stderr

    said = messages("tracked.duckdb")
    assert said.count("is tracked by git") == 1
    assert "VIBECHECK_DB" in said and "--db" in said
    assert "tracked by git" not in messages("own.duckdb")
