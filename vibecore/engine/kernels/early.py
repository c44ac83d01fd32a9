"""Kernels that begin before the one ahead of them has ended (programmatic dependent launch).

A decode step is a chain of small kernels, and between two of them a GPU idles for a microsecond or
two while the first drains and the second starts. From compute capability 9.0 on the second can be
started early: it fetches weights, which nobody writes, and only then waits for the first. Every
kernel of ours waits, whether or not it reads what the one ahead wrote, so that the end of one is
the end of all before it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from typing import Any

import torch
import triton
import triton.language as tl

CAPABILITY = (9, 0)
# From CUDA 12.3 on a graph keeps what two kernels of a stream were to each other.
CUDA = 12_030

# One thread asks for $2 bytes from $1 on. Both are multiples of 16.
_FETCH = tl.constexpr(
    "{.reg .pred first; .reg .b32 thread; mov.u32 thread, %tid.x; setp.eq.u32 first, thread, 0;"
    "@first cp.async.bulk.prefetch.L2.global [$1], $2; mov.b32 $0, 0;}"
)


@triton.jit
def let_next_begin(EARLY: tl.constexpr):
    """Allow the next kernel to start once every program of this one has come here."""
    if EARLY:
        tl.extra.cuda.gdc_launch_dependents()


@triton.jit
def await_previous(EARLY: tl.constexpr):
    """Wait for the kernel ahead to end: before this, nothing that a step computes may be read, and
    nothing written."""
    if EARLY:
        tl.extra.cuda.gdc_wait()


@triton.jit
def fetch_rows(weight, first, count, row_bytes, EARLY: tl.constexpr):
    """Have `count` rows of a contiguous `weight`, from row `first` on, brought to the L2 cache."""
    if EARLY == 2:
        at = weight.to(tl.int64) + first.to(tl.int64) * row_bytes
        start = at & -16
        bytes = (at - start + count * row_bytes + 15) & -16
        tl.inline_asm_elementwise(
            _FETCH, "=r,l,r", [start, bytes.to(tl.int32)], dtype=tl.int32, is_pure=False, pack=1
        )


@functools.cache
def options(device: torch.device) -> Mapping[str, Any]:
    """What a launch of a kernel of ours is given besides its own arguments: whether it starts
    early, where device, driver and Triton can."""
    return {"EARLY": 2, "launch_pdl": True} if _is_possible(device) else {"EARLY": 0}


def _is_possible(device: torch.device) -> bool:
    if device.type != "cuda" or torch.version.cuda is None:
        return False
    if torch.cuda.get_device_capability(device) < CAPABILITY:
        return False
    if _driver_version() < CUDA:
        return False
    try:
        from triton.backends.nvidia.compiler import CUDAOptions
        from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait  # noqa: F401
    except ImportError:
        return False
    return "launch_pdl" in CUDAOptions.__dataclass_fields__


def _driver_version() -> int:
    """The newest CUDA that the driver knows, 1000 · major + 10 · minor; 0 where it cannot be asked.
    torch does not tell."""
    version = ctypes.c_int(0)
    try:
        ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return 0
    return version.value
