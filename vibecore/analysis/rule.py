"""The sweet spot's rule, applied to a batch of studies at once: fit, quality, speed, least memory.

There is one implementation. A study itself is a batch of one (`sweet_spot.Observed`, with exact
p-values), its resamples a batch of thousands (`stability.Draws`, with p-values from tables).
`apply` returns what each step found, from which the reasons for every exclusion are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Array
from vibecore.analysis.stats.exact import holm
from vibecore.core.machine import GIB


@dataclass(frozen=True)
class Rule:
    """The rule's thresholds: memory cap in GiB (None: no cap), share of the fastest speed, α."""

    vram_gib: float | None = None
    speed_floor: float = 0.85
    alpha: float = 0.05


class Studies(Protocol):
    """A batch of studies of the same configs, all of which can be compared.

    `rates` gives, by metric, an array (studies, configs), NaN without a verdict; `speeds` has the
    same shape, in tokens per second. Memory is the same in every study of a batch.
    """

    @property
    def rows(self) -> Sequence[ConfigMetrics]:
        """The configs."""

    @property
    def rates(self) -> Mapping[str, Array]:
        """By metric, each config's rate in each study."""

    @property
    def speeds(self) -> Array:
        """Each config's speed in each study."""

    def p_against(self, metric: str, best: Array) -> Array:
        """The unadjusted p of every config against config `best[i]` of study i: (studies,
        configs). What has no verdict, and the best itself, may have any value."""


@dataclass(frozen=True)
class Steps:
    """What each step of the rule found. Arrays are (studies, configs) unless said otherwise.

    `fits` is (configs,). By metric, `best` (studies,) is the config the others are compared with,
    −1 where none has a verdict, and `p` is Holm-adjusted, NaN where there is no comparison.
    `good` fit and are not significantly worse; `fast` are good and reach the speed floor.
    `choice` (studies,) is a place among the configs, −1 for no sweet spot.
    """

    fits: Array
    best: Mapping[str, Array]
    p: Mapping[str, Array]
    good: Array
    fast: Array
    choice: Array


def fits(row: ConfigMetrics, rule: Rule) -> bool:
    """Whether a config stays under the memory cap; unknown memory passes no cap."""
    if rule.vram_gib is None:
        return True
    return row.memory_bytes is not None and row.memory_bytes <= rule.vram_gib * GIB


def apply(studies: Studies, rule: Rule) -> Steps:
    """Apply the rule to every study of a batch."""
    import numpy as np

    within = np.array([fits(row, rule) for row in studies.rows])
    good = np.broadcast_to(within, studies.speeds.shape)
    best, p = {}, {}
    for name, metric in RULE_METRICS.items():
        sign = -1.0 if metric.better == "more" else 1.0
        rates = np.where(within, studies.rates[name], np.nan)
        judged = ~np.isnan(rates)
        first = np.where(judged, sign * rates, np.inf).argmin(axis=1)
        others = judged.copy()
        others[np.arange(len(first)), first] = False
        p[name] = holm(np.where(others, studies.p_against(name, first), np.nan))
        best[name] = np.where(judged.any(axis=1), first, -1)
        good = good & ~(p[name] < rule.alpha)
    speeds = np.where(good, studies.speeds, 0.0)
    fast = good & (speeds >= rule.speed_floor * speeds.max(axis=1, keepdims=True))
    # Unknown memory comes last, but before what was dropped.
    unknown = np.finfo(float).max
    memory = [unknown if row.memory_bytes is None else row.memory_bytes for row in studies.rows]
    costs = np.where(fast, np.array(memory, dtype=float), np.inf)
    least = fast & (costs == costs.min(axis=1, keepdims=True))
    choice = np.where(least, speeds, -np.inf).argmax(axis=1)
    return Steps(within, best, p, good, fast, np.where(fast.any(axis=1), choice, -1))
