"""Every config judged against the best one on each metric: broken outputs, adherence, speed,
memory.

Broken outputs and adherence are the rule's own comparisons. A speed is judged where every prompt
was timed alone. Memory is a size, not a sample of prompts, so it has a ratio and no verdict, as has
a speed without a spread behind it; `note` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vibecore.analysis.metrics import JUDGED_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.rule import Rule, fits
from vibecore.analysis.stats.exact import holm
from vibecore.analysis.stats.verdicts import (
    BETTER,
    WORSE,
    Judgement,
    judge_counts,
    judge_ratio,
    no_spread,
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
    comparable: Sequence[ConfigMetrics],
    outcomes: Outcomes | None,
    rule: Rule,
    spot: SweetSpot,
    among: Collection[str] = (),
) -> tuple[Pair, ...]:
    """Judge the comparable configs that fit, by metric in the order of the rule: all, or those
    `among` which any is named, each with the same result."""
    rows = [row for row in comparable if fits(row, rule)]
    pairs = [
        _judge_rate(comparison, rule.alpha)
        for comparison in spot.comparisons
        if not among or comparison.config in among
    ]
    if rows:
        rest = _judge_speeds(rows, outcomes, rule.alpha)
        rest += _ratios("memory", [row for row in rows if row.memory_bytes], _measured_how)
        # Of all, because their p-values are adjusted for each other.
        pairs += [pair for pair in rest if not among or pair.config in among]
    return tuple(pairs)


def _judge_rate(comparison: Comparison, alpha: float) -> Pair:
    by_model = ", of its model" if comparison.models else ""
    judged = judge_counts(
        (comparison.count, comparison.total),
        (comparison.best_count, comparison.best_total),
        more_is_better=JUDGED_METRICS[comparison.metric].better == "more",
        pairs=comparison.pairs,
        alpha=alpha,
        p_adjusted=comparison.p,
        adjusted_by=f"{comparison.test}{by_model}",
    )
    return Pair(comparison.metric, comparison.config, comparison.best, None, judged, "")


def _judge_speeds(
    rows: Sequence[ConfigMetrics], outcomes: Outcomes | None, alpha: float
) -> list[Pair]:
    if outcomes is not None and batch_size(rows[0]) > 1:
        note = "batched, so no prompt has a time of its own"
    elif outcomes is None or not _whole(rows, outcomes, outcomes.tokens + outcomes.seconds):
        note = "one figure a config, no spread between prompts"
    else:
        return _judge_by_prompt(rows, outcomes, alpha)
    return _ratios("speed", rows, lambda row, best: note)


def _judge_by_prompt(rows: Sequence[ConfigMetrics], outcomes: Outcomes, alpha: float) -> list[Pair]:
    """Each config's speed over the best one's, judged over the prompts."""

    def of(array: Array, config: str) -> Any:
        return array[:, outcomes.place(config)]

    pairs = _ratios("speed", rows, lambda row, best: no_spread(outcomes.prompts))
    found = {
        pair.config: judge_ratio(
            of(outcomes.tokens, pair.config),
            of(outcomes.tokens, pair.best),
            first_weights=of(outcomes.seconds, pair.config),
            second_weights=of(outcomes.seconds, pair.best),
            more_is_better=True,
            alpha=alpha,
        )
        for pair in pairs
    }
    judged = {config: one for config, one in found.items() if one is not None}
    judged = dict(zip(judged, adjust(list(judged.values())), strict=True))
    return [
        replace(pair, judgement=judged[pair.config], note="") if pair.config in judged else pair
        for pair in pairs
    ]


def _measured_how(row: ConfigMetrics, best: ConfigMetrics) -> str:
    """Whose figures two sizes are: what was counted, and whether by measurement."""
    ways = [f"{one.memory_basis}, {one.memory_source}" for one in (row, best)]
    return f"a size, not a sample ({' against '.join(dict.fromkeys(ways))})"


def _ratios(
    name: str,
    rows: Sequence[ConfigMetrics],
    note: Callable[[ConfigMetrics, ConfigMetrics], str],
) -> list[Pair]:
    """Each config's figure over the best one's, not judged: `note` of both says why."""
    if not rows:
        return []
    metric = JUDGED_METRICS[name]
    figures = {row.config: float(metric.value(row) or 0) for row in rows}
    best = (max if metric.better == "more" else min)(rows, key=lambda row: figures[row.config])
    least = figures[best.config]
    return [
        Pair(name, row.config, best.config, figures[row.config] / least, None, note(row, best))
        for row in rows
        if row is not best
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
    import numpy as np

    places = [outcomes.place(row.config) for row in rows]
    return bool(np.isfinite(values[:, places]).all())
