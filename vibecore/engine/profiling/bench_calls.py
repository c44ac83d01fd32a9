"""What `bench` asks of a loaded model, one call a figure; each runs inside a worker."""

from __future__ import annotations

from typing import Any

import torch

from vibecore import engine
from vibecore.engine import graph
from vibecore.engine.batch import random_batch
from vibecore.engine.graph import peak_with_graphs
from vibecore.engine.llama_cpp import decode as llama_cpp
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak
from vibecore.engine.model import Loaded, LoadedFile, LoadedModel
from vibecore.engine.profiling.bandwidth import bytes_per_step, cache_bytes, copy_bandwidth
from vibecore.engine.profiling.costs import step_costs


def facts(loaded: Loaded) -> dict[str, Any]:
    """Whether on a GPU, context in tokens, bytes a step reads, the copy's bytes per second,
    the largest cache in bytes (None: not known) and the CPU threads."""
    return {
        "on_gpu": loaded.device.type == "cuda",
        "context": loaded.context,
        "bytes_per_step": bytes_per_step(loaded),
        "ceiling_bytes_per_second": copy_bandwidth(loaded),
        "cache_bytes": cache_bytes(loaded.device),
        "threads": loaded.native.threads
        if isinstance(loaded, LoadedFile)
        else torch.get_num_threads(),
    }


def prepare(loaded: Loaded, prompt_tokens: int, new_tokens: int, batch_size: int = 1) -> None:
    """Record what such a repetition replays, so that none of them is the one that records it.

    Raises RunError as measure does.
    """
    if not isinstance(loaded, LoadedModel) or loaded.decoder is None:
        return
    with torch.inference_mode(), explain_out_of_memory(loaded.request, loaded.device):
        batch = random_batch(loaded, batch_size, prompt_tokens, new_tokens)
        graph.prepare(loaded.decoder, batch, new_tokens)


def measure(
    loaded: Loaded, prompt_tokens: int, new_tokens: int, batch_size: int = 1
) -> dict[str, Any]:
    """One repetition (see engine.time_steps): seconds, and the memory it reached, of a GPU or the
    process's resident memory; reserved memory is the whole process's.

    Raises RunError for what does not fit the context or the memory.
    """
    on_gpu = loaded.device.type == "cuda"
    by_torch = on_gpu and isinstance(loaded, LoadedModel)
    if by_torch or not on_gpu:
        reset_peak(loaded.device)
    times = engine.time_steps(loaded, prompt_tokens, new_tokens, batch_size)
    return {
        "prefill_seconds": times.prefill_seconds,
        "step_seconds": list(times.step_seconds),
        "peak_allocated_bytes": _peak_bytes(loaded, batch_size),
        "peak_reserved_bytes": torch.cuda.max_memory_reserved() if by_torch else None,
    }


def _peak_bytes(loaded: Loaded, batch_size: int) -> int:
    """Memory at its most, of a GPU without what engine `graph` keeps for other batches."""
    if isinstance(loaded, LoadedFile):
        return llama_cpp.peak(loaded)
    assert isinstance(loaded, LoadedModel)
    if loaded.decoder is None or loaded.device.type != "cuda":
        return peak_bytes(loaded.device)
    from vibecore.engine.capture import idle_bytes

    return peak_with_graphs(loaded.decoder) - idle_bytes(loaded.decoder, batch_size)


def costs(
    loaded: Loaded, prompt_tokens: int, new_tokens: int, batch_size: int = 1
) -> dict[str, float | None]:
    """What one step costs the host and the GPU, in seconds (see costs.step_costs)."""
    host, gpu = step_costs(loaded, prompt_tokens, new_tokens, batch_size)
    return {"host_seconds": host, "gpu_seconds": gpu}
