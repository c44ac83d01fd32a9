"""The rule's quality step: which configs are worse than the best usable one of their study.

Every usable config is compared with the best one on each metric of the rule; where the configs are
models x precisions, whole models are compared as well, over all precisions that all of them have.
All of it shares one error rate (stats.permutation): of configs that are all alike, any is dropped
in at most a share α of studies. A model that is worse opens the gate for its configs; each of them
then needs a p of its own too (a protected test, Fisher 1935), because one precision may have made
the difference alone.

Where outputs are stored their outcomes are permuted within prompts. Of counts alone the draws are
made from the common rate, configs independent of each other but for those of one model, whose
outcomes agree more (SAME_MODEL).

Shapes: a batch of `studies` of the same `configs`; `units` are prompts, or groups of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Array, Outcomes

if TYPE_CHECKING:
    from numpy.random import Generator

    from vibecore.analysis.stats.permutation import Family, SmallestP

# A config of whose outputs this share or more is broken is never chosen.
MOST_BROKEN = 0.5
BROKEN = "broken outputs"
# More prompts than this are permuted in so many random groups, each as one.
MOST_UNITS = 150
# Correlation of the outcomes of one model's precisions on a prompt, beyond that of any two configs,
# where counts alone are known. Of broken outputs it is 0.98, 0.76 and 0.44 in the three shipped
# studies, of adherent ones 0.21 to 0.43.
SAME_MODEL = 0.75
# Of resampled studies steps end here: what has a larger p is not followed further.
LARGEST_P = 0.15
WITHIN_PROMPTS = "permutation within prompts"
FROM_COUNTS = "draws from the common rate"


@dataclass(frozen=True)
class Grid:
    """The models of some configs: `models` gives each config's place among them, `names` theirs,
    `blocks` by model the places of the configs at the precisions that all models have, in one
    order; empty where they share none, or there is one model."""

    names: tuple[str, ...]
    models: tuple[int, ...]
    blocks: tuple[tuple[int, ...], ...]

    @property
    def compares_models(self) -> bool:
        """Whether whole models can be compared: at two precisions or more."""
        return bool(self.blocks) and len(self.blocks[0]) > 1


def find_grid(rows: Sequence[ConfigMetrics]) -> Grid:
    """The grid that the configs make."""
    places: dict[str, dict[str, int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.model, {})[row.precision] = place
    names = tuple(places)
    number = {name: place for place, name in enumerate(names)}
    shared = [
        precision
        for precision in dict.fromkeys(row.precision for row in rows)
        if all(precision in own for own in places.values())
    ]
    blocks = tuple(tuple(places[name][one] for one in shared) for name in names)
    alone = len(names) == 1 or not shared
    return Grid(names, tuple(number[row.model] for row in rows), () if alone else blocks)


@dataclass(frozen=True)
class Level:
    """One metric's sums at one level, configs or models, oriented so that more is worse.

    `sums` (studies, columns) and `squares` (studies, columns, columns) are what
    stats.permutation.pair_statistics takes; those that begin with `null` have draws in place of
    studies.
    """

    sums: Array
    squares: Array
    null_sums: Array
    null_squares: Array


@dataclass(frozen=True)
class Compared:
    """One metric's levels and rates. `rates` (studies, configs) is NaN without a verdict; `models`
    is None where whole models are not compared."""

    rates: Array
    configs: Level
    models: Level | None


@dataclass(frozen=True)
class Quality:
    """What the quality step found. Arrays are (studies, configs), by metric where a mapping.

    `usable` have less than half of their outputs broken. `best` (studies,) is the place of the
    best usable config, −1 where none has a verdict. `p` is adjusted for the whole decision, NaN
    where there is no comparison; `by_model` says where it is the model's.
    """

    usable: Array
    best: Mapping[str, Array]
    p: Mapping[str, Array]
    by_model: Mapping[str, Array]


class Sampled(Protocol):
    """What the quality step is judged from: studies as outcomes, or as counts."""

    grid: Grid
    how: str

    @property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule: (studies, configs), NaN without a verdict."""

    def judge(self, follow: float = 1.0) -> Quality:
        """Apply the quality step to every study; p-values above `follow` are upper bounds."""


class _Compared:
    """What is judged by comparing all pairs."""

    grid: Grid

    @property
    def compared(self) -> Mapping[str, Compared]:
        """Each metric of the rule."""
        raise NotImplementedError

    @property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule: (studies, configs), NaN without a verdict."""
        return {name: one.rates for name, one in self.compared.items()}

    def judge(self, follow: float = 1.0) -> Quality:
        """Apply the quality step to every study; p-values above `follow` are upper bounds."""
        return _judge(self.grid, self.compared, follow)


class FromOutcomes(_Compared):
    """Studies of the prompts of one whose outputs are known: `weights` (studies, units) says how
    often each unit is in a study; without it there is one, with each unit once. `like` are studies
    of the same rows, outcomes and seed, whose units and permutations are these studies' too."""

    how = WITHIN_PROMPTS
    _yes: Mapping[str, Array]
    _known: Mapping[str, Array]

    def __init__(
        self,
        rows: Sequence[ConfigMetrics],
        outcomes: Outcomes,
        weights: Array | None = None,
        seed: int = 0,
        like: FromOutcomes | None = None,
    ) -> None:
        import numpy as np

        self.grid, self._seed, self._like = find_grid(rows), seed, like
        if like is not None:
            self._yes, self._known = like._yes, like._known
        else:
            places = [outcomes.place(row.config) for row in rows]
            flags = {name: outcomes.flags[name][:, places] for name in RULE_METRICS}
            self._yes = {name: to_units(outcomes, one == 1) for name, one in flags.items()}
            self._known = {name: to_units(outcomes, one >= 0) for name, one in flags.items()}
        units = len(next(iter(self._yes.values())))
        self._weights = np.ones((1, units)) if weights is None else weights

    @cached_property
    def permuted(self) -> Mapping[str, list[tuple[Array, Array, Array]]]:
        """Of each metric and level: its values (units, columns), and over all units of each
        permutation of them the sums (draws, columns) and squares (draws, columns, columns)."""
        import numpy as np

        from vibecore.analysis.stats import permutation

        if self._like is not None:
            return self._like.permuted
        units = len(next(iter(self._yes.values())))
        source = permutation.shuffle(
            self.grid.models, self.grid.blocks, units, permutation.DRAWS, self._seed
        )
        found: dict[str, list[tuple[Array, Array, Array]]] = {}
        for name in RULE_METRICS:
            yes, known = self._yes[name], self._known[name]
            values = oriented(name, yes, known)
            drawn = np.take_along_axis(values[None], source, axis=2)
            found[name] = []
            for blocks in [None, self.grid.blocks] if self.grid.compares_models else [None]:
                null = columns_of(drawn, blocks)
                found[name].append(
                    (columns_of(values, blocks), null.sum(axis=1), _squares_drawn(null))
                )
        return found

    @cached_property
    def compared(self) -> Mapping[str, Compared]:
        """Each metric of the rule; the same draws for all."""
        import numpy as np

        found = {}
        for name in RULE_METRICS:
            counts, totals = self._weights @ self._yes[name], self._weights @ self._known[name]
            levels = [
                Level(self._weights @ seen, _squares_of(seen, self._weights), sums, squares)
                for seen, sums, squares in self.permuted[name]
            ]
            rates = np.where(totals > 0, counts / np.maximum(1, totals), np.nan)
            found[name] = Compared(rates, levels[0], levels[1] if len(levels) > 1 else None)
        return found


class FromCounts(_Compared):
    """Studies of which counts alone are known: `counts`, by metric, is (studies, configs); without
    it there is one, with the counts of `rows`."""

    how = FROM_COUNTS

    def __init__(
        self,
        rows: Sequence[ConfigMetrics],
        counts: Mapping[str, Array] | None = None,
        seed: int = 0,
    ) -> None:
        self.grid, self._seed = find_grid(rows), seed
        seen, self._totals = counted_of(rows)
        self._counts = seen if counts is None else counts

    @cached_property
    def compared(self) -> Mapping[str, Compared]:
        """Each metric of the rule, with draws from the rate of all studies together."""
        import numpy as np

        from vibecore.analysis.stats.permutation import DRAWS

        generator = np.random.default_rng([self._seed, 4])
        found = {}
        for name in RULE_METRICS:
            counts, totals = self._counts[name], self._totals[name]
            rates = np.where(totals > 0, counts / np.maximum(1, totals), np.nan)
            prompts = int(min(totals.max(initial=0), MOST_UNITS)) or 1
            common = counts.sum() / max(1, totals.sum() * len(counts))
            alike, by_model = self._draw(generator, common, prompts, DRAWS)
            sign = sign_of(name)
            seen = self._levels(sign, np.nan_to_num(rates), float(totals.max(initial=1)))
            # Configs as if independent, so that agreement makes no difference of them too large.
            null = self._levels(sign, alike, float(prompts))[:1]
            null += self._levels(sign, by_model, float(prompts))[1:]
            levels = [Level(*a, *b) for a, b in zip(seen, null, strict=True)]
            found[name] = Compared(rates, levels[0], levels[1] if len(levels) > 1 else None)
        return found

    def _draw(
        self, generator: Generator, rate: float, prompts: int, draws: int
    ) -> tuple[Array, Array]:
        """Rates of configs that are all alike, (draws, configs): independent, and following their
        models."""
        shape = (draws, prompts, len(self.grid.models))
        own = generator.random(shape) < rate
        models = generator.random((*shape[:2], len(self.grid.names))) < rate
        # Two configs that each follow their model with this chance correlate by its square.
        follows = generator.random(shape) < math.sqrt(SAME_MODEL)
        following = follows * models[:, :, list(self.grid.models)] + ~follows * own
        return own.mean(axis=1), following.mean(axis=1)

    def _levels(self, sign: float, rates: Array, prompts: float) -> list[tuple[Array, Array]]:
        """Sums and expected squares of configs and, where they are compared, of models."""
        spread = rates * (1 - rates)
        levels = [(sign * prompts * rates, prompts * _expected(rates, spread))]
        if self.grid.compares_models:
            size = len(self.grid.blocks[0])
            means = columns_of(rates, self.grid.blocks)
            within = columns_of(spread, self.grid.blocks) * (1 + (size - 1) * SAME_MODEL) / size
            levels.append((sign * prompts * means, prompts * _expected(means, within)))
        return levels


def counted_of(rows: Sequence[ConfigMetrics]) -> tuple[dict[str, Array], dict[str, Array]]:
    """What a study of which counts alone are known has, by metric of the rule: counts (1, configs)
    and totals (configs,)."""
    import numpy as np

    counts, totals = {}, {}
    for name, metric in RULE_METRICS.items():
        counts[name] = np.array([[metric.value(row) or 0 for row in rows]])
        totals[name] = np.array([metric.total(row) or 0 for row in rows])
    return counts, totals


def to_units(outcomes: Outcomes, values: Array, most: int = MOST_UNITS) -> Array:
    """Values (outputs, …) as sums over units: each prompt, or `most` random groups of them."""
    from vibecore.analysis.stats.bootstrap import sum_groups

    return sum_groups(outcomes.by_prompt(values), seed=0, most=most)


def sign_of(name: str) -> float:
    """What makes more of a metric of the rule worse."""
    return -1.0 if RULE_METRICS[name].better == "more" else 1.0


def oriented(name: str, yes: Array, known: Array) -> Array:
    """Counts of a metric beyond what the common rate gives, more being worse: a missing verdict
    counts for nothing."""
    common = yes.sum() / max(1.0, known.sum())
    return (yes - common * known) * sign_of(name)


def begin(rates: Mapping[str, Array]) -> tuple[Quality, Mapping[str, Array]]:
    """What is known before any comparison, every p 1, and by metric which configs are compared:
    (studies, configs)."""
    import numpy as np

    usable = ~(rates[BROKEN] >= MOST_BROKEN)
    judged = {name: usable & ~np.isnan(one) for name, one in rates.items()}
    best, p, by_model = {}, {}, {}
    for name, one in rates.items():
        signed = np.where(judged[name], sign_of(name) * np.nan_to_num(one), np.inf)
        first = signed.argmin(axis=1)
        best[name] = np.where(judged[name].any(axis=1), first, -1)
        p[name] = np.where(judged[name], 1.0, np.nan)
        p[name][np.arange(len(first)), first] = np.nan
        by_model[name] = np.zeros(usable.shape, dtype=bool)
    return Quality(usable, best, p, by_model), judged


def _judge(grid: Grid, compared: Mapping[str, Compared], follow: float) -> Quality:
    quality, judged = begin({name: one.rates for name, one in compared.items()})
    steps = _Steps(grid, compared, judged, quality.best, follow)
    names = list(compared)
    for metric, studies, columns, values, of_model in steps:
        name = names[metric]
        lower = values < quality.p[name][studies, columns]
        where = studies[lower], columns[lower]
        quality.p[name][where] = values[lower]
        quality.by_model[name][where] = of_model
    return quality


def take_lower(quality: Quality, name: str, judged: Array, p: Array, *, of_model: bool) -> None:
    """Take p-values (studies, configs) of a metric where they are lower than those it has."""
    lower = judged & (p < quality.p[name])
    quality.p[name][lower] = p[lower]
    quality.by_model[name][lower] = of_model


# A metric, whether of its models, and which columns are compared, as bytes.
Key = tuple[int, bool, bytes]
# (metric, studies, columns, p, whether it is the model's): arrays of the same length.
Found = tuple[int, Array, Array, Array, bool]


class _Steps:
    """The step-down: in each study the smallest p is settled, its config or model leaves the
    comparison, and the rest is compared again; no p is smaller than one settled before."""

    def __init__(
        self,
        grid: Grid,
        compared: Mapping[str, Compared],
        judged: Mapping[str, Array],
        best: Mapping[str, Array],
        follow: float,
    ) -> None:
        self._follow = follow
        self._grid, self._metrics = grid, list(compared.values())
        self._judged, self._best = list(judged.values()), list(best.values())
        self._families: dict[Key, Family] = {}
        self._together: dict[tuple[Key, ...], SmallestP] = {}

    def __iter__(self) -> Iterator[Found]:
        import numpy as np

        studies = len(self._judged[0])
        models = len(self._grid.names) if self._grid.compares_models else 0
        alive = [mask.copy() for mask in self._judged]
        whole = [np.ones((studies, models), dtype=bool) for _ in self._metrics]
        floor = np.zeros(studies)
        active = np.arange(studies)
        while len(active):
            states = np.concatenate([*(m[active] for m in alive), *(m[active] for m in whole)], 1)
            _, state = np.unique(states, axis=0, return_inverse=True)
            going = []
            for one in range(state.max() + 1):
                these = active[state.ravel() == one]
                values = self._p_values(these, alive, whole)
                least = np.min([v.min(axis=1) for v in values], axis=0)
                followed = (least <= self._follow) & (least < 1)
                floor[these] = np.maximum(floor[these], least)
                for place, v in enumerate(values):
                    metric, of_model = place // 2, place % 2 == 1
                    last = ~followed[:, None] & (v < 1)
                    rows, columns = np.nonzero((v <= least[:, None]) & followed[:, None] | last)
                    if not len(rows):
                        continue
                    settled = these[rows], columns
                    if of_model:
                        yield from self._of_model(metric, *settled, floor)
                        whole[metric][settled] = False
                    else:
                        p = np.maximum(floor[these[rows]], v[rows, columns])
                        yield metric, *settled, p, False
                        alive[metric][settled] = False
                going.append(these[followed])
            active = np.concatenate(going) if going else active[:0]

    def _p_values(
        self, studies: Array, alive: Sequence[Array], whole: Sequence[Array]
    ) -> list[Array]:
        """The adjusted p of every config and model still compared, 1 for the others: by metric
        (studies, configs) and (studies, models). All of `studies` are in the same state."""
        import numpy as np

        from vibecore.analysis.stats.permutation import pair_statistics

        keys: list[Key] = []
        seen: list[tuple[int, Array, Array] | None] = []
        for metric, one in enumerate(self._metrics):
            for level, of_model in ((one.configs, False), (one.models, True)):
                mask = (whole if of_model else alive)[metric][studies[0]]
                if level is None or mask.sum() < 2:
                    seen.append(None)
                    continue
                columns = np.flatnonzero(mask)
                pairs = np.ix_(studies, columns, columns)
                z = pair_statistics(level.sums[np.ix_(studies, columns)], level.squares[pairs])
                if of_model:
                    best = level.sums[np.ix_(studies, columns)].argmin(axis=1)
                else:
                    best = np.searchsorted(columns, self._best[metric][studies])
                against = z[np.arange(len(studies)), :, best]
                seen.append((len(keys), columns, against))
                keys.append((metric, of_model, mask.tobytes()))
        smallest = self._smallest(tuple(keys)) if keys else None
        values = []
        for place, found in enumerate(seen):
            masks = (whole if place % 2 else alive)[place // 2]
            p = np.ones((len(studies), masks.shape[1])) if masks.shape[1] else None
            if found is not None and smallest is not None and p is not None:
                family, columns, against = found
                better = against <= 0
                p[:, columns] = np.where(better, 1.0, smallest.adjusted(family, against))
            values.append(np.ones((len(studies), 1)) if p is None else p)
        return values

    def _smallest(self, keys: tuple[Key, ...]) -> SmallestP:
        """The families of these keys under one error rate."""
        import numpy as np

        from vibecore.analysis.stats.permutation import Family, SmallestP, largest

        for key in keys:
            if key not in self._families:
                metric, of_model, mask = key
                pairs = self._null_pairs(metric, of_model, np.frombuffer(mask, dtype=bool))
                self._families[key] = Family(largest(pairs))
        if keys not in self._together:
            self._together[keys] = SmallestP([self._families[key] for key in keys])
        return self._together[keys]

    def _null_pairs(self, metric: int, of_model: bool, mask: Array) -> Array:
        import numpy as np

        from vibecore.analysis.stats.permutation import pair_statistics

        one = self._metrics[metric]
        level = one.models if of_model else one.configs
        assert level is not None
        columns = np.flatnonzero(mask)
        squares = level.null_squares[:, columns[:, None], columns]
        return pair_statistics(level.null_sums[:, columns], squares)

    def _of_model(
        self, metric: int, studies: Array, models: Array, floor: Array
    ) -> Iterator[Found]:
        """The p of the configs of models that are worse: no smaller than their own."""
        import numpy as np

        own = self._own_p[metric]
        for place, model in enumerate(self._grid.models):
            mine = studies[models == model]
            judged = self._judged[metric][mine, place] & (self._best[metric][mine] != place)
            mine = mine[judged]
            columns = np.full(len(mine), place)
            yield metric, mine, columns, np.maximum(floor[mine], own[mine, place]), True

    @cached_property
    def _own_p(self) -> list[Array]:
        """By metric, each config's two-sided p against the best one, for this comparison alone."""
        import numpy as np

        from vibecore.analysis.stats.permutation import pair_statistics, tail_share

        found = []
        for metric, one in enumerate(self._metrics):
            mask = np.ones(one.configs.sums.shape[1], dtype=bool)
            any_pair = np.sort(np.abs(self._null_pairs(metric, False, mask)), axis=None)
            any_pair = any_pair[len(mask) * len(one.configs.null_sums) :]  # each with itself
            z = pair_statistics(one.configs.sums, one.configs.squares, self._judged[metric])
            best = self._best[metric]
            against = z[np.arange(len(z)), :, best]
            found.append(np.where(against > 0, tail_share(any_pair, against), 1.0))
        return found


def columns_of(values: Array, blocks: Sequence[Sequence[int]] | None) -> Array:
    """Values (…, configs) as they are, or their mean over each model's block: (…, models)."""
    import numpy as np

    if blocks is None:
        return values
    return np.stack([values[..., list(block)].mean(axis=-1) for block in blocks], axis=-1)


def _expected(rates: Array, spread: Array) -> Array:
    """What a prompt's squared difference of two independent outcomes comes to, on average."""
    gap = rates[..., :, None] - rates[..., None, :]
    return spread[..., :, None] + spread[..., None, :] + gap**2


def _squares_of(values: Array, weights: Array) -> Array:
    """Sums over units of squared differences: (studies, columns, columns)."""
    gaps = values[:, :, None] - values[:, None, :]
    return (weights @ (gaps**2).reshape(len(values), -1)).reshape(-1, *gaps.shape[1:])


def _squares_drawn(drawn: Array) -> Array:
    """The same of every draw, from (draws, units, columns)."""
    import numpy as np

    products = drawn.transpose(0, 2, 1) @ drawn
    own = np.diagonal(products, axis1=1, axis2=2)
    return own[:, :, None] + own[:, None, :] - 2 * products
