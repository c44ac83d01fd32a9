"""The GPUs of this machine, each with a queue of its own: one config at a time on each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from vibecore.core.errors import InputError
from vibecore.core.machine import gpu_uuids, read_gpus
from vibecore.runtime import device_queue
from vibecore.runtime.device_queue import QueueEntry
from vibecore.runtime.worker import Worker
from vibecore.studies.dispatch.side_by_side import PlacedWorker
from vibecore.studies.jobs import Job

ALL = "all"
Emit = Callable[[str, Sequence[QueueEntry]], None]


@dataclass(frozen=True)
class Gpu:
    """A GPU of this machine: its number among those that torch may use, its UUID and name, and
    what is free of its memory, in bytes."""

    number: int
    uuid: str
    name: str
    free_bytes: int


def chosen_gpus(words: str) -> list[Gpu]:
    """The GPUs that `all`, or numbers such as `0,1`, name. Raises InputError where they are not
    there."""
    rows, _ = read_gpus()
    there = [
        Gpu(number, uuid, row["name"], row["free_bytes"])
        for number, (uuid, row) in enumerate(zip(gpu_uuids(), rows, strict=False))
    ]
    if not there:
        raise InputError(
            "--gpus needs an NVIDIA GPU, and there is none here. Leave it out to run on "
            "this machine's device; `python -m vibecore doctor` shows what is there."
        )
    if words == ALL:
        return there
    numbers = [part.strip() for part in words.split(",")]
    known = {str(gpu.number): gpu for gpu in there}
    if unknown := [number for number in numbers if number not in known]:
        listed = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in there)
        raise InputError(
            f"--gpus takes `{ALL}`, or numbers with commas between them: there is no GPU "
            f"'{unknown[0]}' here. There are: {listed}."
        )
    return [known[number] for number in dict.fromkeys(numbers)]


class GpuWorker(Worker):
    """A worker that sees one GPU only."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self.gpu = gpu

    @property
    def place(self) -> str:
        """The GPU's number and name."""
        return f"GPU {self.gpu.number} ({self.gpu.name})"

    # As an entry of a set of those that run.
    __hash__ = object.__hash__


@dataclass
class GpuPlace:
    """One GPU. `emit` is told `waiting` and `crowded`, as by studies.workers.hold_device."""

    gpu: Gpu
    purpose: str
    emit: Emit
    stopped: threading.Event
    outlives_workers: bool = True

    @contextmanager
    def open(self, wanted: Callable[[], bool]) -> Iterator[bool]:
        """Hold the GPU, emptied of other processes' models. Raises RunError (Cancelled)."""
        try:
            held = device_queue.acquire(
                self.gpu.uuid,
                self.purpose,
                on_wait=lambda ahead: self.emit("waiting", ahead),
                cancelled=lambda: self.stopped.is_set() or not wanted(),
                clear=True,
            )
            with held as left:
                if left:
                    self.emit("crowded", left)
                yield True
        except device_queue.Cancelled:
            yield False

    def may_run(self, job: Job) -> bool:
        """Always: a GPU's own worker raises no NotHere."""
        return True

    @contextmanager
    def worker(self, job: Job) -> Iterator[PlacedWorker]:
        """A worker process on this GPU. Raises RunError."""
        # Not `with … as`, which would be of the base class.
        worker = GpuWorker(self.gpu)
        with worker:
            worker.use_gpu(self.gpu.uuid)
            yield worker

    def rule_out(self, job: Job, reason: str) -> bool:
        """Never asked."""
        return False
