"""Which prompts are decoded together, and how many fit: found before an out-of-memory, not after.

Pure arithmetic on shapes; nothing here asks a device.
"""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.catalog.configs import GIB, Architecture, Config
from vibecore.catalog.suites import Prompt
from vibecore.core.errors import InputError

AUTO = "auto"
# Left free: this share of what is free now, and room for the CUDA context, the kernels'
# workspaces and the allocator's fragments.
RESERVE_SHARE = 0.1
RESERVE_BYTES = GIB // 2
CACHE_ELEMENT_BYTES = 2
# Logits of one position exist as bf16 and, for argmax or softmax, twice more as float32.
LOGIT_BYTES = 2 + 4 + 4
# What one token of the prompt holds at once inside a layer, in bf16: hidden states (input,
# residual, query, output) and three of the MLP's width.
HIDDEN_COPIES, INTERMEDIATE_COPIES = 4, 3

Batches = tuple[tuple[Prompt, ...], ...]


def cache_bytes_per_token(shape: Architecture) -> int:
    """Bytes of key-value cache that one token of one sequence takes, in 16 bit."""
    head = shape.hidden_size // shape.num_attention_heads
    return 2 * shape.num_hidden_layers * shape.num_key_value_heads * head * CACHE_ELEMENT_BYTES


def sequence_bytes(shape: Architecture, prompt_tokens: int, new_tokens: int) -> int:
    """The most bytes that one more sequence in a batch takes, on top of the weights."""
    cache = cache_bytes_per_token(shape) * (prompt_tokens + new_tokens)
    logits = LOGIT_BYTES * shape.vocab_size
    width = HIDDEN_COPIES * shape.hidden_size + INTERMEDIATE_COPIES * shape.intermediate_size
    # The attention scores of one layer's prefill, where no fused kernel avoids them.
    scores = 4 * shape.num_attention_heads * prompt_tokens**2
    return cache + logits + 2 * width * prompt_tokens + scores


def most_prompt_tokens(prompts: Sequence[Prompt]) -> int:
    """A number of tokens that no prompt exceeds, without a tokenizer.

    A byte-level tokenizer makes at most one token a byte; one more for a beginning-of-text.
    """
    return max(len(prompt.text.encode()) for prompt in prompts) + 1


def auto_batch_size(
    configs: Sequence[Config], prompts: Sequence[Prompt], new_tokens: int, free_bytes: int
) -> int:
    """The largest batch that every config of a study has room for, at most all its prompts.

    Free bytes, less the reserve and the config's weights, over the bytes of a sequence. At least
    1: whether one sequence fits is for the run to find out. Raises InputError for a config whose
    shape is not known.
    """
    prompt_tokens = most_prompt_tokens(prompts)
    room = free_bytes - int(RESERVE_SHARE * free_bytes) - RESERVE_BYTES
    sizes = [len(prompts)]
    for config in configs:
        shape = config.model.architecture
        if shape is None or config.estimated_weight_bytes is None:
            raise InputError(
                f"--batch-size auto needs the shape of {config.id}, which is not known: only "
                "Qwen2 shapes are. Give a number."
            )
        most_tokens = min(prompt_tokens, shape.max_position_embeddings)
        needed = sequence_bytes(shape, most_tokens, new_tokens)
        sizes.append((room - config.estimated_weight_bytes) // needed)
    return max(1, min(sizes))


def make_batches(prompts: Sequence[Prompt], size: int) -> Batches:
    """The prompts in batches of `size`, alike in length so that little is padded.

    Longest first, so that a batch too large fails at once; equal lengths stay in the suite's
    order. It depends on nothing but the suite and the size, so that a resumed study has the same
    batches. At size 1 the order is the suite's.
    """
    if size == 1:
        return tuple((prompt,) for prompt in prompts)
    ordered = sorted(prompts, key=lambda prompt: -len(prompt.text.encode()))
    return tuple(tuple(ordered[start : start + size]) for start in range(0, len(ordered), size))
