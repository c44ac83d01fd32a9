"""The grid of outputs in a real Chromium: clicks to the answer, widths, and texts as characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from tests.support import dashboard_database, several_models
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from tests.support.visitor import TOO_WIDE, Visitor

pytestmark = needs_chromium
# Whether a heading or a cell of the grid is wider than its place, or beyond the table's edge.
CUT = """(table) => {
    const right = table.getBoundingClientRect().right + 1;
    return [...table.querySelectorAll('th, td')].some((e) => e.offsetWidth
        && (e.scrollWidth > e.clientWidth + 1 || e.getBoundingClientRect().right > right));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("grid")
    path = dashboard_database.build(folder / "grid.duckdb")
    with serve(folder, several_models.build(path)) as running:
        yield running.address


def test_three_clicks_to_the_two_that_differ_most(visitor: Visitor) -> None:
    page = visitor.go("?study=varied")
    page.get_by_role("link", name="Outputs").click()
    page.get_by_test_id("stRadio").get_by_text("grid").click()
    first = page.locator("table.grid tbody tr").first
    expect(first.locator(".differ")).to_contain_text("differ in adherence, broken")
    prompt = first.get_attribute("data-prompt")
    first.locator(".pair a").click()
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator(".prompt h3")).to_contain_text(prompt)
    expect(page.locator(".prompt .differ")).to_contain_text("These configs differ here in")
    visitor.settle()
    assert visitor.query()["prompt"] == [prompt]
    # Back is the grid, as it was.
    page.go_back()
    expect(page.locator("table.grid tbody tr").first).to_have_attribute("data-prompt", prompt)
    # So is an answer's own click, with every config of the grid.
    page.locator("table.grid tbody tr").first.locator("td pre").first.click()
    expect(page.locator("article")).to_have_count(5)
    assert visitor.problems == []


def test_more_shows_the_whole_text_in_its_cell(visitor: Visitor) -> None:
    page = visitor.go("outputs?study=varied&view=grid&sort=suite")
    cell = page.locator('tr[data-prompt="code_001"] td[data-config="1M-8bit"]')
    text = cell.locator("pre")
    expect(text).to_have_text(dashboard_database.LOOP)
    folded = text.bounding_box()["height"]
    cell.get_by_role("button", name="more").focus()
    page.keyboard.press("Enter")
    expect(cell.get_by_role("button", name="less")).to_be_visible()
    assert text.bounding_box()["height"] > folded
    short = page.locator('tr[data-prompt="code_001"] td[data-config="1M-bf16"]')
    expect(short.get_by_role("button", name="more")).to_be_hidden()


def test_texts_in_the_grid_are_characters(visitor: Visitor) -> None:
    page = visitor.go("outputs?study=varied&view=grid&search=onerror")
    texts = page.locator("td pre")
    expect(texts.first).to_have_text(dashboard_database.HOSTILE)
    assert page.locator("td img, td script, td pre a").count() == 0
    assert page.title() != "owned"
    assert visitor.foreign == []
    assert visitor.problems == []


@pytest.mark.parametrize("width", [1400, 700, 390])
def test_nothing_is_cut_with_long_names(visit: Callable[..., Visitor], width: int) -> None:
    visitor = visit(width=width)
    for study in ("several", "mixed", "varied"):
        page = visitor.go(f"outputs?study={study}&view=grid")
        for scheme in visitor.in_each_scheme():
            where = f"{study}, {scheme}"
            expect(page.locator("table.grid tbody tr").first).to_be_visible()
            assert not page.evaluate(TOO_WIDE), where
            assert not page.locator("table.grid").evaluate(CUT), where
            names = page.locator("thead div.name").all_inner_texts()
            assert len(set(names)) == len(names), where
    configs = urlencode({"configs": [one.id for one in several_models.MIXED]}, doseq=True)
    page = visitor.go(f"outputs?study=mixed&{configs}")
    for scheme in visitor.in_each_scheme():
        expect(page.locator("article")).to_have_count(len(several_models.MIXED))
        assert not page.evaluate(TOO_WIDE), scheme
        wide = "cards => cards.some((e) => e.scrollWidth > e.clientWidth + 1)"
        assert not page.locator("article").evaluate_all(wide), scheme
    assert visitor.problems == []
