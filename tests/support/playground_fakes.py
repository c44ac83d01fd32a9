"""A worker that needs no process: it loads at once and writes what it is told, as fast as told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from vibecore.core.errors import RunError
from vibecore.core.records import (
    Asking,
    Decoding,
    FinishReason,
    Generation,
    LoadReport,
    LoadRequest,
    TextPiece,
)
from vibecore.runtime.worker import WorkerDied

# Beyond the process ids that a system gives.
NO_PROCESS = 10**8
DIED = "The worker process was killed (signal 9), as the system does when memory runs out."


@dataclass
class Script:
    """What the fake workers do. `tokens` are written `pause` seconds apart, the first `reasoning`
    of them as reasoning; `broken` maps config ids to the reason they do not load, `dies_at` config
    ids to the token at which they die. `ends`: how a generation ends that is not stopped.
    `has_gpu`: what they say when they are asked. `word` begins each token's text."""

    tokens: int = 5
    pause: float = 0.0
    start_pause: float = 0.0
    load_pause: float = 0.0
    broken: dict[str, str] = field(default_factory=dict)
    dies_at: dict[str, int] = field(default_factory=dict)
    reasoning: int = 0
    ends: FinishReason = "length"
    has_gpu: bool = False
    word: str = "word"
    started: list[Worker] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    generating: list[str] = field(default_factory=list)
    most_at_once: int = 0
    decodings: list[Decoding] = field(default_factory=list)
    prepared: list[Decoding] = field(default_factory=list)
    askings: list[Asking] = field(default_factory=list)

    def start(self) -> Worker:
        """A new worker."""
        self.started.append(Worker(self))
        return self.started[-1]

    @property
    def alive(self) -> list[Worker]:
        """Workers that have not been closed and have not died."""
        return [worker for worker in self.started if not worker.ended.is_set()]


class Worker:
    """In the place of worker.Worker."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.ended = threading.Event()
        self.stopping = threading.Event()
        self.config = ""
        self.process = SimpleNamespace(
            pid=NO_PROCESS + len(script.started), poll=lambda: 0 if self.ended.is_set() else None
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def wait_ready(self) -> None:
        self.ended.wait(self.script.start_pause)
        self._check()

    def choose_device(self, device: str) -> str:
        self._check()
        if self.script.has_gpu:
            return "cuda"
        raise RunError("CUDA was asked for, but there is none. Use --device cpu.")

    def load(self, request: LoadRequest) -> LoadReport:
        self.config = request.config_id
        self.script.loads.append(self.config)
        self.ended.wait(self.script.load_pause)
        self._check()
        if self.config in self.script.broken:
            raise RunError(self.script.broken[self.config])
        self.script.askings.append(request.asking)
        asked = {
            "chat_template": request.asking.chat != "off",
            "system": request.asking.system,
            "thinking": "on" if self.script.reasoning else None,
        }
        return LoadReport(0.5, 1000, "bfloat16", asked)

    def warm_up(self, prompts: Sequence[str]) -> None:
        self._check()

    def prepare(
        self, batches: Sequence[Sequence[str]], max_new_tokens: int, decoding: Decoding
    ) -> None:
        self._check()
        self.script.prepared.append(decoding)

    def generate(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        on_text: Callable[[int, TextPiece], None],
        decoding: Decoding,
    ) -> list[Generation]:
        self.stopping.clear()
        self._check()
        self.script.decodings.append(decoding)
        self.script.generating.append(self.config)
        self.script.most_at_once = max(self.script.most_at_once, len(self.script.generating))
        try:
            return [self._write(prompts[0], min(self.script.tokens, max_new_tokens), on_text)]
        finally:
            self.script.generating.remove(self.config)

    def _write(
        self, prompt: str, tokens: int, on_text: Callable[[int, TextPiece], None]
    ) -> Generation:
        written: list[str] = []
        while len(written) < tokens and not self.stopping.is_set():
            time.sleep(self.script.pause)
            if len(written) == self.script.dies_at.get(self.config):
                self.ended.set()
            self._check()
            written.append(f"{self.script.word}{len(written)} ")
            on_text(0, TextPiece(written[-1], reasoning=len(written) <= self.script.reasoning))
        thought = written[: self.script.reasoning]
        return Generation(
            text="".join(written[self.script.reasoning :]),
            rendered_prompt=f"<|user|>{prompt}<|end|>",
            reasoning="".join(thought) or None,
            reasoning_tokens=len(thought),
            token_ids=tuple(range(len(written))),
            prompt_tokens=3,
            finish_reason="stopped" if self.stopping.is_set() else self.script.ends,
            first_token_seconds=0.1,
            total_seconds=0.5,
            peak_memory_bytes=2000,
        )

    def stop(self) -> None:
        self.stopping.set()

    def close(self) -> None:
        self.ended.set()

    def _check(self) -> None:
        if self.ended.is_set():
            raise WorkerDied(DIED)


def wait_until(
    condition: Callable[[], Any], seconds: float = 60.0, told: Callable[[], object] = lambda: ""
) -> None:
    """Return once a condition holds; fail after some seconds, with what `told` says then. The
    seconds only end a test that hangs: a machine of many tests may be slow."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come to that {told()}"
        time.sleep(0.01)
