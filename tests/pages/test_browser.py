"""The dashboard in a real Chromium: looks, links, keys, and no request that a text caused.

One server for the session, on a free port and a temporary database. Skipped where there is no
Chromium, unless VIBECHECK_REQUIRE_CHROMIUM is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from pages.parts.page_table import FIRST_PAGE, PAGES, SECTIONS
from tests.support import dashboard_database as made
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from tests.support.visitor import BACKGROUNDS, POINTER_ONLY, TOO_WIDE, Visitor

pytestmark = needs_chromium
PATHS = {page: "" if page == FIRST_PAGE else page for page in PAGES}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("browser")
    with serve(folder, made.build(folder / "browser.duckdb")) as running:
        yield running.address


def chosen(page: Page) -> Locator:
    return page.locator(".vc-spot strong")


def shown_configs(page: Page) -> list[str]:
    return page.locator("article").evaluate_all("cards => cards.map(c => c.dataset.config)")


def test_a_deep_link_opens_on_a_fresh_server(visitor: Visitor) -> None:
    """The first visit of all: nothing has told Streamlit yet that dashboard.py routes the pages."""
    page = visitor.go("outputs?study=varied&prompt=code_002&configs=1M-4bit&configs=5M-bf16")
    expect(page.locator(".prompt h3")).to_contain_text("code_002")
    assert shown_configs(page) == ["1M-4bit", "5M-bf16"]
    expect(page.get_by_role("link", name="Metrics")).to_be_visible()


def test_the_menu_has_the_pages_in_sections(visitor: Visitor) -> None:
    menu = visitor.go("").get_by_test_id("stSidebarNav")
    expect(menu.get_by_test_id("stNavSectionHeader")).to_contain_text(list(SECTIONS))
    expect(menu.get_by_test_id("stSidebarNavLink")).to_have_text(list(PAGES.values()))


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (700, "dark")])
def test_every_page_is_whole(visit: Callable[..., Visitor], width: int, scheme: str) -> None:
    visitor = visit(width=width, scheme=scheme)
    for study in ("published", "varied"):
        for name, path in PATHS.items():
            page = visitor.go(f"{path}?study={study}")
            where = f"{name} of {study} at {width} {scheme}"
            assert page.get_by_test_id("stException").count() == 0, where
            assert page.locator('[data-testid="stAlertContentError"]').count() == 0, where
            assert not page.evaluate(TOO_WIDE), where
            # What the texts of `varied` would make it.
            assert page.title() != "owned", where
    dark = page.evaluate("() => getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert dark == BACKGROUNDS[scheme]
    assert visitor.problems == []
    assert visitor.foreign == []


def test_the_sweet_spot_is_marked_and_follows_the_cap(visitor: Visitor) -> None:
    page = visitor.go("")
    expect(chosen(page)).to_have_text("Sweet spot: 1.5B-4bit")
    marked = page.locator("tr.marked")
    expect(marked).to_have_count(1)
    expect(marked).to_contain_text("1.5B-4bitsweet spot")
    plain = page.locator('tr[data-row="0.5B-bf16"]').first
    background = "e => getComputedStyle(e).backgroundColor"
    assert marked.evaluate(background) != plain.evaluate(background)
    cap = page.get_by_role("spinbutton", name="Memory cap, GiB")
    cap.fill("1")
    cap.press("Enter")
    expect(chosen(page)).to_have_text("No sweet spot")
    expect(page.locator(".vc-spot .vc-why")).to_contain_text("fits in 1\u00a0GiB")
    expect(marked).to_have_count(0)
    expect(page.locator('table.plain tr[data-row="1.5B-4bit"]')).to_contain_text("cap of 1 GiB")
    visitor.settle()
    assert visitor.query() == {"study": ["published"], "cap": ["1"]}
    again = visitor.go(page.url.removeprefix(visitor.server).lstrip("/"))
    expect(chosen(again)).to_have_text("No sweet spot")


def test_an_unknown_study_is_an_alert(visitor: Visitor) -> None:
    """Also the control of the other tests' search for alerts: this is what one looks like."""
    page = visitor.go("?study=nowhere")
    expect(page.locator('[data-testid="stAlertContentWarning"]')).to_contain_text("nowhere")
    expect(chosen(page)).to_have_text("Sweet spot: 1.5B-4bit")


def test_a_heading_sorts_by_keyboard(visitor: Visitor) -> None:
    page = visitor.go("")
    order = "rows => rows.map(r => r.dataset.row)"
    table = page.locator("table").first
    heading = table.get_by_role("button", name="speed")
    heading.focus()
    page.keyboard.press("Enter")
    assert table.locator("tbody tr").evaluate_all(order)[:2] == ["0.5B-bf16", "1.5B-bf16"]
    expect(table.locator('th[aria-sort="descending"]')).to_have_count(1)
    page.keyboard.press("Enter")
    assert table.locator("tbody tr").evaluate_all(order)[0] == "1.5B-8bit"


# Numbers everything a pointer can use; what is hidden does not count.
NUMBER_CONTROLS = """() => {
    const wanted = ['a[href]', 'button', 'input', 'textarea', 'select', 'summary',
        '[role=slider]', 'pre[tabindex]'].join();
    const usable = (e) => e.checkVisibility({ visibilityProperty: true }) && !e.disabled
        && e.tabIndex >= 0 && e.type !== 'hidden';
    const controls = [...document.querySelectorAll(wanted)].filter(usable);
    controls.forEach((e, i) => { e.dataset.control = i; });
    return controls.map((e) => e.outerHTML.slice(0, 120));
}"""


def walk_by_tab(page: Page) -> list[str]:
    """The controls that the Tab key did not reach."""
    controls = page.evaluate(NUMBER_CONTROLS)
    assert len(controls) > 5
    reached = set()
    for _ in range(2 * len(controls)):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("() => document.activeElement?.dataset?.control"))
        if len(reached - {None}) == len(controls):
            break
    return [html for number, html in enumerate(controls) if str(number) not in reached]


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS.keys())
def test_the_keyboard_reaches_every_control(visitor: Visitor, path: str) -> None:
    page = visitor.go(f"{path}?study=varied")
    assert page.evaluate(POINTER_ONLY) == []
    # On a busy machine a page is drawn again while it is walked, and a new element has no number.
    for _ in range(3):
        page.wait_for_timeout(500)
        missed = walk_by_tab(page)
        if not missed:
            break
    assert missed == []


def test_rows_menus_and_back_keep_study_and_view(visitor: Visitor) -> None:
    page = visitor.go("?study=varied")
    link = page.locator('table:not(.plain) tr[data-row="1M-4bit"] a')
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("article")).to_have_count(2)
    assert shown_configs(page) == ["1M-bf16", "1M-4bit"]
    page.locator('[data-prompt="code_002"]').click()
    expect(page.locator(".prompt h3")).to_contain_text("code_002")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".prompt h3")).to_contain_text("creative_001")
    page.get_by_role("button", name="Previous").click()
    expect(page.locator(".prompt h3")).to_contain_text("code_002")
    visitor.settle()
    assert visitor.query()["prompt"] == ["code_002"]
    page.get_by_role("link", name="Charts").click()
    expect(page.locator("h1")).to_have_text("Charts")
    visitor.settle()
    assert visitor.query() == {"study": ["varied"]}
    page.get_by_role("link", name="Outputs").click()
    expect(page.locator(".prompt h3")).to_contain_text("code_002")
    assert shown_configs(page) == ["1M-bf16", "1M-4bit"]
    visitor.settle()
    # Streamlit keeps the menu's own entry, without parameters, beside the written one, or makes one
    # of the two, as its messages arrive. Where it is kept it shows the same view.
    page.go_back()
    if "/outputs" in page.url:
        visitor.settle()
        expect(page.locator(".prompt h3")).to_contain_text("code_002")
        page.go_back()
    expect(page.locator("h1")).to_have_text("Charts")
    assert visitor.problems == []


def test_back_undoes_the_choice_of_a_prompt(visitor: Visitor) -> None:
    page = visitor.go("outputs?study=varied")
    expect(page.locator(".prompt h3")).to_contain_text("code_001")
    page.locator('[data-prompt="reasoning_002"]').click()
    expect(page.locator(".prompt h3")).to_contain_text("reasoning_002")
    visitor.settle()
    page.go_back()
    expect(page.locator(".prompt h3")).to_contain_text("code_001")


def test_a_click_in_the_heat_map_opens_that_prompt(visitor: Visitor) -> None:
    page = visitor.go("charts?study=varied")
    grid = page.locator(".st-key-prompts svg, .st-key-prompts canvas").first
    grid.scroll_into_view_if_needed()
    # The fourth prompt's cell of the second config, by what a screen reader is told of it.
    cells = page.locator('.st-key-prompts [aria-roledescription="rect mark"]')
    wanted = cells.filter(visible=True).and_(
        page.locator('[aria-label*="prompt: creative_002"][aria-label*="config: 1M-8bit"]')
    )
    expect(wanted.last).to_be_attached()
    wanted.last.click()
    expect(page.locator(".prompt h3")).to_contain_text("creative_002")
    assert shown_configs(page) == ["1M-8bit"]


def test_a_click_on_a_mark_opens_its_config(visitor: Visitor) -> None:
    page = visitor.go("charts?study=published")
    mark = page.locator(
        '.st-key-speed [aria-roledescription="point"][aria-label*="config: 1.5B-4bit"]'
    )
    mark.first.scroll_into_view_if_needed()
    mark.first.click(force=True)
    expect(page.locator("article")).to_have_count(1)
    assert shown_configs(page) == ["1.5B-4bit"]


def test_untrusted_text_is_characters(visitor: Visitor) -> None:
    """Scripts, images and links in texts, titles and errors show as they were written; that no page
    runs or fetches them is for test_every_page_is_whole to see."""
    page = visitor.go(
        f"outputs?study=varied&prompt={made.HOSTILE_PROMPT}&configs=1M-bf16&configs=5M-8bit"
    )
    expect(page.locator("article pre")).to_have_text(made.HOSTILE)
    expect(page.locator('article[data-config="5M-8bit"]')).to_contain_text(made.HOSTILE_ERROR)
    assert page.locator("article img, article script, article a").count() == 0
    assert page.title() != "owned"
    page = visitor.go("?study=varied")
    expect(page.locator("h1")).to_have_text(made.HOSTILE_TITLE)
    assert page.title() != "owned"
    assert visitor.foreign == []
    assert visitor.problems == []


def test_cards_have_equal_heights_and_a_copy_button(visitor: Visitor) -> None:
    page = visitor.go("outputs?study=varied&prompt=code_001&configs=1M-bf16&configs=1M-8bit")
    expect(page.locator("article")).to_have_count(2)
    heights = page.locator("article .body").evaluate_all("all => all.map(e => e.offsetHeight)")
    assert len(set(heights)) == 1
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("article .copy").first.click()
    expect(page.locator("article .copy").first).to_have_text("copied")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == made.answer("code_001", "1M-bf16")


def test_a_download_arrives(visitor: Visitor) -> None:
    page = visitor.go("?study=varied")
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "varied-metrics.csv"
    text = Path(waiting.value.path()).read_text("utf-8")
    assert text.splitlines()[0].startswith("config,")
    assert "\n1M-bf16," in text
