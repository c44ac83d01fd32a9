"""A chart with the words around it, and what all charts share: scales, selection, sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from vibecore.views.charts.style import ACCENT, NEUTRAL, mark_of

Row = Mapping[str, Any]
# The selection that a click makes; the page reads it by this name.
PICKED = "picked"
ROW_HEIGHT = 26
# What the legend above and the axis below a drawing take of its height.
FURNITURE = 100
TICKS = 6


@dataclass(frozen=True)
class Figure:
    """A chart under its finding. `note` says how to read it; `chart` is None without data.

    The finding is the figure's title. It stands outside the drawing, so that it wraps, can be
    selected, and is a heading to a screen reader; `description` is the drawing's own.
    """

    title: str
    note: str
    chart: alt.Chart | alt.LayerChart | None
    description: str = ""


def described(chart: Any, height: int, description: str) -> Any:
    """A chart of a height, with its description for screen readers."""
    return chart.properties(height=height, description=description).configure_view(stroke=None)


def precisions(rows: Sequence[Row]) -> tuple[alt.Color, alt.Shape]:
    """Colour and shape by precision, one legend for both."""
    domain = list(dict.fromkeys(row["precision"] for row in rows))
    legend = alt.Legend(orient="top", title=None, symbolSize=110, symbolOpacity=1)
    colour = alt.Color(
        "precision:N",
        scale=alt.Scale(domain=domain, range=[mark_of(name).colour for name in domain]),
        legend=legend,
    )
    shape = alt.Shape(
        "precision:N",
        scale=alt.Scale(domain=domain, range=[mark_of(name).vega for name in domain]),
        legend=legend,
    )
    return colour, shape


def config_axis(rows: Sequence[Row]) -> alt.Y:
    """Configs down the side in the study's order, so that a model's stand together."""
    return alt.Y(
        "config:N",
        sort=[row["config"] for row in rows],
        title=None,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelLimit=170,
            labelPadding=8,
            labelOverlap=False,
            labelFlush=False,
            labelBound=False,
        ),
    )


def picks(*fields: str) -> alt.Parameter:
    """What a click selects."""
    return alt.selection_point(name=PICKED, fields=list(fields), on="click", clear="dblclick")


def sweet_spot_ring(values: Sequence[Row], size: int = 330, **place: Any) -> alt.Chart:
    """A ring in the accent colour around the sweet spot's mark; see `labels` for its words."""
    chosen = alt.Chart(alt.Data(values=[v for v in values if v["sweet_spot"]]))
    return chosen.mark_point(
        shape="circle", size=size, stroke=ACCENT, strokeWidth=2.2, filled=False
    ).encode(**place)


def labels(values: Sequence[Row], *, left: bool = False, gap: int = 14, **place: Any) -> Any:
    """Each mark's `label` beside it; the sweet spot's in the accent colour and in words."""
    chosen = [{**v, "label": f"{v['label']}  sweet spot"} for v in values if v["sweet_spot"]]
    others = alt.Chart(alt.Data(values=[v for v in values if not v["sweet_spot"]]))
    style = {
        "align": "right" if left else "left",
        "dx": -gap if left else gap,
        "baseline": "middle",
    }
    return others.mark_text(**style).encode(text="label:N", **place) + alt.Chart(
        alt.Data(values=chosen)
    ).mark_text(**style, color=ACCENT, fontWeight=600).encode(text="label:N", **place)


def named(values: Sequence[Row]) -> str:
    """Configs in a sentence: two by name, more as a number."""
    names = [value["config"] for value in values]
    return " and ".join(names) if len(names) < 3 else f"{len(names)} configs"


def zero_rule(at: float = 0) -> alt.Chart:
    """A thin line at a value of x."""
    return alt.Chart(alt.Data(values=[{"at": at}])).mark_rule(color=NEUTRAL).encode(x=alt.X("at:Q"))


def config_height(rows: Sequence[Row]) -> int:
    """Height of a chart with one line a config."""
    return ROW_HEIGHT * len(rows) + FURNITURE


def tip(field: str, title: str, form: str | None = None) -> alt.Tooltip:
    """One line of a tooltip."""
    name = field.partition(":")[0]
    return alt.Tooltip(field if ":" in field else f"{name}:N", title=title, format=form or "")
