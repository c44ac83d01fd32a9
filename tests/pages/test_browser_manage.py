"""Studies managed in a real Chromium: in how many clicks, and the files that come down.

A server of its own on a free port and a temporary database. Skipped where there is no Chromium,
unless VIBECHECK_REQUIRE_CHROMIUM is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.chromium import needs_chromium
from tests.support.server import Server, serve
from tests.support.visitor import TOO_WIDE, Visitor
from vibecore import list_studies, store
from vibecore.core.paths import STATE_VARIABLE
from vibecore.studies.published import add_published

pytestmark = needs_chromium


@pytest.fixture
def server(tmp_path: Path, state: Path) -> Iterator[Server]:
    database = tmp_path / "manage.duckdb"
    store.prepare(database)
    add_published(database)
    with serve(tmp_path, database, **{STATE_VARIABLE: str(state)}) as running:
        yield running


def test_renaming_takes_three_clicks_and_deleting_asks(
    server: Server, launch_chromium: Callable[[], Browser], tmp_path: Path
) -> None:
    browser = launch_chromium()
    visitor = Visitor(browser.new_page(viewport={"width": 1400, "height": 900}), server.address)
    page = visitor.go("?study=published&floor=60")
    page.get_by_role("button", name="Manage this study").click()
    page.get_by_label("Name", exact=True).click()
    page.keyboard.press("ControlOrMeta+A")
    page.keyboard.type("report")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("is now 'report'")).to_be_visible()
    visitor.settle()
    assert visitor.query() == {"study": ["report"], "floor": ["60"]}
    assert [study.name for study in list_studies(server.db)] == ["report"]
    with page.expect_download() as download:
        page.get_by_role("button", name="Export as a database").click()
    assert download.value.suggested_filename == "report.duckdb"
    download.value.save_as(tmp_path / "copy.duckdb")
    assert [study.name for study in list_studies(tmp_path / "copy.duckdb")] == ["report"]
    page.get_by_role("button", name="Delete this study").click()
    dialog = page.get_by_role("dialog").filter(has_text="will be deleted")
    expect(dialog).to_contain_text("6 configs and 2 outputs")
    dialog.get_by_role("button", name="Delete it").click()
    expect(page.locator("h1")).to_have_text("No study yet")
    assert list_studies(server.db) == []
    assert visitor.problems == []
    assert visitor.foreign == []
    browser.close()


def test_it_can_be_done_on_a_phone(server: Server, launch_chromium: Callable[[], Browser]) -> None:
    browser = launch_chromium()
    visitor = Visitor(browser.new_page(viewport={"width": 390, "height": 800}), server.address)
    page = visitor.go("?study=published")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("button", name="Manage this study").click()
    page.get_by_label("Name", exact=True).fill("report")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_text("is now 'report'")).to_be_visible()
    assert not page.evaluate(TOO_WIDE)
    browser.close()
