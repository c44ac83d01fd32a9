"""Every statistic against scipy, or against a figure of the published study."""

from __future__ import annotations

import itertools

import pytest
from scipy import stats

from vibecore.analysis.stats.exact import fisher_exact, holm, mcnemar_exact, wilson_interval


@pytest.mark.parametrize("total", [1, 7, 30, 300])
def test_wilson_is_scipys(total: int) -> None:
    for successes in {0, 1, total // 3, total}:
        theirs = stats.binomtest(successes, total).proportion_ci(method="wilson")
        low, high = wilson_interval(successes, total)
        assert low == pytest.approx(theirs.low, abs=1e-9)
        assert high == pytest.approx(theirs.high, abs=1e-9)


def test_wilson_of_four_in_thirty() -> None:
    low, high = wilson_interval(4, 30)
    assert (round(100 * low, 1), round(100 * high, 1)) == (5.3, 29.7)


def test_wilson_needs_an_observation() -> None:
    with pytest.raises(ValueError, match="observation"):
        wilson_interval(0, 0)


def test_mcnemar_is_a_binomial_at_one_half() -> None:
    for first, second in itertools.product(range(0, 31, 3), repeat=2):
        if first + second:
            theirs = stats.binomtest(first, first + second, 0.5).pvalue
            assert mcnemar_exact(first, second) == pytest.approx(theirs, abs=1e-12)
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 0) > 0.05 > mcnemar_exact(6, 0)


def test_fisher_is_scipys() -> None:
    for first, second in itertools.product(range(0, 31, 2), repeat=2):
        theirs = stats.fisher_exact([[first, 30 - first], [second, 30 - second]]).pvalue
        assert fisher_exact(first, 30, second, 30) == pytest.approx(theirs, abs=1e-9)
    theirs = stats.fisher_exact([[3, 7], [9, 2]]).pvalue
    assert fisher_exact(3, 10, 9, 11) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second"), [(1_000, 1_050), (40_000, 40_700), (0, 5_000), (70_000, 70_000)]
)
def test_large_counts_are_scipys_and_quick(first: int, second: int) -> None:
    theirs = stats.binomtest(first, first + second, 0.5).pvalue
    assert mcnemar_exact(first, second) == pytest.approx(theirs, rel=1e-6, abs=1e-300)
    total = first + second
    theirs = stats.fisher_exact([[first, total - first], [second, total - second]]).pvalue
    assert fisher_exact(first, total, second, total) == pytest.approx(theirs, rel=1e-5, abs=1e-290)


def test_fisher_on_the_published_counts() -> None:
    assert round(fisher_exact(13, 30, 4, 30), 3) == 0.020
    assert round(fisher_exact(4, 30, 8, 30), 2) == 0.33
    assert round(fisher_exact(0, 30, 4, 30), 2) == 0.11
    assert round(fisher_exact(16, 30, 3, 30), 4) == 0.0006


def test_holm_by_hand_and_in_order() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]).tolist() == [1.0, 1.0]
    assert holm([]).tolist() == []
