"""Which configs of a study with many a page shows: those of a name, in an order, so many at once.

A thousand rows say less than fifty in the right order, and take seconds to draw.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vibecore.analysis import SweetSpot
from vibecore.analysis.metrics import METRICS, ConfigMetrics, Metric
from vibecore.core.formats import counted

# A study of no more configs is shown whole, in its own order.
MOST = 50
NEAREST, AS_STORED = "nearest", "study"
# Orders that need no metric, with their words.
ORDERS = {NEAREST: "nearest to the choice", AS_STORED: "as in the study"}
# A config's key in an order: what sorts first is the least.
Key = Callable[[ConfigMetrics], Any]


@dataclass(frozen=True)
class Wanted:
    """What a person asked to see: configs with all words of `named` in their names, an order of
    `orders`, and which part of them, from 1."""

    named: str = ""
    order: str = NEAREST
    part: int = 1


@dataclass(frozen=True)
class Shown:
    """The configs of a page's part: `rows`, of `matching` whose names match, of `configs` in the
    study; `first` is the place among the matching of the first of them, from 1. `part` is counted
    from 1."""

    rows: list[ConfigMetrics]
    part: int
    matching: int
    configs: int
    order: str

    @property
    def first(self) -> int:
        """The place of the first row among those that match, from 1."""
        return (self.part - 1) * MOST + 1

    @property
    def whole(self) -> bool:
        """Whether these are all configs of the study."""
        return len(self.rows) == self.configs

    @property
    def named(self) -> tuple[str, ...]:
        """The names of the rows, for a reader that takes all where none is named; none for all."""
        return () if self.whole else tuple(row.config for row in self.rows)

    def sentence(self) -> str:
        """Which configs these are."""
        if not self.rows:
            return f"No name of the {counted(self.configs, 'config')} matches."
        whose = f"of {counted(self.configs, 'config')}"
        if self.matching < self.configs:
            whose = f"of {self.matching:,} whose names match, {whose}"
        last = self.first + len(self.rows) - 1
        return f"Shown are {self.first:,} to {last:,} {whose}, {self.order}."


def offers(rows: Sequence[ConfigMetrics]) -> bool:
    """Whether a study has so many configs that a page shows part of them."""
    return len(rows) > MOST


def orders(metrics: Sequence[Metric]) -> dict[str, str]:
    """The orders that there are, with their words: ORDERS, then every one of the metrics that these
    configs have (see known_metrics) of which one end is better, by its name."""
    ranked = [metric for metric in metrics if metric.better]
    return ORDERS | {metric.name: f"best {metric.called} first" for metric in ranked}


def parts(matching: int) -> int:
    """How many parts so many configs have, at least one."""
    return max(1, math.ceil(matching / MOST))


def find_named(rows: Sequence[ConfigMetrics], named: str) -> list[ConfigMetrics]:
    """The configs whose names have all words of `named` in them, in any case."""
    words = named.casefold().split()
    return [row for row in rows if all(word in row.config.casefold() for word in words)]


def show_part(rows: Sequence[ConfigMetrics], wanted: Wanted, spot: SweetSpot) -> Shown:
    """A part of the configs whose names match, in an order of `orders`."""
    found = sorted(find_named(rows, wanted.named), key=_key(wanted.order, spot))
    part = min(max(1, wanted.part), parts(len(found)))
    begin = (part - 1) * MOST
    how = orders(METRICS)[wanted.order]
    return Shown(found[begin : begin + MOST], part, len(found), len(rows), how)


def show_all(rows: Sequence[ConfigMetrics]) -> Shown:
    """All configs, in the study's order."""
    return Shown(list(rows), 1, len(rows), len(rows), ORDERS[AS_STORED])


def _key(order: str, spot: SweetSpot) -> Key:
    if order == AS_STORED:
        return lambda row: 0
    if order == NEAREST:
        return _nearness(spot)
    [metric] = [one for one in METRICS if one.name == order]
    return partial(_by_metric, metric)


def _nearness(spot: SweetSpot) -> Key:
    """The choice first; then what the rule compared by speed, the fastest first; then what it
    compared on quality, by how near it came to not being worse; then the rest as in the study."""
    smallest: dict[str, float] = {}
    for one in spot.comparisons:
        smallest[one.config] = min(one.p, smallest.get(one.config, math.inf))

    def key(row: ConfigMetrics) -> tuple[bool, float, float]:
        chosen = row.config in (spot.config, spot.best_that_fits)
        return not chosen, -spot.speed_shares.get(row.config, 0), -smallest.get(row.config, -1)

    return key


def _by_metric(metric: Metric, row: ConfigMetrics) -> float:
    """A figure as what sorts first is best; what is not known comes last."""
    value, total = metric.value(row), metric.total(row)
    if value is None or (metric.of and not total):
        return math.inf
    rate = value / total if total else value
    return -rate if metric.better == "more" else rate
