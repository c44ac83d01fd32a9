"""The loop of `bench`: workers loaded, warmed, and measured in turn.

Every config with every engine has a process of its own. Where all fit at once, repetition 1 of
each comes before repetition 2 of any, so that a machine that grows hot, or a neighbour that wakes
up, touches all alike; where they do not fit they come one after the other, and the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vibecore import nursery
from vibecore.batching import sequence_bytes
from vibecore.bench.choose import LLAMA_NEW_TOKENS, LLAMA_PROMPT_TOKENS, Bench
from vibecore.bench.energy import read_joules
from vibecore.bench.figures import llama_rate, speed
from vibecore.bench.report import FORMAT, VERSION
from vibecore.configs import GIB, Config
from vibecore.errors import InputError, RunError
from vibecore.hub import Resolved, load_request, resolve
from vibecore.machine import free_bytes, read_gpus, read_machine, usable_cores
from vibecore.records import LoadReport
from vibecore.worker import Worker

# What a worker takes besides weights and sequences: the CUDA context and kernels on the GPU,
# torch and its libraries in main memory.
GPU_BYTES_A_WORKER = GIB * 3 // 4
HOST_BYTES_A_WORKER = {"cpu": GIB // 2, "cuda": 3 * GIB}
MOST_WORKERS_STARTING = 4
WARM_UP_TOKENS = 4

Tell = Callable[[str], None]


@dataclass
class Session:
    """One config with one engine: its worker once loaded, and what was measured so far."""

    config: Config
    engine: str
    resolved: Resolved
    worker: Worker | None = None
    report: LoadReport | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    costs: dict[int, dict[str, float | None]] = field(default_factory=dict)
    repetitions: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    prompt_seconds: list[float] = field(default_factory=list)
    decode_seconds: list[float] = field(default_factory=list)
    profile: list[dict[str, Any]] | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.config.id} {self.engine}"

    def call(self, function: str, *arguments: Any) -> Any:
        """A function of engine/bench_calls.py on this session's model."""
        assert self.worker is not None
        return self.worker.call(f"bench_calls.{function}", *arguments)


def run_bench(bench: Bench, tell: Tell) -> dict[str, Any]:
    """Measure, and return the report (see report.py). `tell` is given a line at every step.

    A config that fails has its error in the report. Raises InputError when weights or device
    cannot be had.
    """
    resolved = {config.id: resolve(config, bench.weights) for config in bench.configs}
    sessions = [
        Session(config, engine, resolved[config.id])
        for config in bench.configs
        for engine in bench.engines
    ]
    with ExitStack() as stack:
        stack.enter_context(nursery.held())
        first = stack.enter_context(Worker())
        try:
            device = first.choose_device(bench.device)
        except RunError as error:
            raise InputError(str(error)) from None
        interleaved = len(sessions) == 1 or _fit_together(bench, device)
        if not interleaved:
            tell("Not all configs fit in memory at once: they are measured one after the other.")
        groups = [sessions] if interleaved else [[session] for session in sessions]
        spare = [first]
        for group in groups:
            with ExitStack() as group_stack:
                _load(group, bench, device, spare, group_stack, tell)
                _measure(group, bench, tell)
    machine = read_machine()
    hardware = (
        machine["gpus"][0]["name"]
        if device == "cuda" and machine["gpus"]
        else (f"{machine['cpu']}, {machine['cores']} cores")
    )
    return {
        "format": FORMAT,
        "version": VERSION,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "hardware": hardware,
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
        "results": [_result(session) for session in sessions],
    }


def _fit_together(bench: Bench, device: str) -> bool:
    """Whether every worker of a bench has room beside all others, by estimate."""
    needed = 0
    for config in bench.configs:
        shape, weights = config.model.architecture, config.estimated_weight_bytes
        if shape is None or weights is None:
            return False
        batch = max(bench.batch_sizes) * sequence_bytes(
            shape, bench.prompt_tokens, bench.new_tokens
        )
        needed += len(bench.engines) * (weights + batch)
    workers = len(bench.configs) * len(bench.engines)
    host_free = free_bytes("cpu")
    host = workers * HOST_BYTES_A_WORKER[device]
    if device == "cpu":
        return host + needed <= host_free
    gpus = read_gpus()[0]
    free = gpus[0]["free_bytes"] if gpus else 0
    return workers * GPU_BYTES_A_WORKER + needed <= free and host <= host_free


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
            request = load_request(session.config, session.resolved, device, session.engine)
            with _errors_kept(session, tell):
                session.report = worker.load(request)
                session.facts = session.call("facts")
                _warm_up(session, bench)


def _measure(group: Sequence[Session], bench: Bench, tell: Tell) -> None:
    for repetition in range(bench.repetitions):
        for session in _working(group):
            tell(f"{session.name}: repetition {repetition + 1} of {bench.repetitions}")
            with _errors_kept(session, tell):
                _repeat(session, bench)
    if bench.profile:
        for session in _working(group):
            tell(f"{session.name}: profile of one step")
            with _errors_kept(session, tell):
                assert session.worker is not None
                session.profile = session.worker.call("profile.profile_step", bench.prompt_tokens)


def _warm_up(session: Session, bench: Bench) -> None:
    """Everything once, untimed, at full length where a step is captured for a length; and what
    one step costs the host and the GPU."""
    prompt_tokens, new_tokens = _llama_tokens(session)
    shapes = [(bench.prompt_tokens, bench.new_tokens, size) for size in bench.batch_sizes]
    for prompt, new, size in [*shapes, (prompt_tokens, 1, 1), (1, new_tokens, 1)]:
        captured = session.facts["on_gpu"] and session.engine == "graph"
        few = new if captured else min(new, WARM_UP_TOKENS)
        session.call("measure", prompt, few, size)
    for size in bench.batch_sizes:
        session.costs[size] = session.call("costs", bench.prompt_tokens, bench.new_tokens, size)


def _repeat(session: Session, bench: Bench) -> None:
    """One repetition of each batch size, and of llama-bench's two measures."""
    for size in bench.batch_sizes:
        before = read_joules() if session.facts["on_gpu"] else None
        one = session.call("measure", bench.prompt_tokens, bench.new_tokens, size)
        after = read_joules() if before is not None else None
        one["joules"] = after - before if after is not None and before is not None else None
        session.repetitions.setdefault(size, []).append(one)
    prompt_tokens, new_tokens = _llama_tokens(session)
    one = session.call("measure", prompt_tokens, 1, 1)
    session.prompt_seconds.append(one["prefill_seconds"])
    # The first token comes with the prompt of one, and counts, as llama-bench counts it.
    one = session.call("measure", 1, new_tokens, 1)
    session.decode_seconds.append(one["prefill_seconds"] + sum(one["step_seconds"]))


def _llama_tokens(session: Session) -> tuple[int, int]:
    """Tokens of llama-bench's two measures, less where the context is smaller."""
    most = session.facts["context"] - 1
    return min(LLAMA_PROMPT_TOKENS, most), min(LLAMA_NEW_TOKENS, most)


def _working(group: Sequence[Session]) -> Iterator[Session]:
    return (session for session in group if session.error is None)


@contextmanager
def _errors_kept(session: Session, tell: Tell) -> Iterator[None]:
    """Keep a config's error in its session, so that the others go on."""
    try:
        yield
    except RunError as error:
        session.error = str(error)
        tell(f"{session.name} failed: {error}")


def _result(session: Session) -> dict[str, Any]:
    """A session as an entry of the report's `results`."""
    config, report = session.config, session.report
    measured = session.error is None
    prompt_tokens, new_tokens = _llama_tokens(session) if measured else (0, 0)
    return {
        "config": config.id,
        "model": config.model.name,
        "precision": config.precision.name,
        "engine": session.engine,
        "source": config.model.source,
        "weights": session.resolved.weights,
        "revision": session.resolved.revision,
        "estimated_weight_bytes": config.estimated_weight_bytes,
        "error": session.error,
        "load_seconds": report.load_seconds if report else None,
        "weight_bytes": report.weight_bytes if report else None,
        "dtype": report.dtype if report else None,
        "environment": dict(report.environment) if report else {},
        **session.facts,
        "speeds": [
            speed(repetitions, size, session.facts, session.costs[size])
            for size, repetitions in session.repetitions.items()
        ]
        if measured
        else [],
        "prompt_processing": llama_rate("pp", prompt_tokens, session.prompt_seconds)
        if measured
        else None,
        "token_generation": llama_rate("tg", new_tokens, session.decode_seconds)
        if measured
        else None,
        "profile": session.profile,
    }
