"""Engine `graph` on a GPU: passes over prompts and decode steps, recorded as CUDA graphs.

Shapes are fixed in a graph, so there is a Recording for every batch size and length of cache, and
in it a graph for every length of a part of a prompt. Lengths come in steps (catalog/prefill.py,
CACHE_STEP) and are used again for every prompt. The host reads each token while the GPU makes the
next, so end-of-sequence costs no wait, and at most two tokens are made in vain. When enough
sequences of a batch have finished, those that still run move together and a smaller batch goes on.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch

from vibecore.catalog.memory import CACHE_STEP
from vibecore.catalog.prefill import CHUNKS, chunks_of
from vibecore.engine.cache import Cache, new_cache
from vibecore.engine.decoder import Decoder
from vibecore.engine.gpu_steps import choose_step, why_no_kernels
from vibecore.engine.model import Batch, Collector
from vibecore.engine.prefill import Prompts, distinct_prompts
from vibecore.engine.recorded import Recorded
from vibecore.engine.sampling import GREEDY_DRAWS, Draws, Rule
from vibecore.engine.told import Message, Told

# Each keeps a cache of its own on the GPU; a study needs two or three, a long conversation more.
MOST_RECORDINGS = 6
# Steps that are launched before the token of the first is read.
AHEAD = 2


@dataclass(frozen=True)
class RecordedStep:
    """A decode step of the first rows of a cache: it reads the tokens of `told` [rows], and leaves
    the next ones there. `first` leaves those that follow the prompts."""

    first: Recorded
    run: Recorded
    told: Told


@dataclass
class Recording:
    """A cache of `rows` sequences of at most `length` tokens, and what is recorded over it: decode
    steps by how many of the rows they are for and how they choose, and passes over a part of so
    many prompts, by (prompts, tokens). `slot` [1] is the next to be filled; `prompt` [rows, tokens
    of a part] is what a pass reads, `logits` [rows, vocabulary] what it leaves. What sampled steps
    choose with is in `draws`, a random number for each slot."""

    decoder: Decoder
    rows: int
    length: int
    cache: Cache = field(init=False)
    slot: torch.Tensor = field(init=False)
    prompt: torch.Tensor = field(init=False)
    logits: torch.Tensor = field(init=False)
    draws: Draws = field(init=False)
    steps: dict[tuple[int, Rule], RecordedStep] = field(init=False, default_factory=dict)
    passes: dict[tuple[int, int], Recorded] = field(init=False, default_factory=dict)
    pool: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        decoder = self.decoder
        device = decoder.device
        self.cache = new_cache(decoder, self.rows, self.length)
        self.slot = torch.zeros(1, dtype=torch.long, device=device)
        self.prompt = torch.zeros((self.rows, CHUNKS[-1]), dtype=torch.long, device=device)
        shape = (self.rows, decoder.spec.vocab_size)
        self.logits = torch.zeros(shape, dtype=decoder.dtype, device=device)
        self.draws = Draws.empty(self.rows, self.length, device)
        if decoder.device.type == "cuda":
            self.pool = torch.cuda.graph_pool_handle()

    @property
    def held_bytes(self) -> int:
        """What it holds of the GPU."""
        cache = self.cache
        own = (*cache.keys, *cache.values, self.prompt, self.logits, self.draws.uniform)
        return sum(tensor.nbytes for tensor in own) + self.graph_bytes

    @property
    def graph_bytes(self) -> int:
        """The part of it that its graphs compute in, which torch does not count as given out."""
        steps = self.steps.values()
        runs = (*self.passes.values(), *(run for step in steps for run in (step.first, step.run)))
        return sum(run.held_bytes for run in runs)

    def step(self, rows: int, rule: Rule = "greedy") -> RecordedStep:
        """The decode step of the first `rows` rows."""
        if (rows, rule) not in self.steps:
            self.steps[rows, rule] = self._new_step(rows, rule)
        return self.steps[rows, rule]

    def sizes(self) -> list[int]:
        """Batch sizes that decode here: its own, and the powers of two below."""
        return [self.rows, *(2**power for power in range(16, -1, -1) if 2**power < self.rows)]

    def smaller(self, running: int, rows: int, rule: Rule = "greedy") -> int | None:
        """The smallest batch that `running` sequences of `rows` fit into and that is ready; None
        where that is no gain."""
        fitting = [
            size
            for (size, chosen_by), step in self.steps.items()
            if running <= size < rows and chosen_by == rule and step.run.ready
        ]
        return min(fitting, default=None)

    def read(self, prompts: Prompts, draws: Draws = GREEDY_DRAWS) -> None:
        """Fill the cache with prompts, in the current stream's order, and `logits` with what
        follows each. Sampled tokens will be chosen with `draws`."""
        count, longest = prompts.tokens.shape
        chunks = chunks_of(longest, count)
        added = sum(chunks) - longest
        tokens = torch.nn.functional.pad(prompts.tokens, (added, 0))
        if why_no_kernels(self.decoder):
            # Attention in plain torch reads the whole cache, and weighs what is not to be seen with
            # zero: of a prompt whose numbers overflowed that would be no number.
            self.cache.clear()
        self.cache.padding[:count] = prompts.padding + added
        self.slot.zero_()
        start = 0
        for chunk in chunks:
            self.prompt[:count, :chunk] = tokens[:, start : start + chunk]
            self._pass(count, chunk)()
            start += chunk
        if prompts.of_row is not None:
            self.cache.gather(prompts.of_row)
            self.logits[:] = self.logits[prompts.of_row]
        if draws.rule != "greedy":
            self.draws.take(draws, start)

    def keep(self, places: list[int], rows: int, rule: Rule = "greedy") -> None:
        """Go on with the sequences in `places` of the step for `rows` rows, as the first ones."""
        index = torch.tensor(places, device=self.slot.device)
        self.cache.gather(index)
        if rule != "greedy":
            self.draws.gather(index)
        self.step(len(places), rule).told.tokens.copy_(self.step(rows, rule).told.tokens[index])

    def prepare(self, prompts: int, prompt_tokens: int, rule: Rule = "greedy") -> None:
        """Record now what reads so many prompts of at most so many tokens, and decodes."""
        self.cache.padding.zero_()
        # The largest first: the others compute in its memory.
        for chunk in sorted(set(chunks_of(prompt_tokens, prompts)), reverse=True):
            self.slot.zero_()
            self._pass(prompts, chunk).prepare()
        self.step(self.rows, rule).first.prepare()
        for rows in self.sizes():
            self.slot.zero_()
            self.step(rows, rule).run.prepare()
        self.slot.zero_()

    def record_passes(self) -> None:
        """Record the passes that were called so far: after an answer, so that the next prompt of
        such a length does not wait for it."""
        for each in self.passes.values():
            each.record()

    def _pass(self, prompts: int, tokens: int) -> Recorded:
        if (prompts, tokens) not in self.passes:
            self.passes[prompts, tokens] = self._new_pass(prompts, tokens)
        return self.passes[prompts, tokens]

    # What is recorded refers to tensors only: a reference back to here would keep the memory of a
    # recording that is dropped until Python looks for circles.

    def _new_pass(self, prompts: int, tokens: int) -> Recorded:
        decoder, cache, slot = self.decoder, self.cache.first(prompts), self.slot
        part, logits = self.prompt[:prompts, :tokens], self.logits[:prompts]
        read = choose_step(decoder, prompts * tokens)

        def work() -> None:
            logits.copy_(read(decoder, cache, part, slot))
            slot.add_(tokens)

        return Recorded(work, decoder.device, self.pool)

    def _new_step(self, rows: int, rule: Rule) -> RecordedStep:
        decoder, cache, slot = self.decoder, self.cache.first(rows), self.slot
        draws, read = self.draws.first(rows, rule), self.logits[:rows]
        told = Told.empty(rows, decoder.dtype, decoder.device)
        decode = choose_step(decoder, rows)

        # What is chosen goes into the slot that is next.
        def first() -> None:
            told.take(draws.choose(read, slot))

        def work() -> None:
            logits = decode(decoder, cache, told.tokens[:, None], slot)
            slot.add_(1)
            told.take(draws.choose(logits, slot))

        return RecordedStep(
            Recorded(first, decoder.device, self.pool),
            Recorded(work, decoder.device, self.pool),
            told,
        )


def recording_for(
    decoder: Decoder, rows: int, prompt_tokens: int, new_tokens: int, *, prompts: int | None = None
) -> Recording:
    """Where `rows` prompts of at most `prompt_tokens` tokens are read, `prompts` different ones
    [all], and as many as `new_tokens` decoded for each. The one that was used least recently goes
    when there are MOST_RECORDINGS, and all go when there is no memory for another."""
    # Fewer prompts are padded to other lengths.
    needed = sum(chunks_of(prompt_tokens, prompts or rows)) + new_tokens
    length = -(-needed // CACHE_STEP) * CACHE_STEP
    recordings = decoder.recordings
    recording = recordings.pop((rows, length), None)
    if recording is None:
        while len(recordings) >= MOST_RECORDINGS:
            del recordings[next(iter(recordings))]
        # Not in the handler, whose error refers to what was made of the one that failed.
        recording = _recording_if_it_fits(decoder, rows, length)
    if recording is None:
        recordings.clear()
        recording = Recording(decoder, rows, length)
    recordings[rows, length] = recording
    return recording


def _recording_if_it_fits(decoder: Decoder, rows: int, length: int) -> Recording | None:
    """A new one; None where others hold the memory for it."""
    try:
        return Recording(decoder, rows, length)
    except torch.OutOfMemoryError:
        if not decoder.recordings:
            raise
        return None


def record_passes(decoder: Decoder) -> None:
    """Record what read the last prompts, if that was its first use."""
    if decoder.recordings:
        next(reversed(decoder.recordings.values())).record_passes()


def idle_bytes(decoder: Decoder, rows: int) -> int:
    """What recordings hold of the GPU while one of `rows` is measured, but for that one: of those
    for so many rows the last that was used."""
    idle = list(decoder.recordings.values())
    if idle and idle[-1].rows == rows:
        idle.pop()
    return sum(one.held_bytes for one in idle)


def decode_recorded(
    decoder: Decoder, batch: Batch, collector: Collector, draws: Draws = GREEDY_DRAWS
) -> float:
    """Fill the collector. Returns when the first tokens were there, by time.perf_counter."""
    # Which sequence of the batch each row of the step is; those that have finished stay until
    # enough of them have.
    rows = list(range(len(batch.lengths)))
    longest = batch.tokens.shape[1]
    prompts, rule = distinct_prompts(batch), draws.rule
    recording = recording_for(
        decoder, len(rows), longest, collector.max_new_tokens, prompts=len(prompts.padding)
    )
    recording.read(prompts, draws)
    step = recording.step(len(rows), rule)
    step.first()
    going = collector.take(rows, *step.told.send().arrived())
    first_token = time.perf_counter()
    coming: deque[Message] = deque()
    to_launch = collector.max_new_tokens - 1
    while going:
        while to_launch and len(coming) < AHEAD:
            step.run()
            coming.append(step.told.send())
            to_launch -= 1
        going = collector.take(rows, *coming.popleft().arrived())
        smaller = recording.smaller(len(collector.running), len(rows), rule) if going else None
        if smaller is None:
            continue
        while coming and going:
            going = collector.take(rows, *coming.popleft().arrived())
        if going:
            running = set(collector.running)
            # A step has its number of rows, so some that have finished may have to fill it.
            order = sorted(range(len(rows)), key=lambda place: rows[place] not in running)
            kept = order[:smaller]
            recording.keep(kept, len(rows), rule)
            rows = [rows[place] for place in kept]
            step = recording.step(smaller, rule)
    return first_token
