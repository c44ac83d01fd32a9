"""GPUs as NVML tells them: those that torch may use, and what some of them do not tell."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from vibecore.core.machine import read_gpus
from vibecore.studies.bench.energy import read_joules

GIB = 2**30
UUIDS = ("GPU-aaaa-1", "GPU-bbbb-2", "GPU-cccc-3")


class NVMLError(Exception):
    """What pynvml raises."""


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Three GPUs of 8, 16 and 24 GiB, in the place of pynvml."""
    fake = ModuleType("pynvml")

    def memory(handle: int) -> SimpleNamespace:
        return SimpleNamespace(total=(handle + 1) * 8 * GIB, free=(handle + 1) * GIB)

    fake.__dict__.update(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlShutdown=lambda: None,
        nvmlDeviceGetCount=lambda: len(UUIDS),
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetUUID=lambda handle: UUIDS[handle],
        nvmlDeviceGetName=lambda handle: f"GPU {handle}",
        nvmlDeviceGetMemoryInfo=memory,
        nvmlDeviceGetCudaComputeCapability=lambda handle: (7, 5),
        nvmlDeviceGetTotalEnergyConsumption=lambda handle: 1000.0 * (handle + 1),
        nvmlSystemGetDriverVersion=lambda: "600.1",
    )
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["GPU 0", "GPU 1", "GPU 2"]),
        ("1", ["GPU 1"]),
        ("MIG-dddd", ["GPU 0", "GPU 1", "GPU 2"]),
        ("2,0", ["GPU 2", "GPU 0"]),
        ("GPU-cccc", ["GPU 2"]),
        ("0,7,1", ["GPU 0"]),
        ("", []),
        ("-1", []),
    ],
)
def test_the_gpus_are_those_that_torch_may_use(
    nvml: ModuleType, monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpus, driver = read_gpus()
    assert [gpu["name"] for gpu in gpus] == names
    assert driver == "600.1"
    assert read_joules() == (int(names[0][-1]) + 1 if names else None)


def test_a_gpu_that_does_not_tell_its_memory_is_left_out(nvml: ModuleType) -> None:
    tell = nvml.nvmlDeviceGetMemoryInfo

    def refuse(handle: int) -> SimpleNamespace:
        if handle == 0:
            raise NVMLError("not supported")
        return tell(handle)

    nvml.nvmlDeviceGetMemoryInfo = refuse
    assert [gpu["name"] for gpu in read_gpus()[0]] == ["GPU 1", "GPU 2"]


def test_a_driver_that_tells_nothing_is_no_gpu(nvml: ModuleType) -> None:
    def refuse(*_: object) -> None:
        raise NVMLError("uninitialised")

    nvml.nvmlDeviceGetCount = refuse
    assert read_gpus() == ([], None)
    nvml.nvmlInit = refuse
    assert read_gpus() == ([], None)
    assert read_joules() is None
