"""A study renamed, annotated and deleted: every table, the runs launched for it, or nothing."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import duckdb
import pytest
from typer.testing import CliRunner, Result

from tests.conftest import FakeWorker
from tests.support.launched import TWO_PROMPTS, made
from vibecore import list_studies, read_outputs, store
from vibecore.cli import app
from vibecore.core.errors import InputError, VibeError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.live.launch import list_runs, manage
from vibecore.runtime import study_use
from vibecore.store.manage import study_tables
from vibecore.studies.names import MOST_CHARACTERS, study_name
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.rescore import rescore
from vibecore.studies.run import run_study


def run(db: Path, study: str, *configs: str) -> None:
    options = Options(configs=configs or ("1M-bf16",), study=study, suite=TWO_PROMPTS)
    run_study(new_plan(options, db), lambda event: None)


@pytest.fixture(scope="module")
def made_two(published_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of `two`, to copy."""
    path = tmp_path_factory.mktemp("two") / "two.duckdb"
    shutil.copy(published_db, path)
    with patch("vibecore.studies.workers.Worker", FakeWorker()):
        run(path, "kept")
        run(path, "mine", "1M-bf16", "1M-4bit")
    return path


@pytest.fixture
def two(made_two: Path, tmp_path: Path, fake_worker) -> Path:
    """A database with the published study and two measured ones, `kept` and `mine`."""
    return shutil.copy(made_two, tmp_path / "two.duckdb")


def content(db: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with duckdb.connect(str(db), read_only=True) as connection:
        tables = [name for (name,) in connection.execute("SHOW TABLES").fetchall()]
        return {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in tables}


def without(db: Path, study: str) -> dict[str, list[tuple[object, ...]]]:
    """Every row but those of a study, found by reading what each table's columns are called."""
    with duckdb.connect(str(db), read_only=True) as connection:
        (mine,) = connection.execute(
            "SELECT study_id FROM study WHERE name = ?", [study]
        ).fetchone() or (None,)
        runs = {
            row[0]
            for row in connection.execute(
                "SELECT run_id FROM run WHERE study_id = ?", [mine]
            ).fetchall()
        }
        kept = {}
        for name, rows in content(db).items():
            columns = [row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()]
            kept[name] = [
                row
                for row in rows
                if not (
                    ("study_id" in columns and row[columns.index("study_id")] == mine)
                    or ("run_id" in columns and row[columns.index("run_id")] in runs)
                )
            ]
    return kept


@pytest.mark.parametrize("study", ["mine", "published"])
def test_deleting_leaves_no_row_in_any_table_and_all_other_rows(two: Path, study: str) -> None:
    left, before = without(two, study), content(two)
    changed = {name for name in before if left[name] != before[name]}
    assert {"study", "prompt", "run"} < changed
    assert (
        {"generation", "score", "verdict"} < changed if study == "mine" else "aggregate" in changed
    )
    manage.delete(two, study)
    assert content(two) == left
    assert not two.with_name(two.name + ".wal").exists()


def test_every_table_of_the_schema_is_known_to_be_a_study_s(db: Path) -> None:
    with store.reading(db) as connection:
        known = {table for table, _ in study_tables(connection)}
        tables = {name for (name,) in connection.execute("SHOW TABLES").fetchall()}
    # A place is a machine's, whatever studies ran there.
    assert tables - known == {"place", "schema_version"}


def test_renaming_keeps_every_output_and_takes_the_title_along(two: Path) -> None:
    before = read_outputs(two, "mine")
    assert manage.rename(two, "mine", "  night 1 ") == "night 1"
    assert read_outputs(two, "night 1") == before
    names = {study.name: study.title for study in list_studies(two)}
    assert names["night 1"] == "night 1"
    manage.rename(two, "published", "report")
    titles = {study.name: study.title for study in list_studies(two)}
    assert titles["report"] == names["published"] != "report", "it has a title of its own"
    assert "mine" not in titles


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ("kept", "There is a study 'kept' already"),
        (" ", "The study name is empty"),
        ("a\nb", "control character"),
        ("x" * (MOST_CHARACTERS + 1), "at most 100"),
    ],
)
def test_a_name_that_cannot_be_used_changes_nothing(two: Path, new: str, says: str) -> None:
    before = content(two)
    with pytest.raises(InputError, match=says):
        manage.rename(two, "mine", new)
    assert content(two) == before
    if new != "kept":
        with pytest.raises(InputError, match=says):
            run(two, new)


def test_names_are_the_same_for_new_studies() -> None:
    assert study_name(" night 1 ") == "night 1"


def test_a_note_is_set_and_taken_away(two: Path) -> None:
    manage.annotate(two, "mine", " Old driver. ")
    assert {s.name: s.note for s in list_studies(two)}["mine"] == "Old driver."
    manage.annotate(two, "mine", "")
    assert {s.name: s.note for s in list_studies(two)}["mine"] is None


def test_an_unknown_study_and_a_missing_database_are_told(two: Path, tmp_path: Path) -> None:
    for change in (
        lambda db: manage.rename(db, "nope", "new"),
        lambda db: manage.annotate(db, "nope", "x"),
        lambda db: manage.delete(db, "nope"),
    ):
        with pytest.raises(InputError, match="There is no study 'nope'"):
            change(two)
        with pytest.raises(InputError, match="There is no database"):
            change(tmp_path / "none.duckdb")
    assert not (tmp_path / "none.duckdb").exists()


def test_a_study_in_use_is_neither_renamed_nor_deleted(two: Path) -> None:
    with study_use.writing_to(two, "mine", "a run"):
        for change in (
            lambda: manage.rename(two, "mine", "new"),
            lambda: manage.rename(two, "kept", "mine"),
            lambda: manage.delete(two, "mine"),
        ):
            with pytest.raises(InputError, match="in use by a run"):
                change()
        manage.rename(two, "kept", "other")
    manage.delete(two, "mine")


def test_a_run_and_a_rescoring_hold_their_study(
    two: Path, fake_worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def attempt(study: str) -> None:
        with pytest.raises(InputError, match="in use by") as caught:
            manage.delete(two, study)
        tried.append(str(caught.value))

    options = Options(configs=("5M-bf16",), study="new", suite=TWO_PROMPTS)
    run_study(new_plan(options, two), lambda event: attempt("new"))
    assert "in use by a run" in tried[-1]
    manage.delete(two, "new")

    score = sys.modules["vibecore.studies.rescore"].score_output

    def scoring(*given: object, **named: object) -> object:
        attempt("mine")
        return score(*given, **named)

    monkeypatch.setattr("vibecore.studies.rescore.score_output", scoring)
    rescore(two, "mine")
    assert "in use by a rescoring" in tried[-1]
    monkeypatch.undo()


HOLDER = """
import sys, time
from pathlib import Path
from vibecore.runtime import study_use
with study_use.writing_to(Path(sys.argv[1]), "mine", "a run"):
    print("has it", flush=True)
    time.sleep(60)
"""


def test_a_killed_run_is_in_nobody_s_way(two: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(two)]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(InputError, match=f"process {holder.pid}"):
            manage.delete(two, "mine")
        holder.kill()
    manage.delete(two, "mine")


@contextmanager
def locked(db: Path) -> Iterator[None]:
    """Another process that has the database open for writing."""
    code = (
        "import sys, time, duckdb\n"
        "connection = duckdb.connect(sys.argv[1])\n"
        "print('has it', flush=True)\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(db)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield
        finally:
            holder.kill()


def test_a_locked_database_is_told_and_nothing_is_lost(two: Path) -> None:
    before = content(two)
    with locked(two), pytest.raises(VibeError, match="has been in use by another process"):
        manage.delete(two, "mine", wait_seconds=0.2)
    assert content(two) == before


DELETE = """
import sys
from pathlib import Path
from vibecore.live.launch import manage
print("begins", flush=True)
manage.delete(Path(sys.argv[1]), "mine")
"""


def test_a_kill_leaves_all_of_a_study_or_nothing(two: Path, tmp_path: Path) -> None:
    whole, gone = content(two), without(two, "mine")
    choose = random.Random(20261126)
    for number in range(6):
        path = tmp_path / f"killed{number}.duckdb"
        shutil.copy(two, path)
        command = [sys.executable, "-c", DELETE, str(path)]
        with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(choose.uniform(0, 0.12))
            process.kill()
        store.prepare(path)
        assert content(path) in (whole, gone), number


def test_the_records_of_launched_runs_follow(two: Path, state: Path) -> None:
    made(state, db=two.resolve(), study="mine", id="one")
    made(state, db=two.resolve(), study="kept", id="two")
    manage.rename(two, "mine", "new")
    assert {one.study for one in list_runs(two)} == {"new", "kept"}
    manage.delete(two, "new")
    assert [one.study for one in list_runs(two)] == ["kept"]


def command(*words: object) -> Result:
    return CliRunner().invoke(app, ["studies", *map(str, words)])


def test_the_commands(two: Path) -> None:
    listed = command("--db", two, "--format", "csv").stdout
    assert "mine" in listed and "kept" in listed
    done = command("rename", "mine", "new", "--db", two)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "'mine' is now 'new'" in done.stderr
    assert command("note", "new", "Old driver.", "--db", two).exit_code == 0
    assert {s.name: s.note for s in list_studies(two)}["new"] == "Old driver."
    done = command("delete", "new", "--db", two)
    assert isinstance(done.exception, InputError)
    assert "2 configs and 4 outputs" in str(done.exception)
    assert "--yes" in str(done.exception)
    assert "new" in {study.name for study in list_studies(two)}
    done = command("delete", "new", "--yes", "--db", two)
    assert "Deleted the study 'new': 2 configs, 4 outputs" in done.stderr
    assert "new" not in {study.name for study in list_studies(two)}


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_a_terminal_is_asked(
    two: Path, monkeypatch: pytest.MonkeyPatch, answer: str, gone: bool
) -> None:
    monkeypatch.setattr("vibecore.cli.studies._at_a_terminal", lambda: True)
    done = CliRunner().invoke(app, ["studies", "delete", "mine", "--db", str(two)], input=answer)
    assert done.exit_code == 0
    assert "4 outputs will be deleted" in done.stderr
    assert ("mine" not in {study.name for study in list_studies(two)}) == gone
    assert ("Nothing was deleted" in done.stderr) != gone


def test_a_database_before_the_subcommand_is_refused(two: Path) -> None:
    done = command("--db", two, "delete", "mine", "--yes")
    assert isinstance(done.exception, InputError)
    assert "Give --db after `delete`" in str(done.exception)
    assert "mine" in {study.name for study in list_studies(two)}
