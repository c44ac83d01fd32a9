"""About: flags against the labelled set, and which scorers made a study's scores."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pages.parts.page_table import ACTING, ACTING_VARIABLE, PAGES
from tests.support.pages import component, html, visit
from vibecore import store
from vibecore.analysis.flag_accuracy import FLAGS, measure_flags
from vibecore.core.paths import DATABASE_VARIABLE
from vibecore.scoring import SCORER_VERSION
from vibecore.views.glossary import FLAG_NAMES


@pytest.fixture
def older(studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The dashboard's studies, `varied` scored by an older version."""
    path = Path(shutil.copy(studies, tmp_path / "older.duckdb"))
    with store.writing(path) as connection:
        connection.execute(
            """UPDATE score SET scorer_version = 1 WHERE run_id IN (
                   SELECT run_id FROM run JOIN study USING (study_id) WHERE name = 'varied')"""
        )
    monkeypatch.setenv(DATABASE_VARIABLE, str(path))
    return path


def test_every_flag_stands_with_its_precision_and_recall(older: Path) -> None:
    rows = component(visit("about", study="published"), "flags")["rows"]
    assert set(FLAG_NAMES) == set(FLAGS)
    assert len(rows) == len(FLAGS)
    for row, found in zip(rows, measure_flags(), strict=True):
        name, flagged, precision, recall = row["cells"]
        assert name["text"] == FLAG_NAMES[found.flag]
        assert flagged["text"] == f"{found.flagged} of {found.outputs}"
        assert (
            precision["text"] == f"{100 * found.precision:.0f} % ({found.both} of {found.flagged})"
        )
        assert f"({found.both} of {found.looping})" in recall["text"]
        assert precision["note"].endswith(" %")


@pytest.mark.parametrize("page", ["metrics", "outputs", "about"])
def test_scores_that_are_not_today_s_are_said_to_be_so(older: Path, page: str) -> None:
    said = html(visit(page, study="varied"))
    assert "version 1 of the scorers" in said
    assert "rescore --study varied" in said
    assert "of the scorers" not in html(visit(page, study="published"))


def test_the_pages_are_listed_in_the_order_of_use_with_a_link(
    older: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = component(visit("about", study="published"), "pages")["rows"]
    assert [row["cells"][0]["text"] for row in rows] == list(PAGES.values())
    assert rows[1]["link"]["href"] == "charts?study=published"
    assert all(len(row["cells"][1]["text"]) > 20 for row in rows)
    monkeypatch.setenv(ACTING_VARIABLE, "off")
    shown = component(visit("about", study="published"), "pages")["rows"]
    assert len(shown) == len(PAGES) - len(ACTING)


def test_about_names_today_s_scorers(older: Path) -> None:
    assert f"Scored by scorer version {SCORER_VERSION}." in html(visit("about", study="published"))
