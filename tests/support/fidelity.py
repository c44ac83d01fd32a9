"""Token distances made up from a seed, and a study that holds some."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from vibecore import store
from vibecore.catalog.suites import Prompt
from vibecore.core.fidelity import TokenDistances
from vibecore.core.records import Protocol
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
