"""Many configs: alike ones are rarely dropped, worse ones are, models with uneven precisions too,
and the statistic is that of few configs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.metric_rows import metric_row
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.quality import BROKEN, columns_of
from vibecore.analysis.quality_of_many import OutcomesOfMany
from vibecore.analysis.sampled import MOST_BY_PAIRS
from vibecore.analysis.stats.permutation import Family, SmallestP, pair_statistics
from vibecore.analysis.stats.rotation import Rotations, statistics_against
from vibecore.analysis.sweet_spot import Comparison, SweetSpot, find_sweet_spot

PRECISIONS = ("bf16", "8bit", "4bit")
CONFIGS = 30


def judged(broken: np.ndarray, *, one_model_each: bool = False, counts: bool = False) -> SweetSpot:
    """The choice of a study of these broken outputs, (prompts, configs)."""
    prompts, configs = broken.shape
    places = range(configs)
    rows = [
        metric_row(
            f"{place}",
            model=f"{place if one_model_each else place // 3}",
            precision=PRECISIONS[place % 3],
            prompts=prompts,
            broken=int(broken[:, place].sum()),
            broken_judged=prompts,
            adherent_prompts=0,
            adherence_judged=prompts,
        )
        for place in places
    ]
    nothing = np.full(broken.shape, np.nan)
    flags = {BROKEN: broken.astype(np.int8), "adherence": np.zeros_like(broken, np.int8)}
    names = tuple(row.config for row in rows)
    outcomes = Outcomes(names, flags, nothing, nothing, np.arange(prompts))
    return find_sweet_spot(rows, None if counts else outcomes)


def worse(spot: SweetSpot) -> list[Comparison]:
    return [one for one in spot.comparisons if one.p < 0.05]


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("one_model_each", [False, True])
def test_alike_configs_are_rarely_dropped(one_model_each: bool, counts: bool) -> None:
    assert CONFIGS > MOST_BY_PAIRS
    rng = np.random.default_rng(5)
    dropped = 0
    for _ in range(20):
        hard = rng.random((40, 1)) < 0.3
        broken = rng.random((40, CONFIGS)) < np.where(hard, 0.6, 0.1)
        dropped += bool(worse(judged(broken, one_model_each=one_model_each, counts=counts)))
    # Of 20 studies at 5 % each, 5 or more happen once in 400 times.
    assert dropped <= 4


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("configs", [CONFIGS, CONFIGS - 1])
def test_worse_configs_are_dropped_and_seldom_another(configs: int, counts: bool) -> None:
    # With one config less the last model lacks a precision.
    siblings = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        broken = rng.random((200, configs)) < 0.05
        broken[:, [3, 7]] = rng.random((200, 2)) < 0.4
        found = {one.config for one in worse(judged(broken, counts=counts))}
        assert {"3", "7"} <= found <= {"3", "4", "5", "6", "7", "8"}
        siblings += len(found) - 2
    # A config of a model that one precision makes worse has 5 % of its own: of 24 six or more
    # happen once in 800 times.
    assert siblings <= 5


def test_a_model_that_is_worse_is_dropped_as_one() -> None:
    rng = np.random.default_rng(7)
    broken = rng.random((200, CONFIGS)) < 0.05
    broken[:, 6:9] = rng.random((200, 3)) < 0.3
    found = {one.config: one for one in worse(judged(broken))}
    assert set(found) == {"6", "7", "8"}
    assert all(one.models is None or one.models.model == "2" for one in found.values())


def test_the_statistic_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(8)
    values, weights = rng.normal(size=(12, 6)), rng.integers(0, 3, (4, 12)).astype(float)
    counted = rng.random((4, 6)) < 0.8
    best = np.array([0, 3, 3, 5])
    gaps = values[:, :, None] - values[:, None, :]
    squares = np.einsum("su,uij->sij", weights, gaps**2)
    every = pair_statistics(weights @ values, squares, counted)
    expected = every[np.arange(4), :, best]
    assert statistics_against(values, weights, counted, best) == pytest.approx(expected)


SIZES = [(3, 3, 3), (3, 2, 4), (2, 3), (2, 3, 4, 5, 7)]


def grids(sizes: tuple[int, ...]) -> Iterator[tuple[list[int], list[tuple[int, ...]]]]:
    """The models of configs and their blocks; the second has none."""
    models = [model for model, size in enumerate(sizes) for _ in range(size)]
    starts = np.cumsum([0, *sizes[:-1]])
    yield models, [tuple(range(start, start + min(sizes))) for start in starts]
    yield models, []


@pytest.mark.parametrize("sizes", SIZES)
def test_a_rotation_moves_every_value_to_one_place(sizes: tuple[int, ...]) -> None:
    for models, blocks in grids(sizes):
        rotations = Rotations(models, blocks, 5, 100)
        seen = np.zeros((len(models), len(models)), dtype=int)
        for number in range(101):
            places = rotations.sources(number)
            assert (np.sort(places, axis=1) == np.arange(len(models))).all()
            for unit in places:
                seen[np.arange(len(models)), unit] += 1
        assert blocks or (seen > 0).all()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("of_model", [False, True])
def test_draws_are_rotations_of_what_one_more_makes_the_data_of(
    sizes: tuple[int, ...], of_model: bool
) -> None:
    values = np.random.default_rng(1).normal(size=(4, sum(sizes)))
    for models, blocks in grids(sizes):
        rotations = Rotations(models, blocks, 4, 20)
        before = np.empty(values.shape)
        np.put_along_axis(before, rotations.sources(0), values, axis=1)
        drawn = rotations.prepare(values, of_model=of_model).draw(3, 20)
        for place, number in enumerate(range(4, 21)):
            expected = np.take_along_axis(before, rotations.sources(number), axis=1)
            if of_model:
                expected = columns_of(expected, blocks or [(i,) for i in range(len(models))])
                expected = expected[:, rotations.ring]
            else:
                expected = expected[:, rotations.columns]
            assert drawn[place] == pytest.approx(expected, abs=1e-6)


def test_resampled_studies_are_judged_as_the_study_itself() -> None:
    rng = np.random.default_rng(9)
    broken = rng.random((60, CONFIGS)) < 0.1
    broken[:, 4] = rng.random(60) < 0.45
    rows = [
        metric_row(
            str(i),
            model=str(i),
            precision="bf16",
            prompts=60,
            broken=int(b.sum()),
            broken_judged=60,
            adherent_prompts=0,
            adherence_judged=60,
        )
        for i, b in enumerate(broken.T)
    ]
    nothing = np.full(broken.shape, np.nan)
    flags = {BROKEN: broken.astype(np.int8), "adherence": np.zeros_like(broken, np.int8)}
    outcomes = Outcomes(tuple(r.config for r in rows), flags, nothing, nothing, np.arange(60))
    study = OutcomesOfMany(rows, outcomes)
    again = OutcomesOfMany(rows, outcomes, np.ones((3, 60)), like=study).judge()
    dropped = study.judge().p[BROKEN] < 0.05
    assert dropped[0, 4]
    assert ((again.p[BROKEN] < 0.05) == dropped).all()


@pytest.mark.parametrize("p", [0.001, 0.01, 0.15, 0.5, 1.0])
def test_what_has_a_small_p_reaches_the_statistic_of_that_p(p: float) -> None:
    rng = np.random.default_rng(2)
    families = [Family(rng.normal(size=199)), Family(rng.integers(0, 5, 199).astype(float))]
    smallest = SmallestP(families)
    values = np.concatenate([np.linspace(-3, 6, 400), np.arange(6.0)])
    for place in range(2):
        small = smallest.adjusted(place, values) <= p
        assert (values[small] > smallest.reaching(place, p)).all()
