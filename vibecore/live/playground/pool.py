"""The warm workers: loaded configs kept for the next prompt, the least recently used to go first.

A worker that is busy belongs to the try that holds the device's turn; everything here leaves it
alone until it is given back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import psutil

from vibecore.catalog.configs import Config
from vibecore.core.records import LoadReport
from vibecore.live.playground.fit import does_not_fit
from vibecore.runtime.device_queue import Residency

WHAT = "the live panel"

# What makes two loaded models the same: config, folder or `dummy`, device, engine.
Key = tuple[str, str, str, str]


@dataclass
class Warm:
    """A worker with a config in it. `used_at` is of time.monotonic()."""

    key: Key
    config: Config
    worker: Any
    report: LoadReport
    busy: bool = True
    leaving: bool = False
    used_at: float = field(default_factory=time.monotonic)
    # Looked up when it has loaded and after each use; idle, it does not change.
    process_bytes: int = 0

    @property
    def device(self) -> str:
        """`cpu` or `cuda`."""
        return self.key[2]

    def is_alive(self) -> bool:
        """Whether its process runs."""
        return self.worker.process.poll() is None


@dataclass(frozen=True)
class Loaded:
    """What the page shows of a warm worker. Bytes; `process_bytes` is main memory of its own,
    which its exit gives back: what it shares with the process it was forked from is not in it."""

    config: str
    device: str
    pid: int
    weight_bytes: int
    process_bytes: int
    idle_seconds: float
    busy: bool


class Pool:
    """All warm workers of a process, and their marks in the device queue."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._warm: dict[Key, Warm] = {}
        self._residencies: dict[str, Residency] = {}

    def take(self, key: Key) -> Warm | None:
        """The warm worker of a key, now busy; None where there is none alive."""
        with self._lock:
            warm = self._warm.get(key)
            if warm is not None and warm.is_alive() and not warm.leaving:
                warm.busy = True
                return warm
        return None

    def has(self, config: Config, device: str) -> bool:
        """Whether a config is warm on a device."""
        with self._lock:
            return any(w.config == config and w.device == device for w in self._warm.values())

    def add(self, warm: Warm) -> None:
        """Keep a worker that has just loaded."""
        warm.process_bytes = _own_bytes(warm.worker.process.pid)
        with self._lock:
            self._warm[warm.key] = warm
            self._mark(warm.device)

    def give_back(self, warm: Warm) -> None:
        """A try has done with it."""
        alive = warm.is_alive()
        warm.process_bytes = _own_bytes(warm.worker.process.pid)
        with self._lock:
            warm.busy, warm.used_at = False, time.monotonic()
            leaves = warm.leaving or not alive
            if leaves and self._warm.get(warm.key) is warm:
                del self._warm[warm.key]
        if leaves:
            warm.worker.close()
            with self._lock:
                self._mark(warm.device)

    def make_room(
        self, config: Config, device: str, needed: int, free: Callable[[str], int]
    ) -> None:
        """Unload the least recently used until `needed` bytes are free on the device.

        Raises RunError with what would fit when not even unloading all of them would do.
        """
        while (now_free := free(device)) < needed:
            idle = self._idle(device)
            can_be_had = now_free + sum(map(_held_bytes, idle))
            if not idle or can_be_had < needed:
                raise does_not_fit(config, device, needed, can_be_had)
            oldest = min(idle, key=lambda warm: warm.used_at)
            self.unload(lambda warm, oldest=oldest: warm is oldest)

    def unload(self, which: Callable[[Warm], bool]) -> list[str]:
        """End the workers that `which` picks, busy ones once they are given back.

        Returns the ids of the configs that are gone.
        """
        with self._lock:
            chosen = [warm for warm in self._warm.values() if which(warm)]
            for warm in chosen:
                warm.leaving = True
            gone = [warm for warm in chosen if not warm.busy]
            for warm in gone:
                del self._warm[warm.key]
        for warm in gone:
            warm.worker.close()
        with self._lock:
            for device in {warm.device for warm in gone}:
                self._mark(device)
        return [warm.config.id for warm in gone]

    def held_bytes(self, device: str) -> int:
        """What unloading all idle models would give back to a device, about."""
        return sum(map(_held_bytes, self._idle(device)))

    def loaded(self) -> list[Loaded]:
        """What is warm, the most recently used first."""
        now = time.monotonic()
        with self._lock:
            warm = sorted(self._warm.values(), key=lambda one: -one.used_at)
        return [
            Loaded(
                one.config.id,
                one.device,
                one.worker.process.pid,
                one.report.weight_bytes,
                one.process_bytes,
                0.0 if one.busy else now - one.used_at,
                one.busy,
            )
            for one in warm
        ]

    def wanted(self) -> dict[str, str]:
        """Devices with idle models of ours that somebody needs empty, and for what."""
        with self._lock:
            devices = {warm.device for warm in self._warm.values() if not warm.busy}
            residencies = {device: self._residencies[device] for device in devices}
        asked = {device: residency.wanted() for device, residency in residencies.items()}
        return {device: what for device, what in asked.items() if what}

    def _idle(self, device: str) -> list[Warm]:
        with self._lock:
            return [w for w in self._warm.values() if w.device == device and not w.busy]

    def _mark(self, device: str) -> None:
        ids = [warm.config.id for warm in self._warm.values() if warm.device == device]
        if device not in self._residencies:
            self._residencies[device] = Residency(device, WHAT)
        self._residencies[device].mark(ids)


def _held_bytes(warm: Warm) -> int:
    """What its leaving gives back to its device, about."""
    return warm.report.weight_bytes if warm.device == "cuda" else warm.process_bytes


def _own_bytes(pid: int) -> int:
    """Memory that is this process's alone; all its resident memory where only that is told."""
    try:
        process = psutil.Process(pid)
        try:
            return process.memory_full_info().uss
        except psutil.AccessDenied:
            return process.memory_info().rss
    except psutil.Error:
        return 0
