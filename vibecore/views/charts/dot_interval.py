"""Dots with their intervals, a line each: the one drawing for every estimate that is compared.

A chart is a list of `Dot`s and an axis; `dot_chart` draws bars, dots, words and the sweet spot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.views.charts.figure import (
    AXIS_HEIGHT,
    CHARACTER,
    LINE_HEIGHT,
    TICKS,
    Drawing,
    Value,
    beside_names,
    colour_and_shape,
    described,
    drawn,
    line_axis,
    lined_height,
    picks,
    room_for,
    tip,
)
from vibecore.views.charts.style import ACCENT, NEUTRAL, PRECISION_MARKS, Mark
from vibecore.views.charts.vega import alt

# Pixels from one line of a label to the next.
TEXT_LINE = 12
# Pixels between a mark or its bar and its label, and the same in a dense chart.
GAP, DENSE_GAP = 14, 8
INK = PRECISION_MARKS["bf16"].colour


@dataclass(frozen=True)
class Dot:
    """One estimate. `line` names the line it is on; `low` to `high` is its bar.

    Without a `value` there is a bar alone, without `low` and `high` a dot alone. `group` is a key
    of the chart's marks, `lane` the place within a line that has several dots. `label_at` is the
    end of the bar beside which the label stands, or that side of a dot without one. `tips` are the
    tooltip's titles and texts, the same titles for every dot; `picked` is what a click selects.
    """

    line: str
    value: float | None
    low: float | None
    high: float | None
    label: str = ""
    label_at: Literal["low", "high"] = "high"
    group: str = ""
    lane: str = ""
    sweet_spot: bool = False
    filled: bool = True
    tips: Mapping[str, str] = field(default_factory=dict)
    picked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Band:
    """A shaded range behind a line; `tip` says what it is."""

    line: str
    low: float
    high: float
    tip: str


@dataclass(frozen=True)
class Axis:
    """The horizontal axis: its title, its scale, the format of its numbers (d3's) or the Vega
    expression of their labels, and where its ticks are, unless they are anywhere."""

    title: str
    scale: alt.Scale
    form: str = ""
    ticks: Sequence[float] = ()
    expression: str = ""

    def at(self, name: str) -> alt.X:
        """The axis, with a field of the data on it."""
        axis = alt.Axis(
            format=self.form or alt.Undefined,
            labelExpr=self.expression or alt.Undefined,
            tickCount=TICKS,
            values=list(self.ticks) or alt.Undefined,
        )
        return alt.X(f"{name}:Q", title=self.title, axis=axis, scale=self.scale)


def dot_chart(
    dots: Sequence[Dot],
    axis: Axis,
    *,
    description: str,
    marks: Mapping[str, Mark] | None = None,
    lanes: Sequence[str] = (),
    dense: bool = False,
    rule_at: float | None = None,
    bands: Sequence[Band] = (),
    label_limit: int = 170,
    line_height: int = LINE_HEIGHT,
) -> Drawing:
    """The dots over an axis, in the order given.

    `marks` give colour and shape by group, in the legend's order; without them all are of one
    colour and those not `filled` are hollow. `lanes` order the dots within a line; `dense` draws
    them smaller. `rule_at` draws a line at that value ("no difference"), `bands` stand behind the
    dots. `line_height`, and `label_limit` of the lines' names, are in pixels.
    """
    titles = list(dots[0].tips)
    values = [_value(dot) for dot in dots]
    y = line_axis("line", [dot.line for dot in dots], label_limit)
    tooltip = [tip(f"tip_{number}", title) for number, title in enumerate(titles)]

    def place(chart: alt.Chart) -> alt.Chart:
        chart = chart.encode(y=y)
        return chart.encode(yOffset=alt.YOffset("lane:N", sort=list(lanes))) if lanes else chart

    base = place(drawn(values)).encode(tooltip=tooltip)
    bars = base.transform_filter("datum.low !== null").mark_rule(
        strokeWidth=1.6 if dense else 2.2, opacity=0.5 if dense else 0.6, clip=True
    )
    bars = bars.encode(x=axis.at("low"), x2="high:Q")
    points = base.transform_filter("datum.value !== null").encode(x=axis.at("value"))
    if marks is None:
        bars = bars.encode(color=alt.value(INK))
        points = points.mark_point(size=110, color=INK, opacity=1, strokeWidth=2).encode(
            fill=alt.value(INK),
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
        )
    else:
        colour, shape = colour_and_shape("group", marks)
        bars = bars.encode(color=colour)
        points = points.mark_point(filled=True, size=75 if dense else 130, opacity=1).encode(
            color=colour, shape=shape
        )
    if dots[0].picked:
        points = points.add_params(picks(*dots[0].picked))
    layers = [bars, points]
    if bands:
        layers.insert(0, _shaded(bands, axis, y))
    if rule_at is not None:
        layers.insert(0, drawn([{"at": rule_at}]).mark_rule(color=NEUTRAL).encode(x="at:Q"))
    ends: tuple[Literal["low", "high"], ...] = ("low", "high")
    for chosen, at in product((False, True), ends):
        words = [
            v for v in values if v["label"] and (v["sweet_spot"], v["label_at"]) == (chosen, at)
        ]
        if words:
            layers.append(_words(place(drawn(words)), axis, at, chosen, dense))
    if spots := [v for v in values if v["sweet_spot"]]:
        layers.append(sweet_spot_ring(place(drawn(spots)).encode(x=axis.at("value"))))
    lines = len({dot.line for dot in dots})
    height = line_height * lines + AXIS_HEIGHT
    if marks is not None:
        height = lined_height(lines, line_height, len(marks))
    return described(alt.LayerChart(layer=layers), height, description)


def share_axis(dots: Sequence[Dot], title: str, dense: bool = False) -> tuple[list[Dot], Axis]:
    """The dots with their labels on a side that has room on a phone too, and an axis of shares; it
    goes beyond 100 % where neither side has."""
    width = beside_names(dot.line for dot in dots)
    placed, most = [], 1.0
    for dot in dots:
        words = with_sweet_spot(dot.label, dot.sweet_spot).split("\n")
        label = CHARACTER * max(map(len, words)) + (DENSE_GAP if dense else GAP)
        left, right = dot.low or 0.0, dot.high or 0.0
        if right * width + label <= width:
            placed.append(dot)
        elif left * width / most >= label:
            placed.append(replace(dot, label_at="low"))
        else:
            most = max(most, room_for(right, label, width))
            placed.append(dot)
    ticks = [step / 5 for step in range(6)]
    return placed, Axis(title, alt.Scale(domain=[0, most]), ".0%", ticks)


def config_dot(
    row: ConfigMetrics,
    name: str,
    value: float,
    low: float | None,
    high: float | None,
    label: str,
    tips: Mapping[str, str],
    label_at: Literal["low", "high"] = "high",
) -> Dot:
    """A config's dot: on a line of its own under its short `name`, marked by precision, opening the
    config's outputs."""
    return Dot(
        name,
        value,
        low,
        high,
        label,
        label_at,
        group=row.precision,
        sweet_spot=row.sweet_spot,
        tips={"config": row.config, **tips},
        picked={"config": row.config},
    )


def sweet_spot_ring(chart: alt.Chart, size: int = 330) -> alt.Chart:
    """A ring in the accent colour around the sweet spot's mark."""
    return chart.mark_point(shape="circle", size=size, stroke=ACCENT, strokeWidth=2.2, filled=False)


def with_sweet_spot(label: str, sweet_spot: bool) -> str:
    """A mark's label; the sweet spot's says so, because colour alone does not. On a line of its
    own: on a phone there is no room for one long line."""
    return f"{label}\nsweet spot" if sweet_spot else label


def _value(dot: Dot) -> Value:
    return {
        "line": dot.line,
        "value": dot.value,
        "low": dot.low,
        "high": dot.high,
        "label": with_sweet_spot(dot.label, dot.sweet_spot),
        "label_at": dot.label_at,
        "label_x": dot.value if (end := getattr(dot, dot.label_at)) is None else end,
        "group": dot.group,
        "lane": dot.lane,
        "sweet_spot": dot.sweet_spot,
        "filled": int(dot.filled),
        **{f"tip_{number}": text for number, text in enumerate(dot.tips.values())},
        **dot.picked,
    }


def _shaded(bands: Sequence[Band], axis: Axis, y: alt.Y) -> alt.Chart:
    shaded = drawn([vars(band) for band in bands]).mark_rect(fill=NEUTRAL, opacity=0.28)
    return shaded.encode(x=axis.at("low"), x2="high:Q", y=y, tooltip=[tip("tip", "band")])


def _words(
    chart: alt.Chart, axis: Axis, at: Literal["low", "high"], chosen: bool, dense: bool
) -> alt.Chart:
    gap = DENSE_GAP if dense else GAP
    words = chart.mark_text(
        align="left" if at == "high" else "right",
        dx=gap if at == "high" else -gap,
        dy=-TEXT_LINE / 2 if chosen else 0,
        baseline="middle",
        lineBreak="\n",
        lineHeight=TEXT_LINE,
        fontSize=11 if dense else 12,
        fontWeight=600 if chosen else "normal",
    ).encode(x=axis.at("label_x"), text="label:N")
    return words.encode(color=alt.value(ACCENT)) if chosen else words
