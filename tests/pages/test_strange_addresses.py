"""An address with values that no page ever wrote: long, hostile, or many of them. No traceback, and
what is said of them is short."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pages.parts import address, page_table
from tests.support.pages import html, revisit, visit

LONG = 3_000
STRANGE = {
    "long": "x" * LONG,
    "digits": "9" * 5_000,
    "not a number": "nan",
    "a path": "../" * (LONG // 3),
    "zero byte": "a\0b",
    "controls": "\x1b]0;owned\x07\u202e" * 100,
    "markup": "<script>1</script>![x](http://canary.invalid/a)" * 60,
}
MOST_SAID = 1_500


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The parameters that a page asks for as it is visited."""
    asked = {"study", "run"}
    read = address.read

    def noted(page: str, parameters: dict[str, address.Parameter]) -> None:
        asked.update(parameters)
        read(page, parameters)

    monkeypatch.setattr(address, "read", noted)
    return asked


@pytest.mark.parametrize("page", page_table.PAGES)
def test_strange_values(
    page: str, names: set[str], studies: Path, use: Callable[[Path], None]
) -> None:
    use(studies)
    app = visit(page)
    # One value at a time as each parameter, then many of them, then beside a study that is there.
    queries = [dict.fromkeys(names, value) for value in STRANGE.values()]
    queries.append({name: [f"{STRANGE['long']}{n}" for n in range(100)] for name in names})
    queries.append({**queries[0], "study": "varied"})
    for query in queries:
        revisit(app, **query)
        assert "<h1" in html(app)
        for warning in app.warning:
            assert len(warning.value.replace("\\", "")) < MOST_SAID
