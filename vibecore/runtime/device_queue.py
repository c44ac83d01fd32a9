"""One device, one queue: who may use it, in the order they asked, among all of a user's processes.

    with device_queue.turn("cuda", "study night-1", clear=True):
        ...  # nothing else of Vibe check generates on the GPU, and nothing else is loaded on it

A ticket is a pair of files in the state folder: a JSON record, and a lock that its owner holds for
as long as the ticket is good. The system lets go of a dead process's locks, so its tickets are void
without anybody's help. Numbers are given, and tickets looked at, behind one more lock, the door.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vibecore.core.errors import RunError
from vibecore.core.paths import state_folder

FIRST_PAUSE_SECONDS = 0.02
# A waiting process must not take a core's time from the one that measures.
LONGEST_PAUSE_SECONDS = 0.25
# What has not unloaded by then does not answer; the run goes on and says so.
UNLOAD_SECONDS = 60.0


class Cancelled(RunError):
    """The wait for a device was called off."""


@dataclass(frozen=True)
class Ticket:
    """A place in the queue of a device: who is first has the `place` 0, and has `begun` unless it
    still waits for the device to be emptied. `since` is a time.time().

    `resident` marks what is no ticket at all: models that another process keeps on the device.
    """

    what: str
    pid: int
    since: float
    place: int
    begun: bool = False
    resident: bool = False


@dataclass(frozen=True)
class _Held:
    """A record of ours, good for as long as its lock is held."""

    record: Path
    lock: FileLock
    since: float

    def write(self, content: dict[str, Any]) -> None:
        """Say in the record what its owner is, since when, and this."""
        row = {"pid": os.getpid(), "since": self.since, **content}
        self.record.write_text(json.dumps(row), encoding="utf-8")

    def give_back(self) -> None:
        """Take the record away. Safe to do twice."""
        with _door(self.record.parent):
            if not self.lock.is_locked:
                return
            self.record.unlink(missing_ok=True)
            self.lock.release()
            Path(self.lock.lock_file).unlink(missing_ok=True)


OnWait = Callable[[list[Ticket]], None]


@contextmanager
def turn(
    device: str,
    what: str,
    *,
    on_wait: OnWait | None = None,
    cancelled: Callable[[], bool] | None = None,
    clear: bool = False,
) -> Iterator[list[Ticket]]:
    """Hold a device (`cpu` or `cuda`) alone, first come, first served; threads count too.

    `on_wait` is told at each change who is ahead, the holder first. With `clear`, the device must
    also be empty: models that others keep on it are asked for (`Residency.wanted`), `on_wait` is
    told of them as residents, and after UNLOAD_SECONDS the turn begins all the same. Yields those
    that were still there then, mostly none. Raises Cancelled once `cancelled()` is true.
    """
    folder = _folder(device)
    held = _hold(folder, "ticket", {"what": what, "clear": clear})
    try:
        told: list[tuple[str, int]] = []
        pause, first_at = FIRST_PAUSE_SECONDS, None
        while True:
            if cancelled is not None and cancelled():
                raise Cancelled(f"{what} no longer waits for the {device}: it was cancelled.")
            ahead = _ahead(folder, held)
            if not ahead and clear:
                first_at = first_at or time.monotonic()
                ahead = residents(device)
                if ahead and time.monotonic() - first_at > UNLOAD_SECONDS:
                    break
            if not ahead:
                break
            who = [(ticket.what, ticket.pid) for ticket in ahead]
            if on_wait is not None and who != told:
                on_wait(ahead)
                told, pause = who, FIRST_PAUSE_SECONDS
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        with _door(folder):
            held.write({"what": what, "clear": clear, "begun": True})
        yield ahead
    finally:
        held.give_back()


def tickets(device: str) -> list[Ticket]:
    """Everyone who has or waits for a device, the holder first."""
    return _in_line(row for _, row in _living(_folder(device), "ticket"))


def residents(device: str) -> list[Ticket]:
    """Who keeps models on a device between turns."""
    return [
        Ticket(row["what"], row["pid"], row["since"], 0, resident=True)
        for _, row in _living(_folder(device), "resident")
    ]


def in_words(ahead: Sequence[Ticket]) -> str:
    """What is waited for, after "waiting for": tickets to finish, or residents to unload."""
    what = ahead[0].what + (f" and {len(ahead) - 1} more" if len(ahead) > 1 else "")
    return f"{what} to {'unload' if ahead[0].resident else 'finish'}"


class Residency:
    """Models that a process keeps on a device between its turns, and who wants it emptied.

    Not a turn: whoever keeps models must unload them and call `release`, or `mark` what is left,
    within a second or so of `wanted` naming somebody.
    """

    def __init__(self, device: str, what: str) -> None:
        self._folder = _folder(device)
        self._what = what
        self._held: _Held | None = None

    def mark(self, config_ids: Sequence[str]) -> None:
        """Say which configs are loaded; none is the same as `release`."""
        earlier, self._held = self._held, None
        if config_ids:
            what = f"{self._what} ({', '.join(config_ids)})"
            self._held = _hold(self._folder, "resident", {"what": what})
        # Last, so that at no moment it looks as if nothing were loaded.
        if earlier is not None:
            earlier.give_back()

    def wanted(self) -> str | None:
        """What is first in line and needs the device empty; None when nobody does."""
        first = next(iter(_living(self._folder, "ticket")), None)
        return first[1]["what"] if first and first[1]["clear"] else None

    def release(self) -> None:
        """Nothing is loaded any more."""
        self.mark([])


def _folder(device: str) -> Path:
    folder = state_folder() / "queue" / device
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _door(folder: Path) -> FileLock:
    """Held for the moment in which records are made, looked at or taken away."""
    return FileLock(folder / "door.lock", thread_local=False)


def _hold(folder: Path, kind: str, content: dict[str, Any]) -> _Held:
    """Make a record with the next number, locked before anybody can see it."""
    with _door(folder):
        taken = [int(path.stem.partition("-")[2]) for path in folder.glob(f"{kind}-*.json")]
        record = folder / f"{kind}-{max(taken, default=0) + 1:09d}.json"
        lock = FileLock(record.with_suffix(".lock"), timeout=0, thread_local=False)
        lock.acquire()
        held = _Held(record, lock, time.time())
        held.write(content)
    return held


def _living(folder: Path, kind: str) -> list[tuple[Path, dict[str, Any]]]:
    """Records whose owner lives, in order; those of the dead are swept away."""
    found = []
    with _door(folder):
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


def _ahead(folder: Path, held: _Held) -> list[Ticket]:
    return _in_line(row for record, row in _living(folder, "ticket") if record < held.record)


def _in_line(rows: Iterable[dict[str, Any]]) -> list[Ticket]:
    return [
        Ticket(row["what"], row["pid"], row["since"], place, begun="begun" in row)
        for place, row in enumerate(rows)
    ]
