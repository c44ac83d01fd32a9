"""How fast each config is, and what quantising costs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.analysis.metrics import BASELINE_PRECISION, ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.speed_interval import speed_interval
from vibecore.core import formats
from vibecore.views.charts.dot_interval import Axis, config_dot, dot_chart
from vibecore.views.charts.figure import Figure, beside_names, precision_marks, room_for
from vibecore.views.charts.vega import alt
from vibecore.views.short_names import short_names

LOSS_AXIS = "speed against bf16 of the same model"
# Pixels of a mark's label, which may be "sweet spot", with the gap before it.
LABEL = 75
# More precisions than these are not all told in a title.
MOST_IN_TITLE = 3
OVER_PROMPTS = "Intervals are over prompts: another run, machine or day is not in them."
NO_INTERVAL = "without an interval, since no prompt's own time is known"


def speed_figure(rows: Sequence[ConfigMetrics], outcomes: Outcomes | None = None) -> Figure:
    """Tokens per second by config; `outcomes`, where there are any, give ratios their interval."""
    known = [(row, row.tokens_per_second) for row in rows if row.tokens_per_second]
    if not known:
        return Figure("No speed is known yet")
    names = short_names(rows)
    slowest, least = min(known, key=lambda pair: pair[1])
    fastest, most = max(known, key=lambda pair: pair[1])
    title = f"{names[fastest.config]} is the fastest, at {most:.1f} tok/s"
    interval = speed_interval(fastest, slowest, outcomes)
    if slowest is not fastest:
        range_ = f" (95 % {interval[0]:.1f} to {interval[1]:.1f})" if interval else ""
        title += (
            f", {most / least:.1f} times{range_} as fast as {names[slowest.config]}, the slowest"
        )
        title += "" if interval else f"; {NO_INTERVAL}"
    dots = [
        config_dot(
            row,
            names[row.config],
            speed,
            0.0,
            speed,
            f"{speed:.1f}",
            {
                "tok/s": f"{speed:.1f}",
                "prompts (n)": str(row.prompts),
                "mean new tokens": formats.number(row.mean_new_tokens, 0),
            },
        )
        for row, speed in known
    ]
    right = room_for(most, LABEL, beside_names(dot.line for dot in dots))
    description = "Speed in new tokens per second. " + "; ".join(
        f"{row.config} {speed:.1f}" for row, speed in known
    )
    chart = dot_chart(
        dots,
        Axis("new tokens per second", alt.Scale(domain=[0, right])),
        description=description,
        marks=precision_marks(dot.group for dot in dots),
    )
    note = "Speed is new tokens over total time, prompt included."
    return Figure(title, f"{note} {OVER_PROMPTS}" if interval else note, chart, description)


@dataclass(frozen=True)
class Loss:
    """A config's speed against bf16 of the same model, minus one, with its 95 % interval where one
    is known."""

    row: ConfigMetrics
    change: float
    interval: tuple[float, float] | None

    @property
    def range(self) -> str:
        """The interval as a person reads it, of the signed change."""
        if self.interval is None:
            return "none"
        low, high = (formats.percent(end - 1, signed=True) for end in self.interval)
        return f"{low} to {high}"


def _losses(rows: Sequence[ConfigMetrics], outcomes: Outcomes | None) -> list[Loss]:
    bases = {row.model: row for row in rows if row.precision == BASELINE_PRECISION}
    return [
        Loss(row, row.vs_bf16, speed_interval(row, base, outcomes) if base else None)
        for row in rows
        if row.vs_bf16 is not None
        for base in [bases.get(row.model)]
    ]


def loss_figure(rows: Sequence[ConfigMetrics], outcomes: Outcomes | None = None) -> Figure:
    """Speed against the same model at bf16; `outcomes` as in speed_figure."""
    known = _losses(rows, outcomes)
    if not known:
        return Figure("No config has a bf16 baseline of its own model to compare with")
    names = short_names(rows)
    changes = [loss.change for loss in known]
    dots = [
        config_dot(
            loss.row,
            names[loss.row.config],
            loss.change,
            min(0.0, loss.change),
            max(0.0, loss.change),
            formats.percent(loss.change, signed=True),
            {
                "against bf16": formats.percent(loss.change, signed=True),
                "95 % interval": loss.range,
                "prompts (n)": str(loss.row.prompts),
            },
            label_at="low",
        )
        for loss in known
    ]
    description = "Speed against bf16. " + "; ".join(f"{d.line} {d.label}" for d in dots)
    least, most = min(-0.05, *changes), max(0.05, *changes) + 0.05
    left = most - room_for(most - least, LABEL, beside_names(dot.line for dot in dots))
    chart = dot_chart(
        dots,
        Axis(LOSS_AXIS, alt.Scale(domain=[left, most]), ".0%"),
        description=description,
        marks=precision_marks(dot.group for dot in dots),
        rule_at=0,
    )
    title = _loss_title(known)
    note = "0 % is bf16 of the same model."
    if not all(loss.interval for loss in known):
        return Figure(f"{title}; {NO_INTERVAL}", note, chart, description)
    return Figure(title, f"{note} {OVER_PROMPTS}", chart, description)


def _loss_title(known: Sequence[Loss]) -> str:
    """What each precision costs; of many, the one that is the slowest against bf16 and the one that
    is the fastest."""
    by_precision: dict[str, list[Loss]] = {}
    for loss in sorted(known, key=_change_of):
        by_precision.setdefault(loss.row.precision, []).append(loss)
    if len(by_precision) <= MOST_IN_TITLE:
        names = dict.fromkeys(loss.row.precision for loss in known)
        return "; ".join(_change(name, by_precision[name]) for name in names)
    extremes = min(known, key=_change_of), max(known, key=_change_of)
    names = dict.fromkeys(loss.row.precision for loss in extremes)
    said = "; ".join(_change(name, by_precision[name]) for name in names)
    return f"Slowest and fastest of {len(by_precision)} precisions: {said}"


def _change_of(loss: Loss) -> float:
    return loss.change


def _change(precision: str, losses: Sequence[Loss]) -> str:
    """A precision's changes of speed, slowest first, in words."""
    slow, fast = losses[0], losses[-1]
    if slow.change < 0 <= fast.change:
        return f"{precision} runs from {_amount(slow)} slower to {_amount(fast)} faster than bf16"
    least, most = (_amount(loss) for loss in sorted((slow, fast), key=lambda x: abs(x.change)))
    alike = least.partition(" ")[0] == most.partition(" ")[0]
    span = most if alike else f"{least} to {most}"
    return f"{precision} is {span} {'slower' if fast.change < 0 else 'faster'} than bf16"


def _amount(loss: Loss) -> str:
    """How much slower or faster, with its interval, which says so where it reaches both ways."""
    amount = f"{abs(100 * loss.change):.0f} %"
    if loss.interval is None:
        return amount
    low, high = sorted(100 * abs(end - 1) for end in loss.interval)
    if loss.interval[0] <= 1 <= loss.interval[1]:
        slower, faster = (100 * abs(end - 1) for end in loss.interval)
        return f"{amount} (95 % {slower:.0f} slower to {faster:.0f} faster)"
    return f"{amount} (95 % {low:.0f} to {high:.0f})"
