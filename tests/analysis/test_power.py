"""Power against sums over every table with scipy's tests, and the prompts that reach it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vibecore.analysis.stats import power


def brute_mcnemar_power(p: float, q: float, n: int, alpha: float) -> float:
    total = 0.0
    for b in range(n + 1):
        for c in range(n + 1 - b):
            if b + c and stats.binomtest(b, b + c).pvalue < alpha:
                total += stats.multinomial.pmf([b, c, n - b - c], n, [p, q, 1 - p - q])
    return total


@pytest.mark.parametrize(
    ("p", "q", "n", "alpha"),
    [(0.3, 0.05, 30, 0.05), (0.2, 0.2, 25, 0.05), (0.5, 0.1, 20, 0.01), (0.2, 0.0, 30, 0.1)],
)
def test_mcnemar_power_is_the_sum_over_tables(p: float, q: float, n: int, alpha: float) -> None:
    theirs = brute_mcnemar_power(p, q, n, alpha)
    assert power.mcnemar_power(p, q, n, alpha) == pytest.approx(theirs, abs=1e-9)


def test_six_prompts_one_way_are_the_least() -> None:
    assert power.mcnemar_power(1.0, 0.0, 5) == 0.0
    assert power.mcnemar_power(1.0, 0.0, 6) == 1.0
    assert power.mcnemar_power(0.0, 0.0, 30) == 0.0


@pytest.mark.parametrize(("p", "q"), [(0.3, 0.1), (5 / 30, 1 / 30), (0.2, 0.0), (0.1, 0.3)])
def test_mcnemar_needed_reaches_its_power(p: float, q: float) -> None:
    n = power.mcnemar_needed(p, q)
    assert power.mcnemar_power(p, q, n) >= 0.8
    assert power.mcnemar_power(p, q, n - 1) < 0.8 or power.mcnemar_power(p, q, n - 2) < 0.8
    assert all(power.mcnemar_power(p, q, more) >= 0.8 for more in range(n, n + 10))


def test_mcnemar_needed_beyond_the_exact_is_connors() -> None:
    p, q = 0.151, 0.149
    z = stats.norm.ppf(0.975) * math.sqrt(0.3) + stats.norm.ppf(0.8) * math.sqrt(0.3 - 0.002**2)
    assert power.mcnemar_needed(p, q) == math.ceil((z / 0.002) ** 2)
    assert power.mcnemar_needed(0.1, 0.1) is None


def test_fisher_power_is_the_sum_over_tables() -> None:
    for p, q, n, m in ((0.43, 0.13, 30, 30), (0.5, 0.2, 12, 20)):
        ways = np.outer(stats.binom.pmf(range(n + 1), n, p), stats.binom.pmf(range(m + 1), m, q))
        theirs = sum(
            ways[x, y]
            for x in range(n + 1)
            for y in range(m + 1)
            if stats.fisher_exact([[x, n - x], [y, m - y]]).pvalue < 0.05
        )
        assert power.fisher_power(p, n, q, m) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("p", "q"), [(8 / 30, 3 / 30), (13 / 30, 4 / 30), (0.5, 0.25)])
def test_fisher_needed_comes_near_the_exact_power(p: float, q: float) -> None:
    n = power.fisher_needed(p, q)
    assert power.fisher_power(p, n, q, n) == pytest.approx(0.8, abs=0.03)


def test_fisher_needed_without_a_difference() -> None:
    assert power.fisher_needed(0.2, 0.2) is None
    assert power.ratio_needed(0.0, 1.0) is None


def test_ratio_needed_is_the_normal_formula() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert power.ratio_needed(math.log(1.1), 0.5) == math.ceil((z * 0.5 / math.log(1.1)) ** 2)
