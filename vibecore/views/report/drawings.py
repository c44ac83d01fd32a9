"""Charts as SVG inside a page: no script, no request, colours from the page. They are drawn in a
process of its own (renderer.py), which a chart may end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
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


# What XML 1.0 forbids in a text, as it is or as JSON writes it inside an expression; a parser that
# meets one ends vl_convert's process.
FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
    r"|\\u(?:00(?:0[0-8bcef]|1[0-9a-f])|d[89a-f][0-9a-f]{2}|fff[ef])"
)
REPLACEMENT = "\ufffd"
# A page's charts take some seconds; only a renderer that hangs takes so long.
RENDERER = Path(__file__).with_name("renderer.py")
MOST_SECONDS = 180.0


def to_svgs(charts: Sequence[Any]) -> list[str | None]:
    """Altair charts as inline SVG, each with ids of its own; None for one that cannot be drawn,
    which ends a renderer's process and nothing else."""
    specs = [_specification(chart) for chart in charts]
    drawn: list[str | None] = []
    while len(drawn) < len(specs):
        drawn += list(_render(specs[len(drawn) :]))
        if len(drawn) < len(specs):
            # The chart at which the process ended; the rest is another's.
            drawn.append(None)
    return [svg and _dressed(svg, number) for number, svg in enumerate(drawn, 1)]


def _specification(chart: Any) -> dict[str, Any]:
    spec = chart.properties(width=WIDTH).to_dict()
    spec["background"] = None
    spec["config"] = {**CONFIG, "view": {"stroke": None, **spec.get("config", {}).get("view", {})}}
    allowed: dict[str, Any] = _allowed(spec)
    return allowed


def _allowed(value: Any) -> Any:
    """A specification with every character that XML forbids replaced."""
    if isinstance(value, str):
        return FORBIDDEN.sub(REPLACEMENT, value)
    if isinstance(value, dict):
        return {_allowed(key): _allowed(item) for key, item in value.items()}
    return [_allowed(item) for item in value] if isinstance(value, (list, tuple)) else value


def _render(specs: Sequence[dict[str, Any]]) -> Iterator[str | None]:
    """The drawings of a renderer's process, up to the one at which it ended."""
    try:
        out = subprocess.run(
            # Isolated: no folder that the server was started in gives it a module.
            [sys.executable, "-I", str(RENDERER)],
            input=json.dumps(specs).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=MOST_SECONDS,
        ).stdout
    except subprocess.TimeoutExpired as error:
        out = error.stdout or b""
    for line in out.splitlines(keepends=True):
        # A line that was cut short is no drawing.
        if line.endswith(b"\n"):
            yield json.loads(line)


def _dressed(svg: str, number: int) -> str:
    """The SVG with its ids kept apart from the other charts', and the page's ink."""
    svg = re.sub(r'id="(clip|gradient)', rf'id="c{number}-\1', svg)
    svg = re.sub(r"url\(#(clip|gradient)", rf"url(#c{number}-\1", svg)
    for colour, ink in INKS.items():
        svg = re.sub(rf'\b(fill|stroke)="{colour}"', rf'\1="{ink}"', svg)
    return svg
