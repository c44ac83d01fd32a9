"""Records that are valid while their owner lives: a JSON file and a lock file beside it.

The owner keeps the lock file locked. The operating system releases the locks of a dead process, so
its records become invalid by themselves. A mutex guards the numbering and reading of records.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vibecore.core.locks import locked
from vibecore.core.paths import state_error, write_whole
from vibecore.core.special_files import special_kind


@dataclass(frozen=True)
class LockedRecord:
    """A record of this process, valid while its lock is held."""

    record: Path
    lock: FileLock
    since: float

    def write(self, content: dict[str, Any]) -> None:
        """Write the owner, the time and this content to the record."""
        row = {"pid": os.getpid(), "since": self.since, **content}
        with _explained(self.record.parent):
            write_whole(self.record, json.dumps(row))

    def release(self) -> None:
        """Delete the record and release its lock. Safe to call twice."""
        with mutex(self.record.parent):
            if not self.lock.is_locked:
                return
            with contextlib.suppress(OSError):
                self.record.unlink(missing_ok=True)
            self.lock.release()
            with contextlib.suppress(OSError):
                Path(self.lock.lock_file).unlink(missing_ok=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Raise InputError, with what to do, where the state folder fails while it is used."""
    try:
        yield
    except OSError as error:
        raise state_error(folder, error) from None


@contextmanager
def mutex(folder: Path) -> Iterator[None]:
    """Held while records are created, read or deleted. Raises InputError where it cannot be."""
    with locked(folder / "mutex.lock"):
        yield


def new_record(folder: Path, kind: str, content: dict[str, Any]) -> LockedRecord:
    """Create a record with the next number, locked before another process can read it. Raises
    InputError, with nothing left behind, where it cannot be written."""
    with mutex(folder):
        numbers = [path.stem.partition("-")[2] for path in folder.glob(f"{kind}-*.json")]
        taken = [int(number) for number in numbers if number.isdecimal()]
        record = folder / f"{kind}-{max(taken, default=0) + 1:09d}.json"
        lock = FileLock(record.with_suffix(".lock"), timeout=0, thread_local=False)
        with _explained(folder):
            lock.acquire()
        own = LockedRecord(record, lock, time.time())
        try:
            own.write(content)
        except BaseException:
            lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
            raise
    return own


def valid_records(folder: Path, kind: str) -> list[tuple[Path, dict[str, Any]]]:
    """Records whose owner is alive, in order; those of dead processes are deleted. One that is
    empty or broken is left out: nothing can be said of it, and the others count."""
    found = []
    with mutex(folder):
        for record in sorted(folder.glob(f"{kind}-*.json")):
            lock = FileLock(record.with_suffix(".lock"), timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                if (row := _read(record)) is not None:
                    found.append((record, row))
                continue
            # A folder in a record's place, or a file that is another user's.
            except OSError:
                continue
            with contextlib.suppress(OSError):
                record.unlink(missing_ok=True)
            lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
    return found


def _read(record: Path) -> dict[str, Any] | None:
    """What every owner writes and what it adds; None for a broken record."""
    if special_kind(record):
        return None
    try:
        row = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(row, dict) and all(
        isinstance(row.get(name), kind)
        for name, kind in (("pid", int), ("since", (int, float)), ("what", str))
    )
    return row if whole else None
