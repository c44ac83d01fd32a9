"""The Outputs page: filters, orders and the grid, driven by AppTest."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support import dashboard_database as made
from tests.support import several_models
from tests.support.fidelity import add_study
from tests.support.pages import component, revisit, visit
from vibecore.core.paths import DATABASE_VARIABLE


@pytest.fixture(scope="module")
def several(studies: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The studies with those of several models among them."""
    path = tmp_path_factory.mktemp("outputs") / "outputs.duckdb"
    shutil.copy(studies, path)
    return several_models.build(path)


@pytest.fixture(autouse=True)
def shown(several: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATABASE_VARIABLE, str(several))


def test_a_study_of_seven_formats_is_shown_whole(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precisions = ("bf16", "8bit", "4bit", "int8-torchao", "int4-torchao", "Q8_0", "Q4_K_M")
    configs = [f"1M-{precision}" for precision in precisions]
    add_study(db, configs=configs)
    monkeypatch.setenv(DATABASE_VARIABLE, str(db))
    app = visit("outputs", study="s", view="grid")
    columns = component(app, "grid")["columns"]
    assert [column["config"] for column in columns] == configs
    assert len({column["shape"]["shape"] for column in columns}) == len(configs)
    cards = component(visit("outputs", study="s", configs=configs), "cards")["cards"]
    assert [card["config"] for card in cards] == configs


def test_a_filter_moves_to_the_first_prompt_it_leaves() -> None:
    configs = ["1M-bf16", "5M-bf16"]
    app = visit("outputs", study="varied", configs=configs, prompt="instruction_001")
    app.selectbox(key="show").set_value("differ in broken").run()
    shown = component(app, "cards")
    assert shown["prompt"]["id"] == "reasoning_002"
    assert app.query_params["prompt"] == "reasoning_002"
    assert shown["prompt"]["differ"] == (
        "These configs differ here in adherence, broken, constraints met, text."
    )
    [row] = shown["list"]["rows"]
    assert row["differ"] == ["adherence", "broken", "constraints met"]
    assert row["words"] and "reasoning_002" not in row["words"]
    # The order is one of the filters: the prompt of most disagreement is shown.
    app.selectbox(key="show").set_value("all").run()
    app.selectbox(key="sort").set_value("disagreement").run()
    shown = component(app, "cards")
    assert shown["prompt"]["id"] == shown["list"]["rows"][0]["id"] == "reasoning_002"


def test_the_grid_has_every_config_and_its_totals() -> None:
    app = visit("outputs", study="varied", view="grid", configs=list(made.CONFIGS))
    grid = component(app, "grid")
    assert [column["config"] for column in grid["columns"]] == list(made.CONFIGS)
    heads = {column["config"]: column for column in grid["columns"]}
    assert "Sorted by disagreement" in grid["note"]
    rows = {row["id"]: row for row in grid["rows"]}
    assert len(rows) == 8
    # A heading's totals are those of the cells under it, for all of the study is shown here.
    for place, config in enumerate(made.CONFIGS):
        column = [row["cells"][place] for row in rows.values()]
        written = [cell for cell in column if cell["verdict"] != "no output"]
        met = sum(_met_of(cell)[0] for cell in written)
        judged = sum(_met_of(cell)[1] for cell in written)
        assert heads[config]["totals"] == (
            [
                f"{sum(cell['state'] == 'pass' for cell in written)} of {len(written)} adherent",
                f"{met} of {judged} constraints met",
                f"{sum(bool(cell['broken']) for cell in written)} of {len(written)} broken",
            ]
            if written
            else []
        )
    assert heads["5M-bf16"]["totals"][0] == "5 of 8 adherent"
    cells = dict(zip(made.CONFIGS, rows["reasoning_002"]["cells"], strict=True))
    assert cells["1M-bf16"]["instead"] == "The output is empty."
    assert cells["1M-bf16"]["broken"] == "broken: empty"
    assert cells["1M-8bit"]["text"] == made.LOOP
    assert cells["1M-8bit"]["broken"].startswith("broken: repetitive")
    assert cells["5M-bf16"]["broken"] is None
    assert cells[made.FAILED]["instead"] == f"This config failed: {made.HOSTILE_ERROR}"
    assert cells[made.UNFINISHED]["instead"] == "No output yet: the run is running."
    assert cells["5M-bf16"]["state"] == "pass"


def test_the_grids_order_is_that_of_what_it_shows() -> None:
    """The store's ranking agrees with the spread worked out from the shown cells."""
    app = visit("outputs", study="varied", view="grid", configs=["1M-bf16", "5M-bf16"])

    def spread(row: dict[str, Any]) -> float:
        one, two = row["cells"]
        return (
            ({one["state"], two["state"]} == {"pass", "fail"})
            + (bool(one["broken"]) != bool(two["broken"]))
            + abs(_share(one) - _share(two))
        )

    spreads = [spread(row) for row in component(app, "grid")["rows"]]
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[0] > spreads[-1]
    app = revisit(app, study="varied", view="grid", sort="suite", configs=["1M-bf16", "5M-bf16"])
    assert [row["id"] for row in component(app, "grid")["rows"]] == list(made.PROMPTS)


def _met_of(cell: dict[str, Any]) -> tuple[int, int]:
    met, judged = re.match(r"(\d+) of (\d+) met", cell["verdict"]).groups()
    return int(met), int(judged)


def _share(cell: dict[str, Any]) -> float:
    met, judged = _met_of(cell)
    return met / judged


def test_a_row_of_the_grid_opens_its_two_furthest_configs() -> None:
    app = visit("outputs", study="varied", view="grid", category="reasoning")
    first = component(app, "grid")["rows"][0]
    assert first["link"]["parameters"] == {
        "study": "varied",
        "prompt": first["id"],
        "configs": [config for config in made.CONFIGS if config != made.FAILED],
        "category": "reasoning",
        "sort": "disagreement",
    }
    assert "5M-bf16" in first["pair"]["link"]["parameters"]["configs"]
    opened = visit("outputs", **first["pair"]["link"]["parameters"])
    assert len(component(opened, "cards")["cards"]) == 2
    assert component(opened, "cards")["list"]["rows"][0]["current"]


def test_the_view_is_in_the_address_and_brings_its_order() -> None:
    app = visit("outputs", study="varied")
    app.radio(key="view").set_value("grid").run()
    assert app.query_params == {"study": "varied", "view": "grid"}
    assert app.selectbox(key="sort").value == "disagreement"
    assert len(app.multiselect(key="configs").value) == 5
    app.radio(key="view").set_value("side by side").run()
    assert app.query_params == {"study": "varied"}
    assert len(component(app, "cards")["cards"]) == 3


def test_the_grid_turns_its_pages() -> None:
    app = visit("outputs", study="several", view="grid", sort="suite")
    first = [row["id"] for row in component(app, "grid")["rows"]]
    assert len(first) == 20
    app.button(key="next").click().run()
    second = [row["id"] for row in component(app, "grid")["rows"]]
    assert app.query_params["start"] == "21"
    assert len(second) == 10 and not set(first) & set(second)
    assert app.button(key="next").disabled
    app.selectbox(key="category").set_value("code").run()
    assert "start" not in app.query_params
    assert len(component(app, "grid")["rows"]) == 8
