"""The memory model: what a config takes on a device, estimated from its spec before it is loaded.

Weights + KV cache for the context asked + activations + what the runtime itself takes. Every "does
it fit" comes here: the automatic batch size, the Try page, launches, doctor and bench. Pure
arithmetic; nothing here asks a device. All sizes in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.models import Config
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB

# What a worker takes before it has a model. GPU: CUDA context, kernels and their workspaces. CPU:
# torch and transformers, 0.41 GB seen; forked workers share most of it, which is left out.
RUNTIME_BYTES = {"cpu": GIB // 2, "cuda": GIB * 3 // 4}
# Main memory of a worker whose model is on a GPU: the same and the CUDA libraries.
CUDA_HOST_BYTES = 3 * GIB
# An automatic batch leaves this share of what is free to the allocator's fragments.
ALLOCATOR_SHARE = 0.1
CACHE_ELEMENT_BYTES = 2
# Logits of one position exist as bf16 and, for argmax or softmax, twice more as float32.
LOGIT_BYTES = 2 + 4 + 4
# What one prompt token holds at once inside a layer, in bf16: hidden states (input, residual,
# query, output) and three of the MLP's width.
HIDDEN_COPIES, INTERMEDIATE_COPIES = 4, 3


@dataclass(frozen=True)
class Workload:
    """What is decoded at once: `batch_size` sequences, each of so many tokens. The defaults are
    one prompt of the shipped suite under the default protocol."""

    prompt_tokens: int = 256
    new_tokens: int = 200
    batch_size: int = 1


ONE_PROMPT = Workload()


def cache_bytes(spec: ModelSpec, tokens: int) -> int:
    """KV cache of one sequence of `tokens` in 16 bit, over all layers; a layer with a sliding
    window keeps its window."""
    kept = sum(min(tokens, window or tokens) for window in spec.windows)
    return 2 * spec.kv_heads * spec.head_size * CACHE_ELEMENT_BYTES * kept


def cache_bytes_per_token(spec: ModelSpec) -> int:
    """KV cache of one token that every layer keeps."""
    return cache_bytes(spec, 1)


def sequence_bytes(spec: ModelSpec, prompt_tokens: int, new_tokens: int) -> int:
    """The most that one more sequence in a batch takes, on top of the weights: its KV cache and
    the activations of its prefill. A prompt is cut at the model's context."""
    prompt_tokens = min(prompt_tokens, spec.context)
    cache = cache_bytes(spec, prompt_tokens + new_tokens)
    logits = LOGIT_BYTES * spec.vocab_size
    width = HIDDEN_COPIES * spec.hidden_size + INTERMEDIATE_COPIES * spec.intermediate_size
    # The attention scores of one layer's prefill, where no fused kernel avoids them.
    scores = 4 * spec.heads * prompt_tokens**2
    return cache + logits + 2 * width * prompt_tokens + scores


def needed_bytes(
    config: Config,
    device: str,
    workload: Workload = ONE_PROMPT,
    *,
    weights: str = "hub",
    folder: Path | None = None,
) -> int | None:
    """What a worker with the config takes on `device` (`cpu` or `cuda`) at its peak, loading
    included; None where neither a spec nor the files in `folder` tell.

    Dummy weights and those of a GGUF file are made in 16 bit in main memory, and freed before
    anything is decoded.
    """
    spec, size = config.model.spec, config.estimated_weight_bytes
    if spec is None or size is None:
        if folder is None or folder.is_file():
            return None
        return RUNTIME_BYTES[device] + sum(
            file.stat().st_size for file in folder.glob("*.safetensors")
        )
    decoding = workload.batch_size * sequence_bytes(
        spec, workload.prompt_tokens, workload.new_tokens
    )
    loading = 0
    if device == "cpu" and (weights == "dummy" or config.model.weights == "gguf"):
        loading = PRECISIONS["bf16"].weight_bytes(spec)
    return RUNTIME_BYTES[device] + size + max(decoding, loading)


def largest_batch(
    configs: Sequence[Config], device: str, prompt_tokens: int, new_tokens: int, free_bytes: int
) -> int:
    """The largest batch that every config has room for in `free_bytes`, at least 1: whether one
    sequence fits is for the run to find out.

    Raises InputError for a config whose architecture is not known.
    """
    room = free_bytes - int(ALLOCATOR_SHARE * free_bytes) - RUNTIME_BYTES[device]
    sizes = []
    for config in configs:
        spec, size = config.model.spec, config.estimated_weight_bytes
        if spec is None or size is None:
            raise InputError(
                f"--batch-size auto needs the architecture of {config.id}, which is not known. "
                "Give a number."
            )
        sizes.append((room - size) // sequence_bytes(spec, prompt_tokens, new_tokens))
    return max(1, min(sizes))
