"""The rule on a batch of studies is the rule as design.md states it, written out plainly here."""

from __future__ import annotations

import numpy as np
import pytest

from tests.analysis.test_stability import RULES, made_up, tables
from vibecore.analysis import find_sweet_spot
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.rule import Rule
from vibecore.analysis.stats.exact import holm
from vibecore.core.machine import GIB


def plain_choice(rows: list[ConfigMetrics], worse: set[str], rule: Rule) -> str | None:
    usable = [row for row in rows if row.broken < row.broken_judged / 2]
    left = [row for row in usable if row.config not in worse]
    left = [row for row in left if row.memory_bytes <= (rule.vram_gib or 1e9) * GIB]
    fastest = max((row.tokens_per_second for row in left), default=0)
    left = [row for row in left if row.tokens_per_second >= rule.speed_floor * fastest]
    chosen = min(left, key=lambda row: (row.memory_bytes, -row.tokens_per_second), default=None)
    return chosen and chosen.config


@pytest.mark.parametrize("rule", [*RULES, Rule(speed_floor=0.95, alpha=0.5)])
def test_the_rule_is_what_it_says(rule: Rule) -> None:
    found = set()
    for seed in range(20):
        outcomes = made_up(30, seed)
        rows = tables(outcomes)
        spot = find_sweet_spot(rows, outcomes, rule)
        # The quality step has tests of its own.
        worse = {one.config for one in spot.comparisons if one.p < rule.alpha}
        assert spot.config == plain_choice(rows, worse, rule), seed
        found.add(spot.config)
    assert len(found) > 1 or rule.vram_gib == 0.5


def test_holm_along_rows_is_holm_of_each_row() -> None:
    p = np.random.default_rng(1).choice([0.001, 0.01, 0.01, 0.04, 0.3, 1.0, np.nan], (200, 7))
    for given, found in zip(p, holm(p), strict=True):
        known = ~np.isnan(given)
        assert (np.isnan(found) == ~known).all()
        assert found[known].tolist() == holm(given[known]).tolist()
