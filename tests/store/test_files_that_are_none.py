"""What is no database of ours, or cannot be migrated, is told in a sentence; nothing is fetched."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from vibecore import store
from vibecore.core.errors import InputError
from vibecore.store import connection as connections
from vibecore.store.shared_reader import SharedReader
from vibecore.studies.exchange import export_parquet


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict]]:
    """The file and the settings of every connection that DuckDB is asked for."""
    asked: list[tuple[str, dict]] = []
    connect = duckdb.connect

    def noted(file: str = ":memory:", *, config: dict) -> duckdb.DuckDBPyConnection:
        asked.append((file, config))
        return connect(file, config=config)

    monkeypatch.setattr(duckdb, "connect", noted)
    # One instance that another test has made reads for all of this process.
    monkeypatch.setattr(connections, "_readers", SharedReader(connections.LOCAL_ONLY))
    return asked


def test_no_connection_looks_for_extensions(db: Path, opened: list[tuple[str, dict]]) -> None:
    store.prepare(db)
    with connections.reading(db) as connection, pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM 'http://127.0.0.1:1/a.parquet'")
    assert opened
    for _, settings in opened:
        assert settings["autoinstall_known_extensions"] is False
        assert settings["autoload_known_extensions"] is False


@pytest.mark.parametrize("use", [store.prepare, lambda path: connections.reading(path).__enter__()])
def test_a_sqlite_file_is_named_as_one(use: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    with sqlite3.connect(path) as own:
        own.execute("CREATE TABLE a (b)")
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"own\.db is a SQLite database\. Name another .*--db"):
        use(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["md:own", "postgres:dbname=a", "sqlite:own.db", "s3://a"])
def test_a_name_is_a_file_and_no_service(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    store.prepare(Path(name))
    assert Path(name).is_file()


@pytest.mark.parametrize("use", [store.prepare, lambda path: connections.reading(path).__enter__()])
def test_a_pipe_is_refused_and_not_waited_for(
    use: Callable[[Path], object], tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match=r"is a pipe, not a file\. Name a database file"):
        use(pipe)


def test_an_older_database_that_cannot_be_written_says_what_to_do(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.prepare(db)
    with duckdb.connect(db) as connection:
        connection.execute("DELETE FROM schema_version WHERE version > 8")
    connect = duckdb.connect

    def read_only_place(file: str = "", *, config: dict) -> duckdb.DuckDBPyConnection:
        if file:
            raise duckdb.IOException(f'IO Error: Cannot open file "{file}": Read-only file system')
        return connect(config=config)

    monkeypatch.setattr(duckdb, "connect", read_only_place)
    said = r"of an older Vibe check and has to be migrated once.*Read-only file system.*cp .*--db F"
    with pytest.raises(InputError, match=said), connections.reading(db):
        pass


def test_a_path_that_is_not_utf_8_is_refused(
    published_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where only the folder that a command runs in is named so."""
    folder = tmp_path / "a\udcff"
    folder.mkdir()
    shutil.copy(published_db, folder / "b.duckdb")
    monkeypatch.chdir(folder)
    uses: list[Callable[[], object]] = [
        lambda: connections.reading(Path("b.duckdb")).__enter__(),
        lambda: store.prepare(Path("new.duckdb")),
        lambda: store.Writer(Path("b.duckdb")).writing().__enter__(),
        lambda: export_parquet(published_db, "published", Path("out")),
        lambda: store.read_parquet(Path("out"), tmp_path / "c.duckdb"),
    ]
    for use in uses:
        with pytest.raises(InputError, match=r"a\\udcff.* is not UTF-8") as refused:
            use()
        assert str(refused.value).encode("utf-8")
    assert [path.name for path in folder.iterdir()] == ["b.duckdb"]
