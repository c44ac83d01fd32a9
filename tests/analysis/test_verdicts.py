"""Verdicts: each is supported by its test and its interval; the bootstrap against a slow one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from vibecore.analysis.stats.bootstrap import FEWEST_PROMPTS, bootstrap_ratio, resample_counts
from vibecore.analysis.stats.verdicts import Judgement, judge_counts, judge_ratio, no_spread


def paired(b: int, c: int, n: int = 30, both: int = 2, **options: float) -> Judgement:
    pairs = (both, b, c, n - both - b - c)
    return judge_counts((both + b, n), (both + c, n), more_is_better=True, pairs=pairs, **options)


def holds(judged: Judgement, none: float, low: float, high: float) -> None:
    """The verdict is what its p-values and intervals carry."""
    significant = judged.p < judged.alpha and not judged.low <= none <= judged.high
    inside = judged.equivalence_p < judged.alpha
    inside = inside and low < judged.inner_low and judged.inner_high < high
    assert (judged.verdict in ("better", "worse")) == significant
    assert (judged.verdict == "equivalent") == (inside and not significant)
    assert judged.low <= judged.estimate <= judged.high
    for part in (f"n = {judged.n}", "interval"):
        assert part in judged.sentence()
    assert "equal" not in judged.sentence()


def test_every_table_of_thirty_pairs_is_judged_by_its_interval() -> None:
    for b in range(15):
        for c in range(14):
            holds(paired(b, c), 0.0, -0.1, 0.1)


def test_counts_alone_are_judged_by_their_interval() -> None:
    for x in range(0, 31, 2):
        for y in range(0, 31, 3):
            judged = judge_counts((x, 30), (y, 30), more_is_better=False)
            holds(judged, 0.0, -0.1, 0.1)
            assert judged.method == "Fisher"


def test_the_direction_follows_what_is_better() -> None:
    fewer = judge_counts((3, 30), (16, 30), more_is_better=False)
    more = judge_counts((3, 30), (16, 30), more_is_better=True)
    assert (fewer.verdict, more.verdict) == ("better", "worse")
    assert paired(6, 0).verdict == "better"
    assert paired(5, 0).verdict == "not resolved"


def test_no_difference_seen_is_not_equal() -> None:
    same = judge_counts((4, 30), (4, 30), more_is_better=True)
    assert same.verdict == "not resolved"
    assert same.needed_n is None
    assert "not resolved at n = 30" in same.sentence()


def test_equivalence_is_reached_where_thirty_prompts_agree() -> None:
    judged = paired(0, 0)
    assert judged.verdict == "equivalent"
    # Of 30 prompts that differ with probability 0.1, none: 0.9^30.
    assert judged.equivalence_p == pytest.approx(0.9**30, abs=1e-6)
    assert "equivalent within 10 points" in judged.sentence()
    assert paired(0, 0, n=20).verdict == "not resolved"


def test_prompts_needed_are_more_than_there_are() -> None:
    judged = judge_counts((8, 30), (3, 30), more_is_better=False)
    assert judged.needed_n > 30
    assert f"about {judged.needed_n} prompts" in judged.sentence()
    held_back = judge_counts((13, 30), (4, 30), more_is_better=False, p_adjusted=0.08)
    assert held_back.verdict == "not resolved"
    assert held_back.method == "Fisher, Holm"


def test_pairs_must_add_up() -> None:
    with pytest.raises(ValueError, match="pairs"):
        judge_counts((3, 30), (4, 30), more_is_better=True, pairs=(3, 1, 1, 25))


def slow_pivots(first, second, first_weights, second_weights, counts) -> list[float]:
    """The bootstrap-t, one resample and one prompt at a time."""

    def log_ratio(rows):
        sums = [sum(column) for column in zip(*rows, strict=True)]
        estimate = math.log(sums[0] / sums[1]) - math.log(sums[2] / sums[3])
        shares = [a / sums[0] - b / sums[1] - c / sums[2] + d / sums[3] for a, b, c, d in rows]
        n = len(rows)
        return estimate, math.sqrt(sum(s * s for s in shares) * n / (n - 1))

    rows = list(zip(first, first_weights, second, second_weights, strict=True))
    seen, _ = log_ratio(rows)
    pivots = []
    for draw in counts:
        drawn = [row for row, times in zip(rows, draw, strict=True) for _ in range(int(times))]
        estimate, error = log_ratio(drawn)
        pivots.append((estimate - seen) / error)
    return sorted(pivots)


def test_the_bootstrap_is_the_slow_one() -> None:
    rng = np.random.default_rng(7)
    tokens = rng.integers(20, 200, (2, 12)).astype(float)
    seconds = tokens / 20 * rng.lognormal(0, 0.1, (2, 12)) + 0.1
    ours = bootstrap_ratio(tokens[0], tokens[1], seconds[0], seconds[1], resamples=200, seed=3)
    counts = resample_counts(12, 200, 3)
    theirs = slow_pivots(*tokens, *seconds, counts)
    assert ours.pivots == pytest.approx(theirs, abs=1e-6)
    far = sum(abs(t) >= abs(ours.estimate) / ours.error for t in theirs)
    assert ours.p() == max((1 + far) / 201, ours.swap_p)


def test_the_swap_test_is_scipys_permutation_test() -> None:
    # All 2^8 ways to swap eight pairs, against 2,000 of them at random.
    first = np.array([10.0, 12.0, 9.0, 14.0, 11.0, 15.0, 13.0, 12.0])
    second = np.array([9.0, 11.5, 9.5, 12.0, 10.0, 13.0, 13.2, 11.0])
    theirs = stats.permutation_test(
        (first, second),
        lambda a, b: abs(math.log(a.sum() / b.sum())),
        permutation_type="samples",
        alternative="greater",
    ).pvalue
    assert bootstrap_ratio(first, second).swap_p == pytest.approx(theirs, abs=0.01)


def test_a_large_sample_agrees_with_scipys_bootstrap() -> None:
    rng = np.random.default_rng(1)
    second = rng.lognormal(4, 0.5, 400)
    first = second * rng.lognormal(0.05, 0.3, 400)
    judged = judge_ratio(first, second, more_is_better=True)
    theirs = stats.bootstrap(
        (first, second),
        lambda a, b, axis: a.sum(axis) / b.sum(axis),
        paired=True,
        method="BCa",
        n_resamples=4000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert judged.low == pytest.approx(theirs.low, abs=0.008)
    assert judged.high == pytest.approx(theirs.high, abs=0.008)


def test_ratios_are_judged_by_their_interval() -> None:
    rng = np.random.default_rng(2)
    seen = set()
    for ratio, spread in ((1.0, 0.01), (1.0, 0.5), (1.3, 0.1), (0.7, 0.1), (1.04, 0.02)):
        second = rng.uniform(50, 150, 30)
        judged = judge_ratio(
            second * ratio * rng.lognormal(0, spread, 30), second, more_is_better=True
        )
        holds(judged, 1.0, 1 / 1.05, 1.05)
        seen.add(judged.verdict)
    assert seen == {"better", "worse", "equivalent", "not resolved"}


def test_where_nothing_was_sampled_there_is_no_judgement() -> None:
    values = [float(v) for v in range(10, 40)]
    assert judge_ratio([2 * v for v in values], values, more_is_better=True) is None
    assert judge_ratio(values, values, more_is_better=True) is None
    assert judge_ratio([2.0], [1.0], more_is_better=True) is None
    assert judge_ratio([2.0, 3.0], [1.0, 1.1], more_is_better=True) is None
    assert no_spread(1) == "1 prompt, an interval needs 4"
    assert no_spread(30) == "the same ratio on every prompt, no spread"


@pytest.mark.parametrize("spread", [0.1, 0.5])
@pytest.mark.parametrize("prompts", [FEWEST_PROMPTS, 6, 10])
def test_the_fewest_prompts_that_have_an_interval_are_covered_by_it(
    prompts: int, spread: float
) -> None:
    rng, hits, studies = np.random.default_rng(1), 0, 1_000
    for _ in range(studies):
        second = rng.lognormal(4, 0.5, prompts)
        found = bootstrap_ratio(second * rng.lognormal(0, spread, prompts), second, resamples=500)
        low, high = found.interval(0.05)
        # The mean of a factor exp(N(0, spread²)) is exp(spread² / 2).
        hits += low <= spread**2 / 2 <= high
    # Three standard errors of a share of 1,000 under 95 %.
    assert hits / studies >= 0.93


def test_few_prompts_resolve_nothing() -> None:
    judged = judge_ratio([1.0, 2.0, 3.1, 5.0], [2.0, 4.4, 6.0, 9.9], more_is_better=True)
    assert judged.verdict == "not resolved"


@pytest.mark.parametrize("values", [[], [0.0, 0.0], [1.0, math.nan], [1.0]])
def test_a_ratio_needs_pairs_and_sums(values: list[float]) -> None:
    with pytest.raises(ValueError, match="ratio"):
        judge_ratio(values, [1.0, 2.0], more_is_better=True)
