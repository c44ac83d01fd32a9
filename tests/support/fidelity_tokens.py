"""Made-up tokens of a config's fidelity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vibecore.core.fidelity import FidelityTokens


def tokens_of(
    kld: Sequence[Sequence[float]],
    config: str = "m-4bit",
    way: Any = "alone",
    **given: Any,
) -> FidelityTokens:
    """Tokens of items p0, p1, …: one sequence of KLDs an item; all tokens the same top token, and
    of probability 1/e to both, unless `given` otherwise."""
    flat = np.array([one for item in kld for one in item], dtype=np.float32)
    fields: dict[str, Any] = {
        "config": config,
        "against": "m-bf16",
        "way": way,
        "reference": "outputs",
        "items": tuple(f"p{place}" for place in range(len(kld))),
        "item_of": np.repeat(np.arange(len(kld)), [len(item) for item in kld]),
        "kld": flat,
        "same_top": np.ones(len(flat), dtype=bool),
        "log_p": np.full(len(flat), -1.0, dtype=np.float32),
        "parent_log_p": np.full(len(flat), -1.0, dtype=np.float32),
        "seconds": 1.5,
        "peak_memory_bytes": 10,
        "measured_on": "a machine",
    }
    return FidelityTokens(**{**fields, **given})


def noisy(scale: float, prompts: int = 30, seed: int = 0) -> list[list[float]]:
    """KLDs of prompts of 20 to 59 tokens, lognormal, with a median of `scale`."""
    rng = np.random.default_rng(seed)
    return [
        (scale * rng.lognormal(0.0, 1.5, rng.integers(20, 60))).tolist() for _ in range(prompts)
    ]
