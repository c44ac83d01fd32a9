"""The prompts that reach a power, against sums over every table and the normal formulas."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from benchmarks.null_studies import fisher_power, mcnemar_power
from vibecore.analysis.stats import power


@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_prompts_that_all_differ_one_way_need_the_least_n_that_the_test_resolves(
    alpha: float,
) -> None:
    least = next(n for n in range(1, 20) if stats.binomtest(n, n).pvalue < alpha)
    assert power.mcnemar_needed(1.0, 0.0, alpha) == least


@pytest.mark.parametrize(("p", "q"), [(0.3, 0.1), (5 / 30, 1 / 30), (0.2, 0.0), (0.1, 0.3)])
def test_mcnemar_needed_reaches_its_power(p: float, q: float) -> None:
    n = power.mcnemar_needed(p, q)
    assert mcnemar_power(p, q, n) >= 0.8
    assert mcnemar_power(p, q, n - 1) < 0.8 or mcnemar_power(p, q, n - 2) < 0.8
    assert all(mcnemar_power(p, q, more) >= 0.8 for more in range(n, n + 10))


def test_mcnemar_needed_beyond_the_exact_is_connors() -> None:
    p, q = 0.151, 0.149
    z = stats.norm.ppf(0.975) * math.sqrt(0.3) + stats.norm.ppf(0.8) * math.sqrt(0.3 - 0.002**2)
    assert power.mcnemar_needed(p, q) == math.ceil((z / 0.002) ** 2)
    assert power.mcnemar_needed(0.1, 0.1) is None


@pytest.mark.parametrize(("p", "q"), [(8 / 30, 3 / 30), (13 / 30, 4 / 30), (0.5, 0.25)])
def test_fisher_needed_comes_near_the_exact_power(p: float, q: float) -> None:
    n = power.fisher_needed(p, q)
    assert fisher_power(p, q, n) == pytest.approx(0.8, abs=0.03)


def test_fisher_needed_without_a_difference() -> None:
    assert power.fisher_needed(0.2, 0.2) is None
    assert power.ratio_needed(0.0, 1.0) is None


def test_ratio_needed_is_the_normal_formula() -> None:
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert power.ratio_needed(math.log(1.1), 0.5) == math.ceil((z * 0.5 / math.log(1.1)) ** 2)
