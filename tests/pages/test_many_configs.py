"""A study of more configs than a page shows at once: part of them, by name and order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import many_configs
from tests.support.pages import component, html, table, visit, warnings
from vibecore import Rule, decide, read_evidence
from vibecore.analysis import answer, with_pairs
from vibecore.views.shown_configs import MOST

CONFIGS = many_configs.CONFIGS


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return many_configs.build(tmp_path_factory.mktemp("many") / "many.duckdb")


@pytest.fixture(autouse=True)
def shown(many: Path, use: Callable[[Path], None]) -> None:
    use(many)


def test_metrics_shows_part_with_the_choice_first(many: Path) -> None:
    app = visit()
    rows = component(app, "metrics")["rows"]
    assert len(rows) == MOST
    choice = answer(read_evidence(many, "many"), Rule()).sweet_spot.config
    assert rows[0]["id"] == choice
    assert rows[0]["marked"]
    assert f"Shown are 1 to 50 of {CONFIGS} configs, nearest to the choice." in html(app)
    assert set(table(app, "excluded")) == {row["id"] for row in rows[1:]}
    assert set(table(app, "judgements")) == {row["id"] for row in rows}


def test_names_orders_and_parts_reach_every_config() -> None:
    app = visit()
    app.text_input(key="named").set_value("m07").run()
    assert set(table(app, "metrics")) == {f"m07-{one}" for one in many_configs.PRECISIONS}
    assert app.query_params["named"] == "m07"
    app.text_input(key="named").set_value("nobody").run()
    assert not app.exception
    assert component(app, "metrics")["rows"] == []
    assert f"No name of the {CONFIGS} configs matches." in html(app)
    app.text_input(key="named").set_value("").run()
    app.selectbox(key="order").set_value("study").run()
    seen = [row["id"] for row in component(app, "metrics")["rows"]]
    for number in (2, 3):
        app.number_input(key="part").set_value(number).run()
        seen += [row["id"] for row in component(app, "metrics")["rows"]]
    assert len(seen) == len(set(seen)) == CONFIGS
    app.selectbox(key="order").set_value("tokens_per_second").run()
    assert app.number_input(key="part").value == 1
    speeds = [row["cells"][1]["sort"] for row in component(app, "metrics")["rows"]]
    assert speeds == sorted(speeds, reverse=True)


def test_an_address_opens_a_part_and_one_beyond_the_last_the_last() -> None:
    app = visit(order="study", part="2")
    assert component(app, "metrics")["rows"][0]["id"] == "m12-8bit"
    app = visit(order="study", part="99")
    assert app.number_input(key="part").value == 3
    app = visit(order="sideways", part="0")
    assert "order=sideways; part=0" in warnings(app)
    assert len(component(app, "metrics")["rows"]) == MOST


def test_a_part_is_judged_as_the_whole(many: Path) -> None:
    evidence = read_evidence(many, "many")
    whole = decide(evidence, Rule())
    some = {"m00-bf16", "m07-4bit", "m29-8bit"}
    part = with_pairs(answer(evidence, Rule()), evidence, some)
    assert part.pairs == tuple(pair for pair in whole.pairs if pair.config in some)
    assert {pair.config for pair in part.pairs} == some


def test_charts_are_of_the_same_part() -> None:
    app = visit("charts", named="m2", order="study")
    assert "Shown are 1 to 40 of 40 whose names match, of 120 configs" in html(app)
    assert "What the charts and their titles say is of these configs" in html(app)
    assert "m29" in html(app)
    assert "m0" not in html(app)
    assert not visit("charts", named="nobody").exception


def test_outputs_and_the_other_pages_open() -> None:
    for page in ("outputs", "findings", "about", "fidelity"):
        assert not visit(page).exception
