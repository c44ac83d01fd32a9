"""Stability: the rule applied to thousands of resampled studies at once is the rule applied to
each; looked-up p-values are the computed ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support import dashboard_database as made
from tests.support.metric_rows import metric_row
from vibecore import Rule, decide, read_evidence, store
from vibecore.analysis import Decision, find_sweet_spot, gather, to_outcomes
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.rule import apply
from vibecore.analysis.stability import draw_studies, find_stability
from vibecore.analysis.stats.bootstrap import MOST_UNITS, resample_counts, sum_groups
from vibecore.analysis.stats.exact import fisher_exact, mcnemar_exact
from vibecore.analysis.stats.lookup import fisher_p_values, mcnemar_p_values
from vibecore.core.machine import GIB
from vibecore.core.rows import PatternRow
from vibecore.studies.queries import read_scores

CONFIGS = ("a", "b", "c", "d")
MEMORY = {"a": GIB, "b": 2 * GIB, "c": GIB, "d": 3 * GIB}
RULES = (
    Rule(),
    Rule(alpha=0.3),
    Rule(vram_gib=2.5, speed_floor=0.5),
    Rule(speed_floor=1.0, alpha=0.01),
    Rule(vram_gib=0.5),
)


def test_looked_up_mcnemar_is_computed_mcnemar() -> None:
    first, second = (axis.ravel() for axis in np.meshgrid(range(40), range(40)))
    ours = mcnemar_p_values(first, second)
    theirs = [mcnemar_exact(int(b), int(c)) for b, c in zip(first, second, strict=True)]
    assert ours == pytest.approx(theirs, abs=1e-12)
    large = mcnemar_p_values(np.array([700, 900, 3]), np.array([640, 900, 9]))
    theirs = [mcnemar_exact(700, 640), 1.0, mcnemar_exact(3, 9)]
    assert large == pytest.approx(theirs, abs=2e-3)


def test_looked_up_fisher_is_computed_fisher() -> None:
    x, y = (axis.ravel() for axis in np.meshgrid(range(31), range(26)))
    ours = fisher_p_values(x, 30, y, 25)
    theirs = [fisher_exact(int(a), 30, int(b), 25) for a, b in zip(x, y, strict=True)]
    assert ours == pytest.approx(theirs, abs=1e-9)
    large = fisher_p_values(np.array([400, 10]), 2_000, np.array([350, 0]), np.array([2_100, 0]))
    assert large == pytest.approx([fisher_exact(400, 2_000, 350, 2_100), 1.0], abs=2e-3)


def made_up(prompts: int, seed: int, unknown: float = 0.0) -> Outcomes:
    """Outcomes of four configs: one loops more, one is slow; some verdicts unknown."""
    rng = np.random.default_rng(seed)
    flags = {
        "repetition": (rng.random((prompts, 4)) < [0.1, 0.15, 0.4, 0.1]).astype(np.int8),
        "adherence": (rng.random((prompts, 4)) < [0.3, 0.4, 0.3, 0.5]).astype(np.int8),
    }
    flags["adherence"][rng.random((prompts, 4)) < unknown] = -1
    tokens = rng.integers(20, 200, (prompts, 4)).astype(float)
    seconds = tokens / np.array([100.0, 105.0, 110.0, 60.0]) * rng.lognormal(0, 0.1, tokens.shape)
    return Outcomes(CONFIGS, flags, tokens, seconds)


def tables(
    outcomes: Outcomes, **changes: Any
) -> tuple[list[ConfigMetrics], dict[str, list[PatternRow]]]:
    """The summary and the patterns that a study of these outcomes has."""
    repetitive, adherent = (outcomes.flags[metric] for metric in ("repetition", "adherence"))
    rows = [
        metric_row(
            config,
            prompts=outcomes.prompts,
            tokens_per_second=outcomes.tokens[:, i].sum() / outcomes.seconds[:, i].sum(),
            repetitive=int((repetitive[:, i] == 1).sum()),
            repetition_judged=int((repetitive[:, i] >= 0).sum()),
            adherent_prompts=int((adherent[:, i] == 1).sum()),
            adherence_judged=int((adherent[:, i] >= 0).sum()),
            memory_bytes=MEMORY[config],
            **changes,
        )
        for i, config in enumerate(CONFIGS)
    ]
    patterns = {
        metric: [
            PatternRow(
                {
                    config: bool(flag)
                    for config, flag in zip(CONFIGS, prompt, strict=True)
                    if flag >= 0
                },
                1,
            )
            for prompt in flags
        ]
        for metric, flags in outcomes.flags.items()
    }
    return rows, patterns


def made_up_decision(outcomes: Outcomes, rule: Rule | None = None, **changes: Any) -> Decision:
    """What is decided of a study of these outcomes."""
    return decide(gather(*tables(outcomes, **changes), outcomes), rule or Rule())


def drawn_again(outcomes: Outcomes, counts: Any) -> Outcomes:
    """A resampled study, prompt by prompt."""
    rows = np.repeat(np.arange(outcomes.prompts), counts.astype(int))
    flags = {metric: values[rows] for metric, values in outcomes.flags.items()}
    return Outcomes(CONFIGS, flags, outcomes.tokens[rows], outcomes.seconds[rows])


@pytest.mark.parametrize("unknown", [0.0, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_all_resamples_at_once_are_each_resample(rule: Rule, unknown: float) -> None:
    outcomes = made_up(30, 5, unknown)
    rows, _ = tables(outcomes)
    found = apply(draw_studies(rows, outcomes, 60, seed=11), rule).choice
    for counts, place in zip(resample_counts(30, 60, 11), found, strict=True):
        again = drawn_again(outcomes, counts)
        slow = find_sweet_spot(*tables(again), rule).config
        assert (CONFIGS[place] if place >= 0 else None) == slow


def test_counts_alone_are_drawn_from_their_rates(published_db: Path) -> None:
    evidence = read_evidence(published_db, "published")
    draws = evidence.draws
    assert "counts drawn again" in draws.how
    rows = evidence.study.rows
    for place, row in enumerate(rows):
        assert (draws.speeds[:, place] == row.tokens_per_second).all()
        for metric, count in (("repetition", "repetitive"), ("adherence", "adherent_prompts")):
            rate = getattr(row, count) / 30
            error = 4 * np.sqrt(rate * (1 - rate) / 30 / draws.resamples)
            assert abs(draws.rates[metric][:, place].mean() - rate) <= error
    found = apply(draws, Rule()).choice
    for resample in range(40):
        again = [
            replace(
                row,
                repetitive=round(30 * draws.rates["repetition"][resample, place]),
                adherent_prompts=round(30 * draws.rates["adherence"][resample, place]),
            )
            for place, row in enumerate(rows)
        ]
        assert find_sweet_spot(again).config == again[found[resample]].config


def test_the_published_choice_is_the_most_frequent(published_db: Path) -> None:
    stability = decide(read_evidence(published_db, "published"), Rule()).stability
    assert next(iter(stability.shares)) == "1.5B-4bit"
    assert 0.5 < stability.share < 0.65
    assert sum(stability.shares.values()) == pytest.approx(1)
    assert stability.resamples == 2_000
    for part in ("57 % of 2,000", "counts drawn again", "0.5B-bf16 in 23 %"):
        assert part in stability.sentence()


def test_no_sweet_spot_is_an_answer_with_its_own_stability(published_db: Path) -> None:
    stability = decide(read_evidence(published_db, "published"), Rule(vram_gib=0.3)).stability
    assert (stability.config, stability.share) == (None, 1.0)
    assert stability.sentence().startswith("No sweet spot is the answer in all 2,000")


def test_a_clear_choice_is_stable_and_a_close_one_is_not() -> None:
    # a and c need as little; c is the faster by a tenth, then by a five-hundredth.
    outcomes = made_up(300, 1)
    for flags in outcomes.flags.values():
        flags[:] = 0
    shares = []
    for ratio in (1.1, 1.002):
        noise = np.random.default_rng(0).lognormal(0, 0.1, 300)
        outcomes.tokens[:, 2] = outcomes.tokens[:, 0]
        outcomes.seconds[:, 2] = outcomes.seconds[:, 0] / ratio * noise / noise.mean()
        decision = made_up_decision(outcomes, Rule(speed_floor=0.5))
        assert decision.sweet_spot.config in ("a", "c")
        shares.append(decision.stability.share)
    assert shares[0] == 1.0
    assert 0.3 < shares[1] < 0.95


def test_batched_speeds_stay_fixed() -> None:
    outcomes = made_up(30, 5)
    rows, _ = tables(outcomes, batch_size=8)
    draws = draw_studies(rows, outcomes, 50)
    assert (draws.speeds == draws.speeds[0]).all()
    assert "batched speeds" in draws.how


def test_counts_that_outputs_do_not_cover_are_drawn_as_counts() -> None:
    outcomes = made_up(30, 5)
    rows, _ = tables(outcomes)
    more = [replace(row, repetitive=row.repetitive + 1) for row in rows]
    draws = draw_studies(more, outcomes)
    assert "counts drawn again" in draws.how


def test_many_prompts_are_drawn_in_groups_with_the_same_spread() -> None:
    values = np.random.default_rng(0).normal(5, 2, (20_000, 2))
    groups = sum_groups(values, 0)
    assert groups.shape == (MOST_UNITS, 2)
    assert groups.sum(axis=0) == pytest.approx(values.sum(axis=0))
    drawn = resample_counts(MOST_UNITS, 2_000, 0) @ groups
    assert drawn[:, 0].std() == pytest.approx(2 * np.sqrt(20_000), rel=0.1)
    few = np.ones((30, 2))
    assert sum_groups(few, 0) is few


def test_nothing_to_compare_has_no_stability() -> None:
    rows, patterns = tables(made_up(30, 5), status="failed")
    decision = decide(gather(rows, patterns, None), Rule())
    assert decision.stability is None
    assert decision.switches == ()


def test_outcomes_are_what_the_scores_say(tmp_path: Path) -> None:
    path = made.build(tmp_path / "varied.duckdb")
    with store.reading(path) as connection:
        columns = store.read_outcomes(connection, "varied")
        configs = [row.config for row in store.read_configs(connection, "varied")]
        outputs = store.read_outputs(connection, "varied")
    outcomes = to_outcomes(columns, configs)
    positions = {p: i for i, p in enumerate(dict.fromkeys(row.prompt_id for row in outputs))}
    assert outcomes.prompts == len(positions)
    for row in outputs:
        at = positions[row.prompt_id], configs.index(row.config)
        assert outcomes.tokens[at] == row.new_tokens
        assert outcomes.seconds[at] == pytest.approx(row.total_seconds)
    known = 0
    for row in read_scores(path, "varied"):
        at = positions[row.prompt_id], configs.index(row.config)
        for metric, column in (("repetition", "repetitive"), ("adherence", "adherent")):
            flag = getattr(row, column)
            value = -1 if flag is None else int(flag)
            assert outcomes.flags[metric][at] == value
            known += 1
    for flags in outcomes.flags.values():
        known -= int((flags >= 0).sum()) + int((flags[outcomes.tokens > 0] < 0).sum())
    assert known == 0
    with store.reading(path) as connection:
        empty = store.read_outcomes(connection, "speed-only")
    assert (to_outcomes(empty, configs).flags["repetition"] == -1).all()


def test_a_study_without_outputs_has_no_outcomes(db: Path) -> None:
    assert to_outcomes({"prompt": np.array([])}, ["a"]) is None


def test_find_stability_counts_every_answer() -> None:
    outcomes = made_up(30, 5)
    rows, _ = tables(outcomes)
    draws = draw_studies(rows, outcomes, 200)
    stability = find_stability(draws, Rule(), "a")
    found = apply(draws, Rule()).choice
    for config, share in stability.shares.items():
        place = -1 if config is None else CONFIGS.index(config)
        assert share == (found == place).mean()
    assert None in stability.shares
