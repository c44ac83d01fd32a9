"""One config with one engine in a bench: its worker, and what was measured with it so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from vibecore.catalog.models import Config
from vibecore.catalog.weights import Resolved
from vibecore.core.errors import RunError
from vibecore.core.records import LoadReport
from vibecore.runtime.worker import Worker
from vibecore.studies.bench.choose import LLAMA_NEW_TOKENS, LLAMA_PROMPT_TOKENS, Bench
from vibecore.studies.bench.energy import read_joules
from vibecore.studies.bench.figures import llama_rate, speed

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
    whole_repetitions: int = 0
    prompt_seconds: list[float] = field(default_factory=list)
    decode_seconds: list[float] = field(default_factory=list)
    profile: list[dict[str, Any]] | None = None
    error: str | None = None
    trouble: str | None = None

    @property
    def name(self) -> str:
        """How messages call it."""
        return f"{self.config.id} {self.engine}"

    @property
    def working(self) -> bool:
        """Whether more can be asked of it."""
        return self.error is None and self.trouble is None

    @property
    def begun(self) -> bool:
        """Whether there is anything to tell: a whole repetition, or why there is none."""
        return self.whole_repetitions > 0 or self.error is not None

    def call(self, function: str, *arguments: Any) -> Any:
        """A function of engine/profiling/bench_calls.py on this session's model."""
        assert self.worker is not None
        return self.worker.call(f"profiling.bench_calls.{function}", *arguments)


@contextmanager
def errors_kept(session: Session, tell: Tell) -> Iterator[None]:
    """Keep a config's error in its session, so that the others go on. What was measured before it
    stays: then it is the session's trouble, not its error, and nothing more is asked of it."""
    try:
        yield
    except RunError as error:
        if session.whole_repetitions:
            session.trouble = str(error)
        else:
            session.error = str(error)
        tell(f"{session.name} failed: {error}")


def warm_up(session: Session, bench: Bench) -> None:
    """Everything once, untimed; and what one step costs the host and the GPU.

    On a GPU at full length: passes over a prompt and steps are captured for a length, the former at
    their second use, and transformers' step can be slow where the cache has a length for the first
    time (80 ms, and then 24, on an H100).
    """
    shapes = [(bench.prompt_tokens, bench.new_tokens, size) for size in bench.batch_sizes]
    if bench.llama:
        prompt_tokens, new_tokens = _llama_tokens(session)
        shapes += [(prompt_tokens, 1, 1), (1, new_tokens, 1)]
    for prompt, new, size in shapes:
        if not session.facts["on_gpu"]:
            session.call("measure", prompt, min(new, WARM_UP_TOKENS), size)
            continue
        session.call("prepare", prompt, new, size)
        session.call("measure", prompt, new, size)
    for size in bench.batch_sizes:
        session.costs[size] = session.call("costs", bench.prompt_tokens, bench.new_tokens, size)


def repeat(session: Session, bench: Bench) -> None:
    """One repetition of each batch size, and of llama-bench's two measures if they are wanted."""
    for size in bench.batch_sizes:
        before = read_joules() if session.facts["on_gpu"] else None
        one = session.call("measure", bench.prompt_tokens, bench.new_tokens, size)
        after = read_joules() if before is not None else None
        one["joules"] = after - before if after is not None and before is not None else None
        session.repetitions.setdefault(size, []).append(one)
    if bench.llama:
        prompt_tokens, new_tokens = _llama_tokens(session)
        one = session.call("measure", prompt_tokens, 1, 1)
        session.prompt_seconds.append(one["prefill_seconds"])
        # The first token comes with the prompt of one, and counts, as llama-bench counts it.
        one = session.call("measure", 1, new_tokens, 1)
        session.decode_seconds.append(one["prefill_seconds"] + sum(one["step_seconds"]))
    session.whole_repetitions += 1


def _llama_tokens(session: Session) -> tuple[int, int]:
    """Tokens of llama-bench's two measures, less where the context is smaller."""
    context = session.facts["context"]
    most = LLAMA_PROMPT_TOKENS if context is None else context - 1
    return min(LLAMA_PROMPT_TOKENS, most), min(LLAMA_NEW_TOKENS, most)


def result_of(session: Session) -> dict[str, Any]:
    """A session as an entry of the report's `results`."""
    config, report = session.config, session.report
    measured = session.error is None
    llama = bool(session.decode_seconds)
    prompt_tokens, new_tokens = _llama_tokens(session) if llama else (0, 0)
    return {
        "config": config.id,
        "model": config.model.name,
        "precision": config.precision.name,
        "engine": session.engine,
        "source": config.model.source,
        "weights": session.resolved.weights,
        "revision": session.resolved.revision,
        "estimated_weight_bytes": config.weight_bytes(
            "cuda" if session.facts.get("on_gpu") else "cpu"
        ),
        "error": session.error,
        "trouble": session.trouble,
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
        if llama
        else None,
        "token_generation": llama_rate("tg", new_tokens, session.decode_seconds) if llama else None,
        "profile": session.profile,
    }
