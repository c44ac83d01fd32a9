"""The interval of constraints, several to a prompt: against the formula, and by its coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vibecore.analysis.stats.clustered import (
    FEWEST_PROMPTS,
    clustered_interval,
    clusters_of,
    student_quantile,
)
from vibecore.analysis.stats.exact import wilson_interval


def width(interval: tuple[float, float] | None) -> float:
    assert interval is not None
    return interval[1] - interval[0]


def test_the_effective_number_is_that_of_the_ratio_estimator() -> None:
    rng = np.random.default_rng(5)
    judged = rng.integers(1, 7, 30)
    met = rng.binomial(judged, rng.beta(1, 1, 30))
    rate = met.sum() / judged.sum()
    # The sandwich variance of a ratio, prompt by prompt.
    variance = ((met - rate * judged) ** 2).sum() / judged.sum() ** 2 * 30 / 29
    z, t = stats.norm.ppf(0.975), stats.t.ppf(0.975, 29)
    n = rate * (1 - rate) / variance * (z / t) ** 2
    assert n < judged.sum()
    # Wilson's limits solve (rate − limit)² = z² limit (1 − limit) / n.
    for limit in clustered_interval(clusters_of(zip(met.tolist(), judged.tolist(), strict=True))):
        assert (rate - limit) ** 2 == pytest.approx(z**2 * limit * (1 - limit) / n, rel=1e-3)


def test_constraints_of_a_prompt_that_go_together_are_one_observation() -> None:
    together = [(4, 4)] * 12 + [(0, 4)] * 18
    found = clustered_interval(clusters_of(together))
    assert width(found) > 1.9 * width(wilson_interval(48, 120))
    assert width(found) == pytest.approx(width(wilson_interval(12, 30)), rel=0.08)


def test_it_is_never_narrower_than_wilson() -> None:
    # Prompts more alike than chance would have it: no reason to believe that of other prompts.
    alike = clusters_of([(2, 4)] * 30)
    assert width(clustered_interval(alike)) > width(wilson_interval(60, 120))


@pytest.mark.parametrize("met", [0, 4])
def test_all_or_none_counts_prompts(met: int) -> None:
    found = clustered_interval(clusters_of([(met, 4)] * 30))
    assert width(found) == pytest.approx(width(wilson_interval(met // 4 * 30, 30)), rel=0.1)


def test_few_prompts_have_no_interval() -> None:
    assert clustered_interval(clusters_of([(1, 4), (3, 4), (2, 2), (0, 0)])) is None
    assert clustered_interval(clusters_of([(1, 4), (3, 4), (2, 2), (1, 1)])) is not None
    assert clustered_interval(clusters_of([])) is None


@pytest.mark.parametrize("freedom", [3, 4, 9, 29, 1_000])
def test_the_quantile_is_students(freedom: int) -> None:
    for confidence in (0.9, 0.95):
        z = stats.norm.ppf(0.5 + confidence / 2)
        theirs = stats.t.ppf(0.5 + confidence / 2, freedom)
        assert student_quantile(z, freedom) == pytest.approx(theirs, rel=2e-3)
    assert math.isclose(student_quantile(1.96, 10**9), 1.96, rel_tol=1e-6)


@pytest.mark.parametrize("prompts", [FEWEST_PROMPTS, 10, 30, 100])
@pytest.mark.parametrize("rate", [0.3, 0.6])
@pytest.mark.parametrize("alike", [0.0, 0.3, 0.7])
def test_coverage(prompts: int, rate: float, alike: float) -> None:
    """Beta-binomial prompts of two to six constraints, correlated by `alike` within a prompt."""
    rng, studies, ours, theirs = np.random.default_rng(8), 2_000, 0, 0
    for _ in range(studies):
        judged = rng.integers(2, 7, prompts)
        chances = np.full(prompts, rate)
        if alike:
            size = (1 - alike) / alike
            chances = rng.beta(rate * size, (1 - rate) * size, prompts)
        met = rng.binomial(judged, chances)
        low, high = clustered_interval(clusters_of(zip(met.tolist(), judged.tolist(), strict=True)))
        ours += low <= rate <= high
        low, high = wilson_interval(int(met.sum()), int(judged.sum()))
        theirs += low <= rate <= high
    assert ours / studies >= 0.93
    if alike and prompts > FEWEST_PROMPTS:
        assert theirs / studies < 0.88, "what taking constraints as independent covers"
