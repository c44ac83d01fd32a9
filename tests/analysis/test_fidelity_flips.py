"""Flips against the parent, the exact test of them, and where free-running texts part."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.support.rows import row_of
from vibecore.analysis.fidelity.divergence import find_divergence
from vibecore.analysis.fidelity.flips import find_flips
from vibecore.analysis.stats.exact import mcnemar_exact, swap_exact
from vibecore.core.rows import OutputRow, Outputs, VerdictRow


def output(prompt: str, sample: int = 0, **known: Any) -> OutputRow:
    known = {"config": "m", "category": "code", "constraints": [], **known}
    return row_of(OutputRow, prompt_id=prompt, sample=sample, **known)


def outputs(*rows: OutputRow) -> Outputs:
    return {(row.prompt_id, row.sample): row for row in rows}


def constraint(status: str, check: str = "words", cut: bool | None = False) -> VerdictRow:
    return VerdictRow(check, {"at_most": 5}, status, None, "", cut)


def adherent(*verdicts: bool | None) -> Outputs:
    return outputs(*(output(f"p{place}", adherent=one) for place, one in enumerate(verdicts)))


def test_prompts_that_flip_are_named_and_counted_both_ways() -> None:
    parent = adherent(True, True, True, False, False, None, True)
    own = adherent(True, False, False, True, False, True, None)
    found = find_flips("m-4bit", "m-bf16", own, parent)
    (count,) = found.counts
    assert (count.both, count.lost, count.gained, count.neither) == (1, 2, 1, 1)
    assert (count.flips, count.judged, count.prompts) == (3, 5, 5)
    assert (count.p, count.method) == (mcnemar_exact(2, 1), "exact McNemar")
    assert [(one.prompt_id, one.lost) for one in found.flips] == [
        ("p1", True),
        ("p2", True),
        ("p3", False),
    ]
    assert found.count("constraints") is None


def test_constraints_flip_by_their_place_and_what_was_not_judged_does_not() -> None:
    parent = outputs(
        output("a", constraints=[constraint("pass"), constraint("pass", "lines")]),
        output("b", constraints=[constraint("pass"), constraint("fail", cut=True)]),
        output("c", constraints=[constraint("skipped"), constraint("pass", "lines")]),
    )
    own = outputs(
        output("a", constraints=[constraint("fail"), constraint("fail", "lines")]),
        output("b", constraints=[constraint("error"), constraint("pass")]),
        output("c", constraints=[constraint("pass"), constraint("fail", "words")]),
    )
    found = find_flips("m-4bit", "m-bf16", own, parent)
    assert [(one.prompt_id, one.place, one.check, one.lost, one.cut) for one in found.flips] == [
        ("a", 0, "words", True, False),
        ("a", 1, "lines", True, False),
        ("b", 1, "words", False, True),
    ]
    count = found.count("constraints")
    assert count is not None and (count.lost, count.gained, count.prompts) == (2, 1, 2)
    # Prompt a changes by two and prompt b by one: ±2 ±1 reaches 1 whatever the signs are.
    assert count.p == 1.0 and count.method != "exact McNemar"


def test_samples_of_a_prompt_flip_together() -> None:
    samples = range(6)
    parent = outputs(*(output(p, i, adherent=True) for p in "ab" for i in samples))
    own = outputs(*(output(p, i, adherent=False) for p in "ab" for i in samples))
    (count,) = find_flips("m-4bit", "m-bf16", own, parent).counts
    assert count.lost == 12
    # Two prompts, not twelve: both could have gone the other way.
    assert count.p == 0.5


@pytest.mark.parametrize("differences", [[1, 1, -1, 1], [3, -1, 2], [2, 2, -4, 1, 0, 1], [], [0]])
def test_the_exact_test_is_a_count_over_all_signs(differences: list[int]) -> None:
    sums = [
        sum(sign * one for sign, one in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    as_far = sum(abs(one) >= abs(sum(differences)) for one in sums) / len(sums)
    assert swap_exact(differences) == pytest.approx(as_far)


def test_many_prompts_are_tested_exactly_too() -> None:
    ones = [1] * 300 + [-1] * 241
    assert swap_exact(ones) == mcnemar_exact(300, 241)
    # The same by the distribution of the sum, which a pair of twos that cancels hardly widens.
    assert swap_exact([*ones, 2, -2]) == pytest.approx(swap_exact(ones), rel=0.1)


def tokens(*lists: list[int] | None) -> Outputs:
    return outputs(*(output(f"p{place}", token_ids=one) for place, one in enumerate(lists)))


def test_texts_part_at_their_first_different_token() -> None:
    parent = tokens([1, 2, 3], [1, 2, 3], [1, 2, 3], [9], None)
    own = tokens([1, 2, 4], [1, 2], [1, 2, 3], [8], [1])
    found = find_divergence("m-4bit", "m-bf16", own, parent)
    assert found is not None
    assert found.first == (2, 2, None, 0)
    assert (found.outputs, found.identical, found.median_tokens) == (4, 1, 2)


def test_an_output_that_broke_numerically_is_not_compared() -> None:
    def broken(tokens: list[int]) -> Outputs:
        return outputs(output("p0", token_ids=tokens, finish_reason="non_finite"))

    # Two that broke at once are not two that say the same.
    assert find_divergence("m", "n", broken([]), broken([])) is None
    assert find_divergence("m", "n", broken([1]), tokens([1, 2])) is None
    assert find_divergence("m", "n", tokens([1, 2]), broken([1])) is None
    found = find_divergence("m", "n", tokens([]), tokens([]))
    assert found is not None and found.identical == 1, "two that are empty are"


def test_half_that_never_part_have_no_median() -> None:
    found = find_divergence("m", "n", tokens([1], [2, 3]), tokens([1], [2, 4]))
    assert found is not None
    assert (found.identical, found.median_tokens) == (1, None)
    assert find_divergence("m", "n", tokens(None), tokens([1])) is None
