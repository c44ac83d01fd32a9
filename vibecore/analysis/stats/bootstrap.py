"""The paired bootstrap of a ratio of sums: prompts are drawn again, both configs' values with them.

Studentised (bootstrap-t) on the log scale: each resample's log ratio is divided by its own
standard error, which holds its level at 30 prompts where plain percentiles do not (Efron &
Tibshirani 1993, chapter 12; Hall 1988, J. R. Stat. Soc. B 50:35 for the symmetric interval). The
error seen is widened by √(n/(n − 1)) (Hesterberg 2015, Am. Stat. 69:371). "No difference" must
fail a second test too: both configs' values are swapped at random within prompts, which is exact
where the two are alike (Fisher's randomisation test). `benchmarks/null_studies.py` shows the
levels.

Two prompts leave no such interval: half of their resamples are one prompt twice, and a nominal
95 % covers the truth in 64 to 67 % of made-up studies, that of three in 92 to 93 %, of four to ten
in 95 to 97 % (`tests/analysis/test_verdicts.py` holds the last).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

import numpy as np

RESAMPLES = 2_000
# More prompts than this are drawn in so many random groups: the same spread, in bounded memory.
MOST_UNITS = 1_000
# With fewer prompts there is no interval: it would cover far less than it says.
FEWEST_PROMPTS = 4
# A spread of the log ratio under this is rounding: every prompt says the same.
NO_SPREAD = 1e-7


@dataclass(frozen=True)
class LogRatio:
    """A log ratio of sums, its widened standard error, and the sorted pivots of its resamples.

    `swap` makes the randomisation test's p, which an interval alone does not need.
    """

    estimate: float
    error: float
    n: int
    pivots: Any
    swap: Callable[[], float]

    @cached_property
    def swap_p(self) -> float:
        """p of the randomisation test."""
        return self.swap()

    def p(self) -> float:
        """Two-sided p of "the ratio is 1": the larger of the bootstrap's and the swap test's."""
        return max(self.swap_p, self._beyond(abs(self.estimate) / self.error))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Symmetric 1 − α interval of the log ratio."""
        half = _order_statistic(np.sort(np.abs(self.pivots)), 1 - alpha) * self.error
        return self.estimate - half, self.estimate + half

    def skewed_interval(self, alpha: float) -> tuple[float, float]:
        """1 − α interval of the log of a figure that is skewed to the right. What the symmetric one
        misses of it lies nearly all above, so that its upper end bounds a tail of α rather than of
        α/2: here it is that of the symmetric 1 − α/2 interval."""
        return self.interval(alpha)[0], self.interval(alpha / 2)[1]

    def inner_interval(self, alpha: float) -> tuple[float, float]:
        """The interval of two one-sided tests at α: at least 1 − 2α."""
        both = _order_statistic(np.sort(np.abs(self.pivots)), 1 - 2 * alpha)
        high = max(both, _order_statistic(self.pivots, 1 - alpha))
        low = max(both, _order_statistic(-self.pivots[::-1], 1 - alpha))
        return self.estimate - high * self.error, self.estimate + low * self.error

    def equivalence_p(self, log_margin: float) -> float:
        """TOST p of "the log ratio is `log_margin` or more from 0".

        Each side's p is the larger of its own tail and half of both: one tail alone is too bold
        where prompts are very uneven. No p is under what as many agreeing prompts would give.
        """
        if abs(self.estimate) >= log_margin:
            return 1.0
        above = (self.estimate + log_margin) / self.error
        below = (log_margin - self.estimate) / self.error
        over = (1 + int((self.pivots >= above).sum())) / (len(self.pivots) + 1)
        under = (1 + int((self.pivots <= -below).sum())) / (len(self.pivots) + 1)
        return max(over, under, self._beyond(min(above, below)) / 2, self._all_one_way())

    def _beyond(self, distance: float) -> float:
        """The share of pivots, the data among them, at least so far on either side."""
        return (1 + int((abs(self.pivots) >= distance).sum())) / (len(self.pivots) + 1)

    def _all_one_way(self) -> float:
        """What a sign test says where every prompt agrees."""
        return min(1.0, 2.0 ** (1 - self.n))


def bootstrap_ratio(
    first: Sequence[float],
    second: Sequence[float],
    first_weights: Sequence[float] | None = None,
    second_weights: Sequence[float] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> LogRatio | None:
    """Bootstrap log((Σfirst/Σfirst_weights) / (Σsecond/Σsecond_weights)), paired by prompt.

    None where nothing varies that could be drawn again: the ratio is the same on every prompt, or
    there are fewer than FEWEST_PROMPTS. Raises ValueError where the lengths differ, are zero, or a
    sum is not positive.
    """
    given = (first, first_weights, second, second_weights)
    columns = [np.ones(len(first)) if one is None else np.asarray(one, float) for one in given]
    if len({len(column) for column in columns}) != 1 or not len(first):
        raise ValueError("a paired ratio needs as many values of both, and at least one")
    values = np.stack(columns, axis=1)
    totals = values.sum(axis=0)
    if not (np.isfinite(totals).all() and (totals > 0).all()):
        raise ValueError("a ratio needs sums above zero")
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    estimate = float(signs @ np.log(totals))
    prompts = len(values)
    values = sum_groups(values, seed)
    n = len(values)
    # Weights that both have are the same in every resample, and leave its ratio.
    kept = [0, 2] if np.array_equal(values[:, 1], values[:, 3]) else [0, 1, 2, 3]
    shares, signs = (values / totals)[:, kept], signs[kept]
    error = math.sqrt(float(((shares @ signs) ** 2).sum()) * n / max(1, n - 1))
    if prompts < FEWEST_PROMPTS or error < NO_SPREAD:
        return None
    draws = resample_counts(n, resamples, seed)
    # Sums of each column, and of each product of two, in every resample.
    ones, others = np.triu_indices(len(kept))
    sums = draws @ np.hstack([shares, shares[:, ones] * shares[:, others]])
    drawn, products = sums[:, : len(kept)], sums[:, len(kept) :]
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = signs / drawn
        twice = np.where(ones == others, 1.0, 2.0)
        squares = (products * weights[:, ones] * weights[:, others]) @ twice
        errors = np.sqrt(np.maximum(squares, 0.0) * n / max(1, n - 1))
        # A resample of prompts that all agree has no spread of its own: it takes the study's.
        errors = np.where(errors < NO_SPREAD, error, errors)
        pivots = (np.log(drawn) @ signs) / errors
    # A resample without a single token, say, has no ratio: count it as far, on either side.
    lost = ~np.isfinite(pivots)
    pivots[lost] = np.where(np.arange(lost.sum()) % 2 == 0, np.inf, -np.inf)
    widened = error * math.sqrt(n / max(1, n - 1))
    swap = partial(_swap_p, values, estimate, resamples, seed)
    return LogRatio(estimate, widened, prompts, np.sort(pivots), swap)


def sum_groups(values: Any, seed: int, most: int = MOST_UNITS) -> Any:
    """Sums of rows over `most` random groups of prompts; few prompts stay as they are."""
    prompts = len(values)
    if prompts <= most:
        return values
    order = np.random.default_rng([seed, 2]).permutation(prompts)
    edges = np.linspace(0, prompts, most + 1).astype(int)[:-1]
    return np.add.reduceat(values[order], edges, axis=0)


def _swap_p(values: Any, estimate: float, resamples: int, seed: int) -> float:
    """p of the log ratio when both configs' values change places at random within prompts."""
    first, second = values[:, :2], values[:, 2:]
    total = first.sum(axis=0)
    moved = swap_choices(len(values), resamples, seed) @ (second - first)
    ours, theirs = total + moved, second.sum(axis=0) - moved
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log(ours[:, 0] / ours[:, 1]) - np.log(theirs[:, 0] / theirs[:, 1])
    as_far = ~(np.abs(logs) < abs(estimate) - NO_SPREAD)
    return (1 + int(as_far.sum())) / (resamples + 1)


@lru_cache(maxsize=8)
def swap_choices(n: int, resamples: int, seed: int) -> Any:
    """Which of `n` prompts change places in each resample: (resamples, n), read only."""
    choices = np.random.default_rng([seed, 1]).integers(0, 2, (resamples, n)).astype(float)
    choices.setflags(write=False)
    return choices


@lru_cache(maxsize=8)
def resample_counts(n: int, resamples: int, seed: int) -> Any:
    """How often each of `n` prompts is drawn in each resample: (resamples, n), read only."""
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    counts = counts.astype(float)
    counts.setflags(write=False)
    return counts


def _order_statistic(ascending: Any, share: float) -> float:
    """The value that at least `share` of the resamples, and the data seen, do not exceed."""
    rank = math.ceil(share * (len(ascending) + 1)) - 1
    return float(ascending[rank]) if rank < len(ascending) else math.inf
