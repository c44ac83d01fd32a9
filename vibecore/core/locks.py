"""A lock between processes: a file that one of them holds locked at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from vibecore.core.paths import state_error


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of a file in the state folder, once nobody else does. Raises InputError, with
    what to do, where it cannot be locked."""
    lock = FileLock(file, thread_local=False)
    try:
        lock.acquire()
    except OSError as error:
        raise state_error(file.parent, error) from None
    try:
        yield
    finally:
        lock.release()
