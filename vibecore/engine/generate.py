"""What a worker asks of a loaded model: to warm up, to prepare, to generate, to time steps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from vibecore.core.errors import RunError
from vibecore.core.records import GREEDY, Decoding, Generation, StepTimes
from vibecore.engine import eager, graph
from vibecore.engine.batch import encode, random_batch, synchronise
from vibecore.engine.llama_cpp import decode as llama_cpp
from vibecore.engine.memory import explain_out_of_memory
from vibecore.engine.model import Batch, Loaded, LoadedFile, LoadedModel, OnToken, StopSwitch

WARM_UP_TOKENS = 4
CPU_WARM_UP_PROMPTS = 2
NON_FINITE_ADVICE = (
    "Weights or activations overflow: float16 holds numbers up to 65,504, bf16 those of float32."
)
# Stands for "no end of sequence": transformers takes the model's own for an empty list.
NO_TOKEN = -1


def generate(
    loaded: Loaded,
    prompts: Sequence[str],
    max_new_tokens: int,
    switch: StopSwitch | None = None,
    on_token: OnToken | None = None,
    decoding: Decoding = GREEDY,
    seeds: Sequence[int] | None = None,
) -> list[Generation]:
    """Outputs of all `prompts` as one left-padded batch, by the engine the model was loaded for.
    Sampled ones have a seed each, by default the decoding's own.

    Raises RunError for a prompt that does not fit the context, or when memory runs out.
    """
    batch = encode(loaded, prompts, max_new_tokens)
    return _decode(loaded, batch, max_new_tokens, switch, on_token, decoding, seeds)


def time_steps(
    loaded: Loaded, prompt_tokens: int, new_tokens: int, batch_size: int = 1
) -> StepTimes:
    """Decode exactly `new_tokens` after a prompt of random tokens, and time each one as it comes.
    What can be recorded is, before that.

    Raises RunError for what does not fit the context or the memory, and where the logits are not
    finite, after which there is no next token.
    """
    batch = random_batch(loaded, batch_size, prompt_tokens, new_tokens)
    _prepare(loaded, [batch], new_tokens)
    stamps: list[float] = []

    def stamp(index: int, token: int) -> None:
        if index == 0:
            stamps.append(time.perf_counter())

    synchronise(loaded.device)
    started = time.perf_counter()
    _decode(replace(loaded, eos_token_ids=(NO_TOKEN,)), batch, new_tokens, None, stamp, GREEDY)
    if len(stamps) < new_tokens:
        raise RunError(
            f"{loaded.request.config_id}: the logits are not finite after {len(stamps)} of "
            f"{new_tokens} tokens, so there is nothing to time. {NON_FINITE_ADVICE}"
        )
    steps = tuple(after - before for before, after in pairwise(stamps))
    return StepTimes(stamps[0] - started, steps)


def warm_up(loaded: Loaded, prompts: Sequence[str]) -> None:
    """Run the first batch for a few tokens, so that no timed one pays for set-up."""
    # A GPU's step is captured for a batch of this very size; a CPU's first use is of no size.
    few = prompts if loaded.device.type == "cuda" else prompts[-CPU_WARM_UP_PROMPTS:]
    generate(loaded, few, WARM_UP_TOKENS)


def prepare(
    loaded: Loaded,
    batches: Sequence[Sequence[str]],
    max_new_tokens: int,
    decoding: Decoding = GREEDY,
) -> None:
    """Record whatever decoding these batches will replay, and make the cache they will fill where
    it is made beforehand, so that none of them pays for it.

    Raises RunError as generate does. Nothing to do for engine `eager`, nor for `graph` on a CPU.
    """
    if _prepares(loaded):
        encoded = [encode(loaded, each, max_new_tokens) for each in batches]
        _prepare(loaded, encoded, max_new_tokens, decoding)


def _prepares(loaded: Loaded) -> bool:
    """Whether there is something to prepare."""
    if isinstance(loaded, LoadedModel):
        return loaded.decoder is not None and loaded.device.type == "cuda"
    return isinstance(loaded, LoadedFile)


def _prepare(
    loaded: Loaded,
    batches: Sequence[Batch],
    max_new_tokens: int,
    decoding: Decoding = GREEDY,
) -> None:
    if isinstance(loaded, LoadedFile):
        llama_cpp.prepare(loaded, batches, max_new_tokens)
    if not isinstance(loaded, LoadedModel) or loaded.decoder is None:
        return
    with torch.inference_mode(), explain_out_of_memory(loaded.request, loaded.device):
        for batch in batches:
            graph.prepare(loaded.decoder, batch, max_new_tokens, decoding)


def _decode(
    loaded: Loaded,
    batch: Batch,
    max_new_tokens: int,
    switch: StopSwitch | None,
    on_token: OnToken | None,
    decoding: Decoding,
    seeds: Sequence[int] | None = None,
) -> list[Generation]:
    how = (batch, max_new_tokens, switch or StopSwitch(), on_token, decoding, seeds)
    if isinstance(loaded, LoadedFile):
        return llama_cpp.generate(loaded, *how)
    assert isinstance(loaded, LoadedModel)
    return (eager if loaded.decoder is None else graph).generate(loaded, *how)
