"""Intervals and equivalence tests against statsmodels, scipy and a published example."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import optimize, stats
from statsmodels.stats import proportion

from vibecore.analysis.stats.equivalence import (
    independent_equivalence,
    is_exact,
    paired_equivalence,
    score_statistics,
)
from vibecore.analysis.stats.intervals import newcombe_interval, tango_interval, tango_statistic

COUNTS = [(0, 4), (8, 3), (13, 4), (16, 3), (30, 0), (0, 0), (30, 30), (1, 0)]


@pytest.mark.parametrize(("first", "second"), COUNTS)
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_newcombe_is_statsmodels(first: int, second: int, confidence: float) -> None:
    theirs = proportion.confint_proportions_2indep(
        first, 30, second, 25 + second, method="newcomb", compare="diff", alpha=1 - confidence
    )
    ours = newcombe_interval(first, 30, second, 25 + second, confidence)
    assert ours == pytest.approx(theirs, abs=1e-9)


def most_likely(
    terms: Callable[[float], list[tuple[int, float]]], low: float, high: float
) -> float:
    """The rate, within bounds, at which (count, chance) terms are likeliest, by search."""
    return optimize.minimize_scalar(
        lambda rate: -sum(count * math.log(chance) for count, chance in terms(rate) if count),
        bounds=(low + 1e-13, high - 1e-13),
        method="bounded",
        options={"xatol": 1e-13},
    ).x


def restricted_z(b: int, c: int, n: int, difference: float) -> float:
    """Tango's statistic from the definition."""
    rate = most_likely(
        lambda r: [(b, r + difference), (c, r), (n - b - c, 1 - difference - 2 * r)],
        max(0.0, -difference),
        (1 - difference) / 2,
    )
    variance = n * (2 * rate + difference - difference**2)
    return (b - c - n * difference) / math.sqrt(variance)


@pytest.mark.parametrize(("b", "c", "n"), [(6, 16, 161), (3, 1, 30), (5, 5, 30), (9, 2, 12)])
def test_tango_is_the_restricted_likelihood(b: int, c: int, n: int) -> None:
    for difference in (-0.2, -0.05, 0.1, 0.3):
        theirs = restricted_z(b, c, n, difference)
        assert tango_statistic(b, c, n, difference) == pytest.approx(theirs, abs=1e-6)
    z = stats.norm.ppf(0.975)
    low = optimize.brentq(lambda d: restricted_z(b, c, n, d) - z, -0.99, (b - c) / n)
    high = optimize.brentq(lambda d: restricted_z(b, c, n, d) + z, (b - c) / n, 0.99)
    assert tango_interval(b, c, n) == pytest.approx((low, high), abs=1e-6)


def test_tango_of_a_published_table() -> None:
    # Complete response before and after therapy (Cavo et al. 2012) in Fagerland, Lydersen &
    # Laake, Statistical Analysis of Contingency Tables, chapter 8: −0.1240 to −0.0054.
    assert tango_interval(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_tango_at_the_ends() -> None:
    z2 = stats.norm.ppf(0.975) ** 2
    assert tango_interval(0, 0, 30) == pytest.approx((-z2 / (30 + z2), z2 / (30 + z2)), abs=1e-9)
    low, high = tango_interval(30, 0, 30)
    assert 0.7 < low < 1.0 == pytest.approx(high, abs=1e-6)
    with pytest.raises(ValueError, match="pair"):
        tango_interval(0, 0, 0)


def independent_z(x: int, n: int, y: int, m: int, margin: float) -> float:
    """The score statistic from the definition.

    statsmodels 0.15 cannot serve: its cubic has the count where Miettinen & Nurminen (1985) have
    the total, and misses the maximum by a percent.
    """

    rate = most_likely(
        lambda r: [(x, r + margin), (n - x, 1 - r - margin), (y, r), (m - y, 1 - r)],
        0,
        1 - margin,
    )
    other = rate + margin
    variance = other * (1 - other) / n + rate * (1 - rate) / m
    return (x / n - y / m - margin) / math.sqrt(variance)


@pytest.mark.parametrize(("first", "second"), COUNTS)
def test_farrington_manning_is_the_restricted_likelihood(first: int, second: int) -> None:
    for margin in (0.1, 0.25):
        theirs = independent_z(first, 30, second, 40, margin)
        ours = float(score_statistics(np.array(first), 30, np.array(second), 40, margin))
        assert ours == pytest.approx(theirs, abs=1e-6)


def test_farrington_manning_of_a_published_example() -> None:
    # 56/70 against 48/80 at a difference of 0.1, as the R package cicalc prints it: 1.348.
    ours = float(score_statistics(np.array(56), 70, np.array(48), 80, 0.1))
    assert ours == pytest.approx(1.348, abs=5e-4)


def largest(probability, low: float, high: float) -> float:
    """The largest value by a dense grid and a bounded search around its best."""
    grid = np.linspace(low, high, 801)
    values = [probability(rate) for rate in grid]
    top = int(np.argmax(values))
    around = (grid[max(0, top - 1)], grid[min(800, top + 1)])
    found = optimize.minimize_scalar(
        lambda rate: -probability(rate), bounds=around, method="bounded", options={"xatol": 1e-12}
    )
    return max(values[top], -found.fun)


@pytest.mark.parametrize(("b", "c", "n"), [(0, 0, 30), (1, 0, 30), (1, 2, 30), (3, 1, 12)])
def test_paired_equivalence_by_brute_force(b: int, c: int, n: int) -> None:
    margin = 0.1
    tables = [(i, j) for i in range(n + 1) for j in range(n + 1 - i)]

    def side(first: int, second: int) -> float:
        seen = tango_statistic(first, second, n, margin)
        chosen = [(i, j) for i, j in tables if tango_statistic(i, j, n, margin) <= seen + 1e-9]
        counts = np.array([(i, j, n - i - j) for i, j in chosen])

        def probability(rate: float) -> float:
            rates = [rate + margin, rate, max(0.0, 1 - margin - 2 * rate)]
            return float(stats.multinomial.pmf(counts, n, rates).sum())

        return largest(probability, 1e-12, (1 - margin) / 2 - 1e-12)

    theirs = max(side(b, c), side(c, b))
    assert paired_equivalence(b, c, n, margin) == pytest.approx(theirs, abs=1e-6)


@pytest.mark.parametrize(
    ("first", "second"), [((0, 30), (0, 30)), ((1, 30), (0, 30)), ((4, 12), (5, 14))]
)
def test_independent_equivalence_by_brute_force(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    margin = 0.1

    def side(x: int, n: int, y: int, m: int) -> float:
        xs, ys = np.arange(n + 1)[:, None], np.arange(m + 1)[None, :]
        statistics = score_statistics(xs, n, ys, m, margin)
        chosen = statistics <= statistics[x, y] + 1e-9

        def probability(rate: float) -> float:
            ways = stats.binom.pmf(xs, n, rate + margin) * stats.binom.pmf(ys, m, rate)
            return float(ways[chosen].sum())

        return largest(probability, 0, 1 - margin)

    theirs = max(side(*first, *second), side(*second, *first))
    ours = independent_equivalence(*first, *second, margin)
    assert ours == pytest.approx(theirs, abs=1e-6)


def test_the_margin_itself_is_the_worst_case() -> None:
    """No larger difference makes a table as extreme likelier than the p-value says."""
    n, margin = 12, 0.1
    tables = [(i, j) for i in range(n + 1) for j in range(n + 1 - i)]
    for b, c in ((0, 0), (0, 1), (2, 1), (1, 4)):
        seen = tango_statistic(b, c, n, margin)
        chosen = [(i, j) for i, j in tables if tango_statistic(i, j, n, margin) <= seen + 1e-9]
        counts = np.array([(i, j, n - i - j) for i, j in chosen])
        one_side = max(paired_equivalence(b, c, n, margin), 1e-12)
        for difference in np.linspace(margin, 0.99, 25):
            for rate in np.linspace(0, (1 - difference) / 2, 25):
                rates = [rate + difference, rate, max(0.0, 1 - difference - 2 * rate)]
                assert stats.multinomial.pmf(counts, n, rates).sum() <= one_side + 1e-9


def test_large_studies_use_the_normal_p() -> None:
    assert is_exact(100)
    assert not is_exact(200)
    z = min(-tango_statistic(10, 12, 200, 0.1), -tango_statistic(12, 10, 200, 0.1))
    assert paired_equivalence(10, 12, 200, 0.1) == pytest.approx(stats.norm.sf(z), abs=1e-9)
    z = min(-independent_z(50, 200, 52, 200, 0.1), -independent_z(52, 200, 50, 200, 0.1))
    ours = independent_equivalence(50, 200, 52, 200, 0.1)
    assert ours == pytest.approx(stats.norm.sf(z), abs=1e-6)


def test_a_margin_is_a_share() -> None:
    with pytest.raises(ValueError, match="margin"):
        paired_equivalence(1, 1, 30, 0.0)
