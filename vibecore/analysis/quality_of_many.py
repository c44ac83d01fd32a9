"""The rule's quality step for a study of many configs: what analysis.quality does, in a time that
grows with the number of configs and not with its square.

The statistic, the two levels and the one error rate are the same. Five things differ, and none
makes an error more frequent. Orders are rotations, and a draw's statistic is the largest against
its own best config in place of the largest of all pairs (stats.rotation says why both are valid).
Prompts are grouped more coarsely. The p that a config of a worse model needs of its own is of any
config against the best one rather than of any pair: the best of many is far from most. The
step-down goes by groups: all that has p under STEP leaves at once, and the rest is compared again
until no more leave (Romano & Wolf 2005, JASA 100:94: the step-down at that level; at any other it
is cautious), by the smallest of the nested sets that holds what is left, again cautious.

Of resampled studies each is judged in one step, by what the study itself was judged with last.

Shapes: a batch of `studies` of the same `configs`; `units` are prompts, or groups of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.quality import (
    FROM_COUNTS,
    SAME_MODEL,
    Grid,
    Quality,
    begin,
    columns_of,
    counted_of,
    find_grid,
    oriented,
    sign_of,
    take_lower,
    to_units,
)
from vibecore.analysis.stats.permutation import Family, SmallestP, tail_share
from vibecore.analysis.stats.rotation import (
    DRAWS,
    Drawn,
    Rotations,
    Wanted,
    draw,
    statistic,
    statistics_against,
)

if TYPE_CHECKING:
    from numpy.random import Generator

# Prompts are rotated in so many random groups, each as one.
MOST_UNITS = 64
RESAMPLES = 500
# What has a smaller p leaves before the rest is compared again.
STEP = 0.05
# Each nested set has this share of the one before, down to so many columns.
SHRINKING, FEWEST = 0.25, 12
ROTATED = "rotation within prompts"
# A metric, and whether of its models.
Key = tuple[str, bool]


@dataclass(frozen=True)
class Seen:
    """One metric at one level, in every study of a batch: `against` (studies, columns) has each
    column's statistic against the best one, whose place is `best` (studies,)."""

    against: Array
    best: Array


@dataclass(frozen=True)
class Judged:
    """How one study was judged in the end: `smallest` has the families of `keys` in their order
    (None where there are none), `own` by metric ascending statistics of any config."""

    keys: tuple[Key, ...]
    smallest: SmallestP | None
    own: Mapping[str, Array]
    quality: Quality

    def own_p(self, name: str, against: Array) -> Array:
        """The p of comparisons with the best one, each for itself: they pay for picking the best
        on the same data, not for picking the config."""
        return np.where(against > 0, tail_share(self.own[name], against), 1.0)


class OfMany:
    """Studies of many configs; without `like` there is one. `like` is the study that these are
    resamples of, with the same configs, which they are judged as."""

    how = ""

    def __init__(self, rows: Sequence[ConfigMetrics], like: OfMany | None = None) -> None:
        self.grid = find_grid(rows)
        self._like = like

    @property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule: (studies, configs), NaN without a verdict."""
        raise NotImplementedError

    def judge(self, follow: float = 1.0) -> Quality:
        """What the quality step finds; p-values above `follow` are as good as those below."""
        if self._like is None:
            return self.judged.quality
        return self._judge_as(self._like.judged, follow)

    @cached_property
    def judged(self) -> Judged:
        """The one study, judged."""
        quality, counted = begin(self.rates)
        seen = self._seen(quality, counted)
        sets = {
            key: _nested(one.against[0], self._counted(key, counted)[0])
            for key, one in seen.items()
        }
        # Without two configs that have verdicts there are no models to compare either.
        sets = {key: nested for key, nested in sets.items() if nested and sets[key[0], False]}
        drawn = self._draw(sets) if sets else {}
        return _step_down(self.grid, quality, counted, seen, sets, drawn)

    def _seen(self, quality: Quality, counted: Mapping[str, Array]) -> dict[Key, Seen]:
        """Every metric and level of these studies."""
        levels = [False, True] if self.grid.compares_models else [False]
        return {
            (name, of_model): self._level(
                name,
                of_model=of_model,
                counted=self._counted((name, of_model), counted),
                best=None if of_model else np.maximum(0, quality.best[name]),
            )
            for name in RULE_METRICS
            for of_model in levels
        }

    def _counted(self, key: Key, counted: Mapping[str, Array]) -> Array:
        """Which columns of a level are compared: (studies, columns). Models all are."""
        name, of_model = key
        mask = counted[name]
        return np.ones((len(mask), len(self.grid.names)), dtype=bool) if of_model else mask

    def _judge_as(self, judged: Judged, follow: float) -> Quality:
        quality, counted = begin(self.rates)
        seen = self._seen(quality, counted)
        models = list(self.grid.models)
        if judged.smallest is None:
            return quality
        for place, (name, of_model) in enumerate(judged.keys):
            against = seen[name, of_model].against
            p = np.ones(against.shape)
            low = against > max(0.0, judged.smallest.reaching(place, follow))
            p[low] = judged.smallest.adjusted(place, against[low])
            if of_model:
                p = p[:, models]
                low = p < 1
                p[low] = np.maximum(p[low], judged.own_p(name, seen[name, False].against[low]))
            take_lower(quality, name, counted[name], p, of_model=of_model)
        return quality

    def _level(self, name: str, *, of_model: bool, counted: Array, best: Array | None) -> Seen:
        """A metric at a level. `best` is the best column of each study, that with the least sum
        where it is None."""
        raise NotImplementedError

    def _draw(self, sets: Mapping[Key, Sequence[Array]]) -> dict[Key, Drawn]:
        """Draws of studies in which all columns are alike, for nested sets of columns."""
        raise NotImplementedError


class OutcomesOfMany(OfMany):
    """Studies of the prompts of one whose outputs are known: `weights` (studies, units) says how
    often each unit is in a study; without it there is one, with each unit once."""

    how = ROTATED

    def __init__(
        self,
        rows: Sequence[ConfigMetrics],
        outcomes: Outcomes,
        weights: Array | None = None,
        seed: int = 0,
        like: OutcomesOfMany | None = None,
    ) -> None:
        super().__init__(rows, like)
        self._seed = seed
        self._yes: Mapping[str, Array]
        self._known: Mapping[str, Array]
        if like is not None:
            self._yes, self._known = like._yes, like._known
        else:
            places = [outcomes.place(row.config) for row in rows]
            flags = {name: outcomes.flags[name][:, places] for name in RULE_METRICS}
            self._yes = {
                name: to_units(outcomes, one == 1, MOST_UNITS) for name, one in flags.items()
            }
            self._known = {
                name: to_units(outcomes, one >= 0, MOST_UNITS) for name, one in flags.items()
            }
        self._units = len(next(iter(self._yes.values())))
        self._weights = np.ones((1, self._units)) if weights is None else weights

    @cached_property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule: (studies, configs), NaN without a verdict."""
        found = {}
        for name, yes in self._yes.items():
            counts, totals = self._weights @ yes, self._weights @ self._known[name]
            found[name] = np.where(totals > 0, counts / np.maximum(1, totals), np.nan)
        return found

    def _values(self, name: str) -> Array:
        """What a config has beyond the common rate, more being worse: (units, configs)."""
        return oriented(name, self._yes[name], self._known[name])

    def _level(self, name: str, *, of_model: bool, counted: Array, best: Array | None) -> Seen:
        values = columns_of(self._values(name), self.grid.blocks if of_model else None)
        if best is None:
            best = (self._weights @ values).argmin(axis=1)
        return Seen(statistics_against(values, self._weights, counted, best), best)

    def _draw(self, sets: Mapping[Key, Sequence[Array]]) -> dict[Key, Drawn]:
        rotations = Rotations(self.grid.models, self.grid.blocks, self._units, DRAWS, self._seed)
        wanted = [
            Wanted(self._values(name), nested, of_model)
            for (name, of_model), nested in sets.items()
        ]
        return dict(zip(sets, draw(rotations, wanted), strict=True))


class CountsOfMany(OfMany):
    """Studies of which counts alone are known: `counts`, by metric, is (studies, configs); without
    it there is one, with the counts of `rows`."""

    how = FROM_COUNTS

    def __init__(
        self,
        rows: Sequence[ConfigMetrics],
        counts: Mapping[str, Array] | None = None,
        seed: int = 0,
        like: CountsOfMany | None = None,
    ) -> None:
        super().__init__(rows, like)
        self._seed = seed
        seen, self._totals = counted_of(rows)
        self._counts = seen if counts is None else counts

    @cached_property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule: (studies, configs), NaN without a verdict."""
        return {
            name: np.where(totals > 0, self._counts[name] / np.maximum(1, totals), np.nan)
            for name, totals in self._totals.items()
        }

    def _level(self, name: str, *, of_model: bool, counted: Array, best: Array | None) -> Seen:
        prompts = float(self._totals[name].max(initial=1))
        level = _Rates(self.grid, name, np.nan_to_num(self.rates[name]), of_model=of_model)
        if best is None:
            best = level.rates.argmin(axis=1)
        return Seen(level.against(prompts, counted, best), best)

    def _draw(self, sets: Mapping[Key, Sequence[Array]]) -> dict[Key, Drawn]:
        generator = np.random.default_rng([self._seed, 4])
        found = {}
        for (name, of_model), nested in sets.items():
            totals = self._totals[name]
            prompts = int(totals.max(initial=1))
            rate = self._counts[name].sum() / max(1, totals.sum())
            # Configs as if independent, so that agreement makes no difference of them too large.
            drawn = self._alike(generator, rate, prompts, by_model=of_model)
            level = _Rates(self.grid, name, drawn, of_model=of_model)
            against = []
            for columns in nested:
                part = level.among(columns)
                best = part.rates.argmin(axis=1)
                counted = np.ones(part.rates.shape, dtype=bool)
                against.append(part.against(prompts, counted, best))
            largest = [one.max(axis=1) for one in against]
            found[name, of_model] = Drawn(largest, np.sort(against[0], axis=None))
        return found

    def _alike(self, generator: Generator, rate: float, prompts: int, *, by_model: bool) -> Array:
        """Rates of configs that are all alike, (draws, configs): independent, or following their
        models as quality.FromCounts has it. Each count of prompts is drawn at once."""
        shape = (DRAWS, len(self.grid.models))
        if not by_model:
            return generator.binomial(prompts, rate, size=shape) / prompts
        follows = math.sqrt(SAME_MODEL)
        of_models = generator.binomial(prompts, rate, size=(DRAWS, len(self.grid.names)))
        of_models = of_models[:, list(self.grid.models)]
        yes = generator.binomial(of_models, follows)
        no = generator.binomial(prompts - of_models, follows)
        return (yes + generator.binomial(prompts - yes - no, rate)) / prompts


class _Rates:
    """Rates of columns with what a prompt's outcome varies by: (studies, columns), more worse."""

    def __init__(self, grid: Grid, name: str, rates: Array, *, of_model: bool) -> None:
        spread = rates * (1 - rates)
        sign = sign_of(name)
        if of_model:
            size = len(grid.blocks[0])
            rates = columns_of(rates, grid.blocks)
            spread = columns_of(spread, grid.blocks) * (1 + (size - 1) * SAME_MODEL) / size
        self.rates, self.spread = sign * rates, spread

    def among(self, columns: Array) -> _Rates:
        """Some of the columns."""
        part = object.__new__(_Rates)
        part.rates, part.spread = self.rates[:, columns], self.spread[:, columns]
        return part

    def mean(self, prompts: float, counted: Array) -> Array:
        """The mean of all pairs' expected squares: (studies, 1)."""
        number = counted.sum(axis=1, keepdims=True)
        rates, spread = self.rates * counted, self.spread * counted
        gaps = number * (rates**2).sum(axis=1, keepdims=True)
        gaps = gaps - rates.sum(axis=1, keepdims=True) ** 2
        spreads = (number - 1) * spread.sum(axis=1, keepdims=True)
        return prompts * 2 * (gaps + spreads) / np.maximum(1, number * (number - 1))

    def against(self, prompts: float, counted: Array, best: Array) -> Array:
        """Every column's statistic against the best one: (studies, columns)."""
        least = np.take_along_axis(self.rates, best[:, None], axis=1)
        own = self.spread + np.take_along_axis(self.spread, best[:, None], axis=1)
        gaps = self.rates - least
        mean = self.mean(prompts, counted)
        return statistic(prompts * gaps, prompts * (own + gaps**2), mean)


def _nested(against: Array, counted: Array) -> list[Array]:
    """Nested sets of the columns that are compared, those that look worst leaving first; none
    where there is nothing to compare."""
    columns = np.flatnonzero(counted)
    if len(columns) < 2:
        return []
    left = columns[np.argsort(-against[columns], kind="stable")]
    sets = [left]
    while len(left) * SHRINKING >= FEWEST:
        left = left[len(left) - math.ceil(len(left) * SHRINKING) :]
        sets.append(left)
    return sets


def _step_down(
    grid: Grid,
    quality: Quality,
    counted: Mapping[str, Array],
    seen: Mapping[Key, Seen],
    sets: Mapping[Key, Sequence[Array]],
    drawn: Mapping[Key, Drawn],
) -> Judged:
    """Judge the one study, and fill in its quality."""
    keys = tuple(drawn)
    alive = {key: np.isin(np.arange(seen[key].against.shape[1]), sets[key][0]) for key in keys}
    own = {name: drawn[name, False].any_column for name, of_model in keys if not of_model}
    judged = Judged(keys, None, own, quality)
    floor, going = 0.0, bool(keys)
    while going:
        families = []
        for key in keys:
            left = int(alive[key].sum())
            fitting = [place for place, one in enumerate(sets[key]) if len(one) >= left]
            families.append(Family(drawn[key].largest[max(fitting)]))
        smallest = SmallestP(families)
        judged = Judged(keys, smallest, own, quality)
        p = {}
        for place, key in enumerate(keys):
            against = seen[key].against[0]
            p[key] = np.where(against > 0, smallest.adjusted(place, against), 1.0)
        leaving = {key: alive[key] & (p[key] < STEP) for key in keys}
        going = any(one.any() for one in leaving.values())
        settled = leaving if going else alive
        reached = floor
        for key in keys:
            name, of_model = key
            values = np.maximum(floor, np.where(settled[key], p[key], 1.0))
            reached = max(reached, values[leaving[key]].max(initial=0))
            if of_model:
                values = values[list(grid.models)]
                values = np.maximum(values, judged.own_p(name, seen[name, False].against[0]))
            take_lower(quality, name, counted[name], values[None], of_model=of_model)
            alive[key] = alive[key] & ~leaving[key]
        floor = reached
    return judged
