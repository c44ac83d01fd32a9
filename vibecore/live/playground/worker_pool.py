"""The pool of warm workers: loaded configs kept for the next prompt, evicted least recently used.

A busy worker belongs to the session that holds the device; the pool leaves it alone until it is
given back.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock
from typing import Any

import psutil

from vibecore.catalog.models import Config
from vibecore.core.records import Asking, LoadReport
from vibecore.live.playground.fit import does_not_fit
from vibecore.runtime.device_queue import Residency

# The pool's name in the device queue, as people read it.
NAME = "the playground"


@dataclass(frozen=True)
class Key:
    """What makes two loaded models the same; `place` is a folder, a file or `dummy`."""

    config: str
    place: str
    device: str
    engine: str
    asking: Asking

    def is_asked_otherwise(self, other: Key) -> bool:
        """Whether it is the same model but for how prompts are put to it."""
        return self != other and self == replace(other, asking=self.asking)


@dataclass
class WarmWorker:
    """A worker with a config loaded. `used_at` is of time.monotonic()."""

    key: Key
    config: Config
    worker: Any
    report: LoadReport
    busy: bool = True
    leaving: bool = False
    used_at: float = field(default_factory=time.monotonic)
    # Unique set size, measured after loading and after each use: idle, it does not change.
    process_bytes: int = 0

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""
        return self.key.device

    @property
    def freed_bytes(self) -> int:
        """What unloading it would free on its device, about."""
        return self.report.weight_bytes if self.device == "cuda" else self.process_bytes

    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.worker.process.poll() is None


@dataclass(frozen=True)
class Loaded:
    """A warm worker as the page shows it. Sizes in bytes; `process_bytes` is its own main memory,
    without what it shares with the process it was forked from."""

    config: str
    device: str
    pid: int
    weight_bytes: int
    process_bytes: int
    idle_seconds: float
    busy: bool


class WorkerPool:
    """All warm workers of a process, announced as residents in the device queue."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._workers: dict[Key, WarmWorker] = {}
        self._residencies: dict[str, Residency] = {}

    def take(self, key: Key) -> WarmWorker | None:
        """The live worker of a key, now busy; None where there is none."""
        with self._lock:
            warm = self._workers.get(key)
            if warm is not None and warm.is_alive() and not warm.leaving:
                warm.busy = True
                return warm
        return None

    def add(self, warm: WarmWorker) -> None:
        """Keep a worker that has just loaded."""
        warm.process_bytes = _own_bytes(warm.worker.process.pid)
        with self._lock:
            self._workers[warm.key] = warm
            self._announce(warm.device)

    def give_back(self, warm: WarmWorker) -> None:
        """Make a busy worker idle, or end it where it has died or is to be unloaded."""
        alive = warm.is_alive()
        warm.process_bytes = _own_bytes(warm.worker.process.pid)
        with self._lock:
            warm.busy, warm.used_at = False, time.monotonic()
            leaves = warm.leaving or not alive
            if leaves and self._workers.get(warm.key) is warm:
                del self._workers[warm.key]
        if leaves:
            self._close([warm])

    def make_room(
        self, config: Config, device: str, needed: int, free: Callable[[str], int]
    ) -> None:
        """Unload the least recently used until `needed` bytes are free on the device.

        Raises RunError, naming what would fit, where unloading all of them is not enough.
        """
        while (now_free := free(device)) < needed:
            idle = self._idle(device)
            available = now_free + sum(warm.freed_bytes for warm in idle)
            if not idle or available < needed:
                raise does_not_fit(config, device, needed, available)
            oldest = min(idle, key=lambda warm: warm.used_at)
            self.unload(partial(operator.is_, oldest))

    def unload(self, which: Callable[[WarmWorker], bool]) -> list[str]:
        """End the workers that `which` selects, busy ones once they are given back.

        Returns the ids of the configs that are gone.
        """
        with self._lock:
            chosen = [warm for warm in self._workers.values() if which(warm)]
            for warm in chosen:
                warm.leaving = True
            gone = [warm for warm in chosen if not warm.busy]
            for warm in gone:
                del self._workers[warm.key]
        self._close(gone)
        return [warm.config.id for warm in gone]

    def idle_bytes(self, device: str) -> int:
        """What unloading all idle workers would free on a device, about."""
        return sum(warm.freed_bytes for warm in self._idle(device))

    def loaded(self) -> list[Loaded]:
        """The warm workers, the most recently used first."""
        now = time.monotonic()
        with self._lock:
            recent = sorted(self._workers.values(), key=lambda warm: -warm.used_at)
        return [
            Loaded(
                warm.config.id,
                warm.device,
                warm.worker.process.pid,
                warm.report.weight_bytes,
                warm.process_bytes,
                0.0 if warm.busy else now - warm.used_at,
                warm.busy,
            )
            for warm in recent
        ]

    def wanted(self) -> dict[str, str]:
        """Devices on which idle workers are in the way of a run, and of which."""
        with self._lock:
            devices = {warm.device for warm in self._workers.values() if not warm.busy}
            residencies = {device: self._residencies[device] for device in devices}
        asked = {device: residency.wanted() for device, residency in residencies.items()}
        return {device: what for device, what in asked.items() if what}

    def _idle(self, device: str) -> list[WarmWorker]:
        with self._lock:
            return [w for w in self._workers.values() if w.device == device and not w.busy]

    def _close(self, gone: list[WarmWorker]) -> None:
        """End the processes of workers that are no longer in the pool."""
        for warm in gone:
            warm.worker.close()
        with self._lock:
            for device in {warm.device for warm in gone}:
                self._announce(device)

    def _announce(self, device: str) -> None:
        ids = [warm.config.id for warm in self._workers.values() if warm.device == device]
        if device not in self._residencies:
            self._residencies[device] = Residency(device, NAME)
        self._residencies[device].mark(ids)


def _own_bytes(pid: int) -> int:
    """A process's unique set size, or its resident set size where that is all the system tells."""
    try:
        process = psutil.Process(pid)
        try:
            return process.memory_full_info().uss
        except psutil.AccessDenied:
            return process.memory_info().rss
    except psutil.Error:
        return 0
