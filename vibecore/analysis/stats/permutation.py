"""Which of many configs are worse than the best of them: one permutation test of all at once.

The statistic of a pair of columns is the difference of their sums over prompts, divided by a
standard error between the pair's own and the mean of all pairs' (OWN): with its own alone a pair
that seldom differs stands out by chance, with the mean alone one that hardly varies is missed.
Where no column differs from another, each prompt's values could as well stand in any other order
(Fisher 1935): `shuffle` draws such orders, whole models at a time where columns are models x
precisions, so that what a model's precisions have in common stays together. The largest statistic
of every draw pays for comparing all pairs and for picking the best on the same data (max-T,
Westfall & Young 1993, section 2.5); several families of statistics share one error rate by the
smallest of their p-values (min-P, the same, section 2.6), step by step (Ge, Dudoit & Speed 2003,
Test 12:1).

Shapes: `draws` orders, `units` prompts or groups of them, `columns` configs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

DRAWS = 1_999
# How far a p goes by its own Monte Carlo error: the upper end of a one-sided 95 % interval.
CAUTION = 1.645
# How much of a pair's standard error is its own; the rest is the mean of all pairs'.
OWN = 0.5
# Sums that differ by less are alike.
ROUNDING = 1e-9


@lru_cache(maxsize=2)
def shuffle(
    models: tuple[int, ...], blocks: tuple[tuple[int, ...], ...], units: int, draws: int, seed: int
) -> Any:
    """Where each column takes its values from: whole numbers of shape (draws, units, columns), read
    only.

    `models` gives each column's model; `blocks` the columns that change places with whole models:
    one sequence a model, of the same length, in the same order of precisions. Within a model
    columns change places freely. Without blocks all do, whatever their model.
    """
    generator = np.random.default_rng([seed, 3])
    columns = len(models)
    keys = generator.random((draws, units, columns), dtype=np.float32)
    if not blocks:
        free = keys.argsort(axis=2)
        free.setflags(write=False)
        return free
    whole = np.array(blocks)
    turn = generator.random((draws, units, len(blocks)), dtype=np.float32).argsort(axis=2)
    source = np.broadcast_to(np.arange(columns), keys.shape).copy()
    for place, block in enumerate(blocks):
        source[:, :, list(block)] = whole[turn[:, :, place]]
    for model in set(models):
        own = [column for column, other in enumerate(models) if other == model]
        order = keys[:, :, own].argsort(axis=2)
        source[:, :, own] = np.take_along_axis(source[:, :, own], order, axis=2)
    source.setflags(write=False)
    return source


def pair_statistics(sums: Any, squares: Any, counted: Any | None = None) -> Any:
    """The statistic of every ordered pair of columns: (…, columns, columns), above zero where the
    first one's sum is larger.

    `sums` is (…, columns), `squares` (…, columns, columns) with the sum over prompts of the
    squared difference of two columns. `counted` (…, columns) says which columns the mean of
    `squares` is taken over; all where it is not given.
    """
    width = sums.shape[-1]
    pairs = np.broadcast_to(~np.eye(width, dtype=bool), squares.shape)
    if counted is not None:
        pairs = pairs & counted[..., :, None] & counted[..., None, :]
    number = np.maximum(1, pairs.sum(axis=(-1, -2), keepdims=True))
    mean = np.where(pairs, squares, 0.0).sum(axis=(-1, -2), keepdims=True) / number
    error = np.sqrt(OWN * squares + (1 - OWN) * mean)
    gaps = sums[..., :, None] - sums[..., None, :]
    return np.where(error > ROUNDING, gaps / np.maximum(error, ROUNDING), 0.0)


def largest(statistics: Any) -> Any:
    """The largest statistic of all pairs: (…) from (…, columns, columns)."""
    return statistics.max(axis=(-1, -2))


def tail_share(ascending: Any, values: Any) -> Any:
    """The share of draws, the data seen among them, that reach each value: a p-value."""
    beyond = len(ascending) - np.searchsorted(ascending, np.asarray(values) - ROUNDING)
    return (1 + beyond) / (len(ascending) + 1)


class Family:
    """One family of statistics: `null` (draws,) has the largest of each draw."""

    def __init__(self, null: Any) -> None:
        self._sorted = np.sort(null)
        self.own_p = self.p(null)

    def p(self, values: Any) -> Any:
        """The p of statistics within the family."""
        return tail_share(self._sorted, values)

    def reaching(self, p: float) -> float:
        """A statistic that all with this p or a smaller one reach."""
        beyond = math.floor(p * (len(self._sorted) + 1)) - 1
        if beyond >= len(self._sorted):
            return -math.inf
        return float(self._sorted[-max(1, beyond + 1)]) - ROUNDING


class SmallestP:
    """Several families under one error rate: the distribution, over the draws, of the smallest of
    their p-values."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = list(families)
        self._smallest = np.sort(np.min([one.own_p for one in families], axis=0))

    def reaching(self, family: int, p: float) -> float:
        """A statistic that all of one family with this adjusted p or a smaller one reach."""
        return self._families[family].reaching(p)

    def adjusted(self, family: int, values: Any) -> Any:
        """The adjusted p of statistics of one family, by its place: an upper limit, because it is
        counted over draws."""
        reached = self._families[family].p(values)
        as_small = 1 + np.searchsorted(self._smallest, reached + ROUNDING, side="right")
        cautious = as_small + CAUTION * np.sqrt(as_small)
        return np.minimum(1.0, cautious / (len(self._smallest) + 1))
