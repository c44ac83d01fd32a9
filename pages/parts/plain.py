"""Text of anybody's, shown as it is."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Text as it is where Streamlit would read Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$^&])", r"\\\1", text)
