"""Launching in a real Chromium, on real processes and the demo models: leave and come back.

A server of its own, on a free port, a temporary database and a temporary state folder. Skipped
where there is no Chromium, unless VIBECHECK_REQUIRE_CHROMIUM is set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.chromium import needs_chromium
from tests.support.launched import TWO_PROMPTS
from tests.support.server import Server, serve
from tests.support.visitor import POINTER_ONLY, TOO_WIDE, Visitor
from vibecore import read_outputs, read_runs, store
from vibecore.core.paths import STATE_VARIABLE
from vibecore.live import launch
from vibecore.studies.published import add_published

pytestmark = needs_chromium

# A run has to start Python and load a model; the machine may be busy with other tests.
PATIENCE = 180_000


@pytest.fixture
def server(tmp_path: Path, state: Path) -> Iterator[Server]:
    database = tmp_path / "launch.duckdb"
    store.prepare(database)
    add_published(database)
    with serve(tmp_path, database, **{STATE_VARIABLE: str(state)}) as running:
        try:
            yield running
        finally:
            for run in launch.list_runs(database):
                launch.cancel(run)


def fill(page: Page, label: str, text: str) -> None:
    field = page.get_by_label(label, exact=True)
    field.fill(text)
    field.press("Tab")


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    # A long list shows only the options that its text matches.
    page.keyboard.type(option)
    page.get_by_role("option", name=option, exact=True).click()


def start(visitor: Visitor, study: str, tokens: int, configs: list[str], suite: str = "") -> str:
    """Fill in the form and start; the id of the run."""
    page = visitor.go("launch")
    # Only the configs that are chosen one by one.
    page.get_by_role("button", name="Clear all").first.click()
    visitor.settle()
    for config in configs:
        choose(page, "Configs", config)
    page.keyboard.press("Escape")
    if suite:
        choose(page, "Suite", "from a file …")
        fill(page, "Suite file", suite)
    fill(page, "Max new tokens", str(tokens))
    fill(page, "Study name", study)
    expect(page.get_by_text(f"Study {study}: {len(configs)} config")).to_be_visible()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", name=f"Study {study}")).to_be_visible()
    visitor.settle()
    return visitor.query()["run"][0]


def test_launch_leave_come_back_cancel_and_resume(
    server: Server, launch_chromium: Callable[[], Browser]
) -> None:
    browser = launch_chromium()
    visitor = Visitor(browser.new_page(), server.address)
    run_id = start(visitor, "left alone", 60, ["1M-bf16", "1M-4bit"], TWO_PROMPTS)
    browser.close()

    browser = launch_chromium()
    visitor = Visitor(browser.new_page(), server.address)
    page = visitor.go(f"launch?run={run_id}")
    expect(page.get_by_text("Complete.", exact=True)).to_be_visible(timeout=PATIENCE)
    for config in ("1M-bf16", "1M-4bit"):
        expect(page.locator(f'tr[data-row="{config}"]').first).to_contain_text("2 of 2")
    assert len(read_outputs(server.db, "left alone")) == 4
    # The page is drawn anew when a run ends; until then the link can be there twice.
    visitor.settle()
    page.get_by_role("link", name="Metrics of this study").click()
    expect(page.locator("h1")).to_have_text("left alone")
    expect(page.locator("table:not(.plain)").first.locator("tbody tr")).to_have_count(2)

    start(visitor, "stopped", 60, ["1M-bf16"])
    outputs = page.locator('tr[data-row="1M-bf16"] td').nth(1)
    expect(outputs).to_contain_text("of 30")
    expect(outputs).not_to_contain_text("0 of 30", timeout=PATIENCE)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Stopped. What was generated")).to_be_visible(timeout=PATIENCE)
    assert [row.status for row in read_runs(server.db, "stopped")] == ["stopped"]
    kept = read_outputs(server.db, "stopped")
    assert 1 <= len(kept) < 30
    visitor.settle()
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("Complete.", exact=True)).to_be_visible(timeout=PATIENCE)
    expect(outputs).to_contain_text("30 of 30")
    outputs_now = read_outputs(server.db, "stopped")
    ids = {row.prompt_id for row in kept}
    assert [row for row in outputs_now if row.prompt_id in ids] == kept
    page.set_viewport_size({"width": 700, "height": 900})
    visitor.settle()
    assert page.evaluate(POINTER_ONLY) == []
    assert not page.evaluate(TOO_WIDE)
    assert visitor.problems == []
    assert visitor.foreign == []
    browser.close()
    left = [child.name() for child in psutil.Process(server.process.pid).children(recursive=True)]
    assert left == [], "no process is left behind"
