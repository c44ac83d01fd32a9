"""One DuckDB instance for all that this process reads: making one takes 20 ms, attaching a file 2.

A file is attached once, whoever reads it. DuckDB opens a file anew for every attachment, and
closing any of a process's descriptors of a file gives up the lock that the others rely on
(fcntl(2)).
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

# Some kilobytes stay with an instance of each file that it lets go of.
MOST_ATTACHED = 200


@dataclass
class _Instance:
    """An instance, by path what is attached to it, and how often anything was."""

    connection: duckdb.DuckDBPyConnection
    files: dict[str, _File] = field(default_factory=dict)
    attached: int = 0


@dataclass
class _File:
    name: str
    readers: int = 0


@dataclass(frozen=True)
class Reader:
    """A connection to one file, and where it comes from."""

    connection: duckdb.DuckDBPyConnection
    path: str
    instance: _Instance


class SharedReader:
    """Attaches files for reading, for any thread. `config` is DuckDB's."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._instance: _Instance | None = None

    def open(self, path: str) -> Reader:
        """A connection in which a database's tables are known by their names; `path` is quoted for
        SQL. Raises duckdb.Error where it cannot be opened now."""
        with self._lock:
            try:
                return self._attach(path)
            except duckdb.FatalException:
                # An error in one file leaves an instance unusable for every other one.
                self._instance = None
                return self._attach(path)

    def close(self, reader: Reader) -> None:
        """Give a connection back; the last one of a file lets go of it."""
        instance = reader.instance
        with self._lock:
            reader.connection.close()
            file = instance.files[reader.path]
            file.readers -= 1
            if file.readers:
                return
            del instance.files[reader.path]
            try:
                instance.connection.execute(f"DETACH {file.name}")
                worn = instance.attached >= MOST_ATTACHED and not instance.files
            except duckdb.Error:
                worn = True
            if worn and instance is self._instance:
                self._instance = None
            if instance is not self._instance and not instance.files:
                instance.connection.close()

    def _attach(self, path: str) -> Reader:
        instance = self._instance = self._instance or self._make_instance()
        file = instance.files.get(path)
        if file is None:
            instance.attached += 1
            file = _File(f"read_{instance.attached}")
            instance.connection.execute(f"ATTACH '{path}' AS {file.name} (READ_ONLY)")
            instance.files[path] = file
        connection = instance.connection.cursor()
        file.readers += 1
        reader = Reader(connection, path, instance)
        connection.execute(f"USE {file.name}")
        return reader

    def _make_instance(self) -> _Instance:
        # What does not fit into memory goes there, and not to the current folder.
        spilled = Path(tempfile.gettempdir()) / f"vibecheck-{os.getpid()}.tmp"
        config = self._config | {"temp_directory": str(spilled)}
        return _Instance(duckdb.connect(config=config))
