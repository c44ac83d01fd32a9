"""The permutation test of stats.permutation for so many columns that all pairs and all orders are
too many: rotations in place of free orders, and the best column of each draw in place of all pairs.

A random element of a group under which the data are exchangeable gives a valid test, whichever the
group (Hemerik & Goeman 2018, TEST 27:811); that of `permutation` has a subgroup that costs two
whole numbers a unit. In each unit of prompts the models, in a random order, move on by a random
number of places, and the precisions of every model by another. The statistic of a draw is the
largest of any column against the draw's own best one, which is what the rule compares: it pays for
picking the best on the same data as all pairs would, from a number of pairs that grows with the
columns alone.

One pass over the draws gives the distribution for several nested sets of columns, which the
step-down needs.

Shapes: `units` prompts or groups of them, `columns` configs or models, `draws` rotations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vibecore.analysis.stats.permutation import OWN, ROUNDING

DRAWS = 499
# Rotations of the precisions that are told apart, where models have several numbers of them.
MOST_TURNS = 5_040
# Draws are computed in single precision; what differs from the data by less is a tie.
TIE = 1e-5
# Statistics of any column, from as many draws as that takes.
ANY_COLUMNS = 50_000


@dataclass(frozen=True)
class Wanted:
    """What is drawn of one metric at one level.

    `values` (units, columns) are oriented so that more is worse; `sets` are nested sets of columns,
    the largest first. `moved` says with what its columns move: "configs" or "models".
    """

    values: Any
    sets: Sequence[Any]
    moved: str


@dataclass(frozen=True)
class Drawn:
    """`largest` has (draws,) a set: of any column of the set against its best one in that draw.
    `any_column` are ascending statistics of columns that nobody picked against that best one."""

    largest: list[Any]
    any_column: Any


class Rotations:
    """Random rotations of columns, the same for every metric: `models` gives each config's model,
    `blocks` the configs that move with whole models, as permutation.shuffle has them."""

    def __init__(
        self,
        models: Sequence[int],
        blocks: Sequence[Sequence[int]],
        units: int,
        draws: int = DRAWS,
        seed: int = 0,
    ) -> None:
        generator = np.random.default_rng([seed, 5])
        self._buffer: Any = None
        configs, rings = len(models), len(blocks) or len(models)
        order = generator.permutation(rings)
        # By places moved, the ring member that each one's values come from.
        rank = np.argsort(order)
        self._ring = order[(rank[None, :] + np.arange(rings)[:, None]) % rings]
        self._turns = np.arange(configs)[None, :]
        if blocks:
            own = [np.flatnonzero(np.asarray(models) == model) for model in set(models)]
            number = min(MOST_TURNS, math.lcm(*(len(one) for one in own)))
            self._turns = np.empty((number, configs), dtype=np.intp)
            for one in own:
                places = np.arange(len(one))[None, :] + np.arange(number)[:, None]
                self._turns[:, one] = one[places % len(one)]
            whole = np.asarray(blocks)
            self._configs = np.tile(np.arange(configs), (rings, 1))
            for model, block in enumerate(whole):
                self._configs[:, block] = whole[self._ring[:, model]]
        else:
            self._configs = self._ring
        self.moves = generator.integers(rings, size=(draws, units))
        self.turns = generator.integers(len(self._turns), size=(draws, units))

    def places(self, draw: int, moved: str, out: Any) -> None:
        """Where each column of a draw takes its values from, written to `out`: (units, columns)."""
        moves = self.moves[draw]
        if moved == "models" or len(self._turns) == 1:
            table = self._ring if moved == "models" else self._configs
            table.take(moves, axis=0, out=out, mode="clip")
            return
        self._turns.take(self.turns[draw], axis=0, out=out, mode="clip")
        out += (moves * out.shape[1])[:, None]
        self._buffer = out.copy() if self._buffer is None else self._buffer
        np.copyto(self._buffer, out)
        self._configs.ravel().take(self._buffer, out=out, mode="clip")


def draw(rotations: Rotations, wanted: Sequence[Wanted]) -> list[Drawn]:
    """The draws of everything wanted, each from the same rotations."""
    found: list[Any] = [None] * len(wanted)
    for moved in dict.fromkeys(one.moved for one in wanted):
        places = [place for place, one in enumerate(wanted) if one.moved == moved]
        drawn = _draw_level(rotations, [wanted[place] for place in places], moved)
        for place, one in zip(places, drawn, strict=True):
            found[place] = one
    return found


def _draw_level(rotations: Rotations, wanted: list[Wanted], moved: str) -> list[Drawn]:
    shape = units, columns = wanted[0].values.shape
    metrics = [_Metric(one, len(rotations.moves)) for one in wanted]
    # Written over by every draw: fresh memory would take longer than the numbers in it.
    places, values, squared = (np.empty(shape, kind) for kind in (np.intp, np.float32, np.float32))
    offsets = (np.arange(units) * columns)[:, None]
    for number in range(len(rotations.moves)):
        rotations.places(number, moved, places)
        places += offsets
        for metric in metrics:
            metric.values.take(places, out=values, mode="clip")
            metric.add(number, values, np.square(values, out=squared))
    return [metric.drawn() for metric in metrics]


class _Metric:
    """What is collected of one metric at one level, draw by draw."""

    def __init__(self, wanted: Wanted, draws: int) -> None:
        units, columns = wanted.values.shape
        self.values = wanted.values.astype(np.float32).ravel()
        self._ones = np.ones(units, np.float32)
        self._member = np.zeros((len(wanted.sets), columns), bool)
        for place, one in enumerate(wanted.sets):
            self._member[place, one] = True
        self._weights = self._member.T.astype(np.float32)
        self._number = self._member.sum(axis=1)
        self._largest = np.empty((draws, len(wanted.sets)))
        self._any: list[Any] = []

    def add(self, number: int, values: Any, squared: Any) -> None:
        """Collect a draw from its values and their squares: (units, columns)."""
        sums, squares = self._ones @ values, self._ones @ squared
        together = self._number * (squares @ self._weights)
        together -= np.square(values @ self._weights).sum(axis=0)
        mean = 2 * together / np.maximum(1, self._number * (self._number - 1))
        best = np.where(self._member, sums, np.inf).argmin(axis=1)
        own = squares + squares[best][:, None] - 2 * (values[:, best].T @ values)
        z = statistic(sums - sums[best][:, None], own, mean[:, None])
        self._largest[number] = np.where(self._member, z, 0.0).max(axis=1)
        if number * self._number[0] < ANY_COLUMNS:
            self._any.append(z[0][self._member[0]])

    def drawn(self) -> Drawn:
        """What was collected."""
        largest = self._largest.T * (1 + TIE)
        return Drawn(list(largest), np.sort(np.concatenate(self._any)))


def statistic(gaps: Any, own: Any, mean: Any) -> Any:
    """Differences of sums over their standard errors: see permutation.pair_statistics."""
    error = np.sqrt(np.maximum(OWN * own + (1 - OWN) * mean, 0))
    return np.where(error > ROUNDING, gaps / np.maximum(error, ROUNDING), 0.0)


def statistics_against(values: Any, weights: Any, counted: Any, best: Any) -> Any:
    """The statistic of every column against the best one of its study: (studies, columns).

    It is that of permutation.pair_statistics. `values` (units, columns), `weights` (studies,
    units); `counted` (studies, columns) are those over which the mean of all pairs is taken,
    `best` (studies,) the columns that are compared with.
    """
    sums, squares = weights @ values, weights @ np.square(values)
    number = counted.sum(axis=1)
    totals = counted @ values.T
    together = number * (squares * counted).sum(axis=1) - (weights * np.square(totals)).sum(axis=1)
    mean = np.maximum(2 * together / np.maximum(1, number * (number - 1)), 0)
    own = np.empty_like(sums)
    for column in np.unique(best):
        mine = best == column
        shared = weights[mine] @ (values * values[:, [column]])
        own[mine] = squares[mine] + squares[mine, column][:, None] - 2 * shared
    gaps = sums - np.take_along_axis(sums, best[:, None], axis=1)
    return statistic(gaps, np.maximum(own, 0), mean[:, None])
