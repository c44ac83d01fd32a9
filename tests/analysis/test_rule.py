"""The rule on a batch of studies is the rule as design.md states it, written out plainly here."""

from __future__ import annotations

import numpy as np
import pytest

from tests.analysis.test_stability import RULES, made_up, tables
from vibecore.analysis import find_sweet_spot
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.rule import Rule
from vibecore.analysis.stats.exact import fisher_exact, holm
from vibecore.core.machine import GIB


def worse(rows: list[ConfigMetrics], count: str, total: str, sign: int, alpha: float) -> set[str]:
    """What is significantly worse than the best by Fisher's test, Holm-adjusted."""

    def of(row: ConfigMetrics) -> tuple[int, int]:
        return getattr(row, count), getattr(row, total)

    best = min(rows, key=lambda row: sign * of(row)[0] / of(row)[1])
    others = [row for row in rows if row is not best]
    p_values = holm([fisher_exact(*of(row), *of(best)) for row in others])
    return {row.config for row, p in zip(others, p_values, strict=True) if p < alpha}


def plain_choice(rows: list[ConfigMetrics], rule: Rule) -> str | None:
    left = [row for row in rows if row.memory_bytes <= (rule.vram_gib or 1e9) * GIB]
    if left:
        dropped = worse(left, "repetitive", "repetition_judged", 1, rule.alpha)
        dropped |= worse(left, "adherent_prompts", "adherence_judged", -1, rule.alpha)
        left = [row for row in left if row.config not in dropped]
    fastest = max((row.tokens_per_second for row in left), default=0)
    left = [row for row in left if row.tokens_per_second >= rule.speed_floor * fastest]
    chosen = min(left, key=lambda row: (row.memory_bytes, -row.tokens_per_second), default=None)
    return chosen and chosen.config


@pytest.mark.parametrize("rule", [*RULES, Rule(speed_floor=0.95, alpha=0.5)])
def test_the_rule_is_what_it_says(rule: Rule) -> None:
    found = set()
    for seed in range(60):
        rows, _ = tables(made_up(30, seed))
        choice = find_sweet_spot(rows, rule=rule).config
        assert choice == plain_choice(rows, rule), seed
        found.add(choice)
    assert len(found) > 1 or rule.vram_gib == 0.5


def test_holm_along_rows_is_holm_of_each_row() -> None:
    p = np.random.default_rng(1).choice([0.001, 0.01, 0.01, 0.04, 0.3, 1.0, np.nan], (200, 7))
    for given, found in zip(p, holm(p), strict=True):
        known = ~np.isnan(given)
        assert (np.isnan(found) == ~known).all()
        assert found[known].tolist() == holm(given[known]).tolist()
