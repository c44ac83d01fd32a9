"""What a loaded model takes of its device while it decodes: measured inside a worker."""

from __future__ import annotations

import torch

from vibecore import engine
from vibecore.engine import graph
from vibecore.engine.batch import random_batch
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
    if loaded.decoder is None:
        engine.time_steps(loaded, prompt_tokens, min(new_tokens, WARM_UP_TOKENS), batch_size)
    else:
        with torch.inference_mode():
            batch = random_batch(loaded, batch_size, prompt_tokens, new_tokens)
            graph.prepare(loaded.decoder, batch, new_tokens)
        engine.time_steps(loaded, prompt_tokens, new_tokens, batch_size)
    # Forgets the peak so far at its start.
    engine.time_steps(loaded, prompt_tokens, new_tokens, batch_size)
    on_gpu = loaded.device.type == "cuda"
    allocated = peak_bytes(loaded.device)
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
