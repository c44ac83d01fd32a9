"""What counts as work of the GPU in a profiler's trace, on a trace made up for it."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from torch.autograd import DeviceType

from vibecore.engine.profiling import costs
from vibecore.engine.profiling.trace import Kernel, gpu_kernels

ZERO_NS = 5_000_000


@dataclass
class Event:
    """One of kineto's, whose figures are methods."""

    called: str
    device: DeviceType
    start_us: float
    duration_us: float = 0
    correlation: int = 0

    def name(self) -> str:
        return self.called

    def device_type(self) -> DeviceType:
        return self.device

    def start_ns(self) -> float:
        return ZERO_NS + self.start_us * 1000

    def duration_ns(self) -> float:
        return self.duration_us * 1000

    def correlation_id(self) -> int:
        return self.correlation


EVENTS = [
    Event("aten::mm", DeviceType.CPU, 1, 40, 7),
    Event("cudaLaunchKernel", DeviceType.CPU, 10, 5, 7),
    Event("gemv", DeviceType.CUDA, 30, 20, 7),
    Event("Memcpy DtoH", DeviceType.CUDA, 60, 2, 8),
    Event("vibe:layers.0.mlp", DeviceType.CUDA, 25, 40, 9),
]


class Profile:
    """A profile that has ended, and the context in which it is made."""

    profiler = SimpleNamespace(
        kineto_results=SimpleNamespace(trace_start_ns=lambda: ZERO_NS, events=lambda: EVENTS)
    )

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_kernels_and_copies_are_told_with_their_launch_and_a_range_is_none() -> None:
    assert gpu_kernels(Profile()) == [  # type: ignore[arg-type]
        Kernel("gemv", 10, 30, 20),
        Kernel("Memcpy DtoH", None, 60, 2),
    ]


def test_a_launched_steps_gpu_time_is_its_kernels_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "profile", lambda activities: Profile())
    monkeypatch.setattr(costs.torch.cuda, "synchronize", lambda: None)
    steps: list[None] = []
    host, gpu = costs._costs_of_launches(lambda: steps.append(None))
    assert gpu == pytest.approx(22e-6)
    assert 0 <= host < 1e-3
    # Warmed up, timed, and profiled apart from that: the profiler costs the host time.
    assert len(steps) == 1 + costs.REPETITIONS + 1


def test_a_profiler_that_sees_no_kernel_tells_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "profile", lambda activities: Profile())
    monkeypatch.setattr(costs, "gpu_kernels", lambda profiler: [])
    monkeypatch.setattr(costs.torch.cuda, "synchronize", lambda: None)
    host, gpu = costs._costs_of_launches(lambda: None)
    assert (host > 0, gpu) == (True, None)
