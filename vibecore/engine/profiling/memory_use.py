"""What a loaded model takes of its device while it decodes: measured inside a worker."""

from __future__ import annotations

import torch

from vibecore import engine
from vibecore.engine.graph import peak_with_graphs
from vibecore.engine.memory import peak_bytes, resident_bytes
from vibecore.engine.model import LoadedModel

WARM_UP_TOKENS = 4


def memory_use(
    loaded: LoadedModel, prompt_tokens: int, new_tokens: int, batch_size: int = 1
) -> dict[str, int]:
    """Bytes after loading, at the peak of one batch of random tokens, decoded in full as a study
    does once its shape is warm, and after it.

    On a GPU what torch's allocator gave out (`allocated`) and what it holds (`reserved`); on a CPU
    the process's resident memory under both names. Raises RunError for what does not fit.
    """
    loaded_allocated, loaded_reserved = _held(loaded)
    # What is recorded is for a length.
    few = min(new_tokens, WARM_UP_TOKENS) if loaded.decoder is None else new_tokens
    for count in (few, new_tokens):
        # Forgets the peak so far at its start.
        engine.time_steps(loaded, prompt_tokens, count, batch_size)
    on_gpu = loaded.device.type == "cuda"
    decoder = loaded.decoder
    allocated = peak_bytes(loaded.device) if decoder is None else peak_with_graphs(decoder)
    return {
        "loaded_allocated_bytes": loaded_allocated,
        "loaded_reserved_bytes": loaded_reserved,
        "peak_allocated_bytes": allocated,
        "peak_reserved_bytes": torch.cuda.max_memory_reserved() if on_gpu else allocated,
        "reserved_bytes": _held(loaded)[1],
    }


def _held(loaded: LoadedModel) -> tuple[int, int]:
    """(allocated, reserved) now."""
    if loaded.device.type == "cuda":
        return torch.cuda.memory_allocated(), torch.cuda.memory_reserved()
    return (resident_bytes(),) * 2
