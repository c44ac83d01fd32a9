"""How stable the choice is: the whole rule applied again to 2,000 resampled studies.

Where outputs are stored the prompts are drawn again, every config's outcome and time on them
together (Efron & Tibshirani 1993, chapter 6). Where only counts are known each count is drawn
again from its own rate (a parametric bootstrap) and speeds stay as they are. Memory never varies.
What is drawn depends on no threshold, so a page draws once and applies the rule as often as a
control moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics, share
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.rule import Rule, apply
from vibecore.analysis.stats.bootstrap import MOST_UNITS, RESAMPLES, resample_counts, sum_groups
from vibecore.analysis.stats.lookup import fisher_p_values, mcnemar_p_values
from vibecore.analysis.sweet_spot import batch_size


@dataclass(frozen=True)
class Draws:
    """Resampled studies of the comparable configs, as a batch for the rule.

    Arrays by metric: `rates` (resamples, configs), NaN without a verdict, and `p` (resamples,
    configs, configs), of each pair. `speeds` is (resamples, configs). `how` says what was drawn.
    """

    rows: tuple[ConfigMetrics, ...]
    rates: Mapping[str, Array]
    p: Mapping[str, Array]
    speeds: Array
    how: str

    @property
    def resamples(self) -> int:
        """How many studies were drawn."""
        return len(self.speeds)

    def p_against(self, metric: str, best: Array) -> Array:
        """The p of every config against config `best[i]` of resample i: (resamples, configs)."""
        return self.p[metric][np.arange(len(best)), :, best]


@dataclass(frozen=True)
class Stability:
    """How often each answer came out; `shares` has None for "no sweet spot", most often first."""

    config: str | None
    share: float
    shares: dict[str | None, float]
    resamples: int
    how: str

    def sentence(self) -> str:
        """How often the answer came out, and what came out instead."""
        answer = f"{self.config} is the choice" if self.config else "No sweet spot is the answer"
        often = (
            f"all {self.resamples:,}"
            if self.share == 1
            else f"{_percent(self.share)} of {self.resamples:,}"
        )
        others = [
            f"{other or 'no sweet spot'} in {_percent(share)}"
            for other, share in self.shares.items()
            if other != self.config
        ]
        rest = f"; otherwise {', '.join(others)}" if others else ""
        return f"{answer} in {often} resampled studies ({self.how}){rest}."


def draw_studies(
    rows: Sequence[ConfigMetrics],
    outcomes: Outcomes | None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Draws | None:
    """Draw the prompts, or the counts, of comparable configs again; None where there is none."""
    if not rows:
        return None
    if outcomes is None or not _covers(rows, outcomes):
        return _draw_counts(rows, resamples, seed)
    return _draw_prompts(rows, outcomes, resamples, seed)


def find_stability(draws: Draws, rule: Rule, config: str | None) -> Stability:
    """How often the rule chooses `config`, and what else, over the resampled studies."""
    names: list[str | None] = [None, *(row.config for row in draws.rows)]
    counts = np.bincount(apply(draws, rule).choice + 1, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: -counts[i])
    shares = {names[i]: float(counts[i]) / draws.resamples for i in order if counts[i]}
    return Stability(config, shares.get(config, 0.0), shares, draws.resamples, draws.how)


def _covers(rows: Sequence[ConfigMetrics], outcomes: Outcomes) -> bool:
    """Whether every count of the summary has its outputs behind it."""
    for name, metric in RULE_METRICS.items():
        for row in rows:
            flags = outcomes.flags[name][:, outcomes.place(row.config)]
            if (flags >= 0).sum() != metric.total(row) or (flags == 1).sum() != metric.value(row):
                return False
    return True


def _draw_counts(rows: Sequence[ConfigMetrics], resamples: int, seed: int) -> Draws:
    generator = np.random.default_rng(seed)
    rates, p = {}, {}
    for name, metric in RULE_METRICS.items():
        totals = np.array([metric.total(row) for row in rows])
        shares = np.array([share(metric.value(row), metric.total(row)) or 0.0 for row in rows])
        counts = generator.binomial(totals, shares, size=(resamples, len(rows)))
        rates[name] = _rates(counts, np.broadcast_to(totals, counts.shape))
        p[name] = fisher_p_values(
            counts[:, :, None], totals[:, None], counts[:, None, :], totals[None, :]
        )
    how = "counts drawn again from their own rates, speeds and memory fixed"
    return Draws(tuple(rows), rates, p, _fixed_speeds(rows, resamples), how)


def _draw_prompts(
    rows: Sequence[ConfigMetrics], outcomes: Outcomes, resamples: int, seed: int
) -> Draws:
    places = [outcomes.place(row.config) for row in rows]
    draws = resample_counts(min(outcomes.prompts, MOST_UNITS), resamples, seed)

    def drawn(values: Array) -> Array:
        """Sums over the drawn prompts of values (prompts, …)."""
        sums = sum_groups(values.reshape(len(values), -1).astype(float), seed)
        return (draws @ sums).reshape(len(draws), *values.shape[1:])

    rates, p = {}, {}
    for metric in RULE_METRICS:
        flags = outcomes.flags[metric][:, places]
        known, yes = flags >= 0, flags == 1
        counts, totals = _whole(drawn(yes)), _whole(drawn(known))
        only = _whole(drawn(yes[:, :, None] & (flags == 0)[:, None, :]))
        rates[metric] = _rates(counts, totals)
        p[metric] = mcnemar_p_values(only, only.transpose(0, 2, 1))
        # As in the rule: pairs only where both have a verdict on the same prompts.
        alike = (known[:, :, None] == known[:, None, :]).all(axis=0)
        for i, j in zip(*np.nonzero(~alike), strict=True):
            p[metric][:, i, j] = fisher_p_values(
                counts[:, i], totals[:, i], counts[:, j], totals[:, j]
            )
    tokens, seconds = outcomes.tokens[:, places], outcomes.seconds[:, places]
    timed = all(batch_size(row) == 1 for row in rows)
    if timed and np.isfinite(tokens + seconds).all():
        speeds, fixed = drawn(tokens) / drawn(seconds), "memory fixed"
    else:
        speeds = _fixed_speeds(rows, resamples)
        fixed = "batched speeds and memory fixed" if not timed else "speeds and memory fixed"
    return Draws(tuple(rows), rates, p, speeds, f"prompts drawn again, {fixed}")


def _fixed_speeds(rows: Sequence[ConfigMetrics], resamples: int) -> Array:
    return np.tile([float(row.tokens_per_second or 0) for row in rows], (resamples, 1))


def _whole(values: Array) -> Array:
    return np.rint(values).astype(np.int64)


def _rates(counts: Array, totals: Array) -> Array:
    return np.where(totals > 0, counts / np.maximum(1, totals), np.nan)


def _percent(share: float) -> str:
    """Whole percent, and never 0 or 100 % for what is not."""
    if share in (0, 1) or 0.005 <= share < 0.995:
        return f"{100 * share:.0f} %"
    return "over 99 %" if share > 0.5 else "under 1 %"
