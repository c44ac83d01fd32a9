"""Rows that are lost or changed without an error are seen on the next reading."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.launched import TWO_PROMPTS
from vibecore import store
from vibecore.store import checksum
from vibecore.studies.plan import Options, new_plan, resumed_plan
from vibecore.studies.queries import find_loss
from vibecore.studies.rescore import rescore
from vibecore.studies.run import run_study


@pytest.fixture
def ended(db: Path, fake_worker) -> Path:
    """A database with a study whose run has ended."""
    options = Options(configs=("1M-bf16", "1M-4bit"), study="s", suite=TWO_PROMPTS)
    run_study(new_plan(options, db), lambda event: None)
    return db


def change(db: Path, statement: str) -> None:
    with store.writing(db) as connection:
        connection.execute(statement)


def stored(db: Path) -> str | None:
    with store.reading(db) as connection:
        row = connection.execute("SELECT checksum FROM study").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM generation WHERE run_id = 1", "had 4 outputs when it ended and has 2 now"),
        ("INSERT INTO score FROM score LIMIT 1", "had 4 scores when it ended and has 5 now"),
        ("DELETE FROM verdict", "verdicts when it ended and has 0 now"),
        ("UPDATE generation SET text = 'another' WHERE run_id = 1", "are not those"),
        ("UPDATE generation SET token_ids = [1]", "are not those"),
        ("UPDATE score SET adherent = NOT adherent WHERE run_id = 2", "are not those"),
        ("UPDATE verdict SET status = 'error'", "are not those"),
        ("UPDATE run SET config = config || 'x'", "are not those"),
    ],
)
def test_what_is_not_as_it_was_is_seen(ended: Path, statement: str, says: str) -> None:
    assert find_loss(ended, "s") is None
    change(ended, statement)
    assert says in str(find_loss(ended, "s"))


def test_a_copy_keeps_its_checksum_and_other_rows_do_not_matter(
    ended: Path, published_db: Path, tmp_path: Path
) -> None:
    target = shutil.copy(published_db, tmp_path / "target.duckdb")
    store.copy_studies(ended, target)
    with store.writing(target) as connection:
        store.rename_study(connection, "s", "other")
    assert find_loss(target, "other") is None
    assert find_loss(target, "published") is None, "it never had one"
    change(target, "DELETE FROM generation WHERE prompt_id = (SELECT max(prompt_id) FROM prompt)")
    change(target, "UPDATE generation SET text = 'another'")
    assert find_loss(target, "other") is not None


def test_a_study_that_changes_is_sealed_anew_when_that_has_ended(ended: Path, fake_worker) -> None:
    before = stored(ended)
    change(ended, "DELETE FROM generation WHERE run_id = 1")
    change(ended, "DELETE FROM score WHERE run_id = 1")
    change(ended, "DELETE FROM verdict WHERE run_id = 1")
    fake_worker.interrupt_after = 0
    fake_worker.calls.clear()
    with pytest.raises(KeyboardInterrupt):
        run_study(resumed_plan(Options(study="s"), ended), lambda event: None, resume=True)
    assert stored(ended) is None, "its rows are about to change"
    fake_worker.interrupt_after = None
    run_study(resumed_plan(Options(study="s"), ended), lambda event: None, resume=True)
    assert stored(ended) == before
    change(ended, "UPDATE score SET repetition_ratio = 0.5, scorer_version = 1")
    assert find_loss(ended, "s") is not None
    rescore(ended, "s")
    assert find_loss(ended, "s") is None


def test_what_is_too_much_to_hash_or_of_another_duckdb_is_counted(
    ended: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(ended, "UPDATE generation SET text = 'another'")
    with store.reading(ended) as connection:
        assert store.find_loss(connection, "s", most_hashed=3) is None
        assert store.find_loss(connection, "s", most_hashed=4) is not None
        monkeypatch.setattr(checksum, "VERSION", "1/another")
        assert store.find_loss(connection, "s") is None
    change(ended, "DELETE FROM generation WHERE run_id = 1")
    assert "outputs" in str(find_loss(ended, "s"))
