"""Token distances made up from a seed, a study that may hold some, and a worker that gives them."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.conftest import FakeWorker
from vibecore import store
from vibecore.catalog.suites import Prompt
from vibecore.core.errors import RunError
from vibecore.core.fidelity import ReferenceText, TokenDistances, Way
from vibecore.core.records import LoadReport, LoadRequest, Protocol
from vibecore.scoring import SCORER_VERSION


def distances(tokens: Sequence[int], seed: int = 0, size: float = 0.01) -> TokenDistances:
    """Distances of about `size` nats at these tokens; of size 0 they are those of a model against
    itself."""
    draw = random.Random(seed)
    kld = tuple(draw.expovariate(1) * size for _ in tokens)
    parent = tuple(-draw.expovariate(1) for _ in tokens)
    same = tuple(size == 0 or draw.random() > 0.1 for _ in tokens)
    return TokenDistances(
        kld=kld,
        same_top=same,
        log_p=tuple(p - 2 * k for p, k in zip(parent, kld, strict=True)),
        parent_log_p=parent,
        top_token=tuple(
            token if kept else token + 1 for token, kept in zip(tokens, same, strict=True)
        ),
        top_p=tuple(draw.uniform(0.3, 1) for _ in tokens),
        pieces=tuple(f" t{token}" for token in tokens),
        top_pieces=tuple(
            None if kept else f" t{token + 1}" for token, kept in zip(tokens, same, strict=True)
        ),
        prompt_tokens=5,
        seconds=0.25,
        peak_memory_bytes=3000 + len(tokens),
    )


def add_study(
    db: Path,
    name: str = "s",
    configs: Sequence[str] = ("1M-bf16", "1M-8bit", "1M-4bit"),
    prompts: Sequence[str] = ("p2", "p1"),
    samples: int = 1,
) -> dict[str, int]:
    """A study whose outputs have a token more from prompt to prompt, without scores. Returns run
    ids by config."""
    suite = tuple(Prompt(prompt, "code", f"Say {prompt}.", ()) for prompt in prompts)
    study = store.NewStudy(
        name, "measured", name, "suite", suite, len(suite), Protocol(samples=samples)
    )
    runs = []
    for config in configs:
        model, _, precision = config.partition("-")
        runs.append(store.NewRun(config, model, precision, f"demo/{model}", "demo"))
    with store.writing(db) as connection:
        run_ids = store.create_study(connection, study, runs)
        for run_id in run_ids.values():
            rows = []
            for place, prompt in enumerate(prompts):
                for sample in range(samples):
                    ids = list(range(place + 2))
                    made = {
                        "sample": sample,
                        "text": "hi",
                        "token_ids": ids,
                        "prompt_tokens": 5,
                        "new_tokens": len(ids),
                        "finish_reason": "length",
                    }
                    rows.append((prompt, made, None))
            store.add_generations(connection, run_id, 0, rows, SCORER_VERSION)
    return run_ids


@dataclass
class FidelityWorker(FakeWorker):
    """A fake worker that measures fidelity too: a parent against itself has KLD 0.

    `measured` has (config, model beside it, way, reference tokens) of each text; `left_out` why a
    way cannot be measured, by way; `no_room` what loading a parent beside a config raises, by
    config; `unlike` what shared_vocabulary and refuse_other_tokens raise. `interrupt_after` counts
    calls of `measure`, `prompt_tokens` is what a prompt has.
    """

    parts: int = 3
    prompt_tokens: int = 5
    left_out: dict[str, str] = field(default_factory=dict)
    unlike: str | None = None
    beside: str | None = None
    loaded: list[str] = field(default_factory=list)
    no_room: dict[str, str] = field(default_factory=dict)
    measured: list[tuple[str, str | None, Way, tuple[int, ...]]] = field(default_factory=list)
    portions: list[int] = field(default_factory=list)
    kill_after: int | None = None

    def load(self, request: LoadRequest) -> LoadReport:
        self.beside = None
        self.loaded.append(request.config_id)
        return super().load(request)

    def call(self, function: str, *arguments: Any) -> Any:
        return getattr(self, function.removeprefix("fidelity."))(*arguments)

    def load_beside(self, request: LoadRequest) -> LoadReport:
        if reason := self.no_room.get(self.config):
            raise RunError(reason)
        self.beside = request.config_id
        return LoadReport(0.5, 1000, "bfloat16", self.environment)

    def refuse_other_tokens(self, request: LoadRequest, prompts: Sequence[str]) -> None:
        self.shared_vocabulary()

    def shared_vocabulary(self) -> int:
        if self.unlike:
            raise RunError(self.unlike)
        return 100

    def why_left_out(self, way: Way) -> str | None:
        return self.left_out.get(way)

    def running_text(self, text: str) -> list[ReferenceText]:
        return [ReferenceText((part, part + 1), before=(1,)) for part in range(self.parts)]

    def measure(self, texts: Sequence[ReferenceText], way: Way = "alone") -> list[TokenDistances]:
        if self.interrupt_after is not None and len(self.portions) >= self.interrupt_after:
            raise KeyboardInterrupt
        if self.kill_after is not None and len(self.portions) >= self.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        self.portions.append(len(texts))
        self.measured += [(self.config, self.beside, way, text.tokens) for text in texts]
        size = 0.01 if way == "alone" else 0.0
        return [
            replace(
                distances(text.tokens, seed=sum(text.tokens), size=size),
                prompt_tokens=self.prompt_tokens if text.prompt is not None else len(text.before),
            )
            for text in texts
        ]
