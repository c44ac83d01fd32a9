"""A chart with the words around it, and what all charts share: scales, selection, sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from vibecore.views.charts.style import Mark, mark_of

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
# Between a line's name and a mark at zero, with the sweet spot's ring around it.
LABEL_PADDING = 13


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


def lined_height(lines: int, line: int = LINE_HEIGHT) -> int:
    """Height in pixels of a chart with so many lines, one below the other."""
    return line * lines + FURNITURE


def precision_marks(precisions: Iterable[str]) -> dict[str, Mark]:
    """The mark of each precision, in the order of the legend."""
    return {name: mark_of(name) for name in precisions}


def colour_and_shape(field: str, marks: Mapping[str, Mark]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape by a field whose values are the keys of `marks`, one legend for both."""
    domain = list(marks)
    legend = alt.Legend(orient="top", title=None, symbolSize=110, symbolOpacity=1)
    colours = alt.Scale(domain=domain, range=[mark.colour for mark in marks.values()])
    shapes = alt.Scale(domain=domain, range=[mark.vega for mark in marks.values()])
    return (
        alt.Color(f"{field}:N", scale=colours, legend=legend),
        alt.Shape(f"{field}:N", scale=shapes, legend=legend),
    )


def line_axis(field: str, names: Sequence[str], label_limit: int = 320) -> alt.Y:
    """Names down the side in the order given, each shown; `label_limit` is in pixels."""
    axis = alt.Axis(
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
