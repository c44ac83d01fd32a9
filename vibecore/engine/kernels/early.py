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


@functools.cache
def options(device: torch.device) -> Mapping[str, Any]:
    """What a launch of a kernel of ours is given besides its own arguments: whether it starts
    early, where device, driver and Triton can."""
    return {"EARLY": True, "launch_pdl": True} if _is_possible(device) else {"EARLY": False}


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
