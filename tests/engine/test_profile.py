"""Which part of a step an operator or a kernel falls to, on a GPU's trace made up for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from torch.autograd import DeviceType

from vibecore.engine.profiling.profile import step_rows
from vibecore.engine.profiling.trace import Kernel


@dataclass
class Span:
    start: float
    end: float

    def elapsed_us(self) -> float:
        return self.end - self.start


@dataclass
class Event:
    name: str
    time_range: Span
    self_cpu_time_total: float
    cpu_parent: Any = None
    device_type: DeviceType = DeviceType.CPU


def trace() -> list[Event]:
    """A slow step and a quick one, of one layer with two parts, and a wait for the GPU."""
    events: list[Event] = []
    for begin, length in ((0, 200), (1000, 100)):
        loop = Event("vibe:loop", Span(begin, begin + length), 10)
        first = Event("vibe:layers.0.mlp", Span(begin + 10, begin + 40), 5, loop)
        second = Event("vibe:lm_head", Span(begin + 40, begin + 60), 2, loop)
        inside = Event("aten::mm", Span(begin + 12, begin + 30), 18, first)
        wait = Event("cudaDeviceSynchronize", Span(begin + 60, begin + length), 40, loop)
        events += [loop, first, second, inside, wait]
    return events


KERNELS = [
    Kernel("gemv", 15, 20, 1000),
    # Launched in the layer, and run after the host has left it; no operator around.
    Kernel("triton", 1035, 1070, 8),
    Kernel("gemv", 1015, 1050, 20),
    Kernel("gemv", 1045, 1080, 4),
    Kernel("copy", None, 1090, 3),
]


def test_kernels_fall_to_the_part_that_launched_them() -> None:
    rows = step_rows(trace(), KERNELS)
    found = {(r["layer"], r["module"], r["kernel"]): (r["device_us"], r["calls"]) for r in rows}
    assert found["layer 0", "mlp", "triton"] == (8, 1)
    assert found["layer 0", "mlp", "gemv"] == (20, 1)
    assert found["outside the layers", "lm_head", "gemv"] == (4, 1)
    assert found["not told", "not told", "copy"] == (3, 1)
    assert sum(row["device_us"] for row in rows) == 35
    assert rows[0]["kernel"] == "gemv"


def test_the_quickest_step_counts_and_waiting_does_not() -> None:
    rows = step_rows(trace(), None)
    assert sum(row["host_us"] for row in rows) == 10 + 5 + 2 + 18
    assert {row["device_us"] for row in rows} == {None}
    assert next(row for row in rows if row["kernel"] == "aten::mm")["module"] == "mlp"


def test_what_hardly_shows_is_summed_up_by_layer() -> None:
    events = trace()
    layer = events[6]
    assert layer.name == "vibe:layers.0.mlp"
    events += [Event(f"aten::op{n}", Span(1031, 1032), 0.001, layer) for n in range(50)]
    rows = step_rows(events, None)
    small = [row for row in rows if row["kernel"] == "(small ones)"]
    assert [row["calls"] for row in small] == [50]
    assert sum(row["host_us"] for row in rows) == pytest.approx(35.05)
