"""What the token limit decided in a real Chromium: it is drawn, and nothing is wider for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.pages.test_cut_off import LIMIT, decided  # noqa: F401 (a fixture)
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from tests.support.visitor import TOO_WIDE, Visitor

pytestmark = needs_chromium


@pytest.fixture(scope="module")
def server(
    decided: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    with serve(tmp_path_factory.mktemp("cut-server"), decided) as running:
        yield running.address


@pytest.mark.parametrize("width", [1400, 700, 390])
def test_it_is_drawn_at_every_width(visit: Callable[..., Visitor], width: int) -> None:
    visitor = visit(width=width)
    page = visitor.go("?study=varied")
    also = page.locator("tr[data-row='1M-bf16'] .also")
    expect(also).to_have_text([f"1 {LIMIT}", f"2 {LIMIT}"])
    assert not page.evaluate(TOO_WIDE)
    page = visitor.go("outputs?study=varied&prompt=code_002&configs=1M-bf16&configs=5M-bf16")
    marks = page.locator("article[data-config='1M-bf16'] .verdicts .cut")
    expect(marks).to_have_count(2)
    expect(marks.first).to_contain_text("so far: the answer was cut off at")
    expect(page.locator("article[data-config='5M-bf16'] .cut")).to_have_count(0)
    assert not page.evaluate(TOO_WIDE)
    assert visitor.problems == []
