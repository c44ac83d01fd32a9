"""One lock a device, first come, first served, among all processes of a user.

A device is `cpu`, `cuda` (the first GPU, which torch takes by itself) or a GPU's UUID: each GPU
has a queue of its own.

    with device_queue.acquire("cuda", "study night-1", clear=True):
        ...  # nothing else of Vibe check generates on the GPU, and nothing else is loaded on it

A queue entry is a locked record in the state folder (see runtime.locked_records), so that the
entries of a dead process become invalid by themselves.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vibecore.core.errors import RunError
from vibecore.core.machine import gpu_uuids
from vibecore.core.paths import state_subfolder
from vibecore.runtime.locked_records import LockedRecord, mutex, new_record, valid_records

FIRST_PAUSE_SECONDS = 0.02
# A waiting process must not take a core's time from the one that measures.
LONGEST_PAUSE_SECONDS = 0.25
# What has not unloaded by then does not answer; the run goes on and says so.
UNLOAD_SECONDS = 60.0


class Cancelled(RunError):
    """The wait for a device was cancelled."""


@dataclass(frozen=True)
class QueueEntry:
    """A process's place in the queue of a device. The first has `place` 0 and has `begun`, unless
    it still waits for the device to be emptied. `since` is a time.time().

    `resident` marks models that another process keeps loaded on the device; they have no place.
    """

    what: str
    pid: int
    since: float
    place: int
    begun: bool = False
    resident: bool = False


OnWait = Callable[[list[QueueEntry]], None]


@contextmanager
def acquire(
    device: str,
    what: str,
    *,
    on_wait: OnWait | None = None,
    cancelled: Callable[[], bool] | None = None,
    clear: bool = False,
) -> Iterator[list[QueueEntry]]:
    """Hold a device exclusively, first come, first served; threads queue too.

    `on_wait` gets the entries ahead at each change, the holder first. With `clear`, the device
    must also be empty: processes that keep models on it are asked to unload (`Residency.wanted`),
    `on_wait` gets them as residents, and after UNLOAD_SECONDS the device is acquired all the same.
    Yields the residents still there then, mostly none. Raises Cancelled once `cancelled()` is
    true.
    """
    folder = _folder(device)
    own = new_record(folder, "entry", {"what": what, "clear": clear})
    try:
        reported: list[tuple[str, int]] = []
        pause, first_at = FIRST_PAUSE_SECONDS, None
        while True:
            if cancelled is not None and cancelled():
                raise Cancelled(f"{what} no longer waits for the {device}: it was cancelled.")
            ahead = _ahead(folder, own)
            if not ahead and clear:
                first_at = first_at or time.monotonic()
                ahead = residents(device)
                if ahead and time.monotonic() - first_at > UNLOAD_SECONDS:
                    break
            if not ahead:
                break
            who = [(entry.what, entry.pid) for entry in ahead]
            if on_wait is not None and who != reported:
                on_wait(ahead)
                reported, pause = who, FIRST_PAUSE_SECONDS
            time.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
        with mutex(folder):
            own.write({"what": what, "clear": clear, "begun": True})
        yield ahead
    finally:
        own.release()


def queue_of(device: str) -> list[QueueEntry]:
    """The entries of everyone who holds or waits for a device, the holder first."""
    return _entries(row for _, row in valid_records(_folder(device), "entry"))


def residents(device: str) -> list[QueueEntry]:
    """The processes that keep models on a device without holding it."""
    return [
        QueueEntry(row["what"], row["pid"], row["since"], 0, resident=True)
        for _, row in valid_records(_folder(device), "resident")
    ]


def describe_wait(ahead: Sequence[QueueEntry]) -> str:
    """What follows "waiting for": entries to finish, or residents to unload."""
    what = ahead[0].what + (f" and {len(ahead) - 1} more" if len(ahead) > 1 else "")
    return f"{what} to {'unload' if ahead[0].resident else 'finish'}"


class Residency:
    """Models that a process keeps loaded on a device while it does not hold it.

    It must poll `wanted`: once that names a process, unload within a second or so and call
    `release`, or `mark` with what is left.
    """

    def __init__(self, device: str, what: str) -> None:
        self._folder = _folder(device)
        self._what = what
        self._held: LockedRecord | None = None

    def mark(self, config_ids: Sequence[str]) -> None:
        """Record which configs are loaded; none is the same as `release`."""
        earlier, self._held = self._held, None
        if config_ids:
            what = f"{self._what} ({', '.join(config_ids)})"
            self._held = new_record(self._folder, "resident", {"what": what})
        # Last, so that at every moment a record says that something is loaded.
        if earlier is not None:
            earlier.release()

    def wanted(self) -> str | None:
        """What the first entry is, where it needs the device empty; else None."""
        first = next(iter(valid_records(self._folder, "entry")), None)
        return first[1]["what"] if first and first[1]["clear"] else None

    def release(self) -> None:
        """Nothing is loaded any more."""
        self.mark([])


@lru_cache
def _first_gpu(_visible: str | None) -> str:
    """The UUID of the first GPU that an environment shows; `cuda` where NVML knows none."""
    return next(iter(gpu_uuids()), "cuda")


def _folder(device: str) -> Path:
    name = _first_gpu(os.environ.get("CUDA_VISIBLE_DEVICES")) if device == "cuda" else device
    return state_subfolder("queue", name)


def _ahead(folder: Path, own: LockedRecord) -> list[QueueEntry]:
    return _entries(row for record, row in valid_records(folder, "entry") if record < own.record)


def _entries(rows: Iterable[dict[str, Any]]) -> list[QueueEntry]:
    return [
        QueueEntry(row["what"], row["pid"], row["since"], place, begun="begun" in row)
        for place, row in enumerate(rows)
    ]
