"""A writer that stays: the file is free between its transactions, and after whatever went wrong."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from vibecore import store
from vibecore.core.errors import InputError, VibeError
from vibecore.store import writer as writer_module
from vibecore.studies.published import add_published


@pytest.fixture
def filled(db: Path) -> Path:
    store.prepare(db)
    add_published(db)
    return db


def log_of(path: Path) -> Path:
    return path.with_name(path.name + ".wal")


def note(writer: store.Writer, text: str) -> None:
    with writer.writing() as connection:
        store.set_note(connection, "published", text)


def note_of(path: Path) -> str | None:
    with store.reading(path, wait_seconds=0) as connection:
        return store.read_study(connection, "published").note


def test_what_is_committed_is_read_at_once_and_the_file_is_free(filled: Path) -> None:
    writer = store.Writer(filled)
    for number in range(3):
        note(writer, f"note {number}")
        assert note_of(filled) == f"note {number}"
    with store.writing(filled, wait_seconds=0) as connection:
        store.set_note(connection, "published", "another's")
    note(writer, "the writer's again")
    assert note_of(filled) == "the writer's again"


def test_the_log_is_folded_in_after_so_many_commits(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MOST_COMMITS", 3)
    writer, sizes = store.Writer(filled), []
    for number in range(6):
        note(writer, f"note {number}")
        sizes.append(log_of(filled).exists())
    assert sizes == [True, True, False] * 2
    assert note_of(filled) == "note 5"


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt(), VibeError("no")])
def test_what_is_raised_inside_undoes_the_transaction_and_leaves_the_file(
    filled: Path, error: BaseException
) -> None:
    writer = store.Writer(filled)
    note(writer, "before")
    with pytest.raises(type(error)), writer.writing() as connection:
        store.set_note(connection, "published", "half")
        raise error
    assert note_of(filled) == "before"
    note(writer, "after")
    assert note_of(filled) == "after"


def test_an_error_of_the_database_is_a_sentence_and_the_next_transaction_works(
    filled: Path,
) -> None:
    writer = store.Writer(filled)
    with pytest.raises(VibeError, match="could not be written"), writer.writing() as connection:
        connection.execute("INSERT INTO study (study_id) VALUES ('no number')")
    note(writer, "after")
    assert note_of(filled) == "after"


@pytest.mark.parametrize("failing", ["CHECKPOINT", "DETACH"])
def test_what_is_committed_stays_so_where_the_log_cannot_be_folded_in(
    filled: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """As on a full disk: a caller that was told of an error would write the rows again."""

    class Full:
        def __init__(self, instance: duckdb.DuckDBPyConnection) -> None:
            self.instance = instance

        def __getattr__(self, name: str) -> object:
            return getattr(self.instance, name)

        def execute(self, query: str, *given: object) -> object:
            if query.startswith(failing):
                raise duckdb.IOException("No space left on device")
            return self.instance.execute(query, *given)

    made = writer_module._make_instance
    monkeypatch.setattr(writer_module, "_make_instance", lambda path: Full(made(path)))
    monkeypatch.setattr(writer_module, "MOST_COMMITS", 1)
    writer = store.Writer(filled)
    for text in ("once", "again"):
        note(writer, text)
        assert note_of(filled) == text


def test_a_file_that_is_none_of_ours_any_more_is_refused(filled: Path) -> None:
    writer = store.Writer(filled)
    note(writer, "before")
    log_of(filled).unlink()
    filled.write_bytes(b"something else " * 1000)
    with pytest.raises(InputError, match="not a DuckDB database"):
        note(writer, "after")


def test_a_writer_waits_while_another_process_has_the_file(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()
    monkeypatch.setattr(writer_module, "WAIT_SECONDS", 0)
    writer = store.Writer(filled)
    with duckdb.connect(str(filled), read_only=True):
        with pytest.raises(VibeError, match="in use"):
            note(writer, "hindered")
        with store.waiting_on(lambda path: told.set()):
            thread = threading.Thread(target=note, args=(writer, "waited"))
            thread.start()
            assert told.wait(60)
    thread.join(60)
    assert note_of(filled) == "waited"


def test_a_writer_that_always_has_something_lets_others_in(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    clock = [100.0]
    monkeypatch.setattr(writer_module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(writer_module.time, "sleep", pauses.append)
    writer = store.Writer(filled)
    for _ in range(25):
        clock[0] += 0.06
        writer._let_others_in()
        writer._closed_at = clock[0]
    assert len(pauses) == 1, "once in MOST_BUSY_SECONDS"
    assert 0 < pauses[0] <= writer_module.FREE_SECONDS
