"""Rates with their 95 % intervals: repetition, and adherence at both levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.analysis.metrics import METRICS, ConfigMetrics
from vibecore.core import formats
from vibecore.views.charts.dot_interval import config_dot, dot_chart, share_axis
from vibecore.views.charts.figure import Figure, precision_marks
from vibecore.views.short_names import short_names

READING = (
    "where two overlap widely, n is too small to tell. The most and the fewest are picked from "
    "all, so their difference looks larger than it is."
)
INTERVALS = f"Bars are 95 % Wilson intervals: {READING}"
CLUSTERED = f"Bars are 95 % intervals that take the constraints of a prompt together: {READING}"
COUNTS = {metric.name: metric for metric in METRICS if metric.of}


@dataclass(frozen=True)
class Rate:
    """A config's count out of a total, with its 95 % interval as fractions, None where there is
    none; `name` is the config's short one."""

    row: ConfigMetrics
    name: str
    count: int
    total: int
    low: float | None
    high: float | None

    @property
    def value(self) -> float:
        """The rate as a fraction."""
        return self.count / self.total

    @property
    def label(self) -> str:
        """The rate as a person reads it: `4/30 · 13 %`."""
        return formats.count_and_rate(self.count, self.total)

    @property
    def range(self) -> str:
        """The interval as a person reads it: `5–30 %`."""
        return formats.percent_range(self.low, self.high)

    @property
    def figures(self) -> str:
        """Count, total and interval, where there is one: `4 of 30 (95 % 5–30 %)`."""
        between = "no interval" if self.low is None else f"95 % {self.range}"
        return f"{self.count} of {self.total} ({between})"


def repetition_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Share of repetitive outputs by config."""
    rates = _rates(rows, "repetitive")
    if not rates:
        return Figure("Repetition is not scored in this study")
    least, most = _ends(rates)
    if least == most:
        title = f"Every config repeats itself on {least[0].figures} outputs"
    else:
        title = (
            f"{_named(least)}: fewest repetitive outputs, {least[0].figures}; "
            f"{_named(most)}: most, {most[0].figures}"
        )
    note = f"Repetitive: 0.5 or more of the word pairs. {INTERVALS}"
    return _rate_figure(rates, title, note, "share of outputs that are repetitive")


def prompt_adherence_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Share of prompts of which all constraints are met, by config."""
    axis, rates = "all constraints of a prompt met", _rates(rows, "adherent_prompts")
    return _adherence_figure(rates, "by prompt", "prompts met in full", axis, INTERVALS)


def constraint_adherence_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Share of single constraints met, by config."""
    axis, rates = "single constraints met", _rates(rows, "constraints_met")
    return _adherence_figure(rates, "by constraint", "constraints met", axis, CLUSTERED)


def _adherence_figure(
    rates: Sequence[Rate], level: str, things: str, axis: str, intervals: str
) -> Figure:
    if not rates:
        return Figure(f"Adherence {level} is not known in this study")
    worst, best = _ends(rates)
    if best == worst:
        title = f"Every config has {best[0].figures} {things}"
    else:
        title = (
            f"{_named(best)}: most {things}, {best[0].figures}; "
            f"{_named(worst)}: fewest, {worst[0].figures}"
        )
    return _rate_figure(rates, title, f"Adherence {level}: {axis}. {intervals}", axis)


def _rates(rows: Sequence[ConfigMetrics], name: str) -> list[Rate]:
    """A metric's rate for every config whose count and total are known."""
    metric, names = COUNTS[name], short_names(rows)
    found = []
    for row in rows:
        count, total = metric.value(row), metric.total(row)
        if count is not None and total:
            low, high = metric.interval_of(row) or (None, None)
            found.append(Rate(row, names[row.config], int(count), total, low, high))
    return found


def _ends(rates: Sequence[Rate]) -> tuple[list[Rate], list[Rate]]:
    """Those of the lowest rate, and those of the highest."""
    values = [rate.value for rate in rates]
    return (
        [rate for rate in rates if rate.value == min(values)],
        [rate for rate in rates if rate.value == max(values)],
    )


def _named(rates: Sequence[Rate]) -> str:
    """Configs in a sentence: two by name, more as a number."""
    names = [rate.name for rate in rates]
    return " and ".join(names) if len(names) < 3 else f"{len(names)} configs"


def _rate_figure(rates: Sequence[Rate], title: str, note: str, axis: str) -> Figure:
    dots = [
        config_dot(
            rate.row,
            rate.name,
            rate.value,
            rate.low,
            rate.high,
            rate.label,
            {"rate": rate.label, "95 % interval": rate.range, "n": str(rate.total)},
        )
        for rate in rates
    ]
    description = f"{axis[:1].upper()}{axis[1:]}, with 95 % intervals. " + "; ".join(
        f"{rate.row.config} {rate.label}, {rate.range}" for rate in rates
    )
    dots, shares = share_axis(dots, axis)
    chart = dot_chart(
        dots,
        shares,
        description=description,
        marks=precision_marks(dot.group for dot in dots),
    )
    return Figure(title, note, chart, description)
