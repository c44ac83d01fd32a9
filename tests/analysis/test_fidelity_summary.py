"""A config's fidelity: figures by hand, intervals over prompts, and the noise floor."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.support.fidelity_tokens import noisy, tokens_of
from vibecore.analysis.fidelity.summary import (
    ABOVE,
    NO_FLOOR,
    NOT_ABOVE,
    TOO_FEW,
    FidelitySummary,
    summarise_fidelity,
)
from vibecore.core.fidelity import FidelityTokens


def only(*tokens: FidelityTokens, **options: Any) -> FidelitySummary:
    (row,) = (row for row in summarise_fidelity(tokens, **options) if row.way == "alone")
    return row


def test_the_figures_are_those_of_a_computation_by_hand() -> None:
    row = only(
        tokens_of(
            [[0.1, 0.2, 0.3], [0.4], [], [1.0]],
            same_top=np.array([True, True, False, True, False]),
            log_p=np.log([0.5, 0.4, 0.3, 0.9, 0.1]),
            parent_log_p=np.log([0.6, 0.4, 0.5, 0.8, 0.2]),
        )
    )
    assert (row.prompts, row.tokens) == (3, 5)
    assert row.mean_kld == pytest.approx(0.4)
    assert row.kld_median == pytest.approx(0.3)
    # Linear between the order statistics: place 0.9 · 4 = 3.6.
    assert row.kld_p90 == pytest.approx(0.4 + 0.6 * 0.6)
    assert row.kld_p99 == pytest.approx(0.4 + 0.96 * 0.6)
    assert row.kld_p999 == pytest.approx(0.4 + 0.996 * 0.6)
    assert row.kld_max == pytest.approx(1.0)
    assert row.same_top == pytest.approx(0.6)
    # Δp: −0.1, 0, −0.2, 0.1, −0.1.
    assert row.mean_delta_p == pytest.approx(-0.06)
    assert row.rms_delta_p == pytest.approx(math.sqrt(0.07 / 5))
    deviations = np.array([-0.04, 0.06, -0.14, 0.16, -0.04])
    variance = (deviations**2).mean()
    assert row.delta_p_skew == pytest.approx((deviations**3).mean() / variance**1.5)
    assert row.perplexity == pytest.approx((0.5 * 0.4 * 0.3 * 0.9 * 0.1) ** (-1 / 5))
    assert row.parent_perplexity == pytest.approx((0.6 * 0.4 * 0.5 * 0.8 * 0.2) ** (-1 / 5))
    assert row.perplexity_ratio == pytest.approx(row.perplexity / row.parent_perplexity)
    # Three prompts say nothing of how prompts differ.
    assert row.mean_kld_interval is row.same_top_interval is row.perplexity_ratio_interval is None
    assert (row.verdict, row.floor, row.p) == (NO_FLOOR, None, None)
    assert (row.seconds, row.peak_memory_bytes, row.measured_on) == (1.5, 10, "a machine")


def test_a_prompt_s_tokens_count_together() -> None:
    rng = np.random.default_rng(1)
    by_prompt = rng.lognormal(-3, 1, 30)
    once, often = ([[value] * count for value in by_prompt] for count in (1, 50))
    assert only(tokens_of(often)).mean_kld_interval == pytest.approx(
        only(tokens_of(once)).mean_kld_interval
    )


def test_a_config_above_the_floor_and_one_within_it() -> None:
    floor = tokens_of(noisy(1e-5, seed=2), "m-bf16", "batch")
    lower = tokens_of(noisy(1e-6, seed=3), "m-bf16", "graph")
    rows = summarise_fidelity(
        [
            tokens_of(noisy(1e-3), "m-4bit"),
            tokens_of(noisy(1e-5, seed=4), "m-fp16"),
            lower,
            floor,
        ]
    )
    assert [row.verdict for row in rows] == [ABOVE, NOT_ABOVE, None, None]
    assert rows[0].p is not None and rows[0].p < 0.01
    # The larger of the two ways is the floor.
    assert rows[0].floor is not None and rows[0].floor.way == "batch"
    interval = rows[3].mean_kld_interval
    assert interval is not None and rows[0].floor.upper == interval[1]


def test_a_floor_of_zero_is_a_floor() -> None:
    zero = tokens_of([[0.0] * 20] * 30, "m-bf16", "batch")
    row = only(tokens_of(noisy(1e-6)), zero)
    assert row.verdict == ABOVE and row.p == pytest.approx(2 * 0.5**30)
    same = only(tokens_of([[0.0] * 20] * 30), zero)
    assert (same.verdict, same.p, same.mean_kld, same.kld_max) == (NOT_ABOVE, 1.0, 0.0, 0.0)
    assert same.mean_kld_interval is None and same.delta_p_skew is None
    assert same.perplexity_ratio == 1.0 and same.perplexity_ratio_interval == (1.0, 1.0)


def test_one_prompt_and_one_token() -> None:
    row = only(tokens_of([[0.25]]), tokens_of([[0.0]], "m-bf16", "batch"))
    assert (row.kld_median, row.kld_p999, row.kld_max) == (0.25, 0.25, 0.25)
    assert (row.verdict, row.p) == (TOO_FEW, 1.0)


@pytest.mark.parametrize(
    ("prompts", "configs", "verdict"),
    [(2, 1, TOO_FEW), (5, 1, TOO_FEW), (6, 1, ABOVE), (6, 2, TOO_FEW), (7, 2, ABOVE)],
)
def test_what_no_result_could_tell_from_the_floor_is_said_to_be_too_few(
    prompts: int, configs: int, verdict: str
) -> None:
    # A known-bad control, a thousand times the floor on every prompt.
    floor = tokens_of([[1e-4] * 20] * prompts, "m-bf16", "batch")
    bad = [tokens_of([[0.1] * 20] * prompts, f"m-{number}") for number in range(configs)]
    rows = summarise_fidelity([*bad, floor])
    assert [row.verdict for row in rows[:-1]] == [verdict] * configs
    # What is no further than the floor is not, however few the prompts.
    assert only(tokens_of([[1e-5] * 20] * prompts), floor).verdict == NOT_ABOVE


def test_too_few_counts_the_prompts_that_the_floor_has_too() -> None:
    floor = tokens_of([[1e-4] * 20] * 3, "m-bf16", "batch")
    assert only(tokens_of([[0.1] * 20] * 30), floor).verdict == TOO_FEW
    other = tokens_of([[1e-4] * 20], "m-bf16", "batch", items=("elsewhere",))
    assert only(tokens_of([[0.1] * 20] * 30), other).verdict == TOO_FEW
    # One that has been interrupted, beside one of all prompts, which is above whatever it is.
    floor = tokens_of([[1e-4] * 20] * 30, "m-bf16", "batch")
    whole, part = (tokens_of([[0.1] * 20] * prompts, "m-4bit") for prompts in (30, 6))
    rows = summarise_fidelity([whole, part, floor])
    assert [row.verdict for row in rows] == [ABOVE, ABOVE, None]


def test_what_has_no_tokens_has_no_row() -> None:
    assert summarise_fidelity([tokens_of([[], []])]) == []


def test_all_same_top_leaves_room_for_tokens_that_were_not_seen() -> None:
    row = only(tokens_of(noisy(1e-3)))
    assert row.same_top == 1.0
    assert row.same_top_interval is not None and 0.8 < row.same_top_interval[0] < 0.95


def test_by_category() -> None:
    row = only(
        tokens_of([[0.1, 0.3], [0.5], [0.9]]),
        categories={"p0": "code", "p1": "prose", "p2": "code"},
    )
    assert [(one.category, one.prompts, one.tokens) for one in row.by_category] == [
        ("code", 2, 3),
        ("prose", 1, 1),
    ]
    assert row.by_category[0].mean_kld == pytest.approx(1.3 / 3)
