"""The memory ceiling of decoding: what one step must read, and what a plain copy reaches here.

A step reads every weight once, so bytes per step × steps per second cannot exceed what the
device's memory delivers. The copy is the same measure that STREAM's "copy" takes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil
import torch

from vibecore.catalog.gguf import EMBEDDINGS, HEAD, read_gguf
from vibecore.engine.model import Loaded, LoadedFile, LoadedModel
from vibecore.engine.weight_size import weight_bytes

COPIES = 5
MIB = 1024**2
# No cache holds the two buffers of a copy: each is at least so large, and as the largest cache.
LEAST_BUFFER_BYTES = 256 * MIB
CACHES = 1
# And never so much that the copy itself could run out of memory: two buffers of this share.
MOST_SHARE_OF_FREE = 0.125
CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def bytes_per_step(loaded: Loaded) -> int:
    """Weight bytes that one decode step reads: all as loaded, once, whatever the batch.

    A token looks up one row of the embedding table, so the table does not count, unless the head
    is tied to it: then it is the head, and is read whole. Cache and activations are left out, so
    the traffic, and any share of the ceiling made of it, is a lower bound.
    """
    if isinstance(loaded, LoadedFile):
        return _bytes_per_step_of_file(loaded)
    assert isinstance(loaded, LoadedModel)
    model: Any = loaded.model
    table, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    tied = head is not None and head.weight.data_ptr() == table.data_ptr()
    return weight_bytes(loaded.model) - (0 if tied else table.numel() * table.element_size())


def _bytes_per_step_of_file(loaded: LoadedFile) -> int:
    """Of a GGUF file; the embeddings are the head where it holds no head of its own."""
    sizes = {tensor.name: tensor.size for tensor in read_gguf(loaded.native.path).tensors}
    return loaded.native.weight_bytes - (sizes[EMBEDDINGS] if HEAD in sizes else 0)


def cache_bytes(device: torch.device) -> int | None:
    """The device's largest cache; None where it is unknown."""
    if device.type == "cuda":
        return getattr(torch.cuda.get_device_properties(device), "L2_cache_size", None)
    sizes = [int(file.read_text()[:-2]) * 1024 for file in CPU_CACHES.glob("index*/size")]
    return max(sizes, default=None)


def copy_bandwidth(loaded: Loaded) -> float:
    """Bytes per second of a copy on the model's device, read and written bytes counted: the best
    of several, of a buffer that no cache holds, with the threads the model runs with."""
    device = loaded.device
    wanted = max(LEAST_BUFFER_BYTES, CACHES * (cache_bytes(device) or 0))
    size = min(wanted, int(MOST_SHARE_OF_FREE * _free_bytes(device)))
    source = torch.ones(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    seconds = min(_copy_seconds(source, target) for _ in range(COPIES))
    del source, target
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return 2 * size / seconds


def _copy_seconds(source: torch.Tensor, target: torch.Tensor) -> float:
    if source.device.type == "cuda":
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        before.record()
        target.copy_(source)
        after.record()
        after.synchronize()
        return before.elapsed_time(after) / 1000
    started = time.perf_counter()
    target.copy_(source)
    return time.perf_counter() - started


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info()[0]
    return psutil.virtual_memory().available
