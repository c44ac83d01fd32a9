"""A writer for a study that commits again and again, while others read in between.

`connection.writing` makes a DuckDB instance a transaction, some 12 ms, and folds what it wrote into
the file. Here one instance stays, and the file is attached to it for a transaction at a time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from vibecore.core.signals import as_keyboard_interrupt, finished_first
from vibecore.store.connection import (
    LOCAL_ONLY,
    PAUSE_SECONDS,
    WAIT_SECONDS,
    duckdb_path,
    one_writer,
    quoted,
    transaction,
    when_free,
    writing,
)

# The write-ahead log is read again at every opening, and what each commit adds to a list grows with
# what it holds of them: after so many commits, or so much, it is made part of the file. At a commit
# an output that costs as much as the openings that it spares (docs/size.md).
MOST_COMMITS, MOST_LOGGED = 16, "4MB"
# A writer that always has something to commit leaves the file alone this often, for long enough
# that whoever waits for it asks again meanwhile.
MOST_BUSY_SECONDS = 1.0
FREE_SECONDS = 2 * PAUSE_SECONDS


class Writer:
    """Opens a prepared database for short, many times."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._instance: duckdb.DuckDBPyConnection | None = None
        self._commits = 0
        self._closed_at = self._left_alone_at = time.monotonic()

    @contextmanager
    def writing(self, *, last: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """One transaction, as `connection.writing` is one. Unless it is the `last` for now, what it
        committed may stay in the write-ahead log beside the file, durable and seen by every reader,
        until there are MOST_COMMITS or MOST_LOGGED of it, or somebody writes without it. For any
        thread."""
        with one_writer:
            if last:
                with writing(self._path) as connection:
                    yield connection
                return
            self._let_others_in()
            instance = self._instance = self._instance or _make_instance(self._path)
            attach = f"ATTACH '{quoted(self._path)}' AS study_file (STORAGE_VERSION 'v1.0.0')"
            try:
                with as_keyboard_interrupt():
                    when_free(
                        self._path, lambda: instance.execute(attach), wait_seconds=WAIT_SECONDS
                    )
                with finished_first():
                    instance.execute("USE study_file")
                    with transaction(instance, self._path):
                        yield instance
                    self._leave(instance)
            except BaseException:
                self._drop(instance)
                raise
            finally:
                self._closed_at = time.monotonic()

    def _leave(self, instance: duckdb.DuckDBPyConnection) -> None:
        """Let go of the file, its log folded in where that is due. What was committed is durable
        though this fails, as on a full disk: the next one to open the file is told."""
        self._commits += 1
        try:
            if self._commits % MOST_COMMITS == 0:
                instance.execute("CHECKPOINT")
            instance.execute("USE memory")
            instance.execute("DETACH study_file")
        except duckdb.Error:
            self._drop(instance)

    def _drop(self, instance: duckdb.DuckDBPyConnection) -> None:
        """Whatever state it is in: the file is not held by it any more."""
        self._instance = None
        with suppress(duckdb.Error):
            instance.close()

    def _let_others_in(self) -> None:
        since = time.monotonic() - self._closed_at
        if since < FREE_SECONDS:
            if time.monotonic() - self._left_alone_at < MOST_BUSY_SECONDS:
                return
            time.sleep(FREE_SECONDS - since)
        self._left_alone_at = time.monotonic()


def _make_instance(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config=LOCAL_ONLY
        | {
            "checkpoint_threshold": MOST_LOGGED,
            "checkpoint_on_detach": "DISABLED",
            "temp_directory": f"{duckdb_path(path)}.tmp",
        }
    )
