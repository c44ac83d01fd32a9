"""Studies of several real models in a real Chromium: long names on every page and width, the menu
on a phone, and what is folded at an output."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from pages.parts.page_table import FIRST_PAGE, PAGES
from tests.support import several_models as made
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from tests.support.visitor import TOO_WIDE, Visitor

pytestmark = needs_chromium
PATHS = ["" if page == FIRST_PAGE else page for page in PAGES]
OTHERS = ["outputs?view=grid&study=several", "compare?with=mixed&study=several"]
# Every text that its box cuts off, or that ends outside the page, also in the components and the
# charts. Inputs scroll by nature, the grid says "more" under a text that it cuts.
CUT = """() => {
    const all = (root) => [...root.querySelectorAll('*')]
        .flatMap((e) => [e, ...(e.shadowRoot ? all(e.shadowRoot) : [])]);
    const bar = document.querySelector('[data-testid=stSidebar]');
    const hidden = (e) => bar?.dataset.collapsed === 'true' && bar.contains(e);
    const shown = all(document).filter((e) => e.checkVisibility({ visibilityProperty: true })
        && !hidden(e) && !e.closest('.visually-hidden'));
    const say = (e) => `${e.tagName} ${e.textContent.slice(0, 60)}`;
    const main = document.querySelector('[data-testid=stMain]').getBoundingClientRect();
    const boxes = shown.filter((e) => !e.closest('svg') && e.tagName !== 'INPUT');
    const cut = boxes.filter((e) => e.clientWidth > 2 && e.scrollWidth > e.clientWidth + 1
        && (getComputedStyle(e).overflowX !== 'visible' || e.classList.contains('root')));
    const outside = boxes.filter((e) => e.textContent.trim() && !e.children.length
        && e.getBoundingClientRect().right > main.right + 1);
    // A slanted text's rectangle is larger than the text.
    const slant = 6;
    const drawn = shown.filter((e) => e.tagName === 'text' && e.ownerSVGElement).filter((e) => {
        const [text, box] = [e, e.ownerSVGElement].map((one) => one.getBoundingClientRect());
        return text.right > box.right + slant || text.left < box.left - slant
            || text.bottom > box.bottom + slant;
    });
    return [...cut, ...outside, ...drawn].map(say);
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    with serve(folder, made.build(folder / "models.duckdb")) as running:
        yield running.address


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (700, "dark"), (390, "light")])
def test_long_names_fit(visit: Callable[..., Visitor], width: int, scheme: str) -> None:
    visitor = visit(width=width, scheme=scheme)
    views = [
        f"{path}{'' if path.endswith('&') else '?'}study=several" for path in (*PATHS, *OTHERS)
    ]
    for view in (*views, "?study=mixed", "charts?study=mixed", "outputs?view=grid&study=mixed"):
        page = visitor.go(view)
        where = f"{view} at {width}"
        if view.startswith("charts"):
            expect(page.locator("[role=graphics-document]").first).to_be_visible()
        assert page.get_by_test_id("stException").count() == 0, where
        assert not page.evaluate(TOO_WIDE), where
        assert page.evaluate(CUT) == [], where
    assert visitor.problems == []
    assert visitor.foreign == []


def test_a_text_that_is_cut_is_found(visitor: Visitor) -> None:
    """The control of the test above: a name in a box too narrow for it."""
    page = visitor.go("about?study=several")
    assert page.evaluate(CUT) == []
    page.locator("h1").evaluate(
        "e => { e.style.cssText = 'width: 20px; overflow: hidden; white-space: nowrap'; }"
    )
    assert page.evaluate(CUT) == ["H1 About"]


def test_a_short_name_shows_the_full_one_on_focus_and_tap(browser: Browser, server: str) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = Visitor(context.new_page(), server).go("outputs?study=several")
    name = page.locator("article h3 button.name").first
    full = page.locator(".full-name")
    expect(full).to_have_count(0)
    name.tap()
    expect(full).to_have_text(f"{made.SMOL}-bf16")
    page.locator("article h3 button.name").last.focus()
    expect(full).to_have_text(f"{made.CODER}-bf16")
    assert not page.evaluate(TOO_WIDE)
    expect(page.locator(".vc-narrow")).to_contain_text(made.CODER)
    context.close()


def test_on_a_phone_the_menu_closes_after_a_choice(visit: Callable[..., Visitor]) -> None:
    visitor = visit(width=390, height=844)
    page = visitor.go("?study=several")
    menu = page.get_by_test_id("stExpandSidebarButton")
    menu.click()
    expect(menu).to_have_count(0)
    page.get_by_test_id("stSidebarNavLink").filter(has_text="About").click()
    expect(menu).to_be_visible()
    expect(page.locator("h1")).to_have_text("About")
    menu.click()
    expect(menu).to_have_count(0)
    # The list of studies closes while the menu still moves.
    page.wait_for_timeout(600)
    page.get_by_test_id("stSidebar").get_by_role("combobox").click()
    page.get_by_role("option").filter(has_text="mixed").click()
    expect(menu).to_be_visible()
    visitor.settle()
    assert visitor.query()["study"] == ["mixed"]


def test_what_was_asked_opens_and_stays_open(visitor: Visitor) -> None:
    """The prompt as asked and the reasoning are folded, are characters, and stay as the reader left
    them on the next prompt."""
    page = visitor.go("outputs?study=mixed&prompt=code_001&configs=Qwen3-0.6B-bf16")
    folds = page.locator("article details")
    expect(folds).to_have_count(2)
    expect(folds.first.locator("pre")).to_be_hidden()
    folds.first.locator("summary").click()
    expect(folds.first.locator("pre")).to_contain_text("<|im_start|>user")
    folds.last.locator("summary").click()
    expect(folds.last.locator("pre")).to_have_text(made.REASONING)
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".prompt h3")).to_contain_text("code_002")
    expect(page.locator("article details").first.locator("pre")).to_be_visible()
    assert visitor.foreign == []
    assert visitor.problems == []
