"""The sweet spot, as the rule of design.md: fit, quality, speed, then least memory.

Words: a config is dropped on quality only when it is significantly worse than the best one
left; "not significantly worse" is never said to be "equal".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vibecore.analysis.stats.exact import fisher_exact, holm, mcnemar_exact
from vibecore.catalog.configs import GIB
from vibecore.core import formats

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """The rule's thresholds: memory cap in GiB (None: no cap), share of the fastest speed, α."""

    vram_gib: float | None = None
    speed_floor: float = 0.85
    alpha: float = 0.05


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


# metric -> (count column, total column, whether more is better, wording)
METRICS = {
    "repetition": ("repetitive", "repetition_judged", False, "repetitive"),
    "adherence": ("adherent_prompts", "adherence_judged", True, "adherent"),
}


def find_sweet_spot(
    summary: Sequence[Row],
    patterns: Mapping[str, Sequence[Row]] | None = None,
    rule: Rule | None = None,
) -> SweetSpot:
    """Apply the rule to a summary (see `summarise`).

    `patterns` gives, by metric, how often the configs did what together (rows with `outcomes`,
    config -> bool, and `prompts`). Where they cover every output of two configs the comparison
    is paired (exact McNemar), else it is Fisher's on the counts.
    """
    rule, patterns = rule or Rule(), patterns or {}
    excluded: dict[str, str] = {}
    left = comparable(summary, excluded)
    if not left:
        return SweetSpot(None, _nothing("no config has finished with scored outputs"), excluded)

    left = [row for row in left if _keep(row, _does_not_fit(row, rule), excluded)]
    if not left:
        reason = _nothing(f"no config fits in {rule.vram_gib:g} GiB")
        return SweetSpot(None, reason, excluded)

    comparisons = tuple(
        c for metric in METRICS for c in _compare(left, patterns.get(metric, ()), metric)
    )
    worse = {c.config: _worse(c) for c in reversed(comparisons) if c.p < rule.alpha}
    left = [row for row in left if _keep(row, worse.get(row["config"]), excluded)]

    if not left:
        reason = _nothing(
            "every config is significantly worse than another one on repetition or adherence"
        )
        return SweetSpot(None, reason, excluded, comparisons)

    fastest = max(left, key=lambda row: row["tokens_per_second"])
    shares = {
        row["config"]: row["tokens_per_second"] / fastest["tokens_per_second"] for row in left
    }
    left = [row for row in left if _keep(row, _too_slow(row, fastest, rule), excluded)]
    chosen = min(left, key=lambda row: (_memory(row), -row["tokens_per_second"]))
    for row in left:
        if row is not chosen:
            excluded[row["config"]] = (
                f"fast enough, but needs {_gib(row)}; {chosen['config']} needs {_gib(chosen)}"
                if row["memory_bytes"] != chosen["memory_bytes"]
                else f"needs the same {_gib(row)}, but is slower than {chosen['config']}"
            )
    reason = _reason(chosen, fastest, comparisons, rule)
    return SweetSpot(chosen["config"], reason, excluded, comparisons, shares)


def comparable(summary: Sequence[Row], excluded: dict[str, str] | None = None) -> list[Row]:
    """The configs the rule can compare; why each other cannot be goes into `excluded`.

    Speeds are compared at one batch size only: the one most configs ran at, the smaller of two.
    """
    excluded = {} if excluded is None else excluded
    left = [row for row in summary if _keep(row, _not_comparable(row), excluded)]
    sizes = Counter(batch_size(row) for row in left)
    if len(sizes) > 1:
        most = min(sizes, key=lambda size: (-sizes[size], size))
        left = [row for row in left if _keep(row, _other_batch(row, most), excluded)]
    return left


def fits(row: Row, rule: Rule) -> bool:
    """Whether a config stays under the memory cap."""
    return _does_not_fit(row, rule) is None


def batch_size(row: Row) -> int:
    """The prompts a config decoded together; 1 where none is stored."""
    return row.get("batch_size") or 1


def _other_batch(row: Row, most: int) -> str | None:
    if batch_size(row) == most:
        return None
    return f"its speed at batch size {batch_size(row)} does not compare with batch size {most}"


def _keep(row: Row, objection: str | None, excluded: dict[str, str]) -> bool:
    if objection is not None:
        excluded[row["config"]] = objection
    return objection is None


def _not_comparable(row: Row) -> str | None:
    if row["status"] == "failed":
        return f"failed: {row['error']}"
    if row["status"] != "complete":
        return f"not finished: {row['prompts']} prompts so far"
    if row["repetitive"] is None or row["adherent_prompts"] is None:
        return "its quality was not scored"
    if not row["tokens_per_second"]:
        return "its speed is not known"
    return None


def _does_not_fit(row: Row, rule: Rule) -> str | None:
    if rule.vram_gib is None:
        return None
    if row["memory_bytes"] is None:
        return f"its memory is not known, so it may not fit in {rule.vram_gib:g} GiB"
    if row["memory_bytes"] > rule.vram_gib * GIB:
        return f"needs {_gib(row)}, more than the cap of {rule.vram_gib:g} GiB"
    return None


def _compare(left: Sequence[Row], patterns: Sequence[Row], metric: str) -> list[Comparison]:
    """Every config left against the best of them on one metric, Holm-adjusted."""
    count, total, more_is_better, _ = METRICS[metric]
    judged = [row for row in left if row[total]]
    if not judged:
        return []
    direction = -1 if more_is_better else 1
    best = min(judged, key=lambda row: direction * row[count] / row[total])
    others = [row for row in judged if row is not best]
    p_values, found = [], []
    for row in others:
        shared, only_own, only_best = _paired(patterns, row["config"], best["config"])
        if shared == row[total] == best[total]:
            p_values.append(mcnemar_exact(only_own, only_best))
            both = row[count] - only_own
            pairs = (both, only_own, only_best, shared - both - only_own - only_best)
            found.append(("exact McNemar", pairs))
        else:
            p_values.append(fisher_exact(row[count], row[total], best[count], best[total]))
            found.append(("Fisher", None))
    return [
        Comparison(
            row["config"],
            metric,
            best["config"],
            row[count],
            row[total],
            best[count],
            best[total],
            test,
            p,
            pairs,
        )
        for row, (test, pairs), p in zip(others, found, holm(p_values), strict=True)
    ]


def _paired(patterns: Sequence[Row], own: str, best: str) -> tuple[int, int, int]:
    """(prompts both have, those only `own` did it on, those only `best` did it on)."""
    both = [row for row in patterns if own in row["outcomes"] and best in row["outcomes"]]
    shared = sum(row["prompts"] for row in both)
    parted = [row for row in both if row["outcomes"][own] != row["outcomes"][best]]
    only_own = sum(row["prompts"] for row in parted if row["outcomes"][own])
    only_best = sum(row["prompts"] for row in parted if row["outcomes"][best])
    return shared, only_own, only_best


def _worse(comparison: Comparison) -> str:
    word = METRICS[comparison.metric][-1]
    return (
        f"{word} {comparison.count}/{comparison.total} against "
        f"{comparison.best_count}/{comparison.best_total} for {comparison.best} "
        f"({comparison.test}, Holm, p {_p(comparison.p)})"
    )


def _too_slow(row: Row, fastest: Row, rule: Rule) -> str | None:
    floor = rule.speed_floor * fastest["tokens_per_second"]
    if row["tokens_per_second"] >= floor:
        return None
    return (
        f"{row['tokens_per_second']:.1f} tok/s is under {_percent(rule.speed_floor)} of the "
        f"{fastest['tokens_per_second']:.1f} of {fastest['config']}"
    )


def _reason(chosen: Row, fastest: Row, comparisons: Sequence[Comparison], rule: Rule) -> str:
    clauses = []
    if rule.vram_gib is not None:
        clauses.append(f"fit in {rule.vram_gib:g} GiB")
    if comparisons:
        tests = " and ".join(sorted({c.test for c in comparisons}))
        clauses.append(
            "are not significantly worse than the best of them on repetition or adherence "
            f"({tests}, Holm, α {rule.alpha:g}, n = {chosen['prompts']})"
        )
    clauses.append(
        f"reach {_percent(rule.speed_floor)} of the fastest one left "
        f"({fastest['config']}, {fastest['tokens_per_second']:.1f} tok/s)"
    )
    listed = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    return (
        f"{chosen['config']} needs the least memory ({_gib(chosen)}) of the configs that {listed}."
    )


def _nothing(why: str) -> str:
    return f"No sweet spot: {why}."


def _memory(row: Row) -> float:
    return row["memory_bytes"] if row["memory_bytes"] is not None else float("inf")


def _gib(row: Row) -> str:
    if row["memory_bytes"] is None:
        return "an unknown amount of memory"
    size = formats.memory(row["memory_bytes"])
    return f"an estimated {size}" if row["memory_source"] == "estimated" else size


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"
