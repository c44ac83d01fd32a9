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

from vibecore.catalog.memory import CACHE_STEP
from vibecore.engine.cache import Cache, new_cache, prefill
from vibecore.engine.choice import Chosen
from vibecore.engine.decoder import Decoder
from vibecore.engine.gpu_steps import choose_step
from vibecore.engine.model import Batch, Collector

WARM_UP_STEPS = 2
# Each keeps a cache of its own on the GPU; a study needs two or three, a long conversation more.
MOST_CAPTURES = 6


@dataclass(frozen=True)
class Told:
    """What the host is told of a step: the tokens chosen for `rows` rows, and the logits they were
    chosen for, of type `dtype`. Both lie in `whole` [bytes], so that one copy takes them."""

    whole: torch.Tensor
    rows: int
    dtype: torch.dtype

    @classmethod
    def empty(cls, rows: int, dtype: torch.dtype, device: torch.device) -> Told:
        """Room on a device, filled with zeros."""
        size = rows * (torch.long.itemsize + dtype.itemsize)
        return cls(torch.zeros(size, dtype=torch.uint8, device=device), rows, dtype)

    @property
    def tokens(self) -> torch.Tensor:
        """int64 [rows], a view."""
        return self.whole[: self.rows * torch.long.itemsize].view(torch.long)

    @property
    def highest(self) -> torch.Tensor:
        """[rows], a view."""
        return self.whole[self.rows * torch.long.itemsize :].view(self.dtype)

    def take(self, chosen: Chosen) -> None:
        """Copy a step's choice here, on the device."""
        self.tokens.copy_(chosen.tokens)
        self.highest.copy_(chosen.highest)

    def on_its_way(self) -> Told:
        """A copy on the host that is there once the device's queue has come to it."""
        whole = torch.empty(self.whole.shape, dtype=torch.uint8, pin_memory=True)
        whole.copy_(self.whole, non_blocking=True)
        return Told(whole, self.rows, self.dtype)

    def lists(self) -> tuple[list[int], list[float]]:
        """Tokens and logits; waits for a device."""
        here = Told(self.whole.cpu(), self.rows, self.dtype)
        return here.tokens.tolist(), here.highest.tolist()


@dataclass(frozen=True)
class Captured:
    """A recorded step: it reads the tokens of `told` [rows] and `slot` [1], and leaves the next
    ones there."""

    replay: Callable[[], None]
    cache: Cache
    told: Told
    slot: torch.Tensor


def decode_captured(decoder: Decoder, batch: Batch, collector: Collector) -> float:
    """Fill the collector. Returns when the first tokens were there, by time.perf_counter."""
    rows = range(len(batch.lengths))
    prompt_length = batch.tokens.shape[1]
    if collector.max_new_tokens == 1:
        # The prompt gives the first token, and no step comes after it.
        cache = new_cache(decoder, len(rows), prompt_length)
        chosen = prefill(decoder, batch.tokens, batch.mask, cache)
        tokens, highest = chosen.tokens.tolist(), chosen.highest.tolist()
        first_token = time.perf_counter()
        collector.take(rows, tokens, highest)
        return first_token
    captured = captured_step(decoder, len(rows), prompt_length + collector.max_new_tokens)
    captured.told.take(prefill(decoder, batch.tokens, batch.mask, captured.cache))
    captured.slot.fill_(prompt_length)
    step = captured.told.lists()
    first_token = time.perf_counter()
    coming: deque[tuple[torch.cuda.Event, Told]] = deque()
    to_launch = collector.max_new_tokens - 1
    while collector.take(rows, *step):
        while to_launch and len(coming) < 2:
            coming.append(_launch(captured))
            to_launch -= 1
        done, told = coming.popleft()
        done.synchronize()
        step = told.lists()
    return first_token


def _launch(captured: Captured) -> tuple[torch.cuda.Event, Told]:
    """Start one step. What it tells is on the host once the event has happened."""
    captured.replay()
    told = captured.told.on_its_way()
    done = torch.cuda.Event()
    done.record()
    return done, told


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
    told = Told.empty(rows, decoder.dtype, decoder.device)
    slot = torch.zeros(1, dtype=torch.long, device=decoder.device)
    next_tokens = choose_step(decoder, rows)

    def step() -> None:
        told.take(next_tokens(decoder, cache, told.tokens, slot))
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
    return Captured(graph.replay, cache, told, slot)
