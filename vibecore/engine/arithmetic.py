"""The formulas of a transformer block, in transformers' own order and rounding.

Each table has one entry a name in ModelSpec (catalog/architectures.py); a model whose spec names
another one is left to engine `eager`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch.nn import functional

from vibecore.catalog.architectures import NormKind

# (x [..., size], weight [size] or one that broadcasts, epsilon) -> x normalised, in x's dtype.
Norm = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
Activation = Callable[[torch.Tensor], torch.Tensor]


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """LlamaRMSNorm: normalised in float32, rounded, then scaled (arXiv 1910.07467)."""
    wide = x.float()
    variance = wide.pow(2).mean(-1, keepdim=True)
    return weight * (wide * torch.rsqrt(variance + epsilon)).to(x.dtype)


def rms_norm_plus_one(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Gemma3RMSNorm: normalised and scaled in float32, then rounded. `weight` is float32 and
    already one plus the checkpoint's weight."""
    wide = x.float()
    variance = wide.pow(2).mean(-1, keepdim=True)
    return (wide * torch.rsqrt(variance + epsilon) * weight).to(x.dtype)


NORMS: Mapping[NormKind, Norm] = {"rms": rms_norm, "rms_plus_one": rms_norm_plus_one}

ACTIVATIONS: Mapping[str, Activation] = {
    "silu": functional.silu,
    "gelu_tanh": partial(functional.gelu, approximate="tanh"),
}


def norm_weight(kind: NormKind, weight: torch.Tensor) -> torch.Tensor:
    """A checkpoint's norm `weight` as the norm of its kind takes it."""
    return 1.0 + weight.float() if kind == "rms_plus_one" else weight


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (arXiv 2104.09864) of heads [rows, heads, head size]; `cosine`
    and `sine` broadcast to x, and the first half of `sine` is negated (see cache.new_cache)."""
    half = x.shape[-1] // 2
    return x * cosine + torch.cat((x[..., half:], x[..., :half]), dim=-1) * sine
