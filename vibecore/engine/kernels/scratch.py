"""Memory that kernels leave as they found it: all zero."""

from __future__ import annotations

import functools

import torch


@functools.cache
def zeroed(device: torch.device, dtype: torch.dtype, count: int) -> torch.Tensor:
    """[count] zeros on a device, the same each time. Kernels of one stream follow one another, so
    each may use them if it sets them back to zero. Ask for them once before a graph is captured."""
    return torch.zeros(count, dtype=dtype, device=device)
