"""One fixed colour and shape a precision, and the one accent colour, for charts and tables.

The colours are from Okabe and Ito's palette for colour-blind readers, darkened or lightened so
that each has a contrast of 3:1 or more on both the light and the dark background.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """How a precision is drawn; `shape` is a name the tables know, `vega` Vega's."""

    colour: str
    shape: str
    vega: str


PRECISION_MARKS = {
    "bf16": Mark("#3a80c4", "circle", "circle"),
    "fp16": Mark("#5f8f9c", "diamond", "diamond"),
    "8bit": Mark("#b0639b", "square", "square"),
    "8bit-t0": Mark("#8577b8", "cross", "cross"),
    "4bit": Mark("#219a76", "triangle", "triangle-up"),
}
OTHER_MARK = Mark("#7d8186", "cross", "cross")

# The sweet spot, and nothing else.
ACCENT = "#cf7420"
# Rules, whiskers and whatever is context: visible on both backgrounds.
NEUTRAL = "#85898e"


def mark_of(precision: str) -> Mark:
    """The mark of a precision; a neutral one where it is none of ours."""
    return PRECISION_MARKS.get(precision, OTHER_MARK)
