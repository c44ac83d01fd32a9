"""Opening and closing the database: short-lived connections, bounded waits, clear errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from vibecore.core.errors import InputError, VibeError
from vibecore.core.signals import as_keyboard_interrupt, finished_first
from vibecore.core.special_files import refuse_special
from vibecore.core.text_files import no_character
from vibecore.store.damage import (
    OTHER_VALUES,
    damaged,
    first_line,
    in_words,
    is_damage,
    not_ours,
    raised_by_store,
    refuse_damaged_log,
)
from vibecore.store.schema import MIGRATIONS, READABLE, migrate
from vibecore.store.shared_reader import SharedReader

# The format every DuckDB since 1.0 reads (facts.md: 2.0's default cannot be read by 1.x).
STORAGE: dict[str, Any] = {"storage_compatibility_version": "v1.0.0"}
# No extension is looked for, downloaded or run because of what a file is or a query names.
LOCAL_ONLY: dict[str, Any] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
# What has been read would else be kept until most of the machine's memory is full.
MEMORY = "2GB"
# What DuckDB then misses where the file is SQLite's.
SQLITE_SCANNER = "sqlite_scanner"
LOCK_MESSAGES = (
    "Could not set lock",
    "Conflicting lock",
    "being used by another process",
    # A thread of this process reads what another wants to write, or the other way round.
    "different configuration than existing connections",
    "Unique file handle conflict",
)
WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.05
ROWS_A_STATEMENT = 2_000
# What a run is told while it waits; see `waiting_on`.
_told_of_waits: list[Callable[[Path], None]] = []
# Threads of one process would be let in together, and keys are checked before they are written.
one_writer = threading.RLock()
_readers = SharedReader(LOCAL_ONLY)
# (table, columns) -> their types, which no migration changes: to ask takes a millisecond.
_kinds: dict[tuple[str, str], list[str]] = {}

T = TypeVar("T")


class AlreadyStored(Exception):
    """An output that is about to be written is there already."""


def content_key(path: Path) -> tuple[int, ...]:
    """Changes whenever the database's content does: size and time of the file and its WAL."""
    key: list[int] = []
    for file in (path, path.with_name(path.name + ".wal")):
        if file.exists():
            status = file.stat()
            key += [status.st_size, status.st_mtime_ns]
    return tuple(key)


@contextmanager
def waiting_on(tell: Callable[[Path], None]) -> Iterator[None]:
    """Within the block, all of this process waits for a database in use for as long as that takes:
    what a run has loaded and made is worth more than an answer in time. `tell` is called with its
    path once such a wait has taken its `wait_seconds`."""
    _told_of_waits.append(tell)
    try:
        yield
    finally:
        _told_of_waits.remove(tell)


def _open(path: Path, *, wait_seconds: float) -> duckdb.DuckDBPyConnection:
    return when_free(
        path,
        lambda: duckdb.connect(duckdb_path(path), config=LOCAL_ONLY | STORAGE),
        wait_seconds=wait_seconds,
    )


@contextmanager
def _opened(path: Path, *, wait_seconds: float) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection."""
    with as_keyboard_interrupt():
        name = quoted(path)
        reader = when_free(path, lambda: _readers.open(name), wait_seconds=wait_seconds)
        try:
            yield reader.connection
        finally:
            _readers.close(reader)


def when_free(path: Path, opened: Callable[[], T], *, wait_seconds: float) -> T:
    """What `opened` returns once no other process, and no thread of this one, has the database
    open in a way that hinders it. Raises VibeError where that takes longer than `wait_seconds`,
    InputError where the database cannot be opened at all."""
    _require_database_file(path)
    deadline, told = time.monotonic() + wait_seconds, False
    while True:
        refuse_damaged_log(path)
        try:
            return opened()
        except duckdb.Error as error:
            if not any(message in str(error) for message in LOCK_MESSAGES):
                raise InputError(_not_readable(path, error)) from error
            late = time.monotonic() >= deadline
            if late and not told:
                told = True
                for tell in list(_told_of_waits):
                    tell(path)
            if late and not _told_of_waits:
                raise VibeError(
                    f"{path} has been in use by another process for {wait_seconds:.0f} s. "
                    "Try again when that has finished, or name another file with --db."
                ) from error
            time.sleep(PAUSE_SECONDS)


def _require_database_file(path: Path) -> None:
    """Raise InputError for what is neither absent nor a file: a pipe would be waited for."""
    refuse_special(path, "Name a database file with --db.")
    log = path.with_name(path.name + ".wal")
    refuse_special(log, f"DuckDB keeps the log of {path.name} there: move it away.")


def _not_readable(path: Path, error: duckdb.Error) -> str:
    if path.is_dir():
        return f"{path} is a folder. Name a database file with --db."
    # Read by its error alone: closing a file that DuckDB has open would give up DuckDB's lock.
    if SQLITE_SCANNER in str(error):
        return f"{path} is a SQLite database. Name another file with --db; it was not changed."
    if "not a valid DuckDB database" in str(error):
        return f"{path} is not a DuckDB database. Name another file with --db; it was not changed."
    if is_damage(error):
        return str(damaged(path, error))
    said = first_line(error)
    return f"{path} cannot be opened as a database ({said}). Name another file with --db."


def _version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    try:
        row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    except duckdb.CatalogException:
        raise InputError(
            f"{path} is a DuckDB database, but not one of Vibe check. Name another with --db."
        ) from None
    except duckdb.Error as error:
        raise in_words(path, error) from error
    return (row and row[0]) or 0


def _known_version(connection: duckdb.DuckDBPyConnection, path: Path) -> int:
    """The database's schema. Raises InputError when it is newer than this code."""
    version = _version(connection, path)
    if version > len(MIGRATIONS):
        raise InputError(
            f"{path} has schema {version}, this Vibe check reads {len(MIGRATIONS)}. "
            "Update Vibe check, or run a study into a new file with --db."
        )
    return version


@contextmanager
def reading(
    path: Path, *, wait_seconds: float = WAIT_SECONDS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A read-only connection. Raises InputError where there is no Vibe check database.

    A database whose schema is older than READABLE is brought up to date first, which is the one
    write of a reader.
    """
    if not path.exists():
        raise InputError(
            f"There is no database at {path}. Name one with --db, or make one: "
            "python -m vibecore run --family demo --db FILE."
        )
    with ExitStack() as stack:
        connection = stack.enter_context(_opened(path, wait_seconds=wait_seconds))
        if _known_version(connection, path) < READABLE:
            stack.close()
            _migrate_first(path)
            connection = stack.enter_context(_opened(path, wait_seconds=wait_seconds))
        try:
            yield connection
        # DuckDB reads a block when a query needs it, and finds damage no earlier.
        except duckdb.Error as error:
            raise in_words(path, error) from error
        except OTHER_VALUES as error:
            if raised_by_store(error.__traceback__):
                raise not_ours(path, error) from error
            raise


def _migrate_first(path: Path) -> None:
    try:
        prepare(path)
    except VibeError as error:
        raise type(error)(
            f"{path} is of an older Vibe check and has to be migrated once, which writes to it: "
            f"{error} To leave it as it is, copy it (cp {path} FILE) and read the copy: --db FILE."
        ) from error


@contextmanager
def writing(
    path: Path, *, wait_seconds: float = WAIT_SECONDS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """One transaction on a prepared database: committed at the end, undone on an exception.

    Ctrl-C has to wait for its end: KeyboardInterrupt comes after the commit.
    """
    with one_writer:
        with as_keyboard_interrupt():
            connection = _open(path, wait_seconds=wait_seconds)
        with finished_first():
            try:
                with transaction(connection, path):
                    yield connection
            finally:
                _close(connection, path)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, path: Path) -> Iterator[None]:
    """A transaction on the database at `path`. Raises VibeError where it cannot be committed."""
    try:
        connection.begin()
        yield
        connection.commit()
    except (duckdb.ConstraintException, AlreadyStored):
        connection.rollback()
        raise VibeError(
            f"{path} already holds these outputs: another process is running the same "
            "study. Nothing was written twice. Let that process finish, then use --resume."
        ) from None
    except duckdb.Error as error:
        if is_damage(error):
            raise damaged(path, error) from error
        raise VibeError(f"{path} could not be written: {first_line(error)}") from error
    except BaseException:
        connection.rollback()
        raise


def _close(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Close a connection; the checkpoint that this makes can find damage too."""
    try:
        connection.close()
    except duckdb.Error as error:
        raise damaged(path, error) from error


def bound_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Have DuckDB keep no more than MEMORY of what is read and written on a connection: for what
    goes through all rows of a study."""
    connection.execute(f"SET memory_limit = '{MEMORY}'")


def check_writable(path: Path) -> None:
    """Raise InputError when `path` can neither be used nor made; writes nothing."""
    if not path.parent.is_dir():
        raise InputError(f"The folder {path.parent} does not exist. Make it, or change --db.")
    if not path.exists():
        return
    with _opened(path, wait_seconds=WAIT_SECONDS) as connection:
        try:
            tables = {row[0] for row in connection.execute("SHOW TABLES").fetchall()}
            if tables:
                _known_version(connection, path)
        except duckdb.Error as error:
            raise in_words(path, error) from error


def prepare(path: Path) -> None:
    """Create the database, or bring an older one up to date. A foreign file is left alone."""
    check_writable(path)
    with writing(path) as connection:
        migrate(connection)


def duckdb_path(path: Path) -> str:
    """A path as DuckDB takes it. Absolute: a name that begins with `md:` or `postgres:` is a
    service to it. Raises InputError for one whose bytes are not UTF-8, which it cannot open."""
    name = str(path.absolute())
    if no_character(name) is not None:
        shown = name.encode("utf-8", "backslashreplace").decode("utf-8")
        raise InputError(f"{shown} is not UTF-8 text, so DuckDB cannot open it. Rename it.")
    return name


def quoted(path: Path) -> str:
    """A path inside an SQL string. Raises InputError for one that is not UTF-8."""
    return duckdb_path(path).replace("'", "''")


def copy_compact(source: Path, target: Path) -> None:
    """Copy a database into a new file without the space that many small transactions left."""
    connection = _open(target, wait_seconds=WAIT_SECONDS)
    try:
        connection.execute(f"ATTACH '{quoted(source)}' AS copied_from (READ_ONLY)")
        row = connection.execute("SELECT current_database()").fetchone()
        assert row is not None
        connection.execute(f'COPY FROM DATABASE copied_from TO "{row[0]}"')
        connection.execute("DETACH copied_from")
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write rows, all of the same columns."""
    if not rows:
        return
    columns = list(rows[0])
    names = ", ".join(columns)
    # Table and column names are the store's own literals, never input.
    kinds = _kinds.get((table, names))
    if kinds is None:
        described = connection.execute(f"SELECT {names} FROM {table} LIMIT 0").description
        kinds = _kinds[table, names] = [str(column[1]) for column in described]
    # Each column as one list: as many parameters as values take three times as long.
    values = ", ".join(f"unnest(?::{kind}[])" for kind in kinds)
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        chunk = rows[start : start + ROWS_A_STATEMENT]
        connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {values}",
            [[row[column] for row in chunk] for column in columns],
        )
