"""Untrusted text, shown literally."""

from __future__ import annotations

import re

# Of a text that an address holds, in a message.
MOST_SHOWN = 80


def shortened(text: str) -> str:
    """The beginning of a text that anybody can have made as long as they like."""
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def plain(text: str) -> str:
    """Text escaped for places where Streamlit renders Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$^&])", r"\\\1", text)
