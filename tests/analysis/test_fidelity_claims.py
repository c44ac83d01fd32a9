"""Claims on how far quantisation moves a model: by distributions, paired by prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.analysis.test_findings import UNTESTABLE, finding, study
from tests.support.fidelity_tokens import noisy, tokens_of
from vibecore.analysis.claims import CLAIMS, Finding, StudyData
from vibecore.analysis.fidelity.pairs import judge_kld_pairs
from vibecore.core.fidelity import FidelityTokens
from vibecore.views.charts.findings import evidence_figure

IDS = ("quantisation-moves", "4bit-moves-more", "smaller-moved-more")
CONFIGS = ("small-8bit", "small-4bit", "big-8bit", "big-4bit")
APART = {"small-8bit": 1e-2, "small-4bit": 1e-1, "big-8bit": 1e-3, "big-4bit": 1e-2}


def measured(scales: Mapping[str, float], floor: float | None = 1e-6, **given: Any) -> StudyData:
    """The study of test_findings with KLDs of about these scales; each config draws its own."""
    tokens: list[FidelityTokens] = []
    for seed, (config, scale) in enumerate(scales.items()):
        parent = f"{config.partition('-')[0]}-bf16"
        tokens.append(tokens_of(noisy(scale, seed=seed, **given), config, against=parent))
    for parent in ("small-bf16", "big-bf16"):
        if floor is not None:
            kld = noisy(floor, seed=99, **given)
            tokens.append(tokens_of(kld, parent, "batch", against=parent))
    return replace(study(), fidelity=tuple(tokens))


def all_of(data: StudyData) -> dict[str, Finding]:
    return {claim: finding(data, claim) for claim in IDS}


def test_ours_are_the_last_and_take_distributions() -> None:
    assert tuple(CLAIMS)[-3:] == IDS
    for one in all_of(study()).values():
        assert one.verdict == UNTESTABLE
        assert "python -m vibecore fidelity" in one.reason


def test_distances_well_apart_support_every_claim() -> None:
    found = all_of(measured(APART))
    assert {one.verdict for one in found.values()} == {"supported"}
    moves = found["quantisation-moves"]
    assert moves.reason.startswith("4 of 4 quantised configs are further")
    assert all(one.interval and one.interval[0] > 1 for one in moves.evidence)
    four = {row.compared: row for row in found["4bit-moves-more"].evidence}
    row = four["small-4bit against small-8bit"]
    assert (row.verdict, row.n, row.kind) == ("further", 30, "ratio")
    assert row.interval is not None and row.interval[0] < 10 < row.interval[1]
    # Of the one pair of its model; those of two models are two comparisons.
    assert row.p_adjusted == row.p
    sizes = found["smaller-moved-more"].evidence
    assert [one.precision for one in sizes] == ["8bit", "4bit"]
    assert {one.compared for one in sizes} == {
        "small-8bit against big-8bit",
        "small-4bit against big-4bit",
    }
    assert [one.p_adjusted for one in sizes] == [pytest.approx(2 * (one.p or 0)) for one in sizes]


def test_two_configs_have_one_p_everywhere() -> None:
    data = measured(dict.fromkeys(CONFIGS, 1e-3) | {"small-4bit": 1e-2})
    third = tokens_of(noisy(1e-3, seed=7), "small-8bit-t0", against="small-bf16")
    data = replace(data, fidelity=(*data.fidelity, third))
    pairs = {frozenset((one.config, one.other)): one for one in judge_kld_pairs(data.fidelity)}
    row = finding(data, "4bit-moves-more").evidence[0]
    assert row.compared == "small-4bit against small-8bit"
    assert row.p_adjusted == pairs[frozenset(("small-4bit", "small-8bit"))].p > (row.p or 0)


def test_the_other_way_round_contradicts() -> None:
    backwards = dict(zip(CONFIGS, reversed(list(APART.values())), strict=True))
    found = all_of(measured(backwards))
    assert found["4bit-moves-more"].verdict == "contradicted"
    assert found["smaller-moved-more"].verdict == "contradicted"
    assert {row.verdict for row in found["4bit-moves-more"].evidence} == {"nearer"}
    # Either way they are moved.
    assert found["quantisation-moves"].verdict == "supported"


def test_alike_is_not_resolved() -> None:
    found = all_of(measured(dict.fromkeys(CONFIGS, 1e-6)))
    assert {one.verdict for one in found.values()} == {"not resolved"}
    assert "Not told apart from it: small-8bit" in found["quantisation-moves"].reason


def test_few_prompts_resolve_nothing() -> None:
    found = all_of(measured(APART, prompts=3))
    assert {one.verdict for one in found.values()} == {"not resolved"}
    assert found["4bit-moves-more"].evidence[0].method == "exact sign test of the prompts"


def test_without_a_floor_only_the_floor_s_claim_lacks_something() -> None:
    found = all_of(measured(APART, floor=None))
    assert found["quantisation-moves"].verdict == UNTESTABLE
    assert found["4bit-moves-more"].verdict == "supported"


def test_a_floor_of_zero_has_no_ratio() -> None:
    data = measured(APART, floor=None)
    zero = [
        tokens_of([[0.0] * 9] * 30, parent, "batch", against=parent)
        for parent in ("small-bf16", "big-bf16")
    ]
    moves = finding(replace(data, fidelity=(*data.fidelity, *zero)), "quantisation-moves")
    assert moves.verdict == "supported"
    assert {row.estimate for row in moves.evidence} == {None}
    assert " v 0" in moves.reason


def test_running_text_is_not_what_the_claims_rest_on() -> None:
    data = measured(APART)
    text = tuple(
        replace(one, reference="text", kld=np.zeros_like(one.kld)) for one in data.fidelity
    )
    assert all_of(replace(data, fidelity=(*text, *data.fidelity))) == all_of(data)
    assert {one.verdict for one in all_of(replace(data, fidelity=text)).values()} == {UNTESTABLE}


def test_a_large_ratio_is_drawn_with_its_own_interval() -> None:
    moves = finding(measured(APART), "quantisation-moves")
    chart = evidence_figure(moves.evidence, "ratio").chart
    assert chart is not None
    layers = chart.to_dict()["layer"]
    dots = [row for one in layers for row in one.get("data", {}).get("values", ()) if "low" in row]
    assert dots
    for dot in dots:
        assert dot["low"] < dot["value"] < dot["high"]
    assert "9,571 times" in moves.reason
