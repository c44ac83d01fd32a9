"""What holding a config against its parent takes of a device, from their architectures alone: both
models, what each keeps of a text, and the slices of logits that stand at once.

Pure arithmetic over the memory model (catalog/memory.py), in its words; all sizes in bytes.
docs/fidelity.md has it beside what was measured.
"""

from __future__ import annotations

from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.memory import (
    CUBLAS_WORKSPACE_BYTES,
    ELEMENT_BYTES,
    INT8_KERNEL_BYTES,
    ONE_PROMPT,
    RESERVE_SHARE,
    Need,
    Workload,
    cache_bytes,
    reading_bytes,
    runtime_bytes,
    shape_of,
)
from vibecore.catalog.models import Config
from vibecore.core.fidelity import (
    BATCH,
    BATCH_TEXTS,
    CHUNK_TOKENS,
    KEPT_AT_ONCE,
    LOGITS_AT_ONCE,
    READ_AT_ONCE,
)

# Both distributions of some positions in float64, the parent's probabilities, and the differences
# that they weigh (engine/divergence.py).
FLOAT64_BYTES = 4 * 8 * LOGITS_AT_ONCE


def fidelity_need(
    config: Config,
    parent: Config,
    device: str,
    workload: Workload = ONE_PROMPT,
    *,
    with_text: bool = True,
    gpu: str | None = None,
) -> Need | None:
    """What a worker takes on `device` (`cpu` or `cuda`) that holds a config against its parent, or
    a parent against itself where the two are one (the noise floor); None where it is not known what
    the weights of one of them weigh.

    The reference tokens are `workload`'s new tokens behind its prompt, one text at a time, and a
    chunk of the running text unless `with_text` is False. `gpu` is the name of the GPU.
    """
    models = [config] if config == parent else [config, parent]
    weights = 0
    for one in models:
        if one.estimated_weight_bytes is None:
            return None
        weights += one.estimated_weight_bytes
    runtime = runtime_bytes(device, gpu)
    own, other = shape_of(config), shape_of(parent)
    if own is None or other is None:
        return Need(weights, 0, 0, runtime)
    texts = [(workload.prompt_tokens, workload.new_tokens)]
    if with_text:
        texts.append((CHUNK_TOKENS // 2 + 1, CHUNK_TOKENS // 2 - 1))
    cache, activations = max(
        (_text_needs(config, parent, own, other, *text) for text in texts), key=sum
    )
    if device == "cuda":
        activations += CUBLAS_WORKSPACE_BYTES
        runtime += int(RESERVE_SHARE * (cache + activations))
        if any(one.precision.method == "llm-int8" for one in models):
            runtime += INT8_KERNEL_BYTES
    return Need(weights, cache, activations, runtime)


def _text_needs(
    config: Config, parent: Config, own: ModelSpec, other: ModelSpec, before: int, tokens: int
) -> tuple[int, int]:
    """(Keys and values, all else that is computed with) for a text of so many tokens before and so
    many compared; where a parent is held against itself for a batch of such texts, which takes more
    than engine `graph` does."""
    texts, rows = (BATCH_TEXTS, BATCH) if config == parent else (1, 1)
    kept, length = min(tokens, KEPT_AT_ONCE), before + tokens
    read = min(before, READ_AT_ONCE) + kept
    cache = texts * cache_bytes(other, length) + rows * cache_bytes(own, length)
    # Slices of logits: of one of the parent's texts, of all rows of the config's.
    slice_, slices = (spec.vocab_size * kept * ELEMENT_BYTES for spec in (other, own))
    slices *= rows
    # The earlier ones of a text that has several stand while the next are made.
    earlier = slices + texts * slice_ if tokens > KEPT_AT_ONCE else 0
    parent_reads = max(reading_bytes(other, parent.precision, 1, read), slice_)
    config_reads = max(reading_bytes(own, config.precision, rows, read), slices)
    if texts > 1:
        # The batch is read first, then each text alone.
        parent_reads += slices + (texts - 1) * slice_
    else:
        config_reads += slice_
    compared = texts * slice_ + slices + FLOAT64_BYTES
    return cache, max(earlier + parent_reads, earlier + config_reads, compared)
