"""Intervals of means over tokens, by prompt: against formulas, and by their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks.fidelity_coverage import POPULATIONS, Population
from vibecore.analysis.stats.bootstrap import bootstrap_ratio
from vibecore.analysis.stats.clustered import clustered_interval, clusters_of
from vibecore.analysis.stats.clustered_mean import (
    mean_interval,
    positive_mean_interval,
    rare_share_interval,
)


def test_a_signed_mean_has_the_ratio_estimator_s_t_interval() -> None:
    rng = np.random.default_rng(5)
    # Of prompts of one size it is the t-interval of their means.
    means = rng.normal(0.1, 1, 12)
    low, high = stats.t.interval(0.95, 11, means.mean(), stats.sem(means))
    assert mean_interval(20 * means, [20] * 12) == pytest.approx((low, high))


def test_the_interval_is_of_the_mean_whatever_its_unit() -> None:
    sums = np.random.default_rng(6).lognormal(0, 1, 20)
    low, high = positive_mean_interval(sums, [10] * 20) or (0, 0)
    assert low < sums.sum() / 200 < high
    scaled = positive_mean_interval(1e-7 * sums, [10] * 20)
    assert scaled == pytest.approx((1e-7 * low, 1e-7 * high))


def test_few_prompts_and_what_does_not_vary_have_no_interval() -> None:
    assert positive_mean_interval([1, 2, 3], [1, 1, 1]) is None
    assert positive_mean_interval([2.0] * 9, [4] * 9) is None
    assert positive_mean_interval([0.0] * 9, [4] * 9) is None
    assert positive_mean_interval([math.inf, *[1.0] * 8], [4] * 9) is None
    assert mean_interval([1, 2, 3], [1, 1, 1]) is None
    assert mean_interval([-math.inf, *[1.0] * 8], [4] * 9) is None


def test_a_share_of_which_nothing_was_seen_is_wilson_s() -> None:
    none = clustered_interval(clusters_of([(0, 40)] * 30))
    assert rare_share_interval([0] * 30, [40] * 30) == none
    assert none is not None and none[0] < 1e-9 and none[1] > 0.05
    assert rare_share_interval([40] * 30, [40] * 30) == clustered_interval(
        clusters_of([(40, 40)] * 30)
    )


def test_where_one_prompt_has_it_all_the_interval_is_still_bounded() -> None:
    sums = [3.0] + [0.0] * 29
    low, high = positive_mean_interval(sums, [10] * 30) or (0, math.inf)
    assert low == 0 and 0.02 < high < 0.05
    # Of a share there is Wilson's, which knows that a count is rare.
    assert rare_share_interval(sums, [10] * 30) == clustered_interval(
        clusters_of([(3, 10), *[(0, 10)] * 29])
    )


def coverage(population: Population, prompts: int, studies: int) -> float:
    rng = np.random.default_rng(12)
    covered = 0
    for _ in range(studies):
        (kld,), place = population.draw(rng, prompts)
        found = positive_mean_interval(np.bincount(place, kld), np.bincount(place))
        assert found is not None
        covered += found[0] <= population.mean() <= found[1]
    return covered / studies


def test_it_covers_what_it_says_where_tails_are_as_measured() -> None:
    # 0.95 less or more two points, and two standard errors of 600 studies.
    assert 0.93 <= coverage(POPULATIONS[0], 30, 600) <= 0.985


def test_heavier_tails_are_covered_by_a_higher_upper_end_alone() -> None:
    rng = np.random.default_rng(4)
    (kld,), place = POPULATIONS[3].draw(rng, 30)
    sums, sizes = np.bincount(place, kld), np.bincount(place)
    found = bootstrap_ratio(sums, [1.0] * 30, sizes)
    low, high = positive_mean_interval(sums, sizes) or (0, 0)
    assert found is not None
    wanted = found.interval(0.05)[0], found.interval(0.025)[1]
    assert (math.log(low), math.log(high)) == pytest.approx(wanted)
    assert wanted[1] > found.interval(0.05)[1]
    assert coverage(POPULATIONS[3], 30, 400) >= 0.92, "the symmetric one covers 91 to 92 %"


def test_the_populations_have_the_mean_that_they_say() -> None:
    for population in POPULATIONS[:4]:
        (kld,), _ = population.draw(np.random.default_rng(3), 40_000)
        assert kld.mean() == pytest.approx(population.mean(), rel=0.05), population.name
