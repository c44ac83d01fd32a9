"""Prompts in, generations out: llama.cpp reads, the tokens are chosen as every engine chooses them.

Prompts are read one after the other, each distinct one once, and decoded together. A cache large
enough is made before anything is timed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from vibecore.core.records import GREEDY, Decoding, Generation
from vibecore.engine.batch import to_generations
from vibecore.engine.llama_cpp.native import Sequences
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak
from vibecore.engine.model import Batch, Collector, LoadedFile, OnToken, StopSwitch, Times
from vibecore.engine.sampling import Draws, draw

HOST = torch.device("cpu")


def prepare(loaded: LoadedFile, batches: Sequence[Batch], max_new_tokens: int) -> None:
    """Have every later cache hold the longest of these batches, and make that of the first one.
    Raises RunError where memory does not do."""
    longest = max((max(batch.lengths) for batch in batches), default=0)
    loaded.native.least_tokens = max(loaded.native.least_tokens, longest + max_new_tokens)
    with explain_out_of_memory(loaded.request, loaded.device):
        for batch in batches[:1]:
            loaded.native.sequences(len(batch.lengths), longest + max_new_tokens)


def generate(
    loaded: LoadedFile,
    batch: Batch,
    max_new_tokens: int,
    switch: StopSwitch,
    on_token: OnToken | None = None,
    decoding: Decoding = GREEDY,
    seeds: Sequence[int] | None = None,
) -> list[Generation]:
    """Outputs of a batch, as `eager.generate` gives them."""
    rows = len(batch.lengths)
    collector = Collector(rows, loaded.eos_token_ids, max_new_tokens, switch, on_token)
    with explain_out_of_memory(loaded.request, loaded.device), torch.inference_mode():
        sequences = loaded.native.sequences(rows, max(batch.lengths) + max_new_tokens)
        draws = draw(decoding, seeds or (decoding.seed,) * rows, max_new_tokens, HOST)
        if not loaded.native.gpu:
            reset_peak(loaded.device)
        started = time.perf_counter()
        first_token = _decode(sequences, _tokens_of(batch), collector, draws)
        ended = time.perf_counter()
    return to_generations(
        loaded,
        batch,
        collector.tokens,
        Times(started, first_token, ended),
        peak(loaded),
        stopped=collector.stopped,
        max_new_tokens=max_new_tokens,
        non_finite=collector.non_finite,
    )


def peak(loaded: LoadedFile) -> int:
    """Memory at its most: of a CPU resident memory, the file's pages that were read among it; of a
    GPU all that it has less since the model was loaded, as llama.cpp takes no more later."""
    taken = loaded.native.gpu_bytes_taken()
    return peak_bytes(loaded.device) if taken is None else taken


def _tokens_of(batch: Batch) -> list[tuple[int, ...]]:
    """Each prompt's token ids, without padding."""
    padded = zip(batch.tokens.tolist(), batch.lengths, strict=True)
    return [tuple(row[-length:]) for row, length in padded]


def _decode(
    sequences: Sequences,
    prompts: Sequence[tuple[int, ...]],
    collector: Collector,
    draws: Draws,
) -> float:
    """Fill the collector. Returns when the first tokens were there, by time.perf_counter."""
    rows = list(range(len(prompts)))
    step = 0
    chosen = draws.choose(_read(sequences, prompts), step)
    tokens = chosen.tokens.tolist()
    first_token = time.perf_counter()
    while collector.take(rows, tokens, chosen.highest.tolist()):
        if len(collector.running) < len(rows):
            running = set(collector.running)
            kept = [place for place, index in enumerate(rows) if index in running]
            order = sequences.close_up(kept)
            rows, tokens = [rows[place] for place in order], [tokens[place] for place in order]
            draws = draws.keep(order)
        step += 1
        chosen = draws.choose(sequences.step(tokens), step)
        tokens = chosen.tokens.tolist()
    return first_token


def _read(sequences: Sequences, prompts: Sequence[tuple[int, ...]]) -> torch.Tensor:
    """Read each sequence's prompt. Returns the logits of what follows, [prompts, vocabulary]."""
    first: dict[tuple[int, ...], int] = {}
    logits: list[torch.Tensor] = []
    for row, prompt in enumerate(prompts):
        if prompt in first:
            # Several samples of a prompt.
            sequences.copy(first[prompt], row)
            logits.append(logits[first[prompt]])
        else:
            first[prompt] = row
            logits.append(sequences.read(row, prompt))
    return torch.cat(logits)
