"""Where the time of one decode step goes, by layer and by kernel.

`profile` holds rows of engine/profile.py: layer, module, kernel, host_us, device_us, calls.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import altair as alt

from vibecore.core import formats
from vibecore.views.charts.engine_speed import lined, names_axis
from vibecore.views.charts.figure import TICKS, Figure, Row, tip

MOST_KERNELS = 12
NAME_LENGTH = 46
BAR = "#3a80c4"


def layer_figure(profile: Sequence[Row], name: str) -> Figure:
    """One decode step's time, layer by layer."""
    key, side = _time_key(profile)
    sums: dict[str, float] = defaultdict(float)
    for row in profile:
        sums[row["layer"]] += row[key]
    layers = sorted(sums, key=_layer_order)
    total = sum(sums.values())
    values = [
        {"name": layer, "microseconds": sums[layer], "share": sums[layer] / total}
        for layer in layers
    ]
    outside = next((v["share"] for v in values if not v["name"].startswith("layer ")), 0.0)
    inside = [v for v in values if v["name"].startswith("layer ")]
    title = (
        f"{name}: {len(inside)} layers take {formats.percent(1 - outside)} of a step's {side} "
        f"time, head and the rest {formats.percent(outside)}"
    )
    return _shares(values, title, f"{side} time, microseconds", _profile_note(side))


def kernel_figure(profile: Sequence[Row], name: str) -> Figure:
    """One decode step's time, kernel by kernel (operator by operator on a CPU)."""
    key, side = _time_key(profile)
    sums: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for row in (row for row in profile if row[key]):
        sums[row["kernel"]] += row[key]
        calls[row["kernel"]] += row["calls"]
    total = sum(sums.values())
    ordered = sorted(sums, key=lambda kernel: -sums[kernel])
    values = [
        {
            "name": f"{_short(kernel)}" + (f" × {calls[kernel]}" if calls[kernel] else ""),
            "microseconds": sums[kernel],
            "share": sums[kernel] / total,
        }
        for kernel in ordered[:MOST_KERNELS]
    ]
    rest = sum(sums[kernel] for kernel in ordered[MOST_KERNELS:])
    if rest:
        others = f"{len(ordered) - MOST_KERNELS} others"
        values.append({"name": others, "microseconds": rest, "share": rest / total})
    first = values[0]
    title = (
        f"{name}: {first['name']} takes {formats.percent(first['share'])} of a step's {side} time"
    )
    return _shares(values, title, f"{side} time, microseconds", _profile_note(side))


def _shares(values: list[dict[str, Any]], title: str, axis: str, note: str) -> Figure:
    """Bars of microseconds, each with its share."""
    for value in values:
        value["label"] = f"{value['microseconds']:,.0f} µs, {formats.percent(value['share'])}"
    x = alt.X(
        "microseconds:Q",
        title=axis,
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1.3 * max(value["microseconds"] for value in values)]),
    )
    base = alt.Chart(alt.Data(values=values)).encode(y=names_axis(values))
    bars = base.mark_bar(height=12, opacity=0.8, color=BAR).encode(
        x=x, tooltip=[tip("name", "where"), tip("label", "time")]
    )
    words = base.mark_text(align="left", dx=6).encode(x="microseconds:Q", text="label:N")
    description = f"{title}. " + "; ".join(f"{v['name']} {v['label']}" for v in values)
    return lined(title, note, bars + words, values, description)


def _profile_note(side: str) -> str:
    what = (
        "the kernels' own time on the GPU"
        if side == "device"
        else "host time under the profiler, which slows every operator: shares, not speeds"
    )
    return f"One step of batch 1 as its engine makes it; {what}."


def _time_key(profile: Sequence[Row]) -> tuple[str, str]:
    on_gpu = any(row["device_us"] is not None for row in profile)
    return ("device_us", "device") if on_gpu else ("host_us", "host")


def _layer_order(layer: str) -> tuple[int, int]:
    number = layer.removeprefix("layer ")
    return (0, int(number)) if number.isdigit() else (1, 0)


def _short(kernel: str) -> str:
    """A kernel's name without its template arguments, no longer than a label can be."""
    name = kernel.removeprefix("void ").partition("<")[0].partition("(")[0] or kernel
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
