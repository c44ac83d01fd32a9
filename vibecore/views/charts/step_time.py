"""Where the time of one decode step goes, by layer and by kernel.

`profile` holds rows of a bench's JSON: layer, module, kernel, host_us, device_us, calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vibecore.core import formats
from vibecore.views.charts.figure import (
    Figure,
    beside_names,
    described,
    drawn,
    line_axis,
    lined_height,
    room_for,
    scaled,
    tip,
)

Profile = Sequence[Mapping[str, Any]]

MOST_KERNELS = 12
NAME_LENGTH = 46
BAR = "#3a80c4"
# Pixels of a label with the gap before it: `1,234 µs, 56 %`.
TIME_LABEL = 95


@dataclass(frozen=True)
class Part:
    """A part of a step: its microseconds and its share of all parts."""

    name: str
    microseconds: float
    share: float

    @property
    def label(self) -> str:
        """Time and share as a person reads them."""
        return f"{self.microseconds:,.0f} µs, {formats.percent(self.share)}"


def layer_figure(profile: Profile, name: str) -> Figure:
    """One decode step's time, layer by layer."""
    key, side = _time_key(profile)
    sums = _sums(profile, "layer", key)
    parts = _parts((layer, sums[layer]) for layer in sorted(sums, key=_layer_order))
    layers = sum(part.name.startswith("layer ") for part in parts)
    outside = next((p.share for p in parts if not p.name.startswith("layer ")), 0.0)
    title = (
        f"{name}: {layers} layers take {formats.percent(1 - outside)} of a step's {side} "
        f"time, head and the rest {formats.percent(outside)}"
    )
    return _shares(parts, title, side)


def kernel_figure(profile: Profile, name: str) -> Figure:
    """One decode step's time, kernel by kernel (operator by operator on a CPU)."""
    key, side = _time_key(profile)
    timed = [row for row in profile if row[key]]
    sums, calls = _sums(timed, "kernel", key), _sums(timed, "kernel", "calls")
    ordered = sums.most_common()
    named = [
        (_short(kernel) + (f" × {calls[kernel]:.0f}" if calls[kernel] else ""), time)
        for kernel, time in ordered[:MOST_KERNELS]
    ]
    if rest := ordered[MOST_KERNELS:]:
        named.append((f"{len(rest)} others", sum(time for _, time in rest)))
    parts = _parts(named)
    share = formats.percent(parts[0].share)
    title = f"{name}: {parts[0].name} takes {share} of a step's {side} time"
    return _shares(parts, title, side)


def _sums(profile: Profile, name: str, key: str) -> Counter[str]:
    """A column's sum by the values of another."""
    sums: Counter[str] = Counter()
    for row in profile:
        sums[row[name]] += row[key]
    return sums


def _parts(times: Iterable[tuple[str, float]]) -> list[Part]:
    times = list(times)
    total = sum(time for _, time in times)
    return [Part(name, time, time / total) for name, time in times]


def _shares(parts: Sequence[Part], title: str, side: str) -> Figure:
    """Bars of microseconds, each with its share."""
    values = [
        {"name": p.name, "microseconds": p.microseconds, "share": p.share, "label": p.label}
        for p in parts
    ]
    names = [part.name for part in parts]
    longest = max(part.microseconds for part in parts)
    most = room_for(longest, TIME_LABEL, beside_names(names))
    base = drawn(values).encode(y=line_axis("name", names))
    bars = base.mark_bar(height=12, opacity=0.8, color=BAR).encode(
        x=scaled("microseconds", f"{side} time, microseconds", most),
        tooltip=[tip("name", "where"), tip("label", "time")],
    )
    words = base.mark_text(align="left", dx=6, fontSize=12).encode(
        x="microseconds:Q", text="label:N"
    )
    description = f"{title}. " + "; ".join(f"{part.name} {part.label}" for part in parts)
    what = (
        "the kernels' own time on the GPU"
        if side == "device"
        else "host time under the profiler, which slows every operator: shares, not speeds"
    )
    note = f"One step of batch 1 as its engine makes it; {what}."
    chart = described(bars + words, lined_height(len(parts)), description)
    return Figure(title, note, chart, description)


def _time_key(profile: Profile) -> tuple[str, str]:
    on_gpu = any(row["device_us"] is not None for row in profile)
    return ("device_us", "device") if on_gpu else ("host_us", "host")


def _layer_order(layer: str) -> tuple[int, int]:
    number = layer.removeprefix("layer ")
    return (0, int(number)) if number.isdigit() else (1, 0)


def _short(kernel: str) -> str:
    """A kernel's name without its template arguments, no longer than a label can be."""
    name = kernel.removeprefix("void ").partition("<")[0].partition("(")[0] or kernel
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
