"""Engine `graph` on a GPU: one decode step captured as a CUDA graph and replayed for each token.

Replaying costs the host some microseconds, where launching the step's kernels one by one costs
milliseconds. Shapes are fixed in a graph, so there is one for every batch size and length of
cache; lengths come in steps of CACHE_STEP and are used again for every prompt. The host reads
each token while the GPU makes the next, so end-of-sequence costs no wait, and at most one token
is made in vain. Finished sequences stay in the batch: a smaller one would need its own capture,
and a step that is bound by reading the weights takes as long for fewer rows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from vibecore.engine.decoder import Cache, Decoder, new_cache, prefill, rms_norm, rotate
from vibecore.engine.kernels.availability import triton_kernels
from vibecore.engine.model import Batch, Collector

CACHE_STEP = 512
WARM_UP_STEPS = 2
# Each keeps a cache of its own on the GPU; a study needs two or three, a long conversation more.
MOST_CAPTURES = 6


@dataclass(frozen=True)
class Captured:
    """A recorded step: it reads `tokens` [rows] and `slot` [1], and leaves the next ones there."""

    replay: Callable[[], None]
    cache: Cache
    tokens: torch.Tensor
    slot: torch.Tensor


def decode_captured(decoder: Decoder, batch: Batch, collector: Collector) -> float:
    """Fill the collector. Returns when the first tokens were there, by time.perf_counter."""
    rows = range(len(batch.lengths))
    prompt_length = batch.tokens.shape[1]
    if collector.max_new_tokens == 1:
        # The prompt gives the first token, and no step comes after it.
        cache = new_cache(decoder, len(rows), prompt_length)
        step = prefill(decoder, batch.tokens, batch.mask, cache).tolist()
        first_token = time.perf_counter()
        collector.take(rows, step)
        return first_token
    captured = captured_step(decoder, len(rows), prompt_length + collector.max_new_tokens)
    first = prefill(decoder, batch.tokens, batch.mask, captured.cache)
    captured.tokens.copy_(first)
    captured.slot.fill_(prompt_length)
    step = first.tolist()
    first_token = time.perf_counter()
    coming: deque[tuple[torch.cuda.Event, torch.Tensor]] = deque()
    to_launch = collector.max_new_tokens - 1
    while collector.take(rows, step):
        while to_launch and len(coming) < 2:
            coming.append(_launch(captured))
            to_launch -= 1
        done, tokens = coming.popleft()
        done.synchronize()
        step = tokens.tolist()
    return first_token


def _launch(captured: Captured) -> tuple[torch.cuda.Event, torch.Tensor]:
    """Start one step. The tensor holds its tokens on the host once the event has happened."""
    captured.replay()
    tokens = torch.empty(captured.tokens.shape, dtype=torch.long, pin_memory=True)
    tokens.copy_(captured.tokens, non_blocking=True)
    done = torch.cuda.Event()
    done.record()
    return done, tokens


def captured_step(decoder: Decoder, rows: int, length: int) -> Captured:
    """The captured step for `rows` sequences of at most `length` tokens, recorded at first use.
    The one that was used least recently goes when there are MOST_CAPTURES."""
    length = -(-length // CACHE_STEP) * CACHE_STEP
    captures = decoder.captures
    captured = captures.pop((rows, length), None)
    if captured is None:
        while len(captures) >= MOST_CAPTURES:
            del captures[next(iter(captures))]
        captured = _capture(decoder, rows, length)
    captures[rows, length] = captured
    return captured


def idle_bytes(decoder: Decoder, rows: int) -> int:
    """What the caches of other batch sizes hold on the GPU while one of `rows` is measured."""
    idle = [one.cache for (size, _), one in decoder.captures.items() if size != rows]
    return sum(tensor.nbytes for cache in idle for tensor in (*cache.keys, *cache.values))


def _capture(decoder: Decoder, rows: int, length: int) -> Captured:
    cache = new_cache(decoder, rows, length)
    tokens = torch.zeros(rows, dtype=torch.long, device=decoder.device)
    slot = torch.zeros(1, dtype=torch.long, device=decoder.device)
    next_tokens = choose_step(decoder, rows)

    def step() -> None:
        tokens.copy_(next_tokens(decoder, cache, tokens, slot))
        slot.add_(1)

    # Kernels compile and libraries set themselves up at first use, which cannot be captured.
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(WARM_UP_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return Captured(graph.replay, cache, tokens, slot)


Step = Callable[[Decoder, Cache, torch.Tensor, torch.Tensor], torch.Tensor]


def choose_step(decoder: Decoder, rows: int) -> Step:
    """The step to record: (decoder, cache, tokens [rows], slot [1]) to the next tokens [rows]."""
    if triton_kernels(decoder.embedding.dtype)[0] is None:
        return _step_of_torch
    return _step_of_vectors if rows == 1 else _step_of_kernels


def _step_of_vectors(
    decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor
) -> torch.Tensor:
    """One row: norms, activation and sums happen within the products."""
    epsilon = decoder.epsilon
    hidden = functional.embedding(tokens, decoder.embedding)
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        joined = layer.query_key_value.vector(hidden, norm=layer.input_norm, epsilon=epsilon)
        attended = _attend(cache, joined, keys, values, slot)
        layer.output.vector(attended, add_to=hidden)
        gated = layer.gate_up.vector(hidden, norm=layer.post_norm, epsilon=epsilon, silu=True)
        layer.down.vector(gated, add_to=hidden)
    return decoder.head.vector(hidden, norm=decoder.norm, epsilon=epsilon).argmax(dim=-1)


def _step_of_kernels(
    decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor
) -> torch.Tensor:
    """Any precision and batch: kernels between bitsandbytes' or cuBLAS' own products."""
    kernels, _ = triton_kernels(decoder.embedding.dtype)
    assert kernels is not None
    hidden = functional.embedding(tokens, decoder.embedding)
    change = None
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        x = kernels.add_norm(hidden, change, layer.input_norm, decoder.epsilon)
        attended = _attend(cache, layer.query_key_value(x), keys, values, slot)
        change = layer.output(attended)
        x = kernels.add_norm(hidden, change, layer.post_norm, decoder.epsilon)
        change = layer.down(kernels.silu_multiply(layer.gate_up(x)))
    x = kernels.add_norm(hidden, change, decoder.norm, decoder.epsilon)
    return decoder.head(x).argmax(dim=-1)


def _attend(
    cache: Cache,
    joined: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    slot: torch.Tensor,
) -> torch.Tensor:
    from vibecore.engine.kernels.attention import attend

    tables = cache.cosine, cache.sine
    return attend(joined, keys, values, tables, cache.padding, slot, cache.tickets)


def _step_of_torch(
    decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor
) -> torch.Tensor:
    """The same step where Triton is not to be had: attention over the whole cache, masked."""
    rows, groups = tokens.shape[0], decoder.heads // decoder.key_heads
    turning = decoder.heads + decoder.key_heads
    positions = slot - cache.padding
    cosine, sine = cache.cosine[positions][:, None], cache.sine[positions][:, None]
    slots = torch.arange(cache.length, device=decoder.device)
    mask = ((slots <= slot) & (slots >= cache.padding[:, None]))[:, None, None]
    hidden = functional.embedding(tokens, decoder.embedding)
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        x = rms_norm(hidden, layer.input_norm, decoder.epsilon)
        joined = layer.query_key_value(x).view(rows, -1, decoder.head_size)
        turned = rotate(joined[:, :turning], cosine, sine)
        keys.index_copy_(2, slot, turned[:, decoder.heads :, None])
        values.index_copy_(2, slot, joined[:, turning:, None])
        attended = functional.scaled_dot_product_attention(
            turned[:, : decoder.heads].view(rows, decoder.key_heads, groups, decoder.head_size),
            keys,
            values,
            attn_mask=mask,
        )
        hidden = hidden + layer.output(attended.reshape(rows, -1))
        x = rms_norm(hidden, layer.post_norm, decoder.epsilon)
        gate, up = layer.gate_up(x).chunk(2, dim=-1)
        hidden = hidden + layer.down(functional.silu(gate) * up)
    return decoder.head(rms_norm(hidden, decoder.norm, decoder.epsilon)).argmax(dim=-1)
