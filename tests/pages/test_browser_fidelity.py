"""Fidelity in a real Chromium: widths, a flip opened to both outputs, marks, and its report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support import dashboard_database, several_models
from tests.support.chromium import needs_chromium
from tests.support.fidelity_rows import add_fidelity
from tests.support.server import Server, serve
from tests.support.visitor import TOO_WIDE, Visitor
from vibecore.views.report import write_report
from vibecore.views.token_marks import OTHERWISE

pytestmark = needs_chromium
OPEN = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("fidelity")
    db = several_models.build(dashboard_database.build(folder / "fidelity.duckdb"))
    skipped = [dashboard_database.FAILED, dashboard_database.UNFINISHED]
    # Of one config nothing differs: a KLD of exactly zero on a log scale.
    add_fidelity(db, "varied", scales={"8bit": 0.0, "4bit": 0.02}, skipped=skipped)
    add_fidelity(db, "several", text=False)
    with serve(folder, db) as server:
        yield server


@pytest.fixture(scope="module")
def server(running: Server) -> str:
    return running.address


@pytest.mark.parametrize("width", [1400, 700, 390])
def test_the_page_fits_at_every_width(visit: Callable[..., Visitor], width: int) -> None:
    visitor = visit(width=width)
    for study in ("varied", "several", "published"):
        page = visitor.go(f"fidelity?study={study}")
        for scheme in visitor.in_each_scheme():
            if study != "published":
                expect(page.locator('[data-testid="stVegaLiteChart"] svg')).to_have_count(3)
                expect(page.locator("[data-row]").first).to_be_visible()
            assert not page.evaluate(TOO_WIDE), f"{study}, {scheme}"
    assert visitor.problems == []
    assert visitor.foreign == []


def test_a_flip_opens_both_outputs_with_the_other_choices_marked(visitor: Visitor) -> None:
    page = visitor.go("fidelity?study=several")
    rows = page.get_by_role("table").filter(has_text="the whole prompt").locator("tbody tr")
    prompt = rows.first.locator("th").inner_text().split("\n")[0]
    rows.first.get_by_role("link").click()
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator(".prompt h3")).to_contain_text(prompt)
    visitor.settle()
    assert visitor.query()["mark"] == [OTHERWISE]
    led = page.locator("article").last
    expect(led.locator("h4").first).to_contain_text("output: another choice at")
    marks = led.locator("mark.otherwise")
    assert marks.count() == led.locator(".after").count() > 0
    expect(led.locator(".after").first).to_contain_text(" %")
    # The config's own output is one click away, and nothing of the parent's was lost.
    led.get_by_text("Its own output").click()
    expect(led.locator('[data-fold="own"] pre')).to_be_visible()
    assert visitor.problems == []


def test_a_mark_of_the_chart_opens_the_outputs_beside_the_parents(visitor: Visitor) -> None:
    page = visitor.go("fidelity?study=varied")
    chart = page.locator(".st-key-kld svg")
    # A KLD of zero stands at the left edge, under a tick that says so.
    expect(chart.get_by_text("0", exact=True).first).to_be_visible()
    chart.locator(".mark-symbol.role-mark path").first.click()
    expect(page.locator("article")).to_have_count(2)
    visitor.settle()
    assert visitor.query()["configs"] == ["1M-bf16", "1M-8bit"]
    assert visitor.problems == []


def test_marks_on_a_hostile_text_are_characters(visitor: Visitor) -> None:
    page = visitor.go(
        "outputs?study=varied&prompt=creative_001&configs=1M-bf16&configs=1M-4bit"
        f"&mark={OTHERWISE.replace(' ', '+')}"
    )
    led = page.locator("article").last
    expect(led.locator("mark.otherwise").first).to_be_visible()
    written = "".join(
        led.locator("> .body pre").evaluate("""(pre) => {
        const copy = pre.cloneNode(true);
        copy.querySelectorAll('.after').forEach((one) => one.remove());
        return copy.textContent;
    }""")
    )
    assert written == f"{dashboard_database.HOSTILE}<end>"
    assert led.locator("img, script, .body a").count() == 0
    assert visitor.foreign == []


def test_its_report_fits_a_phone(running: Server, browser: Browser, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    write_report(running.db, "several", out)
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page = context.new_page()
    page.goto(out.as_uri())
    page.evaluate(OPEN)
    assert "how much the model changed, not how good it is" in page.inner_text("body")
    assert page.locator("#fidelity ~ figure svg").first.is_visible()
    # A note of the study has a hash of 64 characters.
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    context.close()
