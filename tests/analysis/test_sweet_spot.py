"""The rule, step by step, on the published figures and on made-up tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.metric_rows import metric_row as row
from vibecore import Rule, read_summary
from vibecore.analysis import find_sweet_spot
from vibecore.core.machine import GIB


@pytest.mark.parametrize(
    ("rule", "choice"),
    [
        (Rule(), "1.5B-4bit"),
        (Rule(speed_floor=0.95), "1.5B-bf16"),
        (Rule(vram_gib=8.0), "1.5B-4bit"),
        (Rule(vram_gib=2.0), "1.5B-4bit"),
        (Rule(vram_gib=1.0), None),
        (Rule(vram_gib=0.3), None),
    ],
)
def test_the_published_study(published_db: Path, rule: Rule, choice: str | None) -> None:
    summary = read_summary(published_db, "published", rule)
    assert summary.sweet_spot.config == choice
    assert [row.config for row in summary.rows if row.sweet_spot] == [choice] * bool(choice)
    others = {row.config for row in summary.rows} - {choice}
    assert set(summary.sweet_spot.excluded) == others


def test_the_published_reason_names_what_decided(published_db: Path) -> None:
    spot = read_summary(published_db, "published").sweet_spot
    for part in ("1.5B-4bit", "least memory", "85 %", "18.8 tok/s"):
        assert part in spot.reason
    for part in ("draws from the common rate", "30 prompts", "α = 0.05"):
        assert part in spot.how and part not in spot.reason
    assert "17 of 30 outputs are broken (1 empty, 16 repetitive)" in spot.excluded["0.5B-8bit"]
    assert "14/30 against 3/30 for 1.5B-8bit" in spot.excluded["0.5B-bf16"]
    assert "over all 3 precisions 0.5B 45/90, 1.5B 17/90" in spot.excluded["0.5B-bf16"]
    assert "under 85 %" in spot.excluded["1.5B-8bit"]
    assert "fast enough, but needs" in spot.excluded["1.5B-bf16"]


def test_a_cap_admits_nothing_that_is_worse_than_what_it_removes(published_db: Path) -> None:
    # At every cap either the choice is one that is good without a cap, or there is none.
    free = read_summary(published_db, "published").sweet_spot
    bad = {c.config for c in free.comparisons if c.p < 0.05} | {"0.5B-8bit"}
    for cap in (0.3, 0.6, 1.0, 1.25, 1.5, 1.75, 2.0, 3.0, 4.0):
        spot = read_summary(published_db, "published", Rule(vram_gib=cap)).sweet_spot
        assert spot.config not in bad
        if spot.config is None:
            assert spot.reason.startswith("No sweet spot: nothing good fits")
            assert spot.best_that_fits in (None, "0.5B-bf16", "0.5B-4bit")
            if spot.best_that_fits:
                assert "against 3/30 for 1.5B-8bit" in spot.worse_at


def test_least_memory_wins_and_ties_go_to_the_faster() -> None:
    rows = [row("a"), row("b", tokens_per_second=110.0), row("c", memory_bytes=2 * GIB)]
    assert find_sweet_spot(rows).config == "b"
    assert find_sweet_spot(rows).excluded["a"] == "needs 1.00 GiB, the same as b, but is slower"


def test_each_step_drops_what_it_should() -> None:
    rows = [
        row("big", adherent_prompts=20, memory_bytes=9 * GIB, tokens_per_second=500.0),
        row("looping", broken=25, memory_bytes=GIB // 2),
        row("careless", adherent_prompts=0, broken=0, memory_bytes=GIB // 2),
        # As good as any, and the smallest: nothing but its speed can drop it.
        row("slow", adherent_prompts=20, tokens_per_second=84.0, memory_bytes=GIB // 4),
        row("good", adherent_prompts=20, memory_bytes=GIB // 2),
        row("large", adherent_prompts=20),
    ]
    spot = find_sweet_spot(rows, rule=Rule(vram_gib=8))
    assert spot.config == "good"
    assert "cap of 8 GiB" in spot.excluded["big"]
    assert "25 of 30 outputs are broken" in spot.excluded["looping"]
    assert "adherent 0/30 against 20/30" in spot.excluded["careless"]
    assert spot.excluded["slow"] == "84.0 tok/s is under 85 % of the 100.0 of good"
    assert spot.excluded["large"] == "fast enough, but needs 1.00 GiB; good needs 0.50 GiB"
    assert find_sweet_spot(rows, rule=Rule(vram_gib=8, speed_floor=0.84)).config == "slow"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "failed", "error": "out of memory"}, "failed: out of memory"),
        ({"status": "running", "prompts": 12}, "not finished: 12 prompts"),
        ({"broken": None}, "not scored"),
        ({"tokens_per_second": None}, "speed is not known"),
    ],
)
def test_what_cannot_be_compared_is_left_out(changes: dict[str, Any], why: str) -> None:
    spot = find_sweet_spot([row("a", **changes), row("b")])
    assert spot.config == "b"
    assert why in spot.excluded["a"]
    alone = find_sweet_spot([row("a", **changes)])
    assert alone.config is None
    assert alone.reason.startswith("No sweet spot")


def test_unknown_memory_cannot_pass_a_cap() -> None:
    rows = [row("a", memory_bytes=None, memory_source=None)]
    assert find_sweet_spot(rows).config == "a"
    assert find_sweet_spot(rows, rule=Rule(vram_gib=8)).config is None


def test_a_suite_without_constraints_is_chosen_on_the_rest() -> None:
    rows = [
        row(c, adherent_prompts=0, adherence_judged=0, broken=n) for c, n in (("a", 0), ("b", 14))
    ]
    spot = find_sweet_spot(rows)
    assert spot.config == "a"
    assert {comparison.metric for comparison in spot.comparisons} == {"broken outputs"}


def test_speeds_of_other_batch_sizes_are_not_compared() -> None:
    one, other = row("a", batch_size=1), row("b", batch_size=1)
    batched = row("c", batch_size=8, tokens_per_second=900.0)
    spot = find_sweet_spot([one, other, batched])
    assert spot.config == "a"
    assert "batch size 8 does not compare with batch size 1" in spot.excluded["c"]
    tie = find_sweet_spot([one, batched])
    assert tie.config == "a"


def test_none_is_left_where_each_is_worse_than_another() -> None:
    rows = [row("a", broken=14, adherent_prompts=28), row("b", broken=1)]
    spot = find_sweet_spot(rows)
    assert spot.config is None
    assert spot.reason.startswith("No sweet spot: every usable config is worse")
    assert set(spot.excluded) == {"a", "b"}
    assert (spot.best_that_fits, len(spot.comparisons)) == ("b", 2)
    assert "adherent 5/30 against 28/30 for a" in spot.worse_at
