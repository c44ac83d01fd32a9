"""Memory, speed and quality at once, with the Pareto front and the sweet spot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core import formats
from vibecore.core.machine import GIB
from vibecore.views.charts.dot_interval import sweet_spot_ring, with_sweet_spot
from vibecore.views.charts.figure import (
    TICKS,
    Figure,
    Value,
    colour_and_shape,
    described,
    drawn,
    picks,
    precision_marks,
    scaled,
    tip,
)
from vibecore.views.charts.style import ACCENT, NEUTRAL

MIB = 1024**2


@dataclass(frozen=True)
class Point:
    """A config of which memory (bytes), speed (tokens per second) and repetition are known."""

    row: ConfigMetrics
    memory: int
    speed: float
    repetition: float

    @property
    def costs(self) -> tuple[float, float, float]:
        """What is better when less."""
        return self.memory, -self.speed, self.repetition


def known_points(rows: Sequence[ConfigMetrics]) -> list[Point]:
    """The configs of which all three are known."""
    return [
        Point(row, row.memory_bytes, row.tokens_per_second, row.repetition_rate)
        for row in rows
        if row.memory_bytes and row.tokens_per_second and row.repetition_rate is not None
    ]


def pareto_front(points: Sequence[Point]) -> list[str]:
    """Configs that no other beats: less memory, more speed and fewer repetitive at once.

    A config is beaten by one that is at least as good on all three and better on one.
    """
    return [
        point.row.config
        for point in points
        if not any(
            all(a <= b for a, b in zip(other.costs, point.costs, strict=True))
            and other.costs != point.costs
            for other in points
        )
    ]


def tradeoff_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Memory against speed; size of mark by the share of outputs that do not repeat themselves."""
    points = known_points(rows)
    if not points:
        return Figure("Memory, speed and quality are not all known for any config")
    front = pareto_front(points)
    largest = max(point.memory for point in points)
    unit, size = ("GiB", GIB) if largest >= 0.1 * GIB else ("MiB", MIB)
    values = [_value(point, size, point.row.config in front) for point in points]

    # Room at the right for the name of the largest, on a phone too.
    x = scaled("memory", f"memory, {unit}", 1.3 * max(v["memory"] for v in values))
    y = alt.Y(
        "speed:Q",
        title="new tokens per second",
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1.18 * max(v["speed"] for v in values)]),
    )
    colour, shape = colour_and_shape(
        "precision", precision_marks(point.row.precision for point in points)
    )
    fluent = alt.Size(
        "fluent:Q",
        scale=alt.Scale(domain=[0, 1], range=[30, 420]),
        legend=alt.Legend(
            title="not repetitive:",
            orient="bottom",
            format=".0%",
            values=[0.25, 0.5, 1.0],
            symbolFillColor=NEUTRAL,
            symbolStrokeColor=NEUTRAL,
            titleOrient="left",
        ),
    )
    tooltip = [
        tip("config", "config"),
        tip("memory_label", "memory"),
        tip("speed:Q", "tok/s", ".1f"),
        tip("repetitive", "repetitive"),
        tip("front", "on the Pareto front"),
        tip("n", "n"),
    ]
    base = drawn(values).encode(x=x, y=y)
    marks = base.encode(color=colour, shape=shape, size=fluent)
    clicks = base.mark_point(filled=True, size=900, opacity=0.001).encode(tooltip=tooltip)
    layers = [
        marks.transform_filter(alt.datum.front == "yes").mark_point(filled=True, opacity=1),
        marks.transform_filter(alt.datum.front == "no").mark_point(
            filled=False, opacity=1, strokeWidth=2
        ),
        base.transform_filter("!datum.sweet_spot")
        .mark_text(align="left", dx=20, baseline="middle")
        .encode(text="label:N"),
    ]
    if spots := [value for value in values if value["sweet_spot"]]:
        spot = drawn(spots).encode(x=x, y=y)
        words = spot.mark_text(
            align="left", dx=20, baseline="middle", color=ACCENT, fontWeight=600
        ).encode(text="label:N", color=alt.value(ACCENT))
        layers += [words, sweet_spot_ring(spot, size=900)]
    description = "Memory against speed. " + "; ".join(
        f"{v['config']}: {v['memory_label']}, {v['speed']:.1f} tok/s, repetitive {v['repetitive']}"
        for v in values
    )
    chart = described(
        alt.LayerChart(layer=[*layers, clicks.add_params(picks("config"))]), 400, description
    )
    note = (
        "Best is top left, and large. Filled marks are the Pareto front. A hollow one is no better "
        "than another config on memory, speed and repetition, and worse on at least one."
    )
    return Figure(_title(points, front), note, chart, description)


def _value(point: Point, size: int, on_front: bool) -> Value:
    row = point.row
    return {
        "config": row.config,
        "label": with_sweet_spot(row.config, row.sweet_spot),
        "precision": row.precision,
        "memory": point.memory / size,
        "memory_label": f"{formats.memory(point.memory)} {row.memory_source}",
        "speed": point.speed,
        "fluent": 1 - point.repetition,
        "repetitive": formats.count_and_rate(row.repetitive, row.repetition_judged),
        "front": "yes" if on_front else "no",
        "n": row.prompts,
        "sweet_spot": row.sweet_spot,
    }


def _title(points: Sequence[Point], front: list[str]) -> str:
    beaten = [point.row.config for point in points if point.row.config not in front]
    if beaten:
        are = "is" if len(beaten) == 1 else "are"
        first = (
            f"{', '.join(beaten)} {are} matched or beaten by another config on memory, speed and "
            "repetition"
        )
    else:
        first = "No config is beaten by another on memory, speed and repetition at once"
    chosen = next((point.row.config for point in points if point.row.sweet_spot), None)
    if chosen is None:
        return first
    where = "on" if chosen in front else "off"
    return f"{first}; the sweet spot, {chosen}, is {where} the front"
