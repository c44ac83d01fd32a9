"""The answer in plain words: what every kind of study says first, and that bad news is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.metric_rows import metric_row
from tests.support.rows import row_of
from vibecore import Rule, decide, read_evidence, read_summary
from vibecore.analysis import SweetSpot
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stability import Stability
from vibecore.analysis.sweet_spot import Comparison, Models
from vibecore.core.machine import GIB
from vibecore.core.records import Protocol
from vibecore.core.rows import StudyRow
from vibecore.views.headline import Headline, headline, how_sure, page_line

# Words of statistics that stand under "How this was decided" alone.
STATISTICS = ("Fisher", "McNemar", "Holm", "permutation", "α", "p =", "p <", "significant")


def study(prompts: int = 30, **known: Any) -> StudyRow:
    return row_of(StudyRow, prompt_count=prompts, protocol=Protocol(device="cuda"), **known)


def row(config: str = "own-4bit", **known: Any) -> ConfigMetrics:
    fields = {
        "model": "own",
        "precision": "4bit",
        "kind": "instruct",
        "source": "org/own",
        "repetitive": 8,
        "empty": 2,
        "broken": 10,
        "broken_judged": 30,
        "adherent_prompts": 20,
        "tokens_per_second": 17.1,
        "need_bytes": int(1.7 * GIB),
    }
    return metric_row(config, **fields | known)


def shown(rows: list[ConfigMetrics], spot: SweetSpot, **rule: Any) -> Headline:
    return headline(study(), rows, spot, Rule(**rule))


def line(found: Headline, role: str) -> str:
    return "\n".join(line.text for line in found.lines if line.role == role)


def chosen(*others: str, fast: tuple[str, ...] = (), **known: Any) -> SweetSpot:
    shares = {"own-4bit": 0.9, **dict.fromkeys(others, 0.5), **dict.fromkeys(fast, 1.0)}
    against = Comparison("own-4bit", "adherence", "b", 3, 30, 4, 30, "a test", 1.0)
    spot = SweetSpot("own-4bit", "because", comparisons=(against,), speed_shares=shares)
    return replace(spot, **known)


def of_study(db: Path, name: str, rule: Rule) -> Headline:
    found, decision = read_summary(db, name, rule), decide(read_evidence(db, name), rule)
    return headline(found.study, found.rows, decision.sweet_spot, rule, decision.stability)


def test_the_published_study(published_db: Path) -> None:
    found = of_study(published_db, "published", Rule())
    assert found.title == "Sweet spot: 1.5B-4bit"
    assert line(found, "model") == (
        "Qwen/Qwen2.5-1.5B, a base model, with 4-bit weights (NF4, blocks of 64, computed in "
        "bfloat16)."
    )
    assert line(found, "did").startswith(
        "On the 30 prompts it looped on 8, left 2 empty, met every demand on 4, wrote 17 tokens a "
        "second and needs about "
    )
    assert line(found, "did").endswith(" GiB on the card.")
    assert "10 of its 30 outputs are broken" in line(found, "bad")
    assert "26 of 30 leave a demand unmet" in line(found, "bad")
    assert line(found, "sure").startswith("How sure: open. ")
    assert "2 reach 85 % of the fastest one's speed" in line(found, "why")


@pytest.mark.parametrize("rule", [Rule(), Rule(1.8), Rule(0.3), Rule(8.0, 0.95), Rule(alpha=0.1)])
def test_no_statistics_in_the_headline(published_db: Path, rule: Rule) -> None:
    text = of_study(published_db, "published", rule).text()
    assert not [word for word in STATISTICS if word in text], text


def test_nothing_good_fits(published_db: Path) -> None:
    found = of_study(published_db, "published", Rule(1.0))
    assert found.title == "No sweet spot"
    assert "fits in 1 GiB" in line(found, "why")


def compared(metric: str, p: float, models: Models | None = None) -> Comparison:
    return Comparison("own-4bit", metric, "own-bf16", 2, 30, 20, 30, "", p, models=models)


@pytest.mark.parametrize(
    ("comparisons", "worse"),
    [
        (
            [compared("broken outputs", 0.06), compared("adherence", 0.04)],
            "2 of 30 prompts have every demand met, 20 of 30 for own-bf16.",
        ),
        (
            [compared("broken outputs", 0.01, Models("own", "b", 3, 45, 90, 17, 90))],
            "45 of 90 outputs are broken over all 3 precisions of own, 17 of 90 for b.",
        ),
    ],
)
def test_what_fits_is_named_with_what_it_is_worse_at(
    comparisons: list[Comparison], worse: str
) -> None:
    spot = SweetSpot(
        None,
        "No sweet spot: nothing good fits in 1 GiB.",
        comparisons=tuple(comparisons),
        best_that_fits="own-4bit",
        worse_at="(p = 0.04)",
    )
    found = shown([row(adherent_prompts=2)], spot, vram_gib=1.0)
    assert (found.title, found.config) == ("No sweet spot", "own-4bit")
    assert line(found, "why") == (
        "Nothing good fits in 1 GiB. The best of what fits in 1 GiB is own-4bit, but it is worse "
        f"than the best: {worse}"
    )
    assert "What fits is not good" in line(found, "bad")
    assert "org/own, an instruct model" in line(found, "model")


def test_a_choice_that_only_leads() -> None:
    missing = ("5 of 6 configs have not finished.",)
    stability = Stability("own-4bit", 1.0, {"own-4bit": 1.0}, 2000, "prompts drawn again")
    spot = chosen(leading=True, missing=missing)
    found = headline(study(), [row()], spot, Rule(), stability)
    assert found.title == "Leading so far: own-4bit"
    assert line(found, "missing") == missing[0]
    assert not line(found, "sure")


def test_nothing_yet() -> None:
    spot = SweetSpot(None, "No sweet spot: none has finished.", leading=True, missing=("All 2.",))
    found = shown([row(status="running")], spot)
    assert found.text() == "No answer yet\nNone has finished.\nAll 2."


def test_random_weights_say_speed_and_memory_alone() -> None:
    quality = dict.fromkeys(("repetitive", "empty", "broken", "adherent_prompts"))
    rows = [
        row("a-bf16", tokens_per_second=1172.0, need_bytes=3 * GIB, **quality),
        row("a-4bit", tokens_per_second=9.04, need_bytes=GIB // 2, **quality),
    ]
    found = shown(rows, SweetSpot(None, "No sweet spot: none."))
    assert found.text() == (
        "Speed and memory only\nNo text was scored, so nothing here says which config writes "
        "well. The fastest is a-bf16: it wrote 1,172 tokens a second. a-4bit needs the least "
        "memory, about 512 MiB."
    )
    assert "No texts were scored" in page_line(study(), rows)


def test_a_failed_config_is_named() -> None:
    rows = [row(), row("own-8bit", status="failed", error="out of memory")]
    assert line(shown(rows, chosen()), "missing") == (
        "1 of 2 configs failed and is not compared: own-8bit."
    )


@pytest.mark.parametrize(
    ("changes", "bad"),
    [
        ({"broken": 7, "adherent_prompts": 16}, ""),
        ({"broken": 8, "adherent_prompts": 16}, "8 of its 30 outputs are broken"),
        ({"broken": 0, "adherent_prompts": 15}, "15 of 30 leave a demand unmet"),
        ({"broken": 0, "adherent_prompts": 0}, "30 of 30 leave a demand unmet"),
    ],
)
def test_bad_news_from_a_quarter_broken_or_half_unmet(changes: dict[str, Any], bad: str) -> None:
    found = line(shown([row(**changes)], chosen()), "bad")
    assert bad in found
    assert bool(found) is bool(bad)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"repetitive": 0, "empty": 0, "broken": 0}, "looped on none, left none empty, met every"),
        ({"broken": 14}, "left 2 empty, broke down on 4 more, met every"),
        ({"adherence_judged": 28}, "met every demand on 20 of the 28 judged"),
        ({"batch_size": 30}, "wrote 17 tokens a second (30 prompts at a time) and needs"),
        ({"tokens_per_second": 4.26}, "wrote 4.3 tokens a second"),
        ({"need_bytes": None}, "has 1.00 GiB of weights."),
        ({"prompts": 90}, "In 90 outputs of 30 prompts it looped"),
        ({"prompts": 9}, "On 9 of the 30 prompts it looped"),
        ({"prompts": 1}, "On 1 of the 30 prompts it looped"),
    ],
)
def test_what_it_did(changes: dict[str, Any], part: str) -> None:
    assert part in line(shown([row(**changes)], chosen()), "did")


@pytest.mark.parametrize(
    ("spot", "rule", "why"),
    [
        (chosen(), {}, "it is the only config that was not found worse than the best."),
        (replace(chosen(), comparisons=(), leading=True), {}, "compared with it so far."),
        (replace(chosen(), comparisons=()), {}, "Why: no other config can be compared with it."),
        (chosen(), {"vram_gib": 8.0}, "worse than the best and fits in 8 GiB."),
        (chosen("b", "c"), {}, "of the 3 configs that were not found worse than the best, it is "
         "the only one that reaches 85 % of the fastest one's speed."),
        (chosen("b", fast=("own-4bit",)), {}, "it is the fastest, and no other reaches 85 % of its "
         "speed."),
        (chosen("b", fast=("c",)), {"vram_gib": 2.0}, "worse than the best and fit in 2 GiB, 2 "
         "reach 85 % of the fastest one's speed, and it needs the least memory of those."),
        (chosen("b"), {"speed_floor": 0.0}, "worse than the best, it needs the least memory."),
    ],
)  # fmt: skip
def test_why(spot: SweetSpot, rule: dict[str, Any], why: str) -> None:
    assert line(shown([row()], spot, **rule), "why").endswith(why)


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (1.0, "How sure: clear."),
        (0.95, "in 95 %, b in 5 %."),
        (0.94, "How sure: likely."),
        (0.5, "How sure: open."),
        (0.9995, "in over 99 %, b in under 1 %."),
    ],
)
def test_how_sure(share: float, words: str) -> None:
    shares: dict[str | None, float] = {"a": share} | ({"b": 1 - share} if share < 1 else {})
    assert words in how_sure(Stability("a", share, shares, 2000, "prompts drawn again"))


def test_no_answer_can_be_how_a_study_comes_out() -> None:
    shares: dict[str | None, float] = {"a": 0.5, None: 0.3, "b": 0.1, "c": 0.06, "d": 0.04}
    words = how_sure(Stability("a", 0.5, shares, 2000, ""))
    assert words.endswith(
        "this answer in 50 %, no config in 30 %, b in 10 % and others in the rest."
    )


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"weights": "local", "source": "/models/Own-0.5B"}, "Own-0.5B (a local folder)"),
        ({"weights": "gguf", "source": "/m/Own-Q4.gguf"}, "Own-Q4.gguf (a GGUF file)"),
        ({"weights": "demo", "source": "demo/1M"}, "demo/1M (ships with Vibe check)"),
        ({"kind": None}, "org/own, with 4-bit weights"),
        ({"precision": "as-is", "stored_as": "gptq 4 bit"}, "as they are stored (gptq 4 bit)"),
        ({"precision": "bf16"}, "16-bit weights (bfloat16)"),
    ],
)
def test_the_full_name(changes: dict[str, Any], name: str) -> None:
    assert name in line(shown([row(**changes)], chosen()), "model")
