"""Engine `eager`: transformers' own `generate`, timed and stoppable.

A StoppingCriteria sees every step, so it gives the time of the first token, streams tokens and
stops on request, at batch 1 and at batch N alike.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from vibecore.core.records import GREEDY, Decoding, Generation
from vibecore.engine.batch import synchronise, to_generations
from vibecore.engine.decoding import arguments
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak
from vibecore.engine.model import Batch, LoadedModel, OnToken, StopSwitch, Times
from vibecore.engine.quantisers import without_gradients
from vibecore.engine.sampling import Draws, draw


class _Choose(LogitsProcessor):
    """Notes at every step which rows' logits are not finite. Where tokens are sampled it leaves of
    each row the one that was, so that `generate`, which takes the highest, has no other."""

    def __init__(self, draws: Draws) -> None:
        self.draws = draws
        self.broken: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        chosen = self.draws.choose(scores, len(self.broken))
        self.broken.append(~chosen.highest.isfinite())
        if self.draws.rule == "greedy":
            return scores
        none = torch.full_like(scores, -float("inf"))
        return none.scatter(1, chosen.tokens[:, None], 0.0)

    def good_tokens(self) -> list[int | None]:
        """How many tokens each row has from finite logits; None where all are."""
        steps = torch.stack(self.broken, dim=1).tolist()
        return [row.index(True) if True in row else None for row in steps]


class _StepRecorder(StoppingCriteria):
    """Times the first token, streams every token, ends a sequence whose logits are not finite,
    and all sequences on request."""

    def __init__(
        self,
        loaded: LoadedModel,
        switch: StopSwitch,
        on_token: OnToken | None,
        chosen: _Choose,
    ) -> None:
        self.loaded = loaded
        self.switch = switch
        self.on_token = on_token
        self.chosen = chosen
        self.first_token_at: float | None = None
        self.finished: set[int] = set()

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        if self.first_token_at is None:
            synchronise(self.loaded.device)
            self.first_token_at = time.perf_counter()
        broken = self.chosen.broken[-1]
        if self.on_token is not None:
            self._stream(input_ids[:, -1].tolist(), broken.tolist())
        return broken | self.switch.event.is_set()

    def _stream(self, tokens: list[int], broken: list[bool]) -> None:
        assert self.on_token is not None
        for index, token in enumerate(tokens):
            if broken[index]:
                self.finished.add(index)
            if index not in self.finished:
                self.on_token(index, token)
                if token in self.loaded.eos_token_ids:
                    self.finished.add(index)


def generate(
    loaded: LoadedModel,
    batch: Batch,
    max_new_tokens: int,
    switch: StopSwitch,
    on_token: OnToken | None = None,
    decoding: Decoding = GREEDY,
    seeds: Sequence[int] | None = None,
) -> list[Generation]:
    """Outputs of a batch; where they are sampled, with a seed for each, by default the decoding's
    own. Raises RunError when memory runs out."""
    # Typed by transformers as whatever a module may have of that name.
    generate_tokens: Any = loaded.model.generate
    reset_peak(loaded.device)
    synchronise(loaded.device)
    started = time.perf_counter()
    with without_gradients(loaded.model), explain_out_of_memory(loaded.request, loaded.device):
        seeds = seeds or (decoding.seed,) * len(batch.lengths)
        chosen = _Choose(draw(decoding, seeds, max_new_tokens, loaded.device))
        recorder = _StepRecorder(loaded, switch, on_token, chosen)
        sequences = generate_tokens(
            input_ids=batch.tokens,
            attention_mask=batch.mask,
            generation_config=_generation_config(loaded, max_new_tokens),
            logits_processor=LogitsProcessorList([chosen]),
            stopping_criteria=StoppingCriteriaList([recorder]),
        )
    synchronise(loaded.device)
    ended = time.perf_counter()
    assert recorder.first_token_at is not None
    new_tokens = sequences[:, batch.tokens.shape[1] :].tolist()
    non_finite = cut_short(new_tokens, chosen.good_tokens(), loaded.eos_token_ids)
    return to_generations(
        loaded,
        batch,
        new_tokens,
        Times(started, recorder.first_token_at, ended),
        peak_bytes(loaded.device),
        stopped=switch.event.is_set(),
        max_new_tokens=max_new_tokens,
        non_finite=non_finite,
    )


def cut_short(
    new_tokens: list[list[int]], good_tokens: Sequence[int | None], stop_tokens: Sequence[int]
) -> set[int]:
    """Take from each sequence what was made of logits that were not finite. Returns those that
    ended for it: not one that had ended before and went on as padding in its neighbours' batch,
    nor one whose logits broke in a step after its last (on a GPU `generate` runs ahead)."""
    ended = set()
    for index, good in enumerate(good_tokens):
        tokens = new_tokens[index]
        if good is None or good >= len(tokens) or set(tokens[:good]) & set(stop_tokens):
            continue
        new_tokens[index] = tokens[:good]
        ended.add(index)
    return ended


def _generation_config(loaded: LoadedModel, max_new_tokens: int) -> GenerationConfig:
    return GenerationConfig(
        **arguments(loaded.eos_token_ids, loaded.pad_token_id), max_new_tokens=max_new_tokens
    )
