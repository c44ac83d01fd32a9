"""Components in the page's own document: a table that sorts and opens, output cards, panes.

Python sends data, never HTML: the scripts make every piece of text a text node, so nothing a
model or a user wrote can become markup. Layout and colours are in the files beside this one.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pages.parts.page_table import FIRST_PAGE, file_of

HERE = Path(__file__).resolve().parent


def _component(name: str, *files: str) -> Any:
    def together(ending: str) -> str:
        named = [file for file in ("common.css", "common.js", *files) if file.endswith(ending)]
        return "".join((HERE / file).read_text("utf-8") for file in named)

    return st.components.v2.component(
        f"vibecheck_{name}", html='<div class="root"></div>', css=together("css"), js=together("js")
    )


_table = _component("table", "table.css", "table.js")
_cards = _component("cards", "cards.css", "states.js", "card.js", "cards.js")
_grid = _component("grid", "grid.css", "states.js", "grid.js")
_panes = _component("panes", "cards.css", "panes.css", "card.js", "panes.js")

_menu = _component("menu", "menu.js")


def link(page: str, **parameters: Any) -> dict[str, Any]:
    """A view as the components open it: its page, its parameters, and its address."""
    given = {name: value for name, value in parameters.items() if value not in (None, [], "")}
    query = urlencode(given, doseq=True)
    path = "." if page == FIRST_PAGE else page
    return {"page": page, "parameters": given, "href": f"{path}?{query}" if query else path}


def show_table(table: dict[str, Any], key: str) -> None:
    """Show a table (see views.tables.metrics) and open the view of a row that was clicked."""
    result = _table(data=_plain(table), key=_key(key), on_open_change=_nothing)
    if result.open:
        open_view(result.open)


def show_cards(cards: dict[str, Any], key: str) -> str | None:
    """Show the prompt list and output cards; the prompt that was clicked, if one was."""
    return _cards(data=_plain(cards), key=_key(key), on_prompt_change=_nothing).prompt


def show_grid(grid: dict[str, Any], key: str) -> None:
    """Show a grid of prompts × configs (see views.grid) and open the view that was clicked."""
    result = _grid(data=_plain(grid), key=_key(key), on_open_change=_nothing)
    if result.open:
        open_view(result.open)


def show_panes(panes: dict[str, Any], key: str) -> None:
    """Show a session's panes: `cards` (see live.playground.cards) and `session`, its id."""
    _panes(data=_plain(panes), key=_key(key))


def close_menu(view: str) -> None:
    """On a phone, close the sidebar once another `view` is shown: it covers the page there."""
    _menu(data={"view": view}, key="menu")


def open_view(target: dict[str, Any]) -> None:
    """Go to the view of a `link`."""
    st.switch_page(file_of(target["page"]), query_params=target["parameters"])


def _key(key: str) -> str:
    """A key without two underscores in a row, which Streamlit keeps for itself and refuses; names
    of models and configs are in keys, and may have them."""
    return re.sub("_(?=_)", "_-", key)


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """JSON values only, so that the bytes sent are text and never a pickled table."""
    return json.loads(json.dumps(data))


def _nothing() -> None:
    """A component reports a trigger only where a callback is named."""
