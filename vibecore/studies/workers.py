"""The worker processes of a study: as many as start well together, and the device that they find
and hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

from vibecore.core.errors import InputError, RunError
from vibecore.core.machine import read_gpus, usable_cores
from vibecore.runtime import device_queue
from vibecore.runtime.device_queue import QueueEntry
from vibecore.runtime.worker import Worker, WorkerDied

# Workers only import while they wait, so starting several at once costs a core each, no GPU.
MOST_WORKERS_STARTING = 4


def settle_device(stack: ExitStack, wanted: str, count: int) -> tuple[list[Worker], str]:
    """The device that `auto`, `cpu` or `cuda` is, and workers that were started to find it, at most
    `count`, for the first jobs to use. Raises InputError where there is no such device.

    While another process measures, as few as possible are started: importing keeps a core busy.
    """
    others = device_queue.queue_of("cpu") or device_queue.queue_of("cuda")
    if others and (wanted == "cpu" or (wanted == "auto" and not read_gpus()[0])):
        return [], "cpu"
    first = _start_workers(stack, 1 if others else count)
    try:
        return first, first[0].choose_device(wanted)
    except WorkerDied:
        raise
    except RunError as error:
        raise InputError(str(error)) from None


def hold_device(
    stack: ExitStack, device: str, purpose: str, emit: Callable[[str, Sequence[QueueEntry]], None]
) -> None:
    """Wait for a device and hold it until `stack` ends. `emit` is told `waiting` with those ahead
    in the queue, and `crowded` with models that were not unloaded."""
    left = stack.enter_context(
        device_queue.acquire(
            device, purpose, on_wait=lambda ahead: emit("waiting", ahead), clear=True
        )
    )
    if left:
        emit("crowded", left)


def each_worker(stack: ExitStack, ready: list[Worker], wanted: int) -> Iterator[Worker]:
    """One worker after the other, `wanted` in all: those that are ready, then new ones."""
    given = 0
    while given < wanted:
        if not ready:
            ready = _start_workers(stack, wanted - given)
        yield ready.pop(0)
        given += 1


def _start_workers(stack: ExitStack, wanted: int) -> list[Worker]:
    """Start workers together, one a core, and wait: nothing is timed while one starts up."""
    count = max(1, min(wanted, usable_cores(), MOST_WORKERS_STARTING))
    workers = [stack.enter_context(Worker()) for _ in range(count)]
    for worker in workers:
        worker.wait_ready()
    return workers
