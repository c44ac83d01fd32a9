"""Random weights in a published architecture: true speed and memory, no text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from vibecore.catalog.architectures import ModelSpec, Weight
from vibecore.catalog.demo_models import MODELS_DIR

# Random weights speak no language, so any tokenizer whose ids fit will do; this one ships.
DUMMY_TOKENIZER = MODELS_DIR / "1M"
# The standard deviation that these architectures initialise with (initializer_range).
DUMMY_DEVIATION = 0.02
DUMMY_SEED = 0
# A prime, so that rows of no tensor line up with the pool's repetition.
DUMMY_POOL = 16_777_213


def as_trained(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A config.json without what tells how its weights were quantised: dummy ones are not."""
    return {name: value for name, value in raw.items() if name != "quantization_config"}


def random_weights(spec: ModelSpec, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Tensors by name: norms that leave their input alone, all else drawn at random."""
    generator = torch.Generator().manual_seed(DUMMY_SEED)
    pool = torch.empty(DUMMY_POOL, dtype=dtype).normal_(0.0, DUMMY_DEVIATION, generator=generator)
    neutral = 0.0 if spec.norm == "rms_plus_one" else 1.0
    return {
        weight.name: torch.full(weight.shape, neutral, dtype=dtype)
        if weight.kind == "norm"
        else _from_pool(pool, weight, generator)
        for weight in spec.weights()
    }


def _from_pool(pool: torch.Tensor, weight: Weight, generator: torch.Generator) -> torch.Tensor:
    """A tensor of the pool's numbers from a random start on: drawing all of them takes a minute."""
    start = int(torch.randint(pool.numel(), (1,), generator=generator))
    flat = torch.empty(weight.parameters, dtype=pool.dtype)
    filled = 0
    while filled < flat.numel():
        piece = pool[start : start + flat.numel() - filled]
        flat[filled : filled + piece.numel()] = piece
        filled, start = filled + piece.numel(), 0
    return flat.view(weight.shape)
