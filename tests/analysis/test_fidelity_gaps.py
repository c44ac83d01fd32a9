"""What of a study's fidelity is not measured: of which config, against what, along what."""

from __future__ import annotations

from dataclasses import replace

from tests.support.fidelity_summaries import summary
from vibecore.analysis.fidelity.floor import NoiseFloor, choose_floor
from vibecore.analysis.fidelity.gaps import Gap, find_gaps
from vibecore.analysis.fidelity.summary import FidelitySummary
from vibecore.core.fidelity import Way
from vibecore.studies.fidelity_results import FidelityResults
from vibecore.views.fidelity import left_out

PARENTS = dict.fromkeys(("1M-bf16", "1M-8bit", "1M-4bit"), "1M-bf16")


def floor_of(way: Way, prompts: int = 30) -> FidelitySummary:
    return replace(summary("1M-bf16", 1e-6), way=way, prompts=prompts)


def whole() -> list[FidelitySummary]:
    return [
        floor_of("batch"),
        floor_of("graph"),
        *(summary(config, 0.01) for config in ("1M-8bit", "1M-4bit")),
    ]


def test_what_is_whole_has_no_gaps_and_what_was_not_begun_neither() -> None:
    assert find_gaps(PARENTS, {"1M-bf16": 30}, whole()) == []
    assert find_gaps(PARENTS, {"1M-bf16": 30}, []) == []
    two = PARENTS | {"5M-bf16": "5M-bf16"}
    assert find_gaps(two, {"1M-bf16": 30, "5M-bf16": 30}, whole()) == []


def test_a_config_a_way_and_a_reference_that_lack_something_are_each_told() -> None:
    rows = whole()[:1] + whole()[2:3]
    rows.append(replace(summary("1M-4bit", 0.01), prompts=12))
    rows.append(replace(summary("1M-4bit", 0.01), reference="text", prompts=8))
    gaps = find_gaps(PARENTS, {"1M-bf16": 30}, rows)
    assert gaps == [
        Gap("1M-bf16", "1M-bf16", "graph", "outputs", 0, 30),
        Gap("1M-4bit", "1M-bf16", "alone", "outputs", 12, 30),
        Gap("1M-bf16", "1M-bf16", "batch", "text", 0, 8),
        Gap("1M-bf16", "1M-bf16", "graph", "text", 0, 8),
        Gap("1M-8bit", "1M-bf16", "alone", "text", 0, 8),
    ]
    without = find_gaps(PARENTS, {"1M-bf16": 30}, rows, {"1M-bf16": {"graph"}})
    assert without == [gap for gap in gaps if gap.way != "graph"]
    results = FidelityResults(PARENTS, tuple(rows), gaps=tuple(gaps))
    assert left_out(results, [], "outputs") == [
        "1M-bf16 against itself by engine graph (noise floor): not measured along the parent's "
        "outputs yet.",
        "1M-4bit against 1M-bf16: measured along the parent's outputs on 12 of 30 prompts so far.",
    ]
    assert left_out(results, [], "text")[-1] == (
        "1M-8bit against 1M-bf16: not measured along a running text yet."
    )


def test_the_floor_is_the_larger_of_the_ways_that_are_whole() -> None:
    batch = NoiseFloor("batch", 1e-4, (5e-5, 9e-4), 30)
    graph = NoiseFloor("graph", 2e-4, (1e-4, 3e-4), 30)
    assert choose_floor([batch, graph]) == graph, "by its mean, not by how wide its interval is"
    assert choose_floor([batch, replace(graph, prompts=2)]) == batch
    assert choose_floor([]) is None
