"""The published study: everything the report gives, nothing it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from vibecore import read_outputs, read_prompts, read_runs, store
from vibecore.studies.published import read_samples
from vibecore.studies.rescore import rescore


def test_only_the_two_published_outputs_are_there(published_db: Path) -> None:
    rows = read_outputs(published_db, "published")
    assert [(row.prompt_id, row.config) for row in rows] == [
        ("code_001", "0.5B-bf16"),
        ("code_001", "1.5B-4bit"),
    ]
    assert [row.text for row in rows] == [sample["text"] for sample in read_samples()]
    for row in rows:
        for unknown in ("token_ids", "finish_reason", "total_seconds", "peak_memory_bytes"):
            assert getattr(row, unknown) is None


def test_our_scores_are_the_published_ones(published_db: Path) -> None:
    for row, sample in zip(read_outputs(published_db, "published"), read_samples(), strict=True):
        published = sample["published"]
        assert round(row.repetition_ratio, 2) == published["repetition_ratio"]
        assert row.repetitive == published["repetitive"]
        if "constraints_met" in published:
            assert row.constraints_met == published["constraints_met"]
            assert row.constraints_total == published["constraints_total"]


def test_code_that_publication_changed_is_not_judged(published_db: Path) -> None:
    """Its indentation was lost in print: that it does not parse says nothing of the model."""
    looping, changed = read_outputs(published_db, "published")
    assert {verdict.status for verdict in looping.constraints} == {"fail"}
    assert {verdict.status for verdict in changed.constraints} == {"skipped"}
    assert "indentation was lost in publication" in changed.constraints[0].explanation
    assert (changed.constraints_judged, changed.adherent) == (0, None)


def test_rescoring_keeps_what_publication_changed_unjudged(published_db: Path, db: Path) -> None:
    store.copy_studies(published_db, db, ("published",))
    rows = rescore(db, "published")
    assert all(row["before"] == row["after"] for row in rows[1:])
    assert read_outputs(db, "published")[1].adherent is None


def test_runs_have_no_measured_figure(published_db: Path) -> None:
    for run in read_runs(published_db, "published"):
        assert run.environment == {}
        for unknown in ("weight_bytes", "load_seconds", "dtype", "revision", "started_at"):
            assert getattr(run, unknown) is None


def test_the_known_prompt_is_the_suites_first(published_db: Path) -> None:
    [prompt] = read_prompts(published_db, "published")
    assert prompt.text == read_samples()[0]["prompt"]
    assert len(prompt.constraints) == 4


def test_the_shipped_database_holds_both_studies_and_no_wal() -> None:
    from vibecore import DEFAULT_DB, list_studies

    if not DEFAULT_DB.exists():
        pytest.fail("results.duckdb is missing: make results")
    studies = {row.name: row for row in list_studies(DEFAULT_DB)}
    assert {"published", "demo"} <= set(studies)
    demo = studies["demo"]
    assert (demo.complete, demo.generations, demo.source) == (6, 180, "measured")
    assert not DEFAULT_DB.with_name(DEFAULT_DB.name + ".wal").exists()
