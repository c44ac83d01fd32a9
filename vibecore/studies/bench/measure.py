"""The loop of `bench`: workers loaded, warmed up and measured alternately.

Each config with each engine has its own process. Where all fit in memory, repetition 1 of each
comes before repetition 2 of any, so that thermal throttling or another process's load affects all
alike; where they do not fit they run one after the other, and the report says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Any

from vibecore.catalog.engines import LLAMA_CPP
from vibecore.catalog.memory import CUDA_HOST_BYTES, Workload, needed_bytes
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import InputError, RunError
from vibecore.core.machine import free_bytes, gpu_name, hardware, usable_cores
from vibecore.core.records import Asking
from vibecore.runtime import device_queue, fork_server
from vibecore.runtime.device_queue import QueueEntry
from vibecore.runtime.worker import Worker, WorkerDied
from vibecore.studies.bench.choose import Bench
from vibecore.studies.bench.report import FORMAT, VERSION
from vibecore.studies.bench.session import Session, Tell, errors_kept, repeat, result_of, warm_up

MOST_WORKERS_STARTING = 4
Report = dict[str, Any]
Keep = Callable[[Report], None]


def run_bench(bench: Bench, tell: Tell, keep: Keep = lambda report: None) -> Report:
    """Measure, and return the report (see report.py). `tell` is given a line at every step, and
    `keep` the report so far after every repetition, so that one cut short is not lost.

    A config that fails has its error in the report. Raises InputError when weights or device
    are not available.
    """
    resolved = {config.id: resolve(config, bench.weights, bench.device) for config in bench.configs}
    sessions = [Session(config, engine, resolved[config.id]) for config, engine in bench.pairs]
    with ExitStack() as stack:
        stack.enter_context(fork_server.kept_running())
        first = stack.enter_context(Worker())
        try:
            device = first.choose_device(bench.device)
        except WorkerDied:
            raise
        except RunError as error:
            raise InputError(str(error)) from None
        left = stack.enter_context(_acquire(device, tell))
        if left:
            others = ", ".join(other.what for other in left)
            tell(f"Still loaded beside this bench: {others}. Its speeds may suffer.")
        started = time.monotonic()
        interleaved = len(sessions) == 1 or _fit_together(bench, device)
        if not interleaved:
            tell("Not all configs fit in memory at once: they are measured one after the other.")

        def report() -> Report:
            return _report(bench, device, interleaved, sessions)

        groups = [sessions] if interleaved else [[session] for session in sessions]
        spare = [first]
        for number, group in enumerate(groups, 1):
            until = started + bench.most_seconds * number / len(groups)
            with ExitStack() as group_stack:
                _load(group, bench, device, spare, group_stack, tell)
                _measure(group, bench, until, tell, lambda: keep(report()))
    return report()


def _acquire(device: str, tell: Tell) -> AbstractContextManager[list[QueueEntry]]:
    """The device, emptied of other processes' models (see device_queue.acquire)."""
    return device_queue.acquire(
        device,
        "a bench",
        on_wait=lambda ahead: tell(f"Waiting for {device_queue.describe_wait(ahead)}."),
        clear=True,
    )


def _report(bench: Bench, device: str, interleaved: bool, sessions: Sequence[Session]) -> Report:
    """The report on what was measured so far."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware(device),
        "device": device,
        "interleaved": interleaved,
        "settings": {
            "weights": bench.weights,
            "prompt_tokens": bench.prompt_tokens,
            "new_tokens": bench.new_tokens,
            "batch_sizes": list(bench.batch_sizes),
            "repetitions": bench.repetitions,
            "engines": list(bench.engines),
        },
        "results": [result_of(session) for session in sessions if session.begun],
    }


def _fit_together(bench: Bench, device: str) -> bool:
    """Whether every worker of a bench has room beside all others, by estimate."""
    workload = Workload(bench.prompt_tokens, bench.new_tokens, max(bench.batch_sizes))
    needed, gpu = 0, gpu_name(device)
    for config, engine in bench.pairs:
        size = needed_bytes(config, device, workload, engine=engine, weights=bench.weights, gpu=gpu)
        if size is None:
            return False
        needed += size
    host = len(bench.pairs) * CUDA_HOST_BYTES if device == "cuda" else 0
    return needed <= free_bytes(device) and host <= free_bytes("cpu")


def _load(
    group: Sequence[Session],
    bench: Bench,
    device: str,
    spare: list[Worker],
    stack: ExitStack,
    tell: Tell,
) -> None:
    """Load and warm every session of a group. Nothing is timed while a worker starts up."""
    waiting = list(group)
    while waiting:
        count = min(len(waiting), max(1, min(usable_cores(), MOST_WORKERS_STARTING)))
        workers = [stack.enter_context(spare.pop() if spare else Worker()) for _ in range(count)]
        for worker in workers:
            worker.wait_ready()
        for worker in workers:
            session = waiting.pop(0)
            tell(f"{session.name}: loading")
            session.worker = worker
            # Its prompts are token ids, which no chat template is put around.
            request = load_request(
                session.config, session.resolved, device, session.engine, Asking("off")
            )
            with errors_kept(session, tell):
                session.report = worker.load(request)
                session.facts = session.call("facts")
                warm_up(session, bench)


def _measure(
    group: Sequence[Session], bench: Bench, until: float, tell: Tell, done: Callable[[], None]
) -> None:
    """All repetitions of a group, or as many as end before `until` (time.monotonic)."""
    longest = 0.0
    for repetition in range(1, bench.repetitions + 1):
        begun = time.monotonic()
        if repetition > 1 and begun + longest > until:
            tell(f"No time for a repetition more after {repetition - 1} of {bench.repetitions}.")
            break
        for session in _working(group):
            tell(f"{session.name}: repetition {repetition} of {bench.repetitions}")
            with errors_kept(session, tell):
                repeat(session, bench)
        longest = max(longest, time.monotonic() - begun)
        done()
    if bench.profile:
        for session in _working(group):
            if session.engine == LLAMA_CPP:
                tell(f"{session.name}: no profile, as torch's profiler sees nothing of {LLAMA_CPP}")
                continue
            tell(f"{session.name}: profile of one step")
            with errors_kept(session, tell):
                assert session.worker is not None
                session.profile = session.worker.call(
                    "profiling.profile.profile_step", bench.prompt_tokens
                )
        done()


def _working(group: Sequence[Session]) -> Iterator[Session]:
    return (session for session in group if session.working)
