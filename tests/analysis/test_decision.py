"""Switches hold on both sides of their threshold and none is nearer; judgements name their best."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.analysis.test_stability import made_up, made_up_decision, tables
from vibecore import Rule, decide, read_evidence
from vibecore.analysis import Decision, Evidence, decision_record, gather, switch_sentences
from vibecore.analysis.metrics import PEAK_MEMORY
from vibecore.analysis.pairwise import adjust
from vibecore.analysis.stability import draw_studies, find_stability
from vibecore.analysis.stats.verdicts import judge_counts, judge_ratio
from vibecore.analysis.sweet_spot import choose as choose_sweet_spot
from vibecore.analysis.switches import FIELDS
from vibecore.core.formats import to_json

STEP = 1e-7


def choose(evidence: Evidence, rule: Rule, control: str, value: float) -> str | None:
    changed = replace(rule, **{FIELDS[control]: value})
    return choose_sweet_spot(evidence.study, changed).config


def hold(evidence: Evidence, decision: Decision) -> None:
    """Every switch is where the answer changes, and between it and the rule nothing does."""
    rule, now = decision.rule, decision.sweet_spot.config
    found = {(switch.control, switch.direction): switch for switch in decision.switches}
    assert len(found) == len(decision.switches)
    for control, top in (("cap", 6.0), ("floor", 1.0), ("alpha", 0.5)):
        value = getattr(rule, FIELDS[control])
        value = top if value is None else value
        up, down = found.get((control, "up")), found.get((control, "down"))
        low, high = down.threshold if down else 0.0, up.threshold if up else top
        inside = np.linspace(low + STEP, high - STEP, 60)
        for at in [at for at in inside if low + STEP <= at <= high - STEP]:
            assert choose(evidence, rule, control, float(at)) == now, (control, at)
        if down:
            assert choose(evidence, rule, control, low - STEP) == down.config != now
        if up:
            assert choose(evidence, rule, control, high + STEP) == up.config != now


@pytest.mark.parametrize(
    "rule", [Rule(), Rule(vram_gib=1.0), Rule(speed_floor=0.95), Rule(2.0, 0.5, 0.2), Rule(0.3)]
)
def test_switches_of_the_published_study(published_db: Path, rule: Rule) -> None:
    evidence = read_evidence(published_db, "published")
    hold(evidence, decide(evidence, rule))


@pytest.mark.parametrize("seed", range(4))
def test_switches_of_made_up_studies(seed: int) -> None:
    outcomes = made_up(30, seed)
    evidence = gather(tables(outcomes), outcomes)
    for rule in (Rule(), Rule(2.5, 0.9, 0.3)):
        hold(evidence, decide(evidence, rule))


def test_the_nearest_switches_in_words(published_db: Path) -> None:
    decision = decide(read_evidence(published_db, "published"), Rule())
    cap, floor, alpha = switch_sentences(decision.switches, decision.rule)
    assert re.fullmatch(
        r"Memory cap \(now none\): at 1\.\d\d GiB or less, there is no sweet spot\.", cap
    )
    assert floor == "Speed floor (now 85 %): above 91.0 %, 1.5B-bf16 takes over."
    assert alpha.startswith("Significance level α (now 0.05): at 0.0")


def test_words_hold_as_they_are_written(published_db: Path) -> None:
    # A threshold as printed has the other answer, its last digit one further this one.
    evidence = read_evidence(published_db, "published")
    decision = decide(evidence, Rule())
    for switch in decision.switches:
        [number] = re.findall(r"[\d.]+", switch.at)
        digit = 10.0 ** -len(number.partition(".")[2])
        scale = 0.01 if switch.control == "floor" else 1.0
        inwards = digit if switch.direction == "down" else -digit
        # "above" leaves its own value out, "or less" and "from" do not.
        past = -digit / 1e3 * math.copysign(1, inwards) if "above" in switch.at else 0.0
        at = float(number)
        assert choose(evidence, Rule(), switch.control, (at + past) * scale) == switch.config
        assert choose(evidence, Rule(), switch.control, (at + inwards) * scale) == "1.5B-4bit"


def test_a_threshold_that_changes_nothing_is_said() -> None:
    outcomes = made_up(30, 0)
    rows = tables(outcomes)
    only = [row for row in rows if row.config == "a"]
    decision = decide(gather(only, outcomes), Rule())
    assert switch_sentences(decision.switches, Rule())[1:] == [
        "Speed floor (now 85 %): no other value changes the answer.",
        "Significance level α (now 0.05): no other value changes the answer.",
    ]


def test_judgements_are_against_the_best_of_each_metric(published_db: Path) -> None:
    decision = decide(read_evidence(published_db, "published"), Rule())
    assert {(pair.metric, pair.best) for pair in decision.pairs} == {
        ("broken outputs", "1.5B-8bit"),
        ("adherence", "1.5B-8bit"),
        ("speed", "0.5B-bf16"),
        ("memory", "0.5B-4bit"),
    }
    # 0.5B-8bit is not usable, so its quality is not compared.
    assert len(decision.pairs) == 2 * 4 + 2 * 5
    verdicts = {(p.metric, p.config): p.judgement.verdict for p in decision.pairs if p.judgement}
    assert verdicts["broken outputs", "0.5B-bf16"] == "worse"
    assert verdicts["broken outputs", "1.5B-4bit"] == "not resolved"
    assert {v for (metric, _), v in verdicts.items() if metric == "adherence"} == {"not resolved"}
    for pair in decision.pairs:
        if pair.judgement is None:
            assert pair.metric in ("speed", "memory")
            assert "not judged" in pair.sentence()
        else:
            assert "n = 30" in pair.sentence() and " equal " not in pair.sentence()


def test_measured_speeds_are_judged_prompt_by_prompt() -> None:
    decision = made_up_decision(made_up(30, 3))
    speeds = {pair.config: pair for pair in decision.pairs if pair.metric == "speed"}
    assert speeds["d"].judgement.verdict == "worse"
    assert speeds["d"].judgement.estimate == pytest.approx(speeds["d"].ratio)
    assert speeds["d"].judgement.method.endswith("Holm")
    rates = [pair.judgement for pair in decision.pairs if pair.metric == "broken outputs"]
    assert {judged.method for judged in rates} == {"permutation within prompts"}


def test_batched_speeds_are_not_judged() -> None:
    decision = made_up_decision(made_up(30, 3), batch_size=8)
    speeds = [pair for pair in decision.pairs if pair.metric == "speed"]
    assert all("batched" in pair.sentence() for pair in speeds)


@pytest.mark.parametrize(
    ("basis", "source"), [(PEAK_MEMORY, "measured"), ("weights from the architecture", "estimated")]
)
def test_memory_is_a_ratio_and_never_a_test(basis: str, source: str) -> None:
    decision = made_up_decision(made_up(30, 3), memory_basis=basis, memory_source=source)
    pairs = [pair for pair in decision.pairs if pair.metric == "memory"]
    assert {pair.config: pair.ratio for pair in pairs} == {"b": 2.0, "c": 1.0, "d": 3.0}
    for pair in pairs:
        assert pair.judgement is None
        said = pair.sentence()
        assert f"not judged: a size, not a sample ({basis}, {source})" in said
        assert " p " not in said and "interval" not in said


def test_sizes_counted_in_two_ways_say_so() -> None:
    outcomes = made_up(30, 3)
    rows = tables(outcomes, memory_basis=PEAK_MEMORY, memory_source="measured")
    rows[0] = replace(rows[0], memory_basis="weights", memory_source="estimated")
    decision = decide(gather(rows, outcomes), Rule())
    notes = {pair.config: pair.note for pair in decision.pairs if pair.metric == "memory"}
    assert f"({PEAK_MEMORY}, measured against weights, estimated)" in notes["d"]


@pytest.mark.parametrize(
    ("prompts", "said"),
    [(1, "1 prompt, an interval needs 4"), (3, "3 prompts, an interval needs 4")],
)
def test_a_speed_of_too_few_prompts_has_a_ratio_alone(prompts: int, said: str) -> None:
    decision = made_up_decision(made_up(prompts, 3))
    speeds = [pair for pair in decision.pairs if pair.metric == "speed"]
    assert len(speeds) == 3
    for pair in speeds:
        assert pair.judgement is None and pair.ratio is not None
        assert pair.sentence().endswith(f"not judged: {said}")


def test_the_same_speed_ratio_on_every_prompt_is_not_judged() -> None:
    outcomes = made_up(30, 3)
    outcomes.seconds[:, 3] = 2 * outcomes.seconds[:, 0]
    outcomes.tokens[:, 3] = outcomes.tokens[:, 0]
    outcomes.seconds[:, 1:3] *= 4
    pairs = {p.config: p for p in made_up_decision(outcomes).pairs if p.metric == "speed"}
    assert pairs["d"].judgement is None
    assert "the same ratio on every prompt" in pairs["d"].sentence()
    assert pairs["b"].judgement is not None, "the others still are"


def test_resampled_studies_share_the_permutations_and_are_judged_the_same() -> None:
    outcomes = made_up(30, 4)
    evidence = gather(tables(outcomes), outcomes)
    alone = draw_studies(evidence.study.rows, outcomes)
    assert evidence.draws.sampled.permuted is evidence.study.sampled.permuted
    shared = find_stability(evidence.draws, Rule(), "b").shares
    assert shared == find_stability(alone, Rule(), "b").shares


def test_holm_holds_back_what_one_comparison_would_say() -> None:
    alone = judge_counts((13, 30), (4, 30), more_is_better=False)
    assert alone.verdict == "worse"
    held = adjust([alone, alone, alone])
    assert {one.verdict for one in held} == {"not resolved"}
    assert held[0].p == pytest.approx(3 * alone.p)
    assert adjust([]) == []


def test_a_small_difference_that_holm_holds_back_is_still_equivalent() -> None:
    seconds = np.tile([1.0, 1.02, 1.03, 0.99, 1.01, 1.025], 5)
    alone = judge_ratio(seconds, np.ones(30), more_is_better=False)
    assert alone.verdict == "worse" and alone.equivalence_p < 0.05
    weak = replace(alone, p=0.03)
    assert {one.verdict for one in adjust([weak, weak])} == {"equivalent"}
    wide = replace(weak, inner_high=1.06)
    assert {one.verdict for one in adjust([wide, wide])} == {"not resolved"}


def test_a_decision_is_plain_json(published_db: Path) -> None:
    decision = decide(read_evidence(published_db, "published"), Rule())
    record: dict[str, Any] = json.loads(to_json(decision_record(decision)))
    assert record["config"] == "1.5B-4bit"
    assert record["stability"]["shares"][0]["config"] == "1.5B-4bit"
    assert {switch["control"] for switch in record["switches"]} == {*FIELDS} - {"kld"}
    assert all(one["sentence"] for one in record["judgements"])
