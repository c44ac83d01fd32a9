"""A digest says what the rows say, and is not read once it could say something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vibecore import store
from vibecore.analysis.metrics import AGGREGATES
from vibecore.analysis.outcomes import to_outcomes
from vibecore.store.digest import (
    counts_of,
    read_digests,
    read_outcomes_of,
    read_sums,
    rows_of_outcomes,
)
from vibecore.studies import digests
from vibecore.studies.queries import list_studies, read_summary
from vibecore.studies.rescore import rescore


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """The shipped database, with digests of every study."""
    copy = tmp_path / "results.duckdb"
    copy.write_bytes(Path("results.duckdb").read_bytes())
    store.prepare(copy)
    for study in list_studies(copy):
        with store.writing(copy) as connection:
            digests.digest_study(connection, study.name)
    return copy


def runs_with_outputs(connection, study: str) -> list[int]:
    rows = connection.execute(
        """SELECT DISTINCT run_id FROM generation JOIN run USING (run_id)
           JOIN study USING (study_id) WHERE study.name = ? ORDER BY run_id""",
        [study],
    ).fetchall()
    return [run_id for (run_id,) in rows]


def test_every_shipped_study_has_the_same_figures_from_digests(db: Path) -> None:
    for study in list_studies(db):
        with store.reading(db) as connection:
            runs = runs_with_outputs(connection, study.name)
            counts = counts_of(connection, runs)
            stored = read_digests(connection, runs, AGGREGATES, counts)
            assert stored == read_sums(connection, runs, AGGREGATES)
            outcomes = read_outcomes_of(connection, counts)
            rows = rows_of_outcomes(connection, runs)
            assert set(outcomes) == set(rows) == set(stored) == set(runs)
            for run_id, one in outcomes.items():
                other = rows[run_id]
                order = np.lexsort([other.sample, other.prompt])
                for name in vars(one):
                    mine, theirs = getattr(one, name), getattr(other, name)[order]
                    assert np.array_equal(mine, theirs, equal_nan=True), (study.name, name)
        assert read_summary(db, study.name) == read_summary(Path("results.duckdb"), study.name)


def test_a_changed_run_has_no_digest(db: Path) -> None:
    with store.writing(db) as connection:
        runs = runs_with_outputs(connection, "demo")
        store.unseal(connection, runs[0])
        connection.execute(
            "DELETE FROM score WHERE run_id = ? AND prompt_id = (SELECT min(prompt_id) FROM score)",
            [runs[1]],
        )
        connection.execute("UPDATE digest SET version = 'older' WHERE run_id = ?", [runs[2]])
    with store.reading(db) as connection:
        counts = counts_of(connection, runs)
        left = set(read_digests(connection, runs, AGGREGATES, counts))
        assert left == set(runs[3:])
        # Their rows are read.
        assert set(read_outcomes_of(connection, counts)) == set(runs)


def test_a_rescoring_makes_them_anew(db: Path) -> None:
    with store.writing(db) as connection:
        connection.execute("UPDATE score SET empty = NOT empty")
    with store.reading(db) as connection:
        runs = runs_with_outputs(connection, "demo")
        before = read_digests(connection, runs, AGGREGATES, counts_of(connection, runs))
    rescore(db, "demo")
    with store.reading(db) as connection:
        runs = runs_with_outputs(connection, "demo")
        after = read_digests(connection, runs, AGGREGATES, counts_of(connection, runs))
        assert set(after) == set(before) == set(runs)
        assert after == read_sums(connection, runs, AGGREGATES)


def test_outcomes_without_times_are_the_same_but_for_them(db: Path) -> None:
    with store.reading(db) as connection:
        runs = runs_with_outputs(connection, "demo")
        counts = counts_of(connection, runs)
        whole, bare = (read_outcomes_of(connection, counts, times=times) for times in (True, False))
    assert set(whole) == set(bare)
    for run_id, one in bare.items():
        assert one.new_tokens is None
        assert one.total_seconds is None
        for name in ("prompt", "sample", "broken", "adherent"):
            assert np.array_equal(getattr(one, name), getattr(whole[run_id], name))
    configs = [str(run_id) for run_id in runs]
    timed, untimed = (
        to_outcomes({place: one[run_id] for place, run_id in enumerate(runs)}, configs)
        for one in (whole, bare)
    )
    assert timed is not None
    assert untimed is not None
    assert all(np.array_equal(timed.flags[name], untimed.flags[name]) for name in timed.flags)
    assert np.isfinite(timed.seconds).all()
    assert np.isnan(untimed.seconds).all()
    assert untimed.seconds.shape == timed.seconds.shape


def test_runs_of_other_prompts_keep_their_places(db: Path) -> None:
    """What all runs have in common is read once only where it is common to all."""
    with store.writing(db) as connection:
        runs = runs_with_outputs(connection, "demo")
        for table in ("verdict", "score", "generation"):
            connection.execute(
                f"DELETE FROM {table} WHERE run_id = ? AND prompt_id < 'creative'", [runs[0]]
            )
        connection.execute("DELETE FROM digest WHERE run_id = ?", [runs[0]])
        digests.digest_study(connection, "demo")
        outcomes = read_outcomes_of(connection, counts_of(connection, runs))
        rows = rows_of_outcomes(connection, runs)
    assert 0 < len(outcomes[runs[0]].prompt) < len(outcomes[runs[1]].prompt)
    configs = [str(run_id) for run_id in runs]
    mine, theirs = (
        to_outcomes({place: one[run_id] for place, run_id in enumerate(runs)}, configs)
        for one in (outcomes, rows)
    )
    assert mine is not None
    assert theirs is not None
    assert (mine.flags["adherence"][:, 0] < 0).any()
    for name, flags in mine.flags.items():
        assert np.array_equal(flags, theirs.flags[name])
    assert np.array_equal(mine.seconds, theirs.seconds, equal_nan=True)
