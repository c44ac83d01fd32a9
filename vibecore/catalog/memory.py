"""The memory model: what a config takes on a device, by part, from its architecture alone.

Weights + KV cache for the context asked + activations + what the runtime itself takes. Every "does
it fit" comes here: the sweet spot's cap, the Metrics page, the automatic batch size, the Try page,
launches, inspect, doctor and bench. Pure arithmetic; nothing here asks a device. All sizes in
bytes. `python -m benchmarks.memory_model` holds it against what was measured; docs/method.md has
the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vibecore.catalog.architectures import ModelSpec, read_spec, rough_spec
from vibecore.catalog.engines import (
    LLAMA_CPP,
    LLAMA_CPP_MOST_SEQUENCES,
    is_native,
    why_not_graph,
)
from vibecore.catalog.gpus import GPUS, find_gpu
from vibecore.catalog.models import Config
from vibecore.catalog.precisions import PRECISIONS, Precision
from vibecore.catalog.prefill import CHUNKS, chunks_of, longest_chunk
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB

MIB = 2**20
# What a worker takes whatever its model, but for a GPU's stacks. GPU: CUDA context and kernels,
# measured on an H100. CPU: torch and transformers, 0.41 GB seen; forked workers share most of it,
# which is left out.
RUNTIME_BYTES = {"cpu": GIB // 2, "cuda": 447 * MIB}
# A CUDA context holds a stack for every thread that the GPU can hold at once (cudaLimitStackSize,
# by default this): on an H100 264 MiB of its 711, and 264 more for each KiB that the limit was set
# to beyond it, as measured. Of a GPU that is not in the catalogue an H100's threads are taken.
STACK_BYTES = 1024
MOST_THREADS = GPUS["H100 SXM"].threads
# More of it on a GPU, measured there too: Triton's kernels and what engine `graph` records, and the
# int8 products' libraries.
GRAPH_KERNEL_BYTES, INT8_KERNEL_BYTES = 54 * MIB, 64 * MIB
# What torch's GPU allocator holds beyond what it gives out, as a share of cache and activations:
# a rule of thumb for 14 to 325 MiB measured.
RESERVE_SHARE = 1 / 3
# Main memory of a worker whose model is on a GPU: the same and the CUDA libraries.
CUDA_HOST_BYTES = 3 * GIB
# An automatic batch leaves this share of what is free to the allocator's fragments.
ALLOCATOR_SHARE = 0.1
# What cuBLAS asks of torch's allocator for each stream that it multiplies on: of a Hopper GPU; of
# others 8 MiB (torch's CUDABlas.cpp, getChosenWorkspaceSize).
CUBLAS_WORKSPACE_BYTES = 32 * MIB
# Engine `graph` multiplies by cuBLAS on one stream more, to record.
CAPTURE_STREAMS = 1
# Engine `graph` on a GPU records for caches of whole multiples of so many tokens.
CACHE_STEP = 512
# A token's number, as engine `graph` keeps those of a part of each prompt, and a random number.
TOKEN_BYTES = 8
# Of each two tokens of which one may see the other, where attention is plain torch's: the mask, and
# once more in 16 bit.
MASK_BYTES = 1 + 2
# Keys, values and activations are in 16 bit.
ELEMENT_BYTES = 2
# Of each row of a batch, the logits of one position: in 16 bit, which transformers' `generate`
# makes float32 beside that.
EAGER_LOGIT_BYTES = 2 + 4
# What sampling with top-p makes of each, at its most (engine/sampling.py).
SAMPLED_BYTES = 48
# What products of engine `graph` on a CPU take at a time: of NF4 so many weights in 16 bit, of
# LLM.int8() so many rows of the input (engine/linear/nf4_cpu.py, int8_cpu.py).
CPU_WEIGHTS_AT_ONCE, CPU_ROWS_AT_ONCE = 2 * 2**20, 128
# What a layer of transformers makes of a weight to multiply with it, in bytes per number: of most
# methods the weight in 16 bit. Of float8 float32, that times its scale, and 16 bit; of int2 a byte
# each and 16 bit. Nothing where a product takes them as they are; so does int8 times int8, but for
# less than 17 rows on a GPU, where they are int8 transposed and float32 (torchao's safe_int_mm).
DEQUANTISED_BYTES = {
    "torchao-float8": 4 + 4 + 2,
    "torchao-int8-dynamic": 1 + 4,
    "torchao-int4": 0,
    "quanto-int4": 0,
    "quanto-int2": 1 + 2,
}
# What such a layer makes of each output of int8 times int8: sums in int32, in float32, scaled.
INT8_SUM_BYTES = 4 + 4 + 4
# Engine `llama.cpp` (engine/llama_cpp/native.py): tokens read at once, and the step in which a
# sequence's cache grows. It computes in 32 bit.
LLAMA_CPP_READ_AT_ONCE, LLAMA_CPP_CACHE_STEP = 512, 256
FLOAT_BYTES = 4
# What bitsandbytes' int8 layer makes of a weight's outlier columns, per number: the int8 column,
# and twice float32 (backends/default/ops.py, int8_mixed_scaled_mm).
OUTLIER_BYTES = 1 + 4 + 4


@dataclass(frozen=True)
class Workload:
    """What is decoded at once: `batch_size` sequences, each of so many tokens, greedily or
    `sampled`. The defaults are one prompt of the shipped suite under the default protocol."""

    prompt_tokens: int = 256
    new_tokens: int = 200
    batch_size: int = 1
    sampled: bool = False


ONE_PROMPT = Workload()


def workload(
    prompt_tokens: int | None,
    new_tokens: int | None,
    batch_size: int | None,
    *,
    sampled: bool = False,
) -> Workload:
    """A workload of which some may not be known. A single prompt counts as one of the shipped
    suite at least, so that what is said before a run, of a prompt not yet in tokens, and after it
    is the same."""
    rows = batch_size or 1
    least = ONE_PROMPT.prompt_tokens
    tokens = max(prompt_tokens or least, least) if rows == 1 else prompt_tokens or least
    return Workload(tokens, new_tokens or ONE_PROMPT.new_tokens, rows, sampled)


@dataclass(frozen=True)
class Need:
    """What a worker takes of its device at its peak: weights, keys and values, everything else
    that is computed with, and what the runtime takes beside them, on a GPU its context, kernels
    and the allocator's reserve."""

    weights: int
    cache: int
    activations: int
    runtime: int

    @property
    def allocated(self) -> int:
        """What torch's allocator gives out at the peak: what a study stores as peak memory of a
        run on a GPU."""
        return self.weights + self.cache + self.activations

    @property
    def total(self) -> int:
        """What the device must have free."""
        return self.allocated + self.runtime


def runtime_bytes(device: str, gpu: str | None = None) -> int:
    """What a worker takes of `device` whatever its model; `gpu` is the GPU's name."""
    if device == "cpu":
        return RUNTIME_BYTES[device]
    known = find_gpu(gpu or "")
    return RUNTIME_BYTES[device] + STACK_BYTES * (known.threads if known else MOST_THREADS)


def need(
    config: Config,
    device: str,
    workload: Workload = ONE_PROMPT,
    *,
    engine: str = "eager",
    weights: str = "hub",
    folder: Path | None = None,
    gpu: str | None = None,
) -> Need | None:
    """What a worker with the config takes on `device` (`cpu` or `cuda`), loading included; None
    where neither its architecture nor its files tell what its weights weigh.

    `gpu` is the name of the GPU. `weights` is `dummy` for random ones; `folder` is where the files
    are of a model whose source does not say it. Of an architecture that is not known, what
    config.json says of its shape stands in, and without that cache and activations are left out.
    """
    if config.model.spec is None and folder is not None and folder.is_dir():
        files = replace(config.model, source=str(folder), weights="local", spec=read_spec(folder))
        config = replace(config, model=files)
    size, runtime = config.weight_bytes(device), runtime_bytes(device, gpu)
    if size is None:
        return None
    spec = shape_of(config)
    if spec is None:
        return Need(size, 0, 0, runtime)
    engine = decoding_engine(config, engine)
    if engine == LLAMA_CPP:
        return Need(size, *_llama_cpp_needs(spec, workload), runtime)
    phases = _phases(spec, config.precision, device, workload, engine, dummy=weights == "dummy")
    if device == "cpu" and (weights == "dummy" or config.model.weights == "gguf"):
        # They are made in 16 bit in main memory, and freed before anything is decoded.
        phases.append((0, PRECISIONS["bf16"].weight_bytes(spec)))
    cache, activations = max(phases, key=sum)
    if device == "cuda":
        runtime += int(RESERVE_SHARE * (cache + activations))
        runtime += GRAPH_KERNEL_BYTES if engine == "graph" else 0
        runtime += INT8_KERNEL_BYTES if config.precision.method == "llm-int8" else 0
    return Need(size, cache, activations, runtime)


def needed_bytes(
    config: Config,
    device: str,
    workload: Workload = ONE_PROMPT,
    *,
    engine: str = "eager",
    weights: str = "hub",
    folder: Path | None = None,
    gpu: str | None = None,
) -> int | None:
    """What `device` must have free for the config, all in one figure (see need)."""
    found = need(config, device, workload, engine=engine, weights=weights, folder=folder, gpu=gpu)
    return None if found is None else found.total


def decoding_engine(config: Config, engine: str) -> str:
    """The engine that decodes where `engine` is asked for: `graph` leaves some to `eager`, and a
    GGUF file as it is is for `llama.cpp`."""
    if is_native(config):
        return LLAMA_CPP
    unjoined = why_not_graph(config.precision) is not None or config.model.spec is None
    return "eager" if unjoined else engine


def cache_bytes(spec: ModelSpec, tokens: int) -> int:
    """KV cache of one sequence of `tokens` in 16 bit, over all layers; a layer with a sliding
    window keeps its window."""
    kept = sum(min(tokens, window or tokens) for window in spec.windows)
    return 2 * spec.kv_heads * spec.head_size * ELEMENT_BYTES * kept


def cache_bytes_per_token(spec: ModelSpec) -> int:
    """KV cache of one token that every layer keeps."""
    return cache_bytes(spec, 1)


def largest_batch(
    configs: Sequence[Config],
    device: str,
    prompt_tokens: int,
    new_tokens: int,
    free_bytes: int,
    *,
    most: int,
    engine: str = "eager",
    gpu: str | None = None,
    sampled: bool = False,
) -> int:
    """The largest batch, up to `most`, that every config has room for in `free_bytes` and its
    engine knows, at least 1: whether one sequence fits is for the run to find out.

    Raises InputError for a config whose architecture is not known.
    """
    unknown = next((config.id for config in configs if config.model.spec is None), None)
    if unknown is not None:
        raise InputError(
            f"--batch-size auto needs the architecture of {unknown}, which is not known. Give a "
            "number."
        )
    if any(is_native(config) for config in configs):
        most = min(most, LLAMA_CPP_MOST_SEQUENCES)
    room = free_bytes - int(ALLOCATOR_SHARE * free_bytes)

    def fits(size: int) -> bool:
        workload = Workload(prompt_tokens, new_tokens, size, sampled)
        needs = (
            needed_bytes(config, device, workload, engine=engine, gpu=gpu) for config in configs
        )
        return all(needed is not None and needed <= room for needed in needs)

    fitting, too_large = 1, most + 1
    while too_large - fitting > 1:
        middle = (fitting + too_large) // 2
        fitting, too_large = (middle, too_large) if fits(middle) else (fitting, middle)
    return fitting


def _phases(
    spec: ModelSpec,
    precision: Precision,
    device: str,
    workload: Workload,
    engine: str,
    *,
    dummy: bool,
) -> list[tuple[int, int]]:
    """(KV cache, all else that is computed with) while the prompt is read and while its answer is
    decoded. A prompt is cut at the model's context."""
    rows, prompt = workload.batch_size, min(workload.prompt_tokens, spec.context)
    if engine == "graph":
        return [_graph_needs(spec, precision, device, replace(workload, prompt_tokens=prompt))]
    workspaces = CUBLAS_WORKSPACE_BYTES if device == "cuda" else 0
    logits = rows * spec.vocab_size * EAGER_LOGIT_BYTES
    if workload.sampled:
        logits += rows * spec.vocab_size * SAMPLED_BYTES
    # transformers reads the prompt, into a cache that grows.
    read = rows * cache_bytes(spec, prompt)
    reading = max(reading_bytes(spec, precision, rows, prompt, dummy=dummy), logits)
    full = rows * cache_bytes(spec, prompt + workload.new_tokens)
    # A layer's keys, or its values, are copied to make room for the next token's.
    growing = full // (2 * spec.layers)
    return [(read, workspaces + reading), (full, workspaces + logits + growing)]


def _graph_needs(
    spec: ModelSpec, precision: Precision, device: str, workload: Workload
) -> tuple[int, int]:
    """(KV cache, all else that is computed with) of engine `graph`, which holds what reading needs
    while it decodes: what is recorded on a GPU keeps its memory."""
    rows, prompt = workload.batch_size, workload.prompt_tokens
    on_gpu = device == "cuda"
    chunks = chunks_of(prompt, rows) if on_gpu else (min(prompt, longest_chunk(rows)),)
    length = (sum(chunks) if on_gpu else prompt) + workload.new_tokens
    if on_gpu:
        length = -(-length // CACHE_STEP) * CACHE_STEP
    # Every layer keeps every token.
    cache = rows * cache_bytes(replace(spec, windows=(None,) * spec.layers), length)
    # The logits of each row's last token; a layer's keys, or its values, of those that go on when
    # others have finished.
    logits = rows * spec.vocab_size * ELEMENT_BYTES
    needed = logits + (cache // (2 * spec.layers) if rows > 1 else 0)
    # A token is chosen after the pass, or the step, that made its logits.
    sampling = rows * spec.vocab_size * SAMPLED_BYTES if workload.sampled else 0
    read = _pass_bytes(spec, precision, rows, max(chunks, default=0), length, on_gpu=on_gpu)
    needed += max(read, sampling)
    if on_gpu:
        # Logits, the part of the prompts that is read, and a random number for each slot are where
        # every recording finds them.
        needed += logits + rows * (CHUNKS[-1] + length) * TOKEN_BYTES
        needed += (1 + CAPTURE_STREAMS) * CUBLAS_WORKSPACE_BYTES
    return cache, needed


def _llama_cpp_needs(spec: ModelSpec, workload: Workload) -> tuple[int, int]:
    """(KV cache, all else that is computed with) of engine `llama.cpp`, which takes both before it
    reads. The cache is what it says when it makes it, to the byte. Activations are in 32 bit; most
    is held while the MLP's gate and up projection are joined, or the logits are made. What
    attention made before is free by then, but in pieces too small for the MLP's: of Qwen2.5 0.5B
    and 1.5B this is what llama.cpp says too, within 0.2 %, and of a narrower MLP more."""
    rows, prompt = workload.batch_size, min(workload.prompt_tokens, spec.context)
    length = _whole_steps(prompt + workload.new_tokens)
    # A layer with a sliding window keeps what is read at once beside it.
    windows = tuple(each and _whole_steps(each + LLAMA_CPP_READ_AT_ONCE) for each in spec.windows)
    cache = rows * cache_bytes(replace(spec, windows=windows), length)
    # As many of each sequence.
    at_once = -(-min(max(LLAMA_CPP_READ_AT_ONCE, rows), rows * length) // rows) * rows
    attention = 3 * spec.heads * spec.head_size
    numbers = at_once * (2 * spec.hidden_size + attention + 3 * spec.intermediate_size)
    logits = rows * spec.vocab_size
    # Which token sees which, in 16 bit, by kind of layer.
    masks = at_once * sum(min(length, window or length) for window in set(windows))
    # Logits twice: as they are computed, and as they are handed out.
    computed = max(numbers, logits + at_once * spec.hidden_size) + logits
    return cache, FLOAT_BYTES * computed + ELEMENT_BYTES * masks


def _whole_steps(tokens: int) -> int:
    """Tokens as llama.cpp makes room for them: in whole steps of its caches."""
    return -(-tokens // LLAMA_CPP_CACHE_STEP) * LLAMA_CPP_CACHE_STEP


def _pass_bytes(
    spec: ModelSpec, precision: Precision, rows: int, tokens: int, length: int, *, on_gpu: bool
) -> int:
    """What engine `graph` holds at once, beside weights and cache, while it reads `tokens` of each
    row's prompt: the most while the MLP's last product is made."""
    each = rows * tokens * ELEMENT_BYTES
    hidden, wide = each * spec.hidden_size, each * spec.intermediate_size
    # Triton's kernels know one block, and a GPU that has none of them is not foreseen.
    plain = not on_gpu or spec.block_norms != 2
    # The residual, what attention and the MLP change it by; queries, keys and values; gate and up
    # joined, and their product, in plain torch the activated gate besides.
    heads = spec.heads + 2 * spec.kv_heads
    held = 3 * hidden + each * heads * spec.head_size + (4 if plain else 3) * wide
    if plain:
        copies = spec.heads // spec.kv_heads if on_gpu else 1
        held += rows * copies * tokens * length * MASK_BYTES
    if precision.method == "plain":
        return held
    joined = 2 * spec.hidden_size * spec.intermediate_size
    if precision.method != "llm-int8":
        if not on_gpu:
            return held + ELEMENT_BYTES * min(joined // 2, CPU_WEIGHTS_AT_ONCE)
        # The largest weight in 16 bit, gate and up joined, before there is a product of them.
        return max(held, held - wide + ELEMENT_BYTES * joined)
    if on_gpu:
        # The product in int8.
        return held + wide // ELEMENT_BYTES
    # Of some rows the input twice in float32; of gate and up the sums in int32, then in float32.
    numbers = 2 * (spec.hidden_size + 2 * spec.intermediate_size)
    return held + min(rows * tokens, CPU_ROWS_AT_ONCE) * numbers * 4


def reading_bytes(
    spec: ModelSpec, precision: Precision, rows: int, prompt: int, *, dummy: bool = False
) -> int:
    """What reading a batch's prompts holds at once beside weights and cache: the more of attention
    and MLP, which take turns. Attention itself is by a fused kernel, without a table of scores."""
    each = rows * prompt * ELEMENT_BYTES
    hidden, wide = each * spec.hidden_size, each * spec.intermediate_size
    heads, kv_heads = each * spec.heads * spec.head_size, each * spec.kv_heads * spec.head_size
    # The residual and the normed input; queries, rotated queries and output; keys, rotated keys
    # and values. Padded rows have a mask, in 8 and in 16 bit, and keys and values for each head.
    masked = 2 * heads + 3 * rows * prompt**2 if rows > 1 else 0
    attention = 2 * hidden + 3 * heads + 3 * kv_heads + masked
    return max(attention, 2 * hidden + _mlp_bytes(spec, precision, hidden, wide, dummy=dummy))


def _mlp_bytes(
    spec: ModelSpec, precision: Precision, hidden: int, wide: int, *, dummy: bool
) -> int:
    """What the MLP holds beside its input, at its most: `hidden` and `wide` are the bytes of all
    tokens at the model's and at the MLP's width."""
    # The activated gate, the up projection, and their product.
    product = 3 * wide
    if precision.method == "plain":
        return product
    largest = max(weight.parameters for weight in spec.weights() if weight.kind == "linear")
    if precision.method != "llm-int8":
        # The activated gate and the up projection, and what was made of the weight that makes it.
        made = DEQUANTISED_BYTES.get(precision.method, ELEMENT_BYTES) * largest
        if precision.method == "torchao-int8-dynamic":
            return wide + max(wide + made, wide // ELEMENT_BYTES * INT8_SUM_BYTES)
        return max(product, 2 * wide + made)
    # The activated gate; of the up projection sums in int32, then fp16, then bf16; its input once
    # more in fp16 and int8.
    multiplied = 5 * wide + hidden + hidden // 2
    if dummy or not precision.outlier_threshold:
        # Random weights have no outliers.
        return multiplied
    # How many columns have an outlier is for the text to say: at most all.
    return max(multiplied, product + OUTLIER_BYTES * largest)


def shape_of(config: Config) -> ModelSpec | None:
    """A config's architecture, or the shape that a local folder's config.json gives one that is not
    known; None where neither says it."""
    rough = rough_spec(Path(config.model.source)) if config.model.weights == "local" else None
    return config.model.spec or rough
