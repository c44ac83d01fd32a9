"""The generated database of the page benchmark is one that every page can read."""

from __future__ import annotations

from pathlib import Path

from benchmarks.pages import MILLION_CONFIGS, MILLION_STUDY, make_million
from vibecore import Rule, decide, read_evidence, read_summary
from vibecore.studies.queries import find_prompts, read_outputs, summary_of

PROMPTS = 40


def test_a_small_million_is_a_whole_study(tmp_path: Path) -> None:
    db = tmp_path / "million.duckdb"
    make_million(db, PROMPTS)
    summary = read_summary(db, MILLION_STUDY)
    assert [row.config for row in summary.rows] == [f"{m}-{p}" for m, p in MILLION_CONFIGS]
    for row in summary.rows:
        assert row.prompts == row.repetition_judged == row.adherence_judged == PROMPTS
        assert row.constraints_judged == 2 * PROMPTS
        assert row.tokens_per_second and row.memory_bytes
    evidence = read_evidence(db, MILLION_STUDY)
    assert summary_of(summary.study, evidence) == summary, "the same, read once"
    decision = decide(evidence, Rule())
    assert decision.stability is not None and "prompts drawn again" in decision.stability.how
    prompts = find_prompts(db, MILLION_STUDY).ids
    assert len(prompts) == PROMPTS
    outputs = read_outputs(db, MILLION_STUDY, prompts[7])
    assert [output.config for output in outputs] == [row.config for row in summary.rows]
    assert all(output.text and len(output.constraints) == 2 for output in outputs)
