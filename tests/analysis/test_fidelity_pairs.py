"""Verdicts between configs of one model, paired by prompt."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.fidelity_tokens import noisy, tokens_of
from vibecore.analysis.fidelity.paired import item_sums, pair_up
from vibecore.analysis.fidelity.pairs import ALIKE, FURTHER, OPEN, judge_kld_pairs


def scaled(kld: list[list[float]], factor: float, spread: float = 0.1) -> list[list[float]]:
    rng = np.random.default_rng(9)
    return [(factor * np.array(one) * rng.lognormal(0, spread)).tolist() for one in kld]


def test_the_further_config_comes_first_and_holm_is_over_all_pairs() -> None:
    base = noisy(1e-3)
    pairs = judge_kld_pairs(
        [
            tokens_of(base, "m-8bit"),
            tokens_of(scaled(base, 5), "m-4bit"),
            tokens_of(scaled(base, 1.02, 0.3), "m-8bit-t0"),
            tokens_of(noisy(1e-6), "m-bf16", "batch"),
        ]
    )
    assert [(one.config, one.other) for one in pairs] == [
        ("m-4bit", "m-8bit"),
        ("m-8bit-t0", "m-8bit"),
        ("m-4bit", "m-8bit-t0"),
    ]
    further, open_, _ = pairs
    assert further.verdict == FURTHER and further.ratio == pytest.approx(5, rel=0.1)
    assert further.interval is not None and further.interval[0] < 5 < further.interval[1]
    # The least p that 2,000 resamples give, times three comparisons.
    assert further.p == pytest.approx(3 / 2001)
    assert open_.verdict in (OPEN, ALIKE) and open_.p > 0.05


def test_a_ratio_shown_to_be_small_is_equivalent() -> None:
    base = noisy(1e-3)
    (pair,) = judge_kld_pairs([tokens_of(base, "a"), tokens_of(scaled(base, 1.03, 0.2), "b")])
    assert (pair.verdict, pair.margin) == (ALIKE, 0.25)


def test_tokens_are_paired_by_prompt_whatever_their_order() -> None:
    one = tokens_of([[0.1, 0.3], [0.2], [0.5]])
    other = tokens_of([[0.4], [], [0.2, 0.2]], items=("p2", "p1", "p0"))
    paired = pair_up(one, other)
    assert paired.kld.tolist() == pytest.approx([0.4, 0.5])
    assert paired.other_kld.tolist() == pytest.approx([0.4, 0.4])
    assert paired.sizes.tolist() == [2, 1] and paired.other_sizes.tolist() == [2, 1]
    assert paired.means == pytest.approx((0.3, 0.8 / 3))
    assert item_sums(other).names == ("p2", "p0")


def test_zero_against_something_is_judged_by_the_prompts_signs() -> None:
    zero, some = tokens_of([[0.0] * 3] * 8, "a"), tokens_of(noisy(1e-3, 8), "b")
    (pair,) = judge_kld_pairs([zero, some])
    assert (pair.config, pair.ratio, pair.interval) == ("b", None, None)
    assert pair.p == 2 * 0.5**8 and pair.verdict == FURTHER
    (pair,) = judge_kld_pairs([zero, tokens_of([[0.0] * 3] * 8, "b")])
    assert (pair.p, pair.verdict, pair.ratio) == (1.0, OPEN, None)


def test_few_prompts_or_none_in_common() -> None:
    one, other = tokens_of(noisy(1e-3, 3), "a"), tokens_of(noisy(1e-1, 3), "b")
    (pair,) = judge_kld_pairs([one, other])
    assert (pair.config, pair.prompts, pair.interval, pair.verdict) == ("b", 3, None, OPEN)
    assert pair.p == 0.25
    elsewhere = tokens_of([[1.0]], "c", items=("elsewhere",))
    assert judge_kld_pairs([one, elsewhere]) == []
    assert judge_kld_pairs([one, tokens_of([[1.0]], "d", against="another")]) == []
