"""What the token limit decided, on the pages."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.pages import component, html, visit
from vibecore import store
from vibecore.core.paths import DATABASE_VARIABLE

LIMIT = "decided by the token limit"


@pytest.fixture(scope="module")
def decided(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies, with one answer of one config cut off, and decided by that."""
    path = tmp_path_factory.mktemp("cut") / "cut.duckdb"
    shutil.copy(studies, path)
    where = """prompt_id = 'code_002' AND run_id = (
        SELECT run_id FROM run JOIN study USING (study_id)
        WHERE study.name = 'varied' AND config = '1M-bf16')"""
    with store.writing(path) as connection:
        connection.execute(f"UPDATE generation SET finish_reason = 'length' WHERE {where}")
        connection.execute(
            f"UPDATE score SET adherent_cut = true, constraints_cut = 2 WHERE {where}"
        )
        connection.execute(f"UPDATE verdict SET cut = true WHERE {where} AND position < 2")
    return path


@pytest.fixture(autouse=True)
def shown(decided: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(decided))


def test_outputs_marks_verdicts_and_lists_the_prompts() -> None:
    app = visit("outputs", study="varied", configs=["1M-bf16", "5M-bf16"])
    app.selectbox(key="show").set_value(LIMIT).run()
    shown = component(app, "cards")
    assert [row["id"] for row in shown["list"]["rows"]] == ["code_002"]
    assert [state["cut"] for state in shown["list"]["rows"][0]["states"]] == [True, False]
    card, other = shown["cards"]
    assert card["notice"].endswith(f"adherence {LIMIT}")
    assert card["met"].endswith(f"met; 2 {LIMIT}")
    marks = [one["cut"] or "" for one in card["verdicts"]]
    assert all(" so far: the answer was cut off at " in mark for mark in marks[:2])
    assert not any(marks[2:])
    assert not any(one["cut"] for one in other["verdicts"])


def test_the_grid_says_so_far() -> None:
    grid = component(visit("outputs", study="varied", view="grid", configs=["1M-bf16"]), "grid")
    cells = {row["id"]: row["cells"][0]["verdict"] for row in grid["rows"]}
    assert [id_ for id_, verdict in cells.items() if verdict.endswith(" met so far")] == [
        "code_002"
    ]
    assert f"1 {LIMIT}" in grid["columns"][0]["totals"]


def test_the_metrics_page_counts_them_beside_adherence_and_says_what_that_is() -> None:
    app = visit(study="varied")
    table = component(app, "metrics")
    at = {column["label"]: place for place, column in enumerate(table["columns"])}
    cells = next(row["cells"] for row in table["rows"] if row["id"] == "1M-bf16")
    assert cells[at["adherent"]]["also"] == f"1 {LIMIT}"
    assert cells[at["constraints"]]["also"] == f"2 {LIMIT}"
    assert "the answer was cut off there" in html(app)


def test_a_study_in_which_it_decided_nothing_does_not_speak_of_it() -> None:
    assert LIMIT not in visit("outputs", study="speed-only").selectbox(key="show").options
    assert "the answer was cut off there" not in html(visit(study="published"))
