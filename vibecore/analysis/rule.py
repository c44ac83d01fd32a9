"""The sweet spot's rule, applied to a batch of studies at once: usable, quality, fit, speed, least
memory.

There is one implementation. A study itself is a batch of one (`sweet_spot.Observed`), its resamples
a batch of thousands (`stability.Draws`). `apply` returns what each step found, from which the
reasons for every exclusion are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Array
from vibecore.analysis.quality import BROKEN, Quality
from vibecore.core.machine import GIB


@dataclass(frozen=True)
class Rule:
    """The rule's thresholds: memory cap in GiB (None: no cap), share of the fastest speed, α, and
    the largest mean KLD from 16 bit in nats (None: it decides nothing)."""

    vram_gib: float | None = None
    speed_floor: float = 0.85
    alpha: float = 0.05
    kld_cap: float | None = None


@dataclass(frozen=True)
class Needs:
    """What the configs take of each cap, (configs,): bytes of memory, NaN where that is not known,
    and mean KLD from 16 bit, 0 of a parent, NaN where that is not known."""

    memory: Array
    kld: Array


def needs_of(rows: Sequence[ConfigMetrics]) -> Needs:
    """What configs take of each cap."""
    import numpy as np

    klds = [0.0 if row.config == row.parent else row.mean_kld for row in rows]
    return Needs(
        np.array([row.fit_bytes for row in rows], dtype=float), np.array(klds, dtype=float)
    )


class Studies(Protocol):
    """A batch of studies of the same configs, all of which can be compared.

    `speeds` is (studies, configs), in tokens per second. Memory is the same in every study of a
    batch.
    """

    @property
    def rows(self) -> Sequence[ConfigMetrics]:
        """The configs."""

    @property
    def needs(self) -> Needs:
        """What the configs take of each cap."""

    @property
    def speeds(self) -> Array:
        """Each config's speed in each study."""

    @property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule, each config's rate in each study, NaN without a verdict."""

    @property
    def quality(self) -> Quality:
        """What the quality step found, which depends on no threshold."""


@dataclass(frozen=True)
class Steps:
    """What each step of the rule found. Arrays are (studies, configs) unless said otherwise.

    `good` are usable and not significantly worse than the best usable config; `fits` is (configs,),
    by memory and KLD;
    `left` are good and fit; `fast` are left and reach the speed floor. `choice` (studies,) is a
    place among the configs, −1 for no sweet spot; `best_that_fits` (studies,) is, where there is
    none, the usable config with the fewest broken outputs among those that fit, else −1.
    """

    quality: Quality
    good: Array
    fits: Array
    left: Array
    fast: Array
    choice: Array
    best_that_fits: Array


def fits(row: ConfigMetrics, rule: Rule) -> bool:
    """Whether a config stays under the caps on memory and KLD."""
    return fits_memory(row, rule) and is_near(row, rule)


def fits_memory(row: ConfigMetrics, rule: Rule) -> bool:
    """Whether a config stays under the memory cap; unknown memory passes no cap."""
    if rule.vram_gib is None:
        return True
    return row.fit_bytes is not None and row.fit_bytes <= rule.vram_gib * GIB


def is_near(row: ConfigMetrics, rule: Rule) -> bool:
    """Whether a config's mean KLD from its parent stays under the cap. A parent's own is zero; an
    unknown one passes no cap."""
    if rule.kld_cap is None or row.config == row.parent:
        return True
    return row.mean_kld is not None and row.mean_kld <= rule.kld_cap


def apply(studies: Studies, rule: Rule) -> Steps:
    """Apply the rule to every study of a batch."""
    import numpy as np

    quality = studies.quality
    good = quality.usable
    for p in quality.p.values():
        good = good & ~(p < rule.alpha)
    needs = studies.needs
    within = np.ones(len(studies.rows), dtype=bool)
    if rule.vram_gib is not None:
        within &= needs.memory <= rule.vram_gib * GIB
    if rule.kld_cap is not None:
        # A parent passes any cap, one below zero too.
        within &= (needs.kld <= rule.kld_cap) | (needs.kld == 0)
    left = good & within
    speeds = np.where(left, studies.speeds, 0.0)
    fast = left & (speeds >= rule.speed_floor * speeds.max(axis=1, keepdims=True))
    # Unknown memory comes last, but before what was dropped.
    unknown = np.finfo(float).max
    costs = np.where(fast, np.where(np.isnan(needs.memory), unknown, needs.memory), np.inf)
    least = fast & (costs == costs.min(axis=1, keepdims=True))
    choice = np.where(least, speeds, -np.inf).argmax(axis=1)
    return Steps(
        quality,
        good,
        within,
        left,
        fast,
        np.where(fast.any(axis=1), choice, -1),
        _best(studies, quality.usable & within, ~fast.any(axis=1)),
    )


def _best(studies: Studies, among: Array, wanted: Array) -> Array:
    """The place of the best config among some: fewest broken outputs, then most adherent, then
    fastest; −1 where there is none, and in studies where it is not wanted."""
    import numpy as np

    among = among & wanted[:, None]
    if not among.any():
        return np.full(len(among), -1)
    left = among
    for name, metric in RULE_METRICS.items():
        rates = np.nan_to_num(studies.rates[name])
        left = _least(-rates if metric.better == "more" else rates, left)
    assert next(iter(RULE_METRICS)) == BROKEN, "compared first"
    left = _least(-studies.speeds, left)
    return np.where(among.any(axis=1), left.argmax(axis=1), -1)


def _least(values: Array, among: Array) -> Array:
    """Which of some have their least value: (studies, configs)."""
    import numpy as np

    of_these = np.where(among, values, np.inf)
    return among & (of_these == of_these.min(axis=1, keepdims=True))
