"""Every config judged against the best one on each metric: repetition, adherence, speed, memory.

Repetition and adherence are the rule's own comparisons. A speed is judged where every prompt was
timed alone; memory where it was measured prompt by prompt. Where a figure has no spread behind it
the ratio is shown without a verdict, and `note` says why.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vibecore.analysis.metrics import JUDGED_METRICS, PEAK_MEMORY, ConfigMetrics
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.rule import Rule, fits
from vibecore.analysis.stats.exact import holm
from vibecore.analysis.stats.verdicts import (
    BETTER,
    WORSE,
    Judgement,
    judge_counts,
    judge_ratio,
    without_difference,
)
from vibecore.analysis.sweet_spot import Comparison, SweetSpot, batch_size

DECIDED = (BETTER, WORSE)


@dataclass(frozen=True)
class Pair:
    """One config against the best on one metric; without a judgement `note` says why."""

    metric: str
    config: str
    best: str
    ratio: float | None
    judgement: Judgement | None
    note: str

    def sentence(self) -> str:
        """The verdict with what it rests on, or the ratio and why there is no verdict."""
        if self.judgement is not None:
            return self.judgement.sentence()
        return f"{self.ratio:.3g} times that of {self.best}, not judged: {self.note}"


def judge_pairs(
    comparable: Sequence[ConfigMetrics], outcomes: Outcomes | None, rule: Rule, spot: SweetSpot
) -> tuple[Pair, ...]:
    """Judge the comparable configs that fit, by metric in the order of the rule."""
    rows = [row for row in comparable if fits(row, rule)]
    pairs = [_judge_rate(comparison, rule.alpha) for comparison in spot.comparisons]
    if rows:
        pairs += _judge_speeds(rows, outcomes, rule.alpha)
        pairs += _judge_memory(rows, outcomes, rule.alpha)
    return tuple(pairs)


def _judge_rate(comparison: Comparison, alpha: float) -> Pair:
    judged = judge_counts(
        (comparison.count, comparison.total),
        (comparison.best_count, comparison.best_total),
        more_is_better=JUDGED_METRICS[comparison.metric].better == "more",
        pairs=comparison.pairs,
        alpha=alpha,
        p_adjusted=comparison.p,
    )
    return Pair(comparison.metric, comparison.config, comparison.best, None, judged, "")


def _judge_speeds(
    rows: Sequence[ConfigMetrics], outcomes: Outcomes | None, alpha: float
) -> list[Pair]:
    if outcomes is None or not _whole(rows, outcomes, outcomes.tokens + outcomes.seconds):
        note = "one figure a config, no spread between prompts"
    elif batch_size(rows[0]) > 1:
        note = "batched, so no prompt has a time of its own"
    else:
        return _judge_ratios("speed", rows, outcomes, outcomes.tokens, outcomes.seconds, alpha)
    return _ratios("speed", rows, lambda row: note)


def _judge_memory(
    rows: Sequence[ConfigMetrics], outcomes: Outcomes | None, alpha: float
) -> list[Pair]:
    known = [row for row in rows if row.memory_bytes]
    if not known:
        return []
    peaks = all(row.memory_basis == PEAK_MEMORY and batch_size(row) == 1 for row in known)
    if peaks and outcomes is not None and _whole(known, outcomes, outcomes.memory):
        return _judge_ratios("memory", known, outcomes, outcomes.memory, None, alpha)
    return _ratios("memory", known, lambda row: row.memory_basis or "")


def _judge_ratios(
    name: str,
    rows: Sequence[ConfigMetrics],
    outcomes: Outcomes,
    values: Array,
    weights: Array | None,
    alpha: float,
) -> list[Pair]:
    """Each config's ratio to the best judged over the prompts; arrays are (prompts, configs)."""

    def of(array: Array | None, config: str) -> Any:
        return None if array is None else array[:, outcomes.place(config)]

    pairs = _ratios(name, rows, lambda row: "")
    judged = [
        judge_ratio(
            of(values, pair.config),
            of(values, pair.best),
            first_weights=of(weights, pair.config),
            second_weights=of(weights, pair.best),
            more_is_better=JUDGED_METRICS[name].better == "more",
            alpha=alpha,
        )
        for pair in pairs
    ]
    return [replace(p, judgement=j) for p, j in zip(pairs, adjust(judged), strict=True)]


def _ratios(
    name: str, rows: Sequence[ConfigMetrics], note: Callable[[ConfigMetrics], str]
) -> list[Pair]:
    """Each config's figure over the best one's, not judged: `note` says why."""
    metric = JUDGED_METRICS[name]
    figures = {row.config: float(metric.value(row) or 0) for row in rows}
    best = (max if metric.better == "more" else min)(figures, key=lambda config: figures[config])
    return [
        Pair(name, row.config, best, figures[row.config] / figures[best], None, note(row))
        for row in rows
        if row.config != best
    ]


def adjust(judged: Sequence[Judgement]) -> list[Judgement]:
    """Holm's adjustment over the judgements of one metric: what it holds back is no difference."""
    adjusted = holm([1.0 if one.p is None else one.p for one in judged]).tolist()
    return [
        replace(
            one,
            p=p,
            method=f"{one.method}, Holm",
            verdict=one.verdict
            if p < one.alpha or one.verdict not in DECIDED
            else without_difference(one),
        )
        for one, p in zip(judged, adjusted, strict=True)
    ]


def _whole(rows: Sequence[ConfigMetrics], outcomes: Outcomes, values: Array) -> bool:
    """Whether every prompt of these configs has its value."""
    places = [outcomes.place(row.config) for row in rows]
    return all(math.isfinite(sum(values[:, place])) for place in places)
