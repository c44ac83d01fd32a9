"""Whether Triton's kernels can run here."""

from __future__ import annotations

import functools
from types import ModuleType

import torch


@functools.cache
def triton_kernels(dtype: torch.dtype) -> tuple[ModuleType | None, str | None]:
    """The module of kernels where Triton works for weights of a type, else None and why not."""
    try:
        from vibecore.engine.kernels import norm as kernels
    except ImportError as error:
        return None, str(error)
    reason = kernels.why_not(dtype)
    return (None, reason) if reason else (kernels, None)
