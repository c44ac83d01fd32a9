"""Charts as SVG inside a page: no script, no request, colours from the page."""

from __future__ import annotations

import re
from typing import Any

WIDTH = 660
# Words and lines that Vega draws in its own black and grey take the page's ink instead.
INKS = {
    "#000": "currentColor",
    "#888": "currentColor",
    "#ddd": "var(--rule)",
    "black": "currentColor",
}
# A font that is there, or has one of the same widths, wherever the page is opened.
FONT = "Arial, Liberation Sans, Helvetica, sans-serif"
CONFIG = {
    "font": FONT,
    "axis": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
    "legend": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal"},
}


def to_svg(chart: Any, number: int) -> str:
    """An Altair chart as inline SVG. `number` keeps its ids apart from the other charts'."""
    import vl_convert

    spec = chart.properties(width=WIDTH).to_dict()
    spec["background"] = None
    spec["config"] = {**CONFIG, "view": {"stroke": None, **spec.get("config", {}).get("view", {})}}
    svg = vl_convert.vegalite_to_svg(spec)
    svg = re.sub(r'id="(clip|gradient)', rf'id="c{number}-\1', svg)
    svg = re.sub(r"url\(#(clip|gradient)", rf"url(#c{number}-\1", svg)
    for colour, ink in INKS.items():
        svg = re.sub(rf'\b(fill|stroke)="{colour}"', rf'\1="{ink}"', svg)
    return svg
