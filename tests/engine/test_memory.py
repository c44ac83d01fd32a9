"""Running out of memory is explained with both sizes; other errors pass through."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest
import torch

from vibecore.core.errors import RunError
from vibecore.core.machine import GIB
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import LoadRequest
from vibecore.engine import memory
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak

REQUEST = LoadRequest("1.5B-bf16", "bf16", "cpu", estimated_weight_bytes=int(2.88 * GIB))
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate …"),
    ],
)
def test_every_way_of_running_out_is_told(error: Exception) -> None:
    with (
        pytest.raises(RunError, match=r"1\.5B-bf16 ran out of memory.*2\.88 GiB.*machine has"),
        explain_out_of_memory(REQUEST, CPU),
    ):
        raise error


def test_a_refusal_that_somebody_swallowed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    said_no = iter([4, 5])
    monkeypatch.setattr(memory, "_refusals", lambda device: next(said_no))
    with (
        pytest.raises(RunError, match="ran out of memory"),
        explain_out_of_memory(REQUEST, CPU, loading=True),
    ):
        raise RuntimeError("We encountered some issues during automatic conversion of the weights.")


def test_another_error_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="shape"), explain_out_of_memory(REQUEST, CPU):
        raise RuntimeError("shape mismatch")


def test_peak_memory_counts_from_the_reset() -> None:
    reset_peak(CPU)
    before = peak_bytes(CPU)
    torch.ones(64 * 2**20, dtype=torch.uint8).add_(1)
    assert peak_bytes(CPU) - before > 48 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="needs an address-space limit")
def test_a_config_too_large_fails_alone(tmp_path) -> None:
    limit = 3 * GIB

    def limit_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    db = tmp_path / "full.duckdb"
    suite = PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "vibecore", "run", "--config", "1.5B-bf16"),
            *("--config", "1M-bf16", "--weights", "dummy", "--suite", str(suite)),
            *("--max-new-tokens", "4", "--study", "full", "--db", str(db)),
        ],
        cwd=PROJECT_ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"},
        preexec_fn=limit_memory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    assert "1.5B-bf16 ran out of memory" in done.stderr
    assert "2.88 GiB" in done.stderr
    assert "1 of 2 configs complete" in done.stderr
    assert "Traceback" not in done.stderr
