"""One instance reads every file: a file is locked while anyone reads it, and free after."""

from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from vibecore import store
from vibecore.store import shared_reader
from vibecore.store.connection import LOCAL_ONLY
from vibecore.store.shared_reader import SharedReader

WRITE = "import duckdb, sys; duckdb.connect(sys.argv[1]).execute('SELECT 1')"


def writable_elsewhere(path: Path) -> bool:
    """Whether another process can open the file to write."""
    command = [sys.executable, "-c", WRITE, str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def studies(path: Path) -> list[str]:
    with store.reading(path, wait_seconds=0) as connection:
        return [study.name for study in store.list_studies(connection)]


def test_a_file_stays_locked_until_its_last_reader_has_gone(published_db: Path) -> None:
    with store.reading(published_db):
        assert studies(published_db) == ["published"]
        assert not writable_elsewhere(published_db)
    assert writable_elsewhere(published_db)


def test_files_are_told_apart_and_a_new_one_at_a_path_is_read(published_db: Path, db: Path) -> None:
    store.prepare(db)
    with store.reading(published_db), store.reading(db):
        assert studies(published_db) == ["published"]
        assert studies(db) == []
    shutil.copy(published_db, db.with_suffix(".new"))
    db.with_suffix(".new").replace(db)
    assert studies(db) == ["published"]


def test_threads_read_the_same_file_at_once(published_db: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(studies, [published_db] * 200))
    assert found == [["published"]] * 200
    assert writable_elsewhere(published_db)


@pytest.mark.parametrize("held", [False, True])
def test_an_instance_that_an_error_ended_is_replaced(published_db: Path, held: bool) -> None:
    class Ended:
        """What DuckDB raises of every query after a fatal error in any file."""

        def __getattr__(self, name: str) -> object:
            raise duckdb.FatalException("database has been invalidated")

    readers = SharedReader(LOCAL_ONLY)
    first = readers.open(str(published_db))
    working = first.instance.connection
    if not held:
        readers.close(first)
    first.instance.connection = Ended()  # type: ignore[assignment]
    second = readers.open(str(published_db))
    assert second.connection.execute("SELECT count(*) FROM study").fetchone() == (1,)
    readers.close(second)
    first.instance.connection = working
    if held:
        readers.close(first)
    assert writable_elsewhere(published_db)


@pytest.mark.parametrize("held", [False, True])
def test_an_instance_is_renewed_once_nobody_reads_with_it(
    published_db: Path, db: Path, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reader, "MOST_ATTACHED", 3)
    store.prepare(db)
    readers = SharedReader(LOCAL_ONLY)
    instances = set()
    first = readers.open(str(db)) if held else None
    for _ in range(7):
        reader = readers.open(str(published_db))
        instances.add(id(reader.instance.connection))
        assert reader.connection.execute("SELECT count(*) FROM study").fetchone() == (1,)
        readers.close(reader)
    if first is not None:
        assert instances == {id(first.instance.connection)}
        readers.close(first)
    after = readers.open(str(db))
    assert after.instance.attached == (1 if held else 2)
    readers.close(after)
    assert writable_elsewhere(published_db)
