"""The Metrics page in Chromium: the answer on the first screen, and its code on the clipboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support import dashboard_database, several_models
from tests.support.chromium import needs_chromium
from tests.support.server import serve
from tests.support.visitor import TOO_WIDE, Visitor

pytestmark = needs_chromium
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("metrics")
    db = several_models.build(dashboard_database.build(folder / "metrics.duckdb"))
    with serve(folder, db) as running:
        yield running.address


def test_the_code_is_copied_in_two_clicks(visitor: Visitor) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.go("?study=published")
    page.get_by_text("How to run 1.5B-4bit").click()
    page.get_by_test_id("stCode").hover()
    page.get_by_role("button", name="Copy to clipboard").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    compile(copied, "code", "exec")
    assert 'source = "Qwen/Qwen2.5-1.5B"' in copied
    assert visitor.problems == []


@pytest.mark.parametrize("study", ["published", "several"])
def test_on_a_phone_the_first_screen_is_the_answer(
    visit: Callable[..., Visitor], study: str
) -> None:
    visitor = visit(**PHONE)
    page = visitor.go(f"?study={study}")
    for scheme in visitor.in_each_scheme():
        box = page.locator(".vc-spot").bounding_box()
        assert box is not None, scheme
        assert box["y"] + box["height"] < PHONE["height"], scheme
        for role in ("model", "did", "bad", "sure", "why"):
            assert page.locator(f".vc-{role}").count() == 1, f"{role}, {scheme}"
        assert not page.evaluate(TOO_WIDE), scheme


def test_statistics_are_one_click_deeper(visitor: Visitor) -> None:
    page = visitor.go("?study=published")
    level = page.get_by_text("Significance level α", exact=True)
    assert not level.is_visible()
    page.get_by_text("How this was decided").click()
    level.wait_for(state="visible")
