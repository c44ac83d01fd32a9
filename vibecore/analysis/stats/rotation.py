"""The permutation test of stats.permutation for so many columns that all pairs and all orders are
too many: rotations in place of free orders, and the best column of each draw in place of all pairs.

In each unit of prompts the models, in a random order, move on by a random number of places, and the
precisions of every model by another. The statistic of a draw is the largest of any column against
the draw's own best one, which is what the rule compares: it pays for picking the best on the same
data as all pairs would, from a number of pairs that grows with the columns alone.

Where models lack precisions these moves are no group. What is rotated is therefore not the data
but what one more rotation, the first, makes the data of: all draws, the data among them, then come
about in the same way, and their order says nothing where no column differs from another (Besag &
Clifford 1989, Biometrika 76:633; Hemerik & Goeman 2018, TEST 27:811, section 3).

One pass over the draws gives the distribution for several nested sets of columns, which the
step-down needs.

Shapes: `units` prompts or groups of them, `columns` configs or models, `draws` rotations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vibecore.analysis.stats.permutation import OWN, ROUNDING

DRAWS = 499
# Of all the ways in which the precisions of the models can move on together so many are drawn from,
# picked at random where there are more.
MOST_TURNS = 16
# Draws that are computed at once, by each of so many threads.
AT_ONCE = 32
THREADS = 2
# Draws are computed in single precision; what differs from the data by less is a tie.
TIE = 1e-5
# Statistics of any column, from as many draws as that takes.
ANY_COLUMNS = 50_000


@dataclass(frozen=True)
class Wanted:
    """What is drawn of one metric at one level.

    `values` (units, configs) are oriented so that more is worse; `sets` are nested sets of columns,
    the largest first. Columns are configs or, where `of_model`, the means of the models' blocks.
    """

    values: Any
    sets: Sequence[Any]
    of_model: bool


@dataclass(frozen=True)
class Drawn:
    """`largest` has (draws,) a set: of any column of the set against its best one in that draw.
    `any_column` are ascending statistics of columns that nobody picked against that best one."""

    largest: list[Any]
    any_column: Any


class Rotations:
    """Random rotations of configs, the same for every metric: `models` gives each config's model,
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
        whole = np.asarray(blocks) if blocks else np.arange(len(models))[:, None]
        self.draws, self._units = draws, np.arange(units)
        # The models as they follow each other, and the place of each one there.
        self.ring = generator.permutation(len(whole))
        # (precisions, models): the configs that move, and those that do not.
        self._moving = whole[self.ring].T
        self._staying = np.setdiff1d(np.arange(len(models)), whole)
        self._turned = _turned(models if blocks else range(len(models)), generator)
        # The first of each is the rotation that makes the data.
        self._moves = generator.integers(len(whole), size=(1 + draws, units))
        self._turns = generator.integers(len(self._turned), size=(1 + draws, units))
        self._made = self.sources(0)

    @property
    def columns(self) -> Any:
        """The configs in the order in which draws have them."""
        return np.concatenate([self._moving.ravel(), self._staying])

    def sources(self, number: int) -> Any:
        """Where each config of a rotation takes its values from, 0 being the rotation that makes
        the data: (units, configs)."""
        moved = np.empty((len(self._units), self._turned.shape[1]), dtype=np.intp)
        moved[:, self._staying] = self._staying
        places = np.arange(len(self.ring)) + self._moves[number][:, None]
        for row in self._moving:
            moved[:, row] = row[places % len(self.ring)]
        return np.take_along_axis(self._turned[self._turns[number]], moved, axis=1)

    def prepare(self, values: Any, *, of_model: bool) -> _Prepared:
        """Values (units, configs) for `_Prepared.draw`."""
        before = np.empty(values.shape, np.float32)
        np.put_along_axis(before, self._made, values.astype(np.float32), axis=1)
        # Of each unit every turn: (units and turns, configs).
        turned = before[:, self._turned].reshape(-1, values.shape[1])
        moving = turned[:, self._moving]
        if of_model:
            moving = moving.mean(axis=1, keepdims=True)
        staying = turned[:, () if of_model else self._staying]
        twice = np.ascontiguousarray(np.concatenate([moving, moving], axis=2))
        return _Prepared(self, twice, np.ascontiguousarray(staying))

    def of_draws(self, first: int, last: int) -> tuple[Any, Any]:
        """By draw and unit, the row of the prepared values and the move: (draws, units) each."""
        chosen = slice(1 + first, 1 + last)
        return self._units * len(self._turned) + self._turns[chosen], self._moves[chosen]


class _Prepared:
    """The values of every turn: `moving` (rows, precisions, twice the models), `staying` (rows,
    configs)."""

    def __init__(self, rotations: Rotations, moving: Any, staying: Any) -> None:
        self._rotations, self._staying = rotations, staying
        windows = sliding_window_view(moving, len(rotations.ring), axis=2)
        self._windows = windows.transpose(0, 2, 1, 3)

    def draw(self, first: int, last: int) -> Any:
        """The values of some draws: (draws, units, columns)."""
        rows, moves = self._rotations.of_draws(first, last)
        moving = self._windows[rows, moves].reshape(*rows.shape, -1)
        if not self._staying.shape[1]:
            return moving
        return np.concatenate([moving, self._staying[rows]], axis=2)


def _turned(models: Sequence[int], generator: np.random.Generator) -> Any:
    """Ways in which the configs of every model move on by some places: (turns, configs), by config
    the one whose values it takes."""
    own = [np.flatnonzero(np.asarray(models) == model) for model in dict.fromkeys(models)]
    number = math.lcm(*(len(one) for one in own))
    turns = np.arange(number) if number <= MOST_TURNS else None
    if turns is None:
        turns = generator.integers(min(number, 2**62), size=MOST_TURNS)
    turned = np.empty((len(turns), len(models)), dtype=np.intp)
    for one in own:
        turned[:, one] = one[(np.arange(len(one)) + turns[:, None]) % len(one)]
    return turned


def draw(rotations: Rotations, wanted: Sequence[Wanted]) -> list[Drawn]:
    """The draws of everything wanted, each from the same rotations."""
    metrics = [_Metric(rotations, one) for one in wanted]

    def add(first: int) -> None:
        for metric in metrics:
            metric.add(first, min(first + AT_ONCE, rotations.draws))

    # NumPy gives up the interpreter lock for as long as it computes.
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(add, range(0, rotations.draws, AT_ONCE)))
    return [metric.drawn() for metric in metrics]


class _Metric:
    """What is collected of one metric at one level, some draws at a time."""

    def __init__(self, rotations: Rotations, wanted: Wanted) -> None:
        self._prepared = rotations.prepare(wanted.values, of_model=wanted.of_model)
        columns = rotations.ring if wanted.of_model else rotations.columns
        # By set its columns, as draws have them; `_weights` is 1 for them: (columns, sets).
        self._sets = [np.flatnonzero(np.isin(columns, one)) for one in wanted.sets]
        self._weights = np.zeros((len(columns), len(wanted.sets)), np.float32)
        for place, one in enumerate(self._sets):
            self._weights[one, place] = 1
        self._number = self._weights.sum(axis=0)
        self._largest = np.empty((rotations.draws, len(wanted.sets)))
        self._any: list[Any] = []

    def add(self, first: int, last: int) -> None:
        """Collect the draws from `first` up to `last`."""
        values = self._prepared.draw(first, last)
        sums = values.sum(axis=1)
        squares = np.einsum("duc,duc->dc", values, values)
        totals = values @ self._weights
        together = self._number * (squares @ self._weights)
        together -= np.einsum("dus,dus->ds", totals, totals)
        mean = 2 * together / np.maximum(1, self._number * (self._number - 1))
        best = np.stack([one[sums[:, one].argmin(axis=1)] for one in self._sets], axis=1)
        # Of every column with the best one of each set: (draws, sets, columns).
        shared = np.take_along_axis(values, best[:, None], axis=2).transpose(0, 2, 1) @ values
        for place, one in enumerate(self._sets):
            least = best[:, [place]]
            gaps = sums[:, one] - np.take_along_axis(sums, least, axis=1)
            own = squares[:, one] + np.take_along_axis(squares, least, axis=1)
            own -= 2 * shared[:, place, one]
            z = statistic(gaps, own, mean[:, [place]])
            self._largest[first:last, place] = z.max(axis=1)
            if place == 0 and first * len(one) < ANY_COLUMNS:
                self._any.append(z.ravel())

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
    place = best[:, None]
    sums, squares = weights @ values, weights @ np.square(values)
    number, totals = counted.sum(axis=1), counted @ values.T
    together = number * (squares * counted).sum(axis=1) - (weights * np.square(totals)).sum(axis=1)
    mean = np.maximum(2 * together / np.maximum(1, number * (number - 1)), 0)
    own = squares + np.take_along_axis(squares, place, axis=1)
    own -= 2 * ((weights * values[:, best].T) @ values)
    gaps = sums - np.take_along_axis(sums, place, axis=1)
    return statistic(gaps, np.maximum(own, 0), mean[:, None])
