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
from vibecore.analysis.quality import FromOutcomes
from vibecore.analysis.rule import apply
from vibecore.analysis.stability import draw_studies, find_stability
from vibecore.analysis.stats.bootstrap import MOST_UNITS, resample_counts, sum_groups
from vibecore.core.machine import GIB
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


def made_up(prompts: int, seed: int, unknown: float = 0.0) -> Outcomes:
    """Outcomes of four configs: one loops more, one is slow; some verdicts unknown."""
    rng = np.random.default_rng(seed)
    flags = {
        "broken outputs": (rng.random((prompts, 4)) < [0.1, 0.15, 0.4, 0.1]).astype(np.int8),
        "adherence": (rng.random((prompts, 4)) < [0.3, 0.4, 0.3, 0.5]).astype(np.int8),
    }
    flags["adherence"][rng.random((prompts, 4)) < unknown] = -1
    tokens = rng.integers(20, 200, (prompts, 4)).astype(float)
    seconds = tokens / np.array([100.0, 105.0, 110.0, 60.0]) * rng.lognormal(0, 0.1, tokens.shape)
    return Outcomes(CONFIGS, flags, tokens, seconds, np.arange(prompts))


def tables(outcomes: Outcomes, **changes: Any) -> list[ConfigMetrics]:
    """The summary that a study of these outcomes has."""
    broken, adherent = (outcomes.flags[metric] for metric in ("broken outputs", "adherence"))
    return [
        metric_row(
            config,
            prompts=outcomes.prompts,
            tokens_per_second=outcomes.tokens[:, i].sum() / outcomes.seconds[:, i].sum(),
            broken=int((broken[:, i] == 1).sum()),
            broken_judged=int((broken[:, i] >= 0).sum()),
            adherent_prompts=int((adherent[:, i] == 1).sum()),
            adherence_judged=int((adherent[:, i] >= 0).sum()),
            memory_bytes=MEMORY[config],
            **changes,
        )
        for i, config in enumerate(CONFIGS)
    ]


def made_up_decision(outcomes: Outcomes, rule: Rule | None = None, **changes: Any) -> Decision:
    """What is decided of a study of these outcomes."""
    return decide(gather(tables(outcomes, **changes), outcomes), rule or Rule())


def drawn_again(outcomes: Outcomes, counts: Any) -> Outcomes:
    """A resampled study, prompt by prompt."""
    rows = np.repeat(np.arange(outcomes.prompts), counts.astype(int))
    flags = {metric: values[rows] for metric, values in outcomes.flags.items()}
    return Outcomes(
        CONFIGS,
        flags,
        outcomes.tokens[rows],
        outcomes.seconds[rows],
        np.arange(len(rows)),
    )


@pytest.mark.parametrize("unknown", [0.0, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_all_resamples_at_once_are_each_resample(rule: Rule, unknown: float) -> None:
    outcomes = made_up(30, 5, unknown)
    rows = tables(outcomes)
    draws = draw_studies(rows, outcomes, 60, seed=11)
    found = apply(draws, rule).choice
    as_its_own = 0
    for place, (counts, choice) in enumerate(zip(resample_counts(30, 60, 11), found, strict=True)):
        alone = FromOutcomes(rows, outcomes, counts[None])
        assert apply(replace(draws, sampled=alone, speeds=draws.speeds[[place]]), rule).choice == (
            choice
        )
        again = drawn_again(outcomes, counts)
        own = find_sweet_spot(tables(again), again, rule).config
        as_its_own += own == (CONFIGS[choice] if choice >= 0 else None)
    # A resample is judged by the draws of the study, not by draws of its own.
    assert as_its_own >= 45


def test_counts_alone_are_drawn_from_their_rates(published_db: Path) -> None:
    evidence = read_evidence(published_db, "published")
    draws = evidence.draws
    assert "counts drawn again" in draws.how
    rows = evidence.study.rows
    for place, row in enumerate(rows):
        assert (draws.speeds[:, place] == row.tokens_per_second).all()
        for metric, count in (("broken outputs", "broken"), ("adherence", "adherent_prompts")):
            rate = getattr(row, count) / 30
            error = 4 * np.sqrt(rate * (1 - rate) / 30 / draws.resamples)
            assert abs(draws.rates[metric][:, place].mean() - rate) <= error


def test_the_published_choice_is_the_most_frequent(published_db: Path) -> None:
    stability = decide(read_evidence(published_db, "published"), Rule()).stability
    assert next(iter(stability.shares)) == "1.5B-4bit"
    assert 0.5 < stability.share < 0.65
    assert stability.word == "open"
    assert sum(stability.shares.values()) == pytest.approx(1)
    assert stability.resamples == 2_000
    for part in ("56 % of 2,000", "counts drawn again", "1.5B-bf16 in 28 %"):
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
    rows = tables(outcomes, batch_size=8)
    draws = draw_studies(rows, outcomes, 50)
    assert (draws.speeds == draws.speeds[0]).all()
    assert "batched speeds" in draws.how


def test_counts_that_outputs_do_not_cover_are_drawn_as_counts() -> None:
    outcomes = made_up(30, 5)
    rows = tables(outcomes)
    more = [replace(row, broken=row.broken + 1) for row in rows]
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
    rows = tables(made_up(30, 5), status="failed")
    decision = decide(gather(rows, None), Rule())
    assert decision.stability is None
    assert decision.switches == ()


def test_outcomes_are_what_the_scores_say(tmp_path: Path) -> None:
    path = made.build(tmp_path / "varied.duckdb")
    with store.reading(path) as connection:
        runs = store.read_configs(connection, "varied")
        columns = store.read_outcomes(connection, runs)
        outputs = store.read_outputs(connection, "varied")
    configs = [run.config for run in runs]
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
        for metric, column in (("broken outputs", "broken"), ("adherence", "adherent")):
            flag = getattr(row, column)
            value = -1 if flag is None else int(flag)
            assert outcomes.flags[metric][at] == value
            known += 1
    for flags in outcomes.flags.values():
        known -= int((flags >= 0).sum()) + int((flags[outcomes.tokens > 0] < 0).sum())
    assert known == 0
    with store.reading(path) as connection:
        runs = store.read_configs(connection, "speed-only")
        empty = store.read_outcomes(connection, runs)
    assert (to_outcomes(empty, configs).flags["broken outputs"] == -1).all()


def test_a_study_without_outputs_has_no_outcomes(db: Path) -> None:
    assert to_outcomes({}, ["a"]) is None


def test_find_stability_counts_every_answer() -> None:
    outcomes = made_up(30, 5)
    rows = tables(outcomes)
    draws = draw_studies(rows, outcomes, 200)
    stability = find_stability(draws, Rule(), "a")
    found = apply(draws, Rule()).choice
    for config, share in stability.shares.items():
        place = -1 if config is None else CONFIGS.index(config)
        assert share == (found == place).mean()
    assert None in stability.shares
