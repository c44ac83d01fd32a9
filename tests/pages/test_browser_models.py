"""Studies of several real models in a real Chromium: long names on every width, and what is folded
at an output."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.support import several_models as made
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from tests.support.visitor import TOO_WIDE, Visitor

pytestmark = needs_chromium
PAGES = ("", "charts", "outputs", "findings", "about")
TABLE_TOO_WIDE = """() => {
    const hosts = [...document.querySelectorAll('*')].filter((e) => e.shadowRoot);
    const tables = hosts.flatMap((e) => [...e.shadowRoot.querySelectorAll('table')])
        .concat([...document.querySelectorAll('.root table')]);
    return tables.some((e) => e.getBoundingClientRect().right
        > document.querySelector('[data-testid=stMain]').getBoundingClientRect().right);
}"""
SIDEBAR_CUT = """() => [...document.querySelectorAll('[data-testid=stSidebar] .stHtml p')]
    .some((e) => e.scrollWidth > e.clientWidth)"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("models")
    with serve(folder, made.build(folder / "models.duckdb")) as running:
        yield running.address


@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (700, "dark"), (390, "light")])
def test_long_names_fit(browser: Browser, server: str, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    visitor = Visitor(context.new_page(), server)
    for study in ("several", "mixed"):
        for path in PAGES:
            page = visitor.go(f"{path}?study={study}")
            where = f"{path} of {study} at {width}"
            assert page.get_by_test_id("stException").count() == 0, where
            assert not page.evaluate(TOO_WIDE), where
            assert not page.evaluate(SIDEBAR_CUT), where
            assert path or not page.evaluate(TABLE_TOO_WIDE), where
    assert visitor.problems == []
    assert visitor.foreign == []
    context.close()


def test_what_was_asked_opens_and_stays_open(browser: Browser, server: str) -> None:
    """The prompt as asked and the reasoning are folded, are characters, and stay as the reader left
    them on the next prompt."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    visitor = Visitor(context.new_page(), server)
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
    context.close()
