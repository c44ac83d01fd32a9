"""A logarithmic axis that has a place for zero, since a KLD can be exactly that: its left edge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vibecore.views.charts.dot_interval import GAP, Axis, Dot, with_sweet_spot
from vibecore.views.charts.figure import CHARACTER, beside_names
from vibecore.views.charts.vega import alt

# What fits below a drawing on a phone.
MOST_TICKS = 6
# Where nothing is above zero, the axis is that of small figures.
NOTHING = (1e-6, 1e-2)
# An interval's end further than so many times beyond all estimates is cut at the axis.
FURTHEST = 30.0
# Room beyond the largest figure.
BEYOND = 1.15


@dataclass(frozen=True)
class LogScale:
    """From `low` to `high`; where `zero`, what is at `low` is exactly zero, as its label says."""

    low: float
    high: float
    zero: bool

    def place(self, value: float) -> float:
        """Where a figure stands: itself, or the end of the axis that is next to it."""
        return min(max(value, self.low), self.high)

    def share(self, value: float) -> float:
        """The same as a share of the axis' length."""
        return math.log(self.place(value) / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Powers of ten, all or each second, third … of them, after the place of zero."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high))
        step = math.ceil((last - first + 1) / MOST_TICKS)
        powers = [float(f"1e{power}") for power in range(last, first - 1, -step)]
        if not self.zero:
            return powers[::-1]
        return [self.low, *(power for power in powers[::-1] if power > self.low * 1.001)]

    def axis(self, title: str) -> Axis:
        """The axis, as charts draw it."""
        # Labels by an expression: Vega leaves out some of a log axis' own.
        shown = "format(datum.value, datum.value < 1e-3 ? '.0e' : '~g')"
        if self.zero:
            shown = f"datum.value < {self.low * 1.001!r} ? '0' : {shown}"
        scale = alt.Scale(type="log", domain=[self.low, self.high], nice=False, clamp=True)
        return Axis(title, scale, ticks=self.ticks(), expression=shown)


def log_scale(estimates: Iterable[float], ends: Iterable[float] = ()) -> LogScale:
    """A scale from the power of ten below the least positive figure to beyond the largest; one
    decade further where any estimate is zero. `ends` are those of intervals."""
    estimates, ends = list(estimates), list(ends)
    zero = any(value <= 0 for value in (*estimates, *ends))
    positive = [value for value in estimates if 0 < value < math.inf]
    if not positive:
        low, high = NOTHING
        return LogScale(low, high, zero)
    least, most = min(positive) / FURTHEST, max(positive) * FURTHEST
    near = positive + [value for value in ends if least <= value <= most]
    low = 10.0 ** math.floor(math.log10(min(near)))
    return LogScale(low / 10 if zero else low, max(near) * BEYOND, zero)


def with_labels(dots: Sequence[Dot], scale: LogScale) -> tuple[list[Dot], LogScale]:
    """The dots on the axis with their labels on a side that has room on a phone too, and an axis
    that goes further where neither side has."""
    width = beside_names(dot.line for dot in dots)
    # What reaches beyond the axis ends there, also where the axis is made longer for a label.
    dots = [
        replace(
            dot,
            value=None if dot.value is None else scale.place(dot.value),
            low=None if dot.low is None else scale.place(dot.low),
            high=None if dot.high is None else scale.place(dot.high),
        )
        for dot in dots
    ]
    needs = [_label_width(dot) for dot in dots]
    sides = [_side(dot, need, scale, width) for dot, need in zip(dots, needs, strict=True)]
    if None in sides:
        longest = max(need for need, side in zip(needs, sides, strict=True) if side is None)
        length = math.log(scale.high / scale.low) * width / max(width - longest, width / 3)
        scale = replace(scale, high=scale.low * math.exp(length))
        sides = [_side(dot, need, scale, width) for dot, need in zip(dots, needs, strict=True)]
    return [
        replace(dot, label_at=side or "high") for dot, side in zip(dots, sides, strict=True)
    ], scale


def _label_width(dot: Dot) -> float:
    words = with_sweet_spot(dot.label, dot.sweet_spot).split("\n")
    return CHARACTER * max(map(len, words)) + GAP


def _side(dot: Dot, need: float, scale: LogScale, width: float) -> Literal["low", "high"] | None:
    """The side of a dot on which its label has room; None where neither has."""
    low = dot.value if dot.low is None else dot.low
    high = dot.value if dot.high is None else dot.high
    if (1 - scale.share(high or 0)) * width >= need:
        return "high"
    return "low" if scale.share(low or 0) * width >= need else None
