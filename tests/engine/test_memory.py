"""Running out of memory is explained with both sizes; other errors pass through."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vibecore import engine
from vibecore.catalog.memory import CUBLAS_WORKSPACE_BYTES, Workload, need
from vibecore.catalog.models import find_configs
from vibecore.catalog.precisions import PRECISIONS, Precision
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import RunError
from vibecore.core.machine import GIB
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.records import LoadRequest
from vibecore.engine import memory
from vibecore.engine.cache import new_cache
from vibecore.engine.capture import recording_for
from vibecore.engine.memory import (
    explain_out_of_memory,
    give_back,
    peak_bytes,
    reset_peak,
    resident_bytes,
)
from vibecore.engine.quantisers import without_gradients
from vibecore.engine.step import growing_step

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


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_what_was_freed_is_given_back() -> None:
    # Every second one stays, so that none of them is at the end of what is allocated.
    pieces = [bytearray(b"x") * 2**16 for _ in range(2_000)]
    kept = pieces[::2]
    before = resident_bytes()
    del pieces
    give_back()
    assert before - resident_bytes() > 48 * 2**20
    assert len(kept) == 1_000


class _Made(TorchDispatchMode):
    """What operators make, as long as it lives: `most` is its most bytes at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.most = 0

    def __torch_dispatch__(
        self,
        operator: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        made = operator(*args, **(kwargs or {}))
        known = {id(storage) for storage in map(_storage, tree_leaves((args, kwargs)))}
        for storage in filter(None, map(_storage, tree_leaves(made))):
            if id(storage) not in known:
                self._count(storage.nbytes())
                weakref.finalize(storage, self._count, -storage.nbytes())
        return made

    def _count(self, size: int) -> None:
        self.now += size
        self.most = max(self.most, self.now)


def _storage(leaf: object) -> torch.UntypedStorage | None:
    return leaf.untyped_storage() if isinstance(leaf, torch.Tensor) else None


def graph(config_id: str) -> engine.LoadedModel:
    [config] = find_configs([config_id])
    return engine.load(load_request(config, resolve(config, "hub"), "cpu", "graph"))


@pytest.mark.parametrize("name", ["5M-bf16", "5M-4bit", "5M-8bit", "5M-8bit-t0"])
@pytest.mark.parametrize("rows", [2, 30])
def test_a_pass_holds_what_the_memory_model_says(name: str, rows: int) -> None:
    [config] = find_configs([name])
    decoder = graph(name).decoder
    assert decoder is not None
    load = Workload(200, 100, rows)
    said = need(config, "cpu", load, engine="graph")
    assert said is not None
    with torch.inference_mode():
        cache = new_cache(decoder, rows, load.prompt_tokens + load.new_tokens)
        assert said.cache == sum(each.nbytes for each in (*cache.keys, *cache.values))
        tokens = torch.ones((rows, load.prompt_tokens), dtype=torch.long)
        cache.padding[0] = 3
        growing_step(decoder, cache, tokens, 0)
        with _Made() as made:
            growing_step(decoder, cache, tokens, 0)
    # Masks are made 16-bit numbers within an operator, and keys move later on.
    moved = said.cache // (2 * decoder.spec.layers)
    assert made.most == pytest.approx(said.activations - moved, rel=0.2)


@pytest.mark.parametrize(
    "precision",
    [
        p
        for p in PRECISIONS.values()
        if p.from_plain_weights and p.requirement and p.requirement.is_met
    ],
    ids=lambda precision: precision.name,
)
def test_reading_a_prompt_holds_what_the_memory_model_says(precision: Precision) -> None:
    """Of what is not bitsandbytes': attention is taken for a little less than it makes here."""
    [config] = find_configs([f"5M-{precision.name}"])
    model = engine.load(load_request(config, resolve(config, "hub"), "cpu", "eager")).model
    tokens = torch.ones((1, 300), dtype=torch.long)
    said = need(config, "cpu", Workload(300, 1))
    assert said is not None
    with without_gradients(model):
        # Some pack at their first use.
        model(input_ids=tokens, logits_to_keep=1)
        with _Made() as made:
            model(input_ids=tokens, logits_to_keep=1, use_cache=False)
    assert 0.75 * made.most < said.activations < 1.5 * made.most


@pytest.mark.parametrize("load", [Workload(60, 200), Workload(300, 200, 30)])
def test_a_recording_holds_what_the_memory_model_says(load: Workload) -> None:
    [config] = find_configs(["1M-bf16"])
    decoder = graph("1M-bf16").decoder
    assert decoder is not None
    said = need(config, "cuda", load, engine="graph")
    assert said is not None
    recording = recording_for(decoder, load.batch_size, load.prompt_tokens, load.new_tokens)
    beside = recording.held_bytes - said.cache
    others = (recording.prompt, recording.logits, recording.draws.uniform)
    assert beside == sum(each.nbytes for each in others)
    assert said.activations > beside + 2 * CUBLAS_WORKSPACE_BYTES


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
