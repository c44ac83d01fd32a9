"""A chart with the words around it, and what all charts share: scales, selection, sizes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vibecore.views.charts.style import Mark, mark_of
from vibecore.views.charts.vega import alt

# One datum of a drawing, as Vega takes it.
Value = dict[str, Any]
Drawing = alt.Chart | alt.LayerChart

# The selection that a click makes; the page reads it by this name.
PICKED = "picked"
LINE_HEIGHT = 28
# What the legend above and the axis below a drawing take of its height.
FURNITURE = 100
# The same without a legend.
AXIS_HEIGHT = 70
TICKS = 6
# Of a drawing with its furniture: of a line or two nothing would be left for the lines.
LEAST_HEIGHT = 180
# So many entries of a legend have room beside each other on a phone; what each further row of them
# takes of a drawing's height.
MOST_IN_LEGEND, LEGEND_ROW = 3, 30
# Between a line's name and a mark at zero, with the sweet spot's ring around it.
LABEL_PADDING = 13
# The narrowest page's width for a drawing, and what a character of a label takes of it, in pixels.
PHONE, CHARACTER = 355, 5.9
# A line's name of more characters stands on two lines; what is longer still is cut.
MOST_ON_LINE = 26
HALF_LINE = 6


@dataclass(frozen=True)
class Figure:
    """A chart under its finding. `note` says how to read it; `chart` is None without data.

    The finding is the figure's title. It is outside the drawing, so that it wraps, can be
    selected, and is a heading to a screen reader; `description` is the drawing's own.
    """

    title: str
    note: str = ""
    chart: Drawing | None = None
    description: str = ""


def described(chart: Drawing, height: int, description: str) -> Drawing:
    """A chart of a height in pixels, with its description for screen readers."""
    return chart.properties(height=height, description=description).configure_view(stroke=None)


def lined_height(lines: int, line: int = LINE_HEIGHT, legend: int = 1) -> int:
    """Height in pixels of a chart with so many lines, one below the other, and entries in its
    legend."""
    return max(line * lines + FURNITURE, LEAST_HEIGHT) + legend_height(legend)


def legend_height(entries: int) -> int:
    """What a legend takes of a drawing's height beyond its first row, in pixels."""
    return LEGEND_ROW * (max(0, entries - 1) // MOST_IN_LEGEND)


def precision_marks(precisions: Iterable[str]) -> dict[str, Mark]:
    """The mark of each precision, in the order of the legend."""
    return {name: mark_of(name) for name in precisions}


def colour_and_shape(field: str, marks: Mapping[str, Mark]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape by a field whose values are the keys of `marks`, one legend for both."""
    domain = list(marks)
    legend = alt.Legend(
        orient="top",
        title=None,
        symbolSize=110,
        symbolOpacity=1,
        columns=MOST_IN_LEGEND if len(domain) > MOST_IN_LEGEND else alt.Undefined,
    )
    colours = alt.Scale(domain=domain, range=[mark.colour for mark in marks.values()])
    shapes = alt.Scale(domain=domain, range=[mark.vega for mark in marks.values()])
    return (
        alt.Color(f"{field}:N", scale=colours, legend=legend),
        alt.Shape(f"{field}:N", scale=shapes, legend=legend),
    )


def beside_names(names: Iterable[str]) -> float:
    """Pixels that the narrowest page leaves a drawing beside the names of its lines."""
    longest = max((len(part) for name in names for part in _on_lines(name)), default=0)
    return PHONE - LABEL_PADDING - CHARACTER * longest


def room_for(most: float, label: float, width: float) -> float:
    """How far an axis from zero has to reach so that a label of so many pixels, right of a mark at
    `most`, is within a drawing of a `width` in pixels."""
    return most * width / max(width - label, width / 3)


def _on_lines(name: str) -> list[str]:
    """A line's name, on two lines where it is long."""
    if len(name) <= MOST_ON_LINE:
        return [name]
    return textwrap.wrap(
        name, MOST_ON_LINE, max_lines=2, placeholder="…", break_on_hyphens=" " not in name
    )


def line_axis(field: str, names: Sequence[str], label_limit: int = 320) -> alt.Y:
    """Names down the side in the order given, each shown; `label_limit` is in pixels."""
    long = {name: _on_lines(name) for name in names if len(name) > MOST_ON_LINE}
    on_lines = json.dumps(long, ensure_ascii=False)
    axis = alt.Axis(
        labelExpr=f"{on_lines}[datum.label] || datum.label" if long else alt.Undefined,
        # The first of two lines would stand at the mark, the second below it.
        labelOffset={
            "condition": {"test": f"isArray({on_lines}[datum.value])", "value": -HALF_LINE},
            "value": 0,
        }
        if long
        else alt.Undefined,
        ticks=False,
        domain=False,
        labelLimit=label_limit,
        labelPadding=LABEL_PADDING,
        labelOverlap=False,
        labelFlush=False,
        labelBound=False,
    )
    return alt.Y(f"{field}:N", sort=list(dict.fromkeys(names)), title=None, axis=axis)


def scaled(field: str, title: str, most: float) -> alt.X:
    """An axis from zero to `most`."""
    return alt.X(
        f"{field}:Q",
        title=title,
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, most]),
    )


def drawn(values: Sequence[Value]) -> alt.Chart:
    """A chart over literal values."""
    return alt.Chart(alt.Data(values=list(values)))


def picks(*fields: str) -> alt.Parameter:
    """What a click selects."""
    return alt.selection_point(name=PICKED, fields=list(fields), on="click", clear="dblclick")


def tip(field: str, title: str, form: str = "") -> alt.Tooltip:
    """One line of a tooltip."""
    return alt.Tooltip(field if ":" in field else f"{field}:N", title=title, format=form)
