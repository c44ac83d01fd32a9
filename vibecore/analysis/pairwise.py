"""Every config judged against the best one on each metric: repetition, adherence, speed, memory.

Repetition and adherence are the rule's own comparisons. A speed is judged where every prompt was
timed alone; memory where it was measured prompt by prompt. Where a figure has no spread behind it
the ratio is shown without a verdict, and `note` says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.stats.exact import holm
from vibecore.analysis.stats.verdicts import (
    BETTER,
    WORSE,
    Judgement,
    judge_counts,
    judge_ratio,
    without_difference,
)
from vibecore.analysis.summary import PEAK_MEMORY
from vibecore.analysis.sweet_spot import METRICS, Row, Rule, SweetSpot, batch_size, comparable, fits

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
    summary: Sequence[Row], outcomes: Outcomes | None, rule: Rule, spot: SweetSpot
) -> tuple[Pair, ...]:
    """Judge the configs that can be compared and fit, by metric in the order of the rule."""
    rows = [row for row in comparable(summary) if fits(row, rule)]
    pairs = [_judge_rate(comparison, rule.alpha) for comparison in spot.comparisons]
    if rows:
        pairs += _judge_speeds(rows, outcomes, rule.alpha)
        pairs += _judge_memory(rows, outcomes, rule.alpha)
    return tuple(pairs)


def _judge_rate(comparison: Any, alpha: float) -> Pair:
    judged = judge_counts(
        (comparison.count, comparison.total),
        (comparison.best_count, comparison.best_total),
        more_is_better=METRICS[comparison.metric][2],
        pairs=comparison.pairs,
        alpha=alpha,
        p_adjusted=comparison.p,
    )
    return Pair(comparison.metric, comparison.config, comparison.best, None, judged, "")


def _judge_speeds(rows: Sequence[Row], outcomes: Outcomes | None, alpha: float) -> list[Pair]:
    best = max(rows, key=lambda row: row["tokens_per_second"])
    others = [row for row in rows if row is not best]
    ratios = [row["tokens_per_second"] / best["tokens_per_second"] for row in others]
    if outcomes is None or not _timed([*others, best], outcomes):
        note = "one figure a config, no spread between prompts"
    elif batch_size(best) > 1:
        note = "batched, so no prompt has a time of its own"
    else:
        tokens, seconds = outcomes.tokens, outcomes.seconds
        there = outcomes.place(best["config"])
        judged = []
        for row in others:
            here = outcomes.place(row["config"])
            judged.append(
                judge_ratio(
                    tokens[:, here],
                    tokens[:, there],
                    first_weights=seconds[:, here],
                    second_weights=seconds[:, there],
                    more_is_better=True,
                    alpha=alpha,
                )
            )
        return _pairs("speed", others, best, ratios, adjust(judged))
    return [
        Pair("speed", row["config"], best["config"], ratio, None, note)
        for row, ratio in zip(others, ratios, strict=True)
    ]


def _judge_memory(rows: Sequence[Row], outcomes: Outcomes | None, alpha: float) -> list[Pair]:
    known = [row for row in rows if row["memory_bytes"]]
    if not known:
        return []
    best = min(known, key=lambda row: row["memory_bytes"])
    others = [row for row in known if row is not best]
    ratios = [row["memory_bytes"] / best["memory_bytes"] for row in others]
    peaks = all(row.get("memory_basis") == PEAK_MEMORY for row in known)
    if peaks and outcomes is not None and batch_size(best) == 1 and _peaks(known, outcomes):
        there = outcomes.memory[:, outcomes.place(best["config"])]
        judged = [
            judge_ratio(
                outcomes.memory[:, outcomes.place(row["config"])],
                there,
                more_is_better=False,
                alpha=alpha,
            )
            for row in others
        ]
        return _pairs("memory", others, best, ratios, adjust(judged))
    return [
        Pair("memory", row["config"], best["config"], ratio, None, row.get("memory_basis") or "")
        for row, ratio in zip(others, ratios, strict=True)
    ]


def adjust(judged: Sequence[Judgement]) -> list[Judgement]:
    """Holm's adjustment over the judgements of one metric: what it holds back is no difference."""
    adjusted = holm([one.p for one in judged])
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


def _pairs(
    metric: str,
    others: Sequence[Row],
    best: Row,
    ratios: Sequence[float],
    judged: Sequence[Judgement],
) -> list[Pair]:
    return [
        Pair(metric, row["config"], best["config"], ratio, one, "")
        for row, ratio, one in zip(others, ratios, judged, strict=True)
    ]


def _timed(rows: Sequence[Row], outcomes: Outcomes) -> bool:
    """Whether every prompt of these configs has its tokens and seconds."""
    return _whole(rows, outcomes, outcomes.tokens + outcomes.seconds)


def _peaks(rows: Sequence[Row], outcomes: Outcomes) -> bool:
    return _whole(rows, outcomes, outcomes.memory)


def _whole(rows: Sequence[Row], outcomes: Outcomes, values: Any) -> bool:
    places = [outcomes.place(row["config"]) for row in rows]
    return all(math.isfinite(sum(values[:, place])) for place in places)
