"""Memory, speed and quality at once, with the Pareto front and the sweet spot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from vibecore.catalog.configs import GIB
from vibecore.core import formats
from vibecore.views.charts.figure import (
    TICKS,
    Figure,
    Row,
    described,
    labels,
    picks,
    precisions,
    sweet_spot_ring,
    tip,
)
from vibecore.views.charts.style import NEUTRAL

MIB = 1024**2


def pareto_front(rows: Sequence[Row]) -> list[str]:
    """Configs that no other beats: less memory, more speed and fewer repetitive at once.

    A config is beaten by one that is at least as good on all three and better on one.
    """

    def costs(row: Row) -> tuple[float, float, float]:
        return row["memory_bytes"], -row["tokens_per_second"], row["repetition_rate"]

    return [
        row["config"]
        for row in rows
        if not any(
            all(a <= b for a, b in zip(costs(other), costs(row), strict=True))
            and costs(other) != costs(row)
            for other in rows
        )
    ]


def tradeoff_figure(rows: Sequence[Row]) -> Figure:
    """Memory against speed; size of mark by the share of outputs that do not repeat themselves."""
    known = [
        row
        for row in rows
        if row["memory_bytes"] and row["tokens_per_second"] and row["repetition_rate"] is not None
    ]
    if not known:
        return Figure("Memory, speed and quality are not all known for any config", "", None)
    front = pareto_front(known)
    values = _values(known, front)
    unit = values[0]["unit"]

    def room(field: str) -> alt.Scale:
        return alt.Scale(domain=[0, 1.18 * max(v[field] for v in values)])

    colour, shape = precisions(known)
    x = alt.X(
        "memory:Q", title=f"memory, {unit}", axis=alt.Axis(tickCount=TICKS), scale=room("memory")
    )
    y = alt.Y(
        "speed:Q",
        title="new tokens per second",
        axis=alt.Axis(tickCount=TICKS),
        scale=room("speed"),
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y)
    size = alt.Size(
        "fluent:Q",
        scale=alt.Scale(domain=[0, 1], range=[30, 420]),
        legend=alt.Legend(
            title="not repetitive:",
            orient="top",
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
    drawn = base.encode(color=colour, shape=shape, size=size)
    on_front = drawn.transform_filter(alt.datum.front == "yes").mark_point(filled=True, opacity=1)
    beaten = drawn.transform_filter(alt.datum.front == "no").mark_point(
        filled=False, opacity=1, strokeWidth=2
    )
    clicks = (
        base.mark_point(filled=True, size=900, opacity=0.001)
        .encode(tooltip=tooltip)
        .add_params(picks("config"))
    )
    ring = sweet_spot_ring(values, size=900, x=x, y=y)
    words = labels(values, gap=20, x=x, y=y)
    description = "Memory against speed. " + "; ".join(
        f"{v['config']}: {v['memory_label']}, {v['speed']:.1f} tok/s, repetitive {v['repetitive']}"
        for v in values
    )
    chart = described(on_front + beaten + words + ring + clicks, 400, description)
    note = (
        "Best is top left, and large. Filled marks are the Pareto front. A hollow one is no better "
        "than another config on memory, speed and repetition, and worse on at least one."
    )
    return Figure(_title(known, front), note, chart, description)


def _values(rows: Sequence[Row], front: list[str]) -> list[dict[str, Any]]:
    largest = max(row["memory_bytes"] for row in rows)
    unit, size = ("GiB", GIB) if largest >= 0.1 * GIB else ("MiB", MIB)
    return [
        {
            "config": row["config"],
            "label": row["config"],
            "precision": row["precision"],
            "memory": row["memory_bytes"] / size,
            "unit": unit,
            "memory_label": f"{formats.memory(row['memory_bytes'])} {row['memory_source']}",
            "speed": row["tokens_per_second"],
            "fluent": 1 - row["repetition_rate"],
            "repetitive": formats.count_and_rate(row["repetitive"], row["repetition_judged"]),
            "front": "yes" if row["config"] in front else "no",
            "n": row["prompts"],
            "sweet_spot": row["sweet_spot"],
        }
        for row in rows
    ]


def _title(rows: Sequence[Row], front: list[str]) -> str:
    beaten = [row["config"] for row in rows if row["config"] not in front]
    if beaten:
        are = "is" if len(beaten) == 1 else "are"
        first = (
            f"{', '.join(beaten)} {are} matched or beaten by another config on memory, speed and "
            "repetition"
        )
    else:
        first = "No config is beaten by another on memory, speed and repetition at once"
    chosen = next((row["config"] for row in rows if row["sweet_spot"]), None)
    if chosen is None:
        return first
    where = "on" if chosen in front else "off"
    return f"{first}; the sweet spot, {chosen}, is {where} the front"
