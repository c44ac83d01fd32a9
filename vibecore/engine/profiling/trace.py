"""What ran on the GPU while torch's profiler looked on, kernel by kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from vibecore.engine.profiling.watch import MARK


@dataclass(frozen=True)
class Kernel:
    """Something that ran on the GPU: when the host launched it (None: unknown), when it began and
    how long it took, in microseconds since the trace began."""

    name: str
    launched: float | None
    began: float
    duration: float


def gpu_kernels(profiler: torch.profiler.profile) -> list[Kernel]:
    """Every kernel and copy of an ended profile, beside its launch, which has its correlation id.
    Triton's are launched outside any operator of torch, so operators alone would miss them."""
    assert profiler.profiler is not None
    trace: Any = profiler.profiler.kineto_results
    zero, events = trace.trace_start_ns(), list(trace.events())
    cpu, gpu = torch.autograd.DeviceType.CPU, torch.autograd.DeviceType.CUDA
    launches = {
        event.correlation_id(): (event.start_ns() - zero) / 1000
        for event in events
        # The driver's and the runtime's calls, such as cuLaunchKernel and cudaMemcpyAsync.
        if event.device_type() == cpu and event.name().startswith("cu")
    }
    return [
        Kernel(
            event.name(),
            launches.get(event.correlation_id()),
            (event.start_ns() - zero) / 1000,
            event.duration_ns() / 1000,
        )
        for event in events
        # A range of ours has a shadow on the GPU, which is no kernel.
        if event.device_type() == gpu and not event.name().startswith(MARK)
    ]


@contextmanager
def stderr_closed() -> Iterator[None]:
    """The profiler's C++ writes a line at start and stop to stderr, whatever its log level."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
