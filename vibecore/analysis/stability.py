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
from typing import Any

from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.stats.bootstrap import MOST_UNITS, RESAMPLES, resample_counts, sum_groups
from vibecore.analysis.stats.lookup import fisher_p_values, mcnemar_p_values
from vibecore.analysis.sweet_spot import METRICS, Row, Rule, batch_size, comparable, fits


@dataclass(frozen=True)
class Draws:
    """Resampled studies of the comparable configs.

    Arrays by metric: `rates` (resamples, configs), NaN without a verdict, and `p` (resamples,
    configs, configs), of each pair. `speeds` is (resamples, configs).
    """

    rows: tuple[Row, ...]
    rates: Mapping[str, Any]
    p: Mapping[str, Any]
    speeds: Any
    how: str

    @property
    def resamples(self) -> int:
        """How many studies were drawn."""
        return len(self.speeds)


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
    summary: Sequence[Row],
    outcomes: Outcomes | None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Draws | None:
    """Draw a study's prompts, or its counts, again; None where no config can be compared."""
    rows = comparable(summary)
    if not rows:
        return None
    if outcomes is None or not _covers(rows, outcomes):
        return _draw_counts(rows, resamples, seed)
    return _draw_prompts(rows, outcomes, resamples, seed)


def find_stability(draws: Draws, rule: Rule, config: str | None) -> Stability:
    """How often the rule chooses `config`, and what else, over the resampled studies."""
    import numpy as np

    names: list[str | None] = [None, *(row["config"] for row in draws.rows)]
    counts = np.bincount(choices(draws, rule) + 1, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: -counts[i])
    shares = {names[i]: float(counts[i]) / draws.resamples for i in order if counts[i]}
    return Stability(config, shares.get(config, 0.0), shares, draws.resamples, draws.how)


def choices(draws: Draws, rule: Rule) -> Any:
    """The rule's choice in each resampled study: a place among the configs, −1 for none."""
    import numpy as np

    kept = [i for i, row in enumerate(draws.rows) if fits(row, rule)]
    if not kept:
        return np.full(draws.resamples, -1)
    dropped = np.zeros((draws.resamples, len(kept)), dtype=bool)
    for metric, (*_, more_is_better, _) in METRICS.items():
        dropped |= _worse(draws, metric, kept, more_is_better, rule.alpha)
    speeds = np.where(dropped, 0.0, draws.speeds[:, kept])
    left = ~dropped & (speeds >= rule.speed_floor * speeds.max(axis=1, keepdims=True))
    memory = np.array([_memory(draws.rows[i]) for i in kept])
    # Unknown memory comes last, but before what was dropped.
    costs = np.where(left, np.where(np.isinf(memory), np.finfo(float).max, memory), np.inf)
    least = costs == costs.min(axis=1, keepdims=True)
    best = np.where(least & left, speeds, -np.inf).argmax(axis=1)
    return np.where(left.any(axis=1), np.array(kept)[best], -1)


def _worse(draws: Draws, metric: str, kept: list[int], more_is_better: bool, alpha: float) -> Any:
    """Which configs are significantly worse than the best, Holm-adjusted: (resamples, kept)."""
    import numpy as np

    sign = -1.0 if more_is_better else 1.0
    rates = draws.rates[metric][:, kept]
    unknown = np.isnan(rates)
    best = np.where(unknown, np.inf, sign * rates).argmin(axis=1)
    each = np.arange(len(best))
    p = draws.p[metric][:, kept][:, :, kept][each, :, best]
    # The best itself and what has no verdict are not among the comparisons.
    apart = unknown.copy()
    apart[each, best] = True
    p = np.where(apart, np.inf, p)
    order = p.argsort(axis=1)
    compared = (~apart).sum(axis=1, keepdims=True)
    factors = np.maximum(0, compared - np.arange(len(kept)))
    ranked = np.take_along_axis(p, order, axis=1)
    with np.errstate(invalid="ignore"):
        adjusted = np.maximum.accumulate(np.where(factors > 0, factors * ranked, np.inf), axis=1)
    worse = np.zeros_like(apart)
    np.put_along_axis(worse, order, np.minimum(1.0, adjusted) < alpha, axis=1)
    return worse & ~apart


def _covers(rows: Sequence[Row], outcomes: Outcomes) -> bool:
    """Whether every count of the summary has its outputs behind it."""
    for metric, (count, total, *_) in METRICS.items():
        for row in rows:
            flags = outcomes.flags[metric][:, outcomes.place(row["config"])]
            if (flags >= 0).sum() != row[total] or (flags == 1).sum() != row[count]:
                return False
    return True


def _draw_counts(rows: Sequence[Row], resamples: int, seed: int) -> Draws:
    import numpy as np

    generator = np.random.default_rng(seed)
    rates, p = {}, {}
    for metric, (count, total, *_) in METRICS.items():
        totals = np.array([row[total] for row in rows])
        shares = np.array([row[count] / row[total] if row[total] else 0.0 for row in rows])
        counts = generator.binomial(totals, shares, size=(resamples, len(rows)))
        rates[metric] = _rates(counts, np.broadcast_to(totals, counts.shape))
        p[metric] = fisher_p_values(
            counts[:, :, None], totals[:, None], counts[:, None, :], totals[None, :]
        )
    speeds = np.tile([float(row["tokens_per_second"]) for row in rows], (resamples, 1))
    how = "counts drawn again from their own rates, speeds and memory fixed"
    return Draws(tuple(rows), rates, p, speeds, how)


def _draw_prompts(rows: Sequence[Row], outcomes: Outcomes, resamples: int, seed: int) -> Draws:
    import numpy as np

    places = [outcomes.place(row["config"]) for row in rows]
    draws = resample_counts(min(outcomes.prompts, MOST_UNITS), resamples, seed)

    def drawn(values: Any) -> Any:
        """Sums over the drawn prompts of values (prompts, …)."""
        sums = sum_groups(values.reshape(len(values), -1).astype(float), seed)
        return (draws @ sums).reshape(len(draws), *values.shape[1:])

    rates, p = {}, {}
    for metric in METRICS:
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
        speeds = np.tile([float(row["tokens_per_second"]) for row in rows], (resamples, 1))
        fixed = "batched speeds and memory fixed" if not timed else "speeds and memory fixed"
    return Draws(tuple(rows), rates, p, speeds, f"prompts drawn again, {fixed}")


def _whole(values: Any) -> Any:
    import numpy as np

    return np.rint(values).astype(np.int64)


def _rates(counts: Any, totals: Any) -> Any:
    import numpy as np

    return np.where(totals > 0, counts / np.maximum(1, totals), np.nan)


def _percent(share: float) -> str:
    """Whole percent, with what rounds to none or to all told apart from them."""
    if share in (0, 1) or 0.005 <= share < 0.995:
        return f"{100 * share:.0f} %"
    return "over 99 %" if share > 0.5 else "under 1 %"


def _memory(row: Row) -> float:
    return float("inf") if row["memory_bytes"] is None else float(row["memory_bytes"])
