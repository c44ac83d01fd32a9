"""What a machine is told, on machines that are not here."""

from __future__ import annotations

import pytest

from vibecore.core import machine as machine_module
from vibecore.core.machine import GIB
from vibecore.scoring.sandbox import Isolation
from vibecore.studies import doctor


def examine(monkeypatch, *gpus: dict, cpu_build: bool = False) -> dict[str, dict[str, str]]:
    machine = {
        "cpu": "A CPU",
        "cores": 8,
        "memory_bytes": 16 * GIB,
        "gpus": list(gpus),
        "driver": "600.1" if gpus else None,
    }
    monkeypatch.setattr(doctor, "read_machine", lambda: machine)
    for module in (doctor, machine_module):
        monkeypatch.setattr(module, "torch_is_cpu_build", lambda: cpu_build)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return {row["what"]: row for row in doctor.examine()}


def gpu(name: str, gib: float, capability: str) -> dict:
    size = int(gib * GIB)
    return {
        "name": name,
        "total_bytes": size,
        "free_bytes": size,
        "compute_capability": capability,
    }


def test_turing_is_told_to_use_fp16(monkeypatch) -> None:
    rows = examine(monkeypatch, gpu("RTX 2070 Super", 8, "7.5"))
    assert rows["RTX 2070 Super"]["state"] == "note"
    assert "fp16" in rows["RTX 2070 Super"]["detail"]
    assert "fits in the GPU" in rows["1.5B-bf16"]["detail"]
    assert rows["torch"]["state"] == "ok"


def test_a_small_gpu_is_told_what_does_not_fit(monkeypatch) -> None:
    rows = examine(monkeypatch, gpu("Tiny", 2, "8.6"))
    assert rows["Tiny"]["state"] == "ok"
    assert rows["1.5B-bf16"]["state"] == "missing"
    assert "too large for the GPU" in rows["1.5B-bf16"]["detail"]
    assert rows["0.5B-4bit"]["state"] == "ok"


@pytest.mark.parametrize("cpu_build", [True, False])
def test_a_cpu_build_beside_a_gpu_is_noticed(monkeypatch, cpu_build: bool) -> None:
    rows = examine(monkeypatch, gpu("RTX 4090", 24, "8.9"), cpu_build=cpu_build)
    assert ("CUDA" in rows) == cpu_build
    assert rows["1.5B-bf16"]["detail"].endswith("memory" if cpu_build else "the GPU")


def test_no_gpu_means_the_cpu(monkeypatch) -> None:
    rows = examine(monkeypatch)
    assert rows["GPU"]["state"] == "missing"
    assert "fits in memory" in rows["1.5B-bf16"]["detail"]


def test_it_says_whether_code_can_be_run_and_why_not(monkeypatch) -> None:
    monkeypatch.setattr(doctor, "find_isolation", lambda: Isolation("namespaces"))
    assert examine(monkeypatch)["isolation"]["state"] == "ok"
    monkeypatch.setattr(doctor, "find_isolation", lambda: Isolation(None, "it is a Mac"))
    row = examine(monkeypatch)["isolation"]
    assert (row["state"], "it is a Mac" in row["detail"]) == ("missing", True)
