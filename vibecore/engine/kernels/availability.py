"""Whether Triton's kernels can run here."""

from __future__ import annotations

import functools

import torch


@functools.cache
def why_no_triton(dtype: torch.dtype) -> str | None:
    """Why Triton cannot be used on this machine for weights of a type (not installed; no C
    compiler; bfloat16 before compute capability 8.0); None when it can."""
    try:
        from vibecore.engine.kernels.norm import add_norm

        x = torch.randn(1, 64, device="cuda", dtype=dtype)
        norm = add_norm(x.clone(), None, torch.ones(64, device="cuda", dtype=x.dtype), 1e-6)
        wanted = x.float() * torch.rsqrt(x.float().pow(2).mean() + 1e-6)
        torch.testing.assert_close(norm.float(), wanted, atol=3e-2, rtol=3e-2)
    except Exception as error:  # a compiler can fail in many ways; each leaves plain torch
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None
