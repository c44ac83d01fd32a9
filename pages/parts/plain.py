"""Untrusted text, shown literally."""

from __future__ import annotations

import re


def plain(text: str) -> str:
    """Text escaped for places where Streamlit renders Markdown."""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~:$^&])", r"\\\1", text)
