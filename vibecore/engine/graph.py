"""Engine `graph`: a lean forward pass, over the prompts and then repeated for each token.

On a GPU it is captured as CUDA graphs and replayed (see capture.py); on a CPU it is called.
Finished sequences leave the batch. What cannot be decoded exactly (decoder.why_not) or not be
captured (why_eager) goes to `eager`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch
from transformers import PreTrainedModel

from vibecore.core.records import GREEDY, Decoding, Generation
from vibecore.engine import eager
from vibecore.engine.batch import synchronise, to_generations
from vibecore.engine.cache import new_cache
from vibecore.engine.decoder import Decoder, build_decoder, why_not
from vibecore.engine.gpu_steps import why_no_kernels
from vibecore.engine.kernels.availability import why_no_triton
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak
from vibecore.engine.model import Batch, Collector, LoadedModel, OnToken, StopSwitch, Times
from vibecore.engine.prefill import distinct_prompts, prefill
from vibecore.engine.sampling import GREEDY_DRAWS, Draws, draw, rule_of
from vibecore.engine.step import growing_step


def take_apart(model: PreTrainedModel, engine: str) -> tuple[Decoder | None, dict[str, Any]]:
    """What engine `graph` decodes with, None where `eager` decodes; and what of it belongs into a
    run's environment.

    `kernels` is whose kernels a GPU runs, `triton` or `torch: why`, None for `eager` and on a CPU.
    `left_to_eager`, of engine `graph` only, is why `eager` decodes instead, None where it does
    not: of one sequence (`single`) and of several at once (`batch`).
    """
    if engine != "graph":
        return None, {"kernels": None}
    if reason := why_not(model):
        return None, {"kernels": None, "left_to_eager": {"single": reason, "batch": reason}}
    decoder = build_decoder(model)
    kernels = None
    if decoder.device.type == "cuda":
        without = why_no_kernels(decoder)
        kernels = f"torch: {without}" if without else "triton"
    left = why_eager(decoder)
    return decoder, {"kernels": kernels, "left_to_eager": {"single": left, "batch": left}}


def generate(
    loaded: LoadedModel,
    batch: Batch,
    max_new_tokens: int,
    switch: StopSwitch,
    on_token: OnToken | None = None,
    decoding: Decoding = GREEDY,
    seeds: Sequence[int] | None = None,
) -> list[Generation]:
    """Outputs of a batch, as `eager.generate` gives them."""
    decoder = loaded.decoder
    if decoder is None or why_eager(decoder):
        return eager.generate(loaded, batch, max_new_tokens, switch, on_token, decoding, seeds)
    collector = Collector(
        len(batch.lengths), loaded.eos_token_ids, max_new_tokens, switch, on_token
    )
    decoder.arrange(len(batch.lengths))
    reset_peak(loaded.device)
    synchronise(loaded.device)
    started = time.perf_counter()
    with (
        torch.inference_mode(),
        explain_out_of_memory(loaded.request, loaded.device),
        nothing_left_of_errors(decoder),
    ):
        seeds = seeds or (decoding.seed,) * len(batch.lengths)
        draws = draw(decoding, seeds, max_new_tokens, loaded.device)
        first_token = decode(decoder, batch, collector, draws)
        ended = time.perf_counter()
        peak = peak_with_graphs(decoder)
        _record_prompts(decoder)
    return to_generations(
        loaded,
        batch,
        collector.tokens,
        Times(started, first_token, ended),
        peak,
        stopped=collector.stopped,
        max_new_tokens=max_new_tokens,
        non_finite=collector.non_finite,
    )


def why_eager(decoder: Decoder) -> str | None:
    """Why a model cannot be captured, and `eager` decodes it; None when it can."""
    if decoder.device.type == "cpu" or decoder.outlier_threshold == 0:
        return None
    reason = why_no_triton(decoder.dtype)
    return f"the kernels for outliers need Triton ({reason})" if reason else None


@contextmanager
def nothing_left_of_errors(decoder: Decoder) -> Iterator[None]:
    """Drop all recordings where something fails, as it does for want of memory: so what is asked
    next has what they held."""
    try:
        yield
    except RuntimeError:
        decoder.recordings.clear()
        raise


def peak_with_graphs(decoder: Decoder) -> int:
    """Peak memory since the reset, with what recorded graphs compute in."""
    held = sum(recording.graph_bytes for recording in decoder.recordings.values())
    return peak_bytes(decoder.device) + held


def prepare(
    decoder: Decoder, batch: Batch, max_new_tokens: int, decoding: Decoding = GREEDY
) -> None:
    """Record what decodes such a batch now, before it is timed."""
    rows, longest = batch.tokens.shape
    if decoder.device.type == "cuda" and why_eager(decoder) is None:
        from vibecore.engine.capture import recording_for

        prompts = len(distinct_prompts(batch).padding)
        with nothing_left_of_errors(decoder):
            recording = recording_for(decoder, rows, longest, max_new_tokens, prompts=prompts)
            recording.prepare(prompts, longest, rule_of(decoding))


def _record_prompts(decoder: Decoder) -> None:
    """After an answer, what read its prompt for the first time, so that the next prompt of such a
    length is not kept waiting for it."""
    if not decoder.recordings:
        return
    from vibecore.engine.capture import record_passes

    # An answer that is there is not lost for want of memory to read the next prompt faster.
    with suppress(RuntimeError), nothing_left_of_errors(decoder):
        record_passes(decoder)


def decode(
    decoder: Decoder, batch: Batch, collector: Collector, draws: Draws = GREEDY_DRAWS
) -> float:
    """Fill the collector. Returns when the first tokens were there, by time.perf_counter."""
    if decoder.device.type == "cuda":
        from vibecore.engine.capture import decode_recorded

        return decode_recorded(decoder, batch, collector, draws)
    return _decode_called(decoder, batch, collector, draws)


def _decode_called(decoder: Decoder, batch: Batch, collector: Collector, draws: Draws) -> float:
    rows = list(range(len(batch.lengths)))
    start = slot = batch.tokens.shape[1]
    cache = new_cache(decoder, len(rows), slot + collector.max_new_tokens)
    chosen = draws.choose(prefill(decoder, batch, cache), 0)
    first_token = time.perf_counter()
    while collector.take(rows, chosen.tokens.tolist(), chosen.highest.tolist()):
        tokens = chosen.tokens
        if len(collector.running) < len(rows):
            kept = [place for place, index in enumerate(rows) if index in collector.running]
            cache.keep(kept)
            rows, tokens = collector.running, tokens[kept]
            draws = draws.keep(kept)
        logits = growing_step(decoder, cache, tokens[:, None], slot)
        slot += 1
        chosen = draws.choose(logits, slot - start)
    return first_token
