"""Records that are valid while their owner lives: a JSON file and a lock file beside it.

The owner keeps the lock file locked. The operating system releases the locks of a dead process, so
its records become invalid by themselves. A mutex guards the numbering and reading of records.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


@dataclass(frozen=True)
class LockedRecord:
    """A record of this process, valid while its lock is held."""

    record: Path
    lock: FileLock
    since: float

    def write(self, content: dict[str, Any]) -> None:
        """Write the owner, the time and this content to the record."""
        row = {"pid": os.getpid(), "since": self.since, **content}
        self.record.write_text(json.dumps(row), encoding="utf-8")

    def release(self) -> None:
        """Delete the record and release its lock. Safe to call twice."""
        with mutex(self.record.parent):
            if not self.lock.is_locked:
                return
            self.record.unlink(missing_ok=True)
            self.lock.release()
            Path(self.lock.lock_file).unlink(missing_ok=True)


def mutex(folder: Path) -> FileLock:
    """Held while records are created, read or deleted."""
    return FileLock(folder / "mutex.lock", thread_local=False)


def new_record(folder: Path, kind: str, content: dict[str, Any]) -> LockedRecord:
    """Create a record with the next number, locked before another process can read it."""
    with mutex(folder):
        taken = [int(path.stem.partition("-")[2]) for path in folder.glob(f"{kind}-*.json")]
        record = folder / f"{kind}-{max(taken, default=0) + 1:09d}.json"
        lock = FileLock(record.with_suffix(".lock"), timeout=0, thread_local=False)
        lock.acquire()
        own = LockedRecord(record, lock, time.time())
        own.write(content)
    return own


def valid_records(folder: Path, kind: str) -> list[tuple[Path, dict[str, Any]]]:
    """Records whose owner is alive, in order; those of dead processes are deleted."""
    found = []
    with mutex(folder):
        for record in sorted(folder.glob(f"{kind}-*.json")):
            lock = FileLock(record.with_suffix(".lock"), timeout=0, thread_local=False)
            try:
                lock.acquire()
            except Timeout:
                found.append((record, json.loads(record.read_text(encoding="utf-8"))))
                continue
            record.unlink(missing_ok=True)
            lock.release()
            with contextlib.suppress(OSError):
                Path(lock.lock_file).unlink(missing_ok=True)
    return found
