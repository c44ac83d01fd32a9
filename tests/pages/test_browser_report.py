"""A report opens from disk with the network off, whole, in a real Chromium, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser

from tests.support import dashboard_database as made
from tests.support.chromium import needs_chromium
from vibecore.views.report import write_report

pytestmark = needs_chromium

DRAWN = """() => [...document.querySelectorAll('figure')].map(figure => {
    const box = figure.querySelector('svg').getBoundingClientRect();
    return box.width > 100 && box.height > 50
        && figure.querySelectorAll('.mark-group path, .mark-symbol path, .mark-rule line').length;
})"""
OPEN = "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
# Before a reader unfolds anything, at 1400 × 900.
SCREENS = 4
INK = """() => {
    const label = document.querySelector('figure .role-axis-label text');
    return [getComputedStyle(label).fill, getComputedStyle(document.body).backgroundColor];
}"""


def lightness(colour: str) -> float:
    return sum(int(part) for part in colour.strip("rgb()").split(",")[:3]) / 3


def test_a_report_opens_from_disk_without_a_network(
    tmp_path: Path, launch_chromium: Callable[[], Browser]
) -> None:
    database, out = made.build(tmp_path / "report.duckdb"), tmp_path / "report.html"
    write_report(database, "varied", out)
    expected = out.read_text(encoding="utf-8").count("<figure")
    requests: list[str] = []
    problems: list[str] = []
    with launch_chromium() as browser:
        for scheme, width in (("light", 1400), ("dark", 700)):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
            )
            page = context.new_page()
            page.on("request", lambda request: requests.append(request.url))
            page.on("console", lambda message: problems.append(message.text))
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(out.as_uri())
            if width == 1400:
                height = page.evaluate("() => document.documentElement.scrollHeight")
                assert height <= SCREENS * 900, height
                page.emulate_media(media="print")
                printed = page.evaluate("() => document.documentElement.scrollHeight")
                assert printed > 2 * height, "what is folded is printed"
                page.emulate_media(media="screen")
            page.evaluate(OPEN)
            drawn = page.evaluate(DRAWN)
            assert len(drawn) == expected >= 12
            assert all(drawn), "every chart has marks"
            wide = page.evaluate("() => document.documentElement.scrollWidth")
            assert wide <= width, f"{wide} at {width}"
            ink, paper = (lightness(colour) for colour in page.evaluate(INK))
            assert abs(ink - paper) > 120, (scheme, ink, paper)
            assert page.title().startswith("Varied")
            context.close()
    assert set(requests) == {out.as_uri()}
    assert problems == []
