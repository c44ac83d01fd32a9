"""The quality step: alike configs are rarely dropped, models are compared as wholes, and a config
falls with its model only where it is worse itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.support.metric_rows import metric_row
from vibecore.analysis import Rule, decide, find_sweet_spot, gather
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.quality import find_grid
from vibecore.analysis.stats.exact import mcnemar_exact
from vibecore.analysis.sweet_spot import SweetSpot

PRECISIONS = ("bf16", "8bit", "4bit")


def judged(broken: np.ndarray, models: list[str], counts_only: bool = False) -> SweetSpot:
    """The choice of a study whose configs broke on these prompts, (prompts, configs), and met the
    constraints of none."""
    prompts, configs = broken.shape
    names = [f"{model}-{PRECISIONS[i % 3]}" for i, model in enumerate(models)]
    rows = [
        metric_row(
            name,
            model=model,
            precision=PRECISIONS[i % 3],
            prompts=prompts,
            broken=int(broken[:, i].sum()),
            broken_judged=prompts,
            adherent_prompts=0,
            adherence_judged=prompts,
        )
        for i, (name, model) in enumerate(zip(names, models, strict=True))
    ]
    nothing = np.full((prompts, configs), np.nan)
    flags = {"broken outputs": broken.astype(np.int8), "adherence": np.zeros_like(broken, np.int8)}
    outcomes = Outcomes(tuple(names), flags, nothing, nothing, np.arange(prompts))
    return find_sweet_spot(rows, None if counts_only else outcomes)


def worse(spot: SweetSpot) -> set[str]:
    return {one.config for one in spot.comparisons if one.p < 0.05}


def table(prompts: int, *groups: tuple[int, tuple[int, ...]]) -> np.ndarray:
    """Prompts of which so many broke at these configs; the rest at none."""
    broken = np.zeros((prompts, 6), dtype=bool)
    at = 0
    for number, configs in groups:
        broken[at : at + number, list(configs)] = True
        at += number
    return broken


@pytest.mark.parametrize(("first", "second"), [(6, 0), (7, 1), (9, 2), (8, 5)])
def test_of_two_configs_it_is_the_exact_mcnemar_test(first: int, second: int) -> None:
    broken = table(30, (first, (0,)), (second, (1,)))[:, :2]
    spot = judged(broken, ["a", "b"])
    [p] = [one.p for one in spot.comparisons if one.metric == "broken outputs"]
    assert p == pytest.approx(mcnemar_exact(first, second), abs=0.05)
    [pairs] = [one.pairs for one in spot.comparisons if one.metric == "broken outputs"]
    assert pairs == (0, first, second, 30 - first - second)


@pytest.mark.parametrize("counts_only", [False, True])
@pytest.mark.parametrize("models", [list("abcdef"), ["a"] * 3 + ["b"] * 3])
def test_alike_configs_are_rarely_dropped(models: list[str], counts_only: bool) -> None:
    rng = np.random.default_rng(3)
    dropped = 0
    for _ in range(60):
        broken = rng.random((30, 6)) < 0.3
        together = rng.random(30) < 0.4
        broken[together] = broken[together][:, :1]
        dropped += bool(worse(judged(broken, models, counts_only)))
    # Of 60 studies at 5 % each, 9 or more happen once in 250 times; Holm's pairs dropped one in
    # 7 to 15 %.
    assert dropped <= 8


@pytest.mark.parametrize("counts_only", [False, True])
def test_a_model_is_judged_over_all_its_precisions(counts_only: bool) -> None:
    # 11 v 4 of 30 at each precision: no pair of configs alone is that far apart. Of counts it takes
    # 13 v 4, because a model's precisions may all have broken on the same prompts.
    more = 10 if counts_only else 8
    only = [(more, (0,)), (more, (1,)), (more, (2,)), (1, (3,)), (1, (4,)), (1, (5,))]
    broken = table(40, *only, (3, tuple(range(6))))
    as_models = judged(broken, ["a"] * 3 + ["b"] * 3, counts_only)
    alone = judged(broken, list("abcdef"), counts_only)
    assert worse(as_models) == {"a-bf16", "a-8bit", "a-4bit"}
    assert worse(alone) == set()
    of_model = [one for one in as_models.comparisons if one.config == "a-bf16"]
    worse_count = 3 * (more + 3)
    assert (of_model[0].models.count, of_model[0].models.best_count) == (worse_count, 12)
    assert f"over all 3 precisions a {worse_count}/120, b 12/120" in as_models.excluded["a-bf16"]


def test_one_bad_precision_does_not_drop_its_model() -> None:
    shared = (3, tuple(range(6)))
    spot = judged(table(40, (15, (2,)), shared), ["a"] * 3 + ["b"] * 3)
    assert worse(spot) == {"a-4bit"}


def test_a_dead_config_is_never_chosen_and_drops_nobody() -> None:
    broken = table(30, (30, (2,)), (0, ()))
    broken[:3, 0] = True
    spot = judged(broken, list("abcdef"))
    assert spot.excluded["c-4bit"].startswith("30 of 30 outputs are broken")
    assert worse(spot) == set()
    everything = judged(np.ones((30, 6), dtype=bool), list("abcdef"))
    assert (everything.config, everything.best_that_fits) == (None, None)
    assert "half or more of the outputs of every config are broken" in everything.reason


@pytest.mark.parametrize("counts_only", [False, True])
def test_a_dead_precision_does_not_count_against_its_siblings(counts_only: bool) -> None:
    rng = np.random.default_rng(5)
    dropped = 0
    for _ in range(60):
        broken = rng.random((30, 6)) < 0.15
        broken[:, 2] = True
        spot = judged(broken, ["a"] * 3 + ["b"] * 3, counts_only)
        assert "30 of 30 outputs are broken" in spot.excluded["a-4bit"]
        dropped += bool(worse(spot))
    assert dropped <= 8


def test_a_suite_without_constraints_is_decided_on_broken_outputs_alone() -> None:
    rows = [metric_row(c, adherent_prompts=None, adherence_judged=None) for c in "ab"]
    spot = find_sweet_spot(rows)
    assert spot.config == "a"
    assert {one.metric for one in spot.comparisons} == {"broken outputs"}


def test_a_choice_without_another_config_has_no_stability() -> None:
    decision = decide(gather([metric_row("a")], None), Rule())
    assert (decision.sweet_spot.config, decision.stability) == ("a", None)


def test_few_prompts_and_unfinished_runs_only_lead() -> None:
    rng = np.random.default_rng(0)
    assert not judged(rng.random((10, 6)) < 0.2, list("abcdef")).leading
    few = judged(rng.random((9, 6)) < 0.2, list("abcdef"))
    assert few.leading and few.config is not None
    assert few.missing == ("There are outputs of 9 prompts only; a choice takes at least 10.",)
    one = judged(np.zeros((1, 6), dtype=bool), list("abcdef"))
    assert one.missing[0].startswith("There are outputs of 1 prompt only")
    rows = [metric_row("a"), metric_row("b", status="stopped", prompts=3)]
    stopped = find_sweet_spot(rows)
    assert (stopped.config, stopped.leading) == ("a", True)
    assert stopped.missing == ("1 of 2 configs has not finished: b.",)


def rows_of(*names: str) -> list[ConfigMetrics]:
    return [
        replace(metric_row(name), model=name.split("-")[0], precision=name.split("-")[1])
        for name in names
    ]


def test_the_grid_is_what_all_models_share() -> None:
    whole = find_grid(rows_of("a-bf16", "a-4bit", "b-4bit", "b-bf16"))
    assert (whole.blocks, whole.compares_models) == (((0, 1), (3, 2)), True)
    part = find_grid(rows_of("a-bf16", "a-8bit", "b-bf16"))
    assert (part.blocks, part.compares_models) == (((0,), (2,)), False)
    assert find_grid(rows_of("a-bf16", "a-8bit")).blocks == ()
    assert find_grid(rows_of("a-bf16", "b-8bit")).blocks == ()
