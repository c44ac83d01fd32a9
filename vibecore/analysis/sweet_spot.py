"""The sweet spot of one study: the rule applied to it, with its reason and every exclusion's.

Words: a config is dropped on quality only when it is significantly worse than the best one
left; "not significantly worse" is never said to be "equal".
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics, share
from vibecore.analysis.outcomes import Array
from vibecore.analysis.rule import Rule, Steps, apply
from vibecore.analysis.stats.exact import fisher_exact, mcnemar_exact
from vibecore.analysis.stats.verdicts import p_value
from vibecore.core import formats
from vibecore.core.rows import PatternRow

# A config of whose outputs this share or more is numerically broken is never chosen.
MOST_BROKEN = 0.5
# By metric, how often the configs did what together.
Patterns = Mapping[str, Sequence[PatternRow]]


class RateTest(NamedTuple):
    """One config's rate against another's: p, the test's name, and where it is paired the prompts
    that (both, only the first, only the second, neither) did it on."""

    p: float
    name: str
    pairs: tuple[int, int, int, int] | None


@dataclass(frozen=True)
class Comparison:
    """One config against the best on one metric; `p` is Holm-adjusted.

    `pairs` (both, only it, only the best, neither) where the test is paired, else None.
    """

    config: str
    metric: str
    best: str
    count: int
    total: int
    best_count: int
    best_total: int
    test: str
    p: float
    pairs: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class SweetSpot:
    """The choice (None: there is none), its reason, and what excluded every other config.

    `speed_shares` gives the speed of every config left at that step, over the fastest's.
    """

    config: str | None
    reason: str
    excluded: dict[str, str] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    speed_shares: dict[str, float] = field(default_factory=dict)


class Observed:
    """A study itself, as a batch of one for the rule: exact tests on its counts and pairs.

    `patterns` gives, by metric, how often the configs did what together. Where they cover every
    output of two configs a comparison is paired (exact McNemar), else it is Fisher's.
    """

    def __init__(self, summary: Sequence[ConfigMetrics], patterns: Patterns | None = None) -> None:
        self.rows, self.incomparable = comparable(summary)
        self._patterns = patterns or {}

    @cached_property
    def rates(self) -> Mapping[str, Array]:
        """By metric, each config's rate, NaN without a verdict: (1, configs)."""
        import numpy as np

        return {
            name: np.array([[share(*_counts(row, name)) for row in self.rows]], dtype=float)
            for name in RULE_METRICS
        }

    @cached_property
    def speeds(self) -> Array:
        """Each config's speed, in tokens per second: (1, configs)."""
        import numpy as np

        return np.array([[row.tokens_per_second for row in self.rows]], dtype=float)

    def p_against(self, metric: str, best: Array) -> Array:
        """The p of every config against config `best[0]`: (1, configs)."""
        import numpy as np

        places = range(len(self.rows))
        return np.array([[self.test(metric, place, int(best[0])).p for place in places]])

    def test(self, metric: str, own: int, best: int) -> RateTest:
        """The test of one config's rate against another's, by their places among the rows."""
        one, other = self.rows[own], self.rows[best]
        (count, total), (best_count, best_total) = _counts(one, metric), _counts(other, metric)
        if not total or not best_total:
            return RateTest(1.0, "", None)
        patterns = self._patterns.get(metric, ())
        shared, only_own, only_best = _paired(patterns, one.config, other.config)
        if shared == total == best_total:
            both = count - only_own
            pairs = (both, only_own, only_best, shared - both - only_own - only_best)
            return RateTest(mcnemar_exact(only_own, only_best), "exact McNemar", pairs)
        return RateTest(fisher_exact(count, total, best_count, best_total), "Fisher", None)


def find_sweet_spot(
    summary: Sequence[ConfigMetrics], patterns: Patterns | None = None, rule: Rule | None = None
) -> SweetSpot:
    """Apply the rule to a summary (see `summarise`)."""
    return choose(Observed(summary, patterns), rule or Rule())


def choose(study: Observed, rule: Rule) -> SweetSpot:
    """Apply the rule to a study, and say why each config was chosen or left out."""
    rows, excluded = study.rows, dict(study.incomparable)
    if not rows:
        return SweetSpot(None, _nothing("no config has finished with scored outputs"), excluded)
    steps = apply(study, rule)
    fits, good, fast = steps.fits, steps.good[0], steps.fast[0]
    comparisons = _comparisons(study, steps)
    worse = {c.config: _worse(c) for c in reversed(comparisons) if c.p < rule.alpha}
    for row, fitting in zip(rows, fits, strict=True):
        if not fitting:
            excluded[row.config] = _does_not_fit(row, rule)
    excluded.update((row.config, worse[row.config]) for row in rows if row.config in worse)
    if not fits.any():
        return SweetSpot(None, _nothing(f"no config fits in {rule.vram_gib:g} GiB"), excluded)
    if not good.any():
        reason = _nothing(
            "every config is significantly worse than another one on repetition or adherence"
        )
        return SweetSpot(None, reason, excluded, comparisons)

    left = [row for row, is_good in zip(rows, good, strict=True) if is_good]
    fastest = max(left, key=_speed)
    chosen = rows[int(steps.choice[0])]
    for row, is_good, is_fast in zip(rows, good, fast, strict=True):
        if is_good and not is_fast:
            excluded[row.config] = _too_slow(row, fastest, rule)
    for row, is_fast in zip(rows, fast, strict=True):
        if is_fast and row is not chosen:
            excluded[row.config] = _needs_more(row, chosen)
    return SweetSpot(
        chosen.config,
        _reason(chosen, fastest, comparisons, rule),
        excluded,
        comparisons,
        {row.config: _speed(row) / _speed(fastest) for row in left},
    )


def comparable(
    summary: Sequence[ConfigMetrics],
) -> tuple[tuple[ConfigMetrics, ...], dict[str, str]]:
    """The configs the rule can compare, and why each other cannot be.

    Speeds are compared at one batch size only: the one most configs ran at, the smaller of two.
    """
    excluded = {row.config: why for row in summary if (why := _not_comparable(row))}
    sizes = Counter(batch_size(row) for row in summary if row.config not in excluded)
    most = min(sizes, key=lambda size: (-sizes[size], size), default=1)
    excluded |= {
        row.config: f"its speed at batch size {batch_size(row)} does not compare with batch size "
        f"{most}"
        for row in summary
        if row.config not in excluded and batch_size(row) != most
    }
    return tuple(row for row in summary if row.config not in excluded), excluded


def batch_size(row: ConfigMetrics) -> int:
    """The prompts a config decoded together; 1 where none is stored."""
    return row.batch_size or 1


def _not_comparable(row: ConfigMetrics) -> str | None:
    if row.status == "failed":
        return f"failed: {row.error}"
    if row.status != "complete":
        return f"not finished: {row.prompts} prompts so far"
    broken = row.non_finite or 0
    # Its other outputs alone would be judged, and they say little of it.
    if broken and broken >= MOST_BROKEN * row.prompts:
        return f"{broken} of {row.prompts} outputs are numerically broken"
    if row.repetitive is None or row.adherent_prompts is None:
        return "its quality was not scored"
    if not row.tokens_per_second:
        return "its speed is not known"
    return None


def _counts(row: ConfigMetrics, name: str) -> tuple[int, int]:
    metric = RULE_METRICS[name]
    return int(metric.value(row) or 0), metric.total(row) or 0


def _paired(patterns: Sequence[PatternRow], own: str, best: str) -> tuple[int, int, int]:
    """(prompts both have, those only `own` did it on, those only `best` did it on)."""
    shared = only_own = only_best = 0
    for pattern in patterns:
        first, second = pattern.outcomes.get(own), pattern.outcomes.get(best)
        if first is not None and second is not None:
            shared += pattern.prompts
            only_own += pattern.prompts * (first and not second)
            only_best += pattern.prompts * (second and not first)
    return shared, only_own, only_best


def _comparisons(study: Observed, steps: Steps) -> tuple[Comparison, ...]:
    """Every config that fits against the best of them, by metric, Holm-adjusted."""
    found = []
    for name in RULE_METRICS:
        place_of_best = int(steps.best[name][0])
        best = study.rows[place_of_best]
        for place, (row, p) in enumerate(zip(study.rows, steps.p[name][0], strict=True)):
            if math.isnan(p):
                continue
            test = study.test(name, place, place_of_best)
            counts = *_counts(row, name), *_counts(best, name)
            found.append(
                Comparison(row.config, name, best.config, *counts, test.name, float(p), test.pairs)
            )
    return tuple(found)


def _does_not_fit(row: ConfigMetrics, rule: Rule) -> str:
    if row.memory_bytes is None:
        return f"its memory is not known, so it may not fit in {rule.vram_gib:g} GiB"
    return f"needs {_gib(row)}, more than the cap of {rule.vram_gib:g} GiB"


def _worse(comparison: Comparison) -> str:
    word = RULE_METRICS[comparison.metric].label
    return (
        f"{word} {comparison.count}/{comparison.total} against "
        f"{comparison.best_count}/{comparison.best_total} for {comparison.best} "
        f"({comparison.test}, Holm, p {p_value(comparison.p)})"
    )


def _too_slow(row: ConfigMetrics, fastest: ConfigMetrics, rule: Rule) -> str:
    return (
        f"{row.tokens_per_second:.1f} tok/s is under {_percent(rule.speed_floor)} of the "
        f"{fastest.tokens_per_second:.1f} of {fastest.config}"
    )


def _needs_more(row: ConfigMetrics, chosen: ConfigMetrics) -> str:
    if row.memory_bytes != chosen.memory_bytes:
        return f"fast enough, but needs {_gib(row)}; {chosen.config} needs {_gib(chosen)}"
    return f"needs the same {_gib(row)}, but is slower than {chosen.config}"


def _reason(
    chosen: ConfigMetrics,
    fastest: ConfigMetrics,
    comparisons: Sequence[Comparison],
    rule: Rule,
) -> str:
    clauses = []
    if rule.vram_gib is not None:
        clauses.append(f"fit in {rule.vram_gib:g} GiB")
    if comparisons:
        tests = " and ".join(sorted({c.test for c in comparisons}))
        clauses.append(
            "are not significantly worse than the best of them on repetition or adherence "
            f"({tests}, Holm, α {rule.alpha:g}, n = {chosen.prompts})"
        )
    clauses.append(
        f"reach {_percent(rule.speed_floor)} of the fastest one left "
        f"({fastest.config}, {fastest.tokens_per_second:.1f} tok/s)"
    )
    listed = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return f"{chosen.config} needs the least memory ({_gib(chosen)}) of the configs that {listed}."


def _nothing(why: str) -> str:
    return f"No sweet spot: {why}."


def _speed(row: ConfigMetrics) -> float:
    """Of a comparable config, which has one."""
    return row.tokens_per_second or 0.0


def _gib(row: ConfigMetrics) -> str:
    if row.memory_bytes is None:
        return "an unknown amount of memory"
    size = formats.memory(row.memory_bytes)
    return f"an estimated {size}" if row.memory_source == "estimated" else size


def _percent(share: float) -> str:
    return f"{share * 100:g} %"
