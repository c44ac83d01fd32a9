"""Studies managed from the sidebar: renamed, annotated, exported, deleted, and what follows."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from pathlib import Path
from unittest.mock import patch

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.page_table import ACTING_VARIABLE
from tests.conftest import FakeWorker
from tests.support.launched import TWO_PROMPTS
from tests.support.pages import buttons, errors, press, visit
from vibecore import list_studies, read_outputs
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.live.launch import manage
from vibecore.runtime import study_use
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study
from vibecore.views.export import export_database, export_study, export_zip


@pytest.fixture(scope="module")
def three_studies(published_db: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published study and two measured ones, to copy."""
    path = tmp_path_factory.mktemp("manage") / "page.duckdb"
    shutil.copy(published_db, path)
    with patch("vibecore.studies.workers.Worker", FakeWorker()):
        for study in ("mine", "other"):
            options = Options(configs=("1M-bf16", "1M-4bit"), study=study, suite=TWO_PROMPTS)
            run_study(new_plan(options, path), lambda event: None)
    return path


@pytest.fixture
def use(three_studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of three studies, the dashboard's own."""
    path = shutil.copy(three_studies, tmp_path / "page.duckdb")
    monkeypatch.setenv(DATABASE_VARIABLE, str(path))
    return path


def names(db: Path) -> list[str]:
    return [study.name for study in list_studies(db)]


def rename(app: AppTest, old: str, new: str) -> AppTest:
    app.text_input(key=f"manage-name-{old}").set_value(new)
    return press(app, "Rename")


def test_after_a_rename_page_picker_and_address_follow(use: Path) -> None:
    app = visit("outputs", study="mine", configs=["1M-4bit"])
    rename(app, "mine", " night 1 ")
    assert not app.exception
    assert names(use) == ["published", "night 1", "other"]
    assert app.selectbox(key="study").value == "night 1"
    assert app.query_params["study"] == "night 1"
    assert app.query_params["configs"] == "1M-4bit", "what was shown is shown on"
    assert not app.warning
    assert app.text_input(key="manage-name-night 1").value == "night 1"


def test_the_other_study_of_compare_follows_too(use: Path) -> None:
    app = visit("compare", study="other", **{"with": "mine"})
    assert app.selectbox(key="with").value == "mine"
    app.selectbox(key="study").set_value("mine").run()
    rename(app, "mine", "night")
    app.switch_page("pages/metrics.py").run()
    assert app.selectbox(key="study").value == "night"
    assert not app.warning


def test_a_name_that_is_taken_is_told_and_nothing_changes(use: Path) -> None:
    app = visit(study="mine")
    rename(app, "mine", "other")
    assert "There is a study 'other' already" in errors(app)
    assert app.selectbox(key="study").value == "mine"
    assert names(use) == ["published", "mine", "other"]


def test_a_study_in_use_is_refused_with_what_to_do(use: Path) -> None:
    app = visit(study="mine")
    with study_use.writing_to(use, "mine", "a run"):
        rename(app, "mine", "new")
        assert "in use by a run" in errors(app)
        press(app, "Delete this study …")
        press(app, "Delete it")
        assert "in use by a run" in errors(app)
    assert "mine" in names(use)


def test_a_note_is_kept(use: Path) -> None:
    app = visit(study="mine")
    app.text_area(key="manage-note-mine").set_value("Old driver.")
    press(app, "Keep the note")
    assert {study.name: study.note for study in list_studies(use)}["mine"] == "Old driver."
    assert not app.exception


def test_deleting_asks_with_how_much_is_lost(use: Path) -> None:
    app = visit(study="mine")
    press(app, "Delete this study …")
    assert "'mine' with 2 configs and 4 outputs will be deleted" in app.text[0].value
    press(app, "Keep it")
    assert "mine" in names(use)
    press(app, "Delete this study …")
    press(app, "Delete it")
    assert not app.exception
    assert names(use) == ["published", "other"]
    assert app.selectbox(key="study").value == "published"


def test_git_is_named_where_it_tracks_the_file(use: Path) -> None:
    for words in (["init", "--quiet"], ["add", use.name]):
        subprocess.run(["git", *words], cwd=use.parent, check=True)
    app = visit(study="mine")
    press(app, "Delete this study …")
    assert f"{use.name} is tracked by git" in app.text[0].value


def test_a_study_deleted_elsewhere_leaves_the_page_on_another(use: Path) -> None:
    app = visit(study="mine")
    manage.delete(use, "mine")
    app.run()
    assert not app.exception
    assert app.selectbox(key="study").value in ("published", "other")


def test_where_acting_is_off_nothing_is_managed(use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {"Rename", "Keep the note", "Delete this study …"}
    assert shown <= buttons(visit(study="mine"))
    monkeypatch.setenv(ACTING_VARIABLE, "off")
    assert not shown & buttons(visit(study="mine"))


def test_exports_are_the_command_s(use: Path, tmp_path: Path) -> None:
    written = export_study(use, "mine", tmp_path / "out")
    with zipfile.ZipFile(io.BytesIO(export_zip(use, "mine"))) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    files = {path.name: path.read_bytes() for path in written}
    database = files.pop("study.duckdb")
    assert packed == files
    for content in (database, export_database(use, "mine")):
        copy = tmp_path / "copy.duckdb"
        copy.write_bytes(content)
        assert names(copy) == ["mine"]
        assert read_outputs(copy, "mine") == read_outputs(use, "mine")
    assert export_study(use, "mine", tmp_path / "out"), "once more, over the older files"
