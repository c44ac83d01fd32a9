"""Every command and page that reads a study whose rows are not those that it ended with says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import dashboard_database
from tests.support.commands import called
from tests.support.pages import visit, warnings
from vibecore import store
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.views.export import export_tables
from vibecore.views.report import make_report

SAID = "Outputs or scores of the study 'varied' are not those that it ended with"
STUDY = ("--study", "varied")
READING = {
    "summary": STUDY,
    "sweet-spot": STUDY,
    "sweet-spot --code": STUDY,
    "outputs": STUDY,
    "findings": STUDY,
    "compare": (*STUDY, "--study", "same"),
    "compare to it": ("--study", "same", *STUDY),
    "report": (*STUDY, "--out", "OUT.md"),
    "export": (*STUDY, "--out", "OUT"),
    "export --parquet": (*STUDY, "--out", "OUT"),
    "fidelity --stored": STUDY,
}
# Before their checksum is made anew.
CHANGING = {"rescore": (*STUDY, "--execute-code"), "run --resume": STUDY}


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a study that something has changed since it ended, and its like as it was."""
    folder = tmp_path_factory.mktemp("changed")
    path = dashboard_database.build(folder / "changed.duckdb")
    other = dashboard_database.build(folder / "other.duckdb")
    with store.writing(other) as connection:
        store.rename_study(connection, "varied", "same")
    store.copy_studies(other, path, ("same",))
    with store.writing(path) as connection:
        store.seal_study(connection, "varied")
        connection.execute(
            """UPDATE generation SET text = text || '.' WHERE run_id IN
               (SELECT run_id FROM run JOIN study USING (study_id) WHERE study.name = 'varied')"""
        )
    return path


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_says_it(command: str, changed: Path, tmp_path: Path) -> None:
    name, *options = command.removesuffix(" to it").split(" ")
    given = [argument.replace("OUT", str(tmp_path / "out")) for argument in READING[command]]
    done = called(name, *options, *given, "--db", str(changed))
    assert SAID in " ".join(done.stderr.split())
    assert SAID not in done.stdout


@pytest.mark.parametrize("command", CHANGING)
def test_a_command_that_changes_it_says_it_first(
    command: str, changed: Path, tmp_path: Path, fake_worker: object
) -> None:
    db = shutil.copy(changed, tmp_path / "copy.duckdb")
    done = called(*command.split(), *CHANGING[command], "--db", str(db))
    assert SAID in " ".join(done.stderr.split())


def test_a_report_and_an_export_hold_it(changed: Path) -> None:
    assert SAID in make_report(changed, "varied", ".md")
    assert SAID in export_tables(changed, "varied")["summary.md"]


@pytest.mark.parametrize(
    "page", ["metrics", "charts", "outputs", "findings", "fidelity", "speed", "about", "compare"]
)
def test_a_page_says_it(page: str, changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(changed))
    assert SAID in warnings(visit(page, study="varied"))


def test_compare_says_it_of_the_other_study(changed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(changed))
    app = visit("compare", **{"study": "same", "with": "varied"})
    assert SAID in warnings(app)
