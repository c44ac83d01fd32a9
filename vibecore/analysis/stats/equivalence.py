"""Equivalence of two rates within a margin: two one-sided tests (TOST), exact for small studies.

Each side tests "the rates differ by the margin or more". The p-value is the largest probability,
over everything the hypothesis leaves open, of a table at least as far from it as the one seen
(by the score statistic): the unconditional exact test of Hsueh, Liu & Chen 2001 (Biometrics
57:478) for pairs and of Chan 1998 (Stat. Med. 17:1403) for independent counts. It is largest
where the rates differ by just the margin. The larger side counts (Berger & Hsu 1996). Beyond a
few thousand possible tables the score statistic's normal p is used instead: Liu et al. 2002
(Stat. Med. 21:231), Farrington & Manning 1990 (Stat. Med. 9:1447).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from vibecore.analysis.stats.intervals import normal_tail, tango_statistic

MOST_TABLES = 5_200  # 100 pairs, or 71 against 71
TIES = 1e-9
GRID, ZOOMS = 64, 5
# Every possible table: its cells' counts (cells, tables), score statistic, and log of its ways.
Tables = tuple[Any, Any, Any]


@lru_cache(maxsize=4096)
def paired_equivalence(only_first: int, only_second: int, total: int, margin: float) -> float:
    """TOST p of "the paired rates differ by `margin` or more", from the discordant counts."""
    _require_margin(margin)
    return max(
        _paired_side(only_first, only_second, total, margin),
        _paired_side(only_second, only_first, total, margin),
    )


@lru_cache(maxsize=4096)
def independent_equivalence(
    first: int, first_total: int, second: int, second_total: int, margin: float
) -> float:
    """TOST p of "the rates differ by `margin` or more", from two independent counts."""
    _require_margin(margin)
    return max(
        _independent_side(first, first_total, second, second_total, margin),
        _independent_side(second, second_total, first, first_total, margin),
    )


def is_exact(*totals: int) -> bool:
    """Whether the tests above are exact for one total of pairs, or for two of counts."""
    tables = math.comb(totals[0] + 2, 2) if len(totals) == 1 else math.prod(t + 1 for t in totals)
    return tables <= MOST_TABLES


def _require_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise ValueError("an equivalence margin of rates must be between 0 and 1")


def _paired_side(b: int, c: int, total: int, margin: float) -> float:
    """p of "first exceeds second by the margin or more": small where it does not."""
    seen = tango_statistic(b, c, total, margin)
    if not is_exact(total):
        return normal_tail(-seen)

    def chances(rates: Any) -> tuple[Any, ...]:
        """Of only the first, only the second and neither, by the rate of only the second."""
        return rates + margin, rates, np.maximum(0.0, 1 - margin - 2 * rates)

    return _largest(_paired_tables(total, margin), seen, chances, (1 - margin) / 2)


@lru_cache(maxsize=64)
def _paired_tables(total: int, margin: float) -> Tables:
    tables = [(b, c) for b in range(total + 1) for c in range(total + 1 - b)]
    b, c = np.array(tables).T
    logs = _log_factorials(total)
    return (
        np.stack([b, c, total - b - c]),
        np.array([tango_statistic(*table, total, margin) for table in tables]),
        logs[total] - logs[b] - logs[c] - logs[total - b - c],
    )


def _independent_side(x: int, n: int, y: int, m: int, margin: float) -> float:
    seen = float(score_statistics(np.array(x), n, np.array(y), m, margin))
    if not is_exact(n, m):
        return normal_tail(-seen)

    def chances(rates: Any) -> tuple[Any, ...]:
        """Of the first's and the second's successes and failures, by the second's rate."""
        return rates + margin, np.maximum(0.0, 1 - margin - rates), rates, 1 - rates

    return _largest(_independent_tables(n, m, margin), seen, chances, 1 - margin)


@lru_cache(maxsize=64)
def _independent_tables(n: int, m: int, margin: float) -> Tables:
    x, y = (axis.ravel() for axis in np.mgrid[: n + 1, : m + 1])
    a, b = _log_factorials(n), _log_factorials(m)
    ways = (a[n] - a - a[::-1])[x] + (b[m] - b - b[::-1])[y]
    return np.stack([x, n - x, y, m - y]), score_statistics(x, n, y, m, margin), ways


def score_statistics(x: Any, n: int, y: Any, m: int, margin: float) -> Any:
    """Score statistic of "x/n exceeds y/m by `margin`" for arrays of counts.

    Farrington & Manning 1990: the variance at the restricted maximum likelihood, which solves
    a cubic.
    """
    ratio, first, second = m / n, x / n, y / m
    a = 1 + ratio
    b = -(1 + ratio + first + ratio * second + margin * (ratio + 2))
    c = margin * margin + margin * (2 * first + ratio + 1) + first + ratio * second
    d = -first * margin * (1 + margin)
    v = b**3 / (3 * a) ** 3 - b * c / (6 * a * a) + d / (2 * a)
    u = np.where(v < 0, -1.0, 1.0) * np.sqrt(np.maximum(0.0, (b / (3 * a)) ** 2 - c / (3 * a)))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.where(u == 0, 0.0, v / u**3)
    angle = (np.pi + np.arccos(np.clip(cosine, -1, 1))) / 3
    rate = np.clip(2 * u * np.cos(angle) - b / (3 * a), margin, 1.0)
    other = rate - margin
    variance = rate * (1 - rate) / n + other * (1 - other) / m
    with np.errstate(divide="ignore", invalid="ignore"):
        return (first - second - margin) / np.sqrt(variance)


def _largest(
    tables: Tables, seen: float, chances: Callable[[Any], tuple[Any, ...]], most: float
) -> float:
    """The largest chance of a table at least as far from the margin as the one seen, over rates
    from 0 to `most`: a grid, then ever finer grids around its best. `chances` gives those of a
    table's cells at each rate."""
    counts, statistics, ways = tables
    as_far = statistics <= seen + TIES
    counts, ways = counts[:, as_far], ways[as_far]
    low, high, best = 0.0, most, 0.0
    for _ in range(ZOOMS):
        points = np.linspace(low, high, GRID + 1)
        logs = ways
        with np.errstate(divide="ignore", invalid="ignore"):
            for count, chance in zip(counts, chances(points[:, None]), strict=True):
                logs = logs + np.where(count == 0, 0.0, count * np.log(chance))  # 0 · log 0 is 0
        values = np.exp(logs).sum(axis=1)
        top = int(values.argmax())
        best = max(best, float(values[top]))
        low, high = points[max(0, top - 1)], points[min(GRID, top + 1)]
    return min(1.0, best)


def _log_factorials(largest: int) -> Any:
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1)))])
