"""The rule, step by step, on the published figures and on made-up tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.metric_rows import metric_row as row
from vibecore import Rule, read_summary
from vibecore.analysis import find_sweet_spot
from vibecore.core.machine import GIB
from vibecore.core.rows import PatternRow


@pytest.mark.parametrize(
    ("rule", "choice"),
    [
        (Rule(), "1.5B-4bit"),
        (Rule(speed_floor=0.95), "1.5B-bf16"),
        (Rule(vram_gib=1.0), "0.5B-bf16"),
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
    for part in ("1.5B-4bit", "estimated 1.12 GiB", "Fisher", "n = 30", "85 %", "18.8 tok/s"):
        assert part in spot.reason
    assert "16/30 against 3/30" in spot.excluded["0.5B-8bit"]
    assert "under 85 %" in spot.excluded["1.5B-8bit"]
    assert "2.88 GiB" in spot.excluded["1.5B-bf16"]


def test_least_memory_wins_and_ties_go_to_the_faster() -> None:
    rows = [row("a"), row("b", tokens_per_second=110.0), row("c", memory_bytes=2 * GIB)]
    assert find_sweet_spot(rows).config == "b"
    assert "same" in find_sweet_spot(rows).excluded["a"]


def test_each_step_drops_what_it_should() -> None:
    rows = [
        row("big", memory_bytes=9 * GIB, tokens_per_second=500.0),
        row("looping", repetitive=25, memory_bytes=GIB // 2),
        row("careless", adherent_prompts=0, repetitive=0, memory_bytes=GIB // 2),
        # As good as any, and the smallest: nothing but its speed can drop it.
        row("slow", adherent_prompts=20, tokens_per_second=84.0, memory_bytes=GIB // 4),
        row("good", adherent_prompts=20, memory_bytes=GIB // 2),
        row("large", adherent_prompts=20),
    ]
    spot = find_sweet_spot(rows, rule=Rule(vram_gib=8))
    assert spot.config == "good"
    assert "cap of 8 GiB" in spot.excluded["big"]
    assert "repetitive 25/30" in spot.excluded["looping"]
    assert "adherent 0/30 against 20/30" in spot.excluded["careless"]
    assert spot.excluded["slow"] == "84.0 tok/s is under 85 % of the 100.0 of good"
    assert spot.excluded["large"] == "fast enough, but needs 1.00 GiB; good needs 0.50 GiB"
    assert find_sweet_spot(rows, rule=Rule(vram_gib=8, speed_floor=0.84)).config == "slow"


def test_outputs_make_the_comparison_paired() -> None:
    # 6 prompts all one way: Fisher on 8 v 2 of 30 gives 0.08, paired McNemar 0.031; at 5 the
    # paired test cannot reach 0.05.
    repetition = [
        PatternRow({"a": False, "b": True}, 6),
        PatternRow({"a": True, "b": True}, 2),
        PatternRow({"a": False, "b": False}, 22),
    ]
    rows = [row(c, repetitive=n, adherent_prompts=30) for c, n in (("a", 2), ("b", 8))]
    spot = find_sweet_spot(rows, {"repetition": repetition})
    [comparison] = [c for c in spot.comparisons if c.metric == "repetition"]
    assert comparison.test == "exact McNemar"
    assert comparison.p == pytest.approx(2 / 2**6)
    assert comparison.pairs == (2, 6, 0, 22)
    assert "b" in spot.excluded
    incomplete = find_sweet_spot(rows, {"repetition": repetition[:1]})
    assert {c.test for c in incomplete.comparisons} == {"Fisher"}
    counts_only = find_sweet_spot(rows)
    assert {c.test for c in counts_only.comparisons} == {"Fisher"}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"status": "failed", "error": "out of memory"}, "failed: out of memory"),
        ({"status": "running", "prompts": 12}, "not finished: 12 prompts"),
        ({"repetitive": None}, "not scored"),
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
        row(c, adherent_prompts=0, adherence_judged=0, repetitive=n)
        for c, n in (("a", 0), ("b", 25))
    ]
    spot = find_sweet_spot(rows)
    assert spot.config == "a"
    assert {comparison.metric for comparison in spot.comparisons} == {"repetition"}


def test_speeds_of_other_batch_sizes_are_not_compared() -> None:
    one, other = row("a", batch_size=1), row("b", batch_size=1)
    batched = row("c", batch_size=8, tokens_per_second=900.0)
    spot = find_sweet_spot([one, other, batched])
    assert spot.config == "a"
    assert "batch size 8 does not compare with batch size 1" in spot.excluded["c"]
    tie = find_sweet_spot([one, batched])
    assert tie.config == "a"


def test_none_is_left_where_each_is_worse_than_another() -> None:
    rows = [row("a", repetitive=25, adherent_prompts=28), row("b", repetitive=2)]
    spot = find_sweet_spot(rows)
    assert spot.config is None
    assert spot.reason.startswith("No sweet spot: every config is significantly worse")
    assert set(spot.excluded) == {"a", "b"}
    assert len(spot.comparisons) == 2
