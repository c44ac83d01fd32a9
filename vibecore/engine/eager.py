"""Engine `eager`: transformers' own `generate`, timed and stoppable.

A StoppingCriteria sees every step, so it gives the time of the first token, streams tokens and
stops on request, at batch 1 and at batch N alike.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from vibecore.core.records import GREEDY, Decoding, Generation
from vibecore.engine.batch import synchronise, to_generations
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak
from vibecore.engine.model import Batch, LoadedModel, OnToken, StopSwitch, Times
from vibecore.engine.quantisers import without_gradients


class _StepRecorder(StoppingCriteria):
    """Times the first token, streams every token, and ends all sequences on request."""

    def __init__(self, loaded: LoadedModel, switch: StopSwitch, on_token: OnToken | None) -> None:
        self.loaded = loaded
        self.switch = switch
        self.on_token = on_token
        self.first_token_at: float | None = None
        self.finished: set[int] = set()

    def __call__(self, input_ids: torch.Tensor, scores: object, **_: object) -> torch.Tensor:
        if self.first_token_at is None:
            synchronise(self.loaded.device)
            self.first_token_at = time.perf_counter()
        if self.on_token is not None:
            self._stream(input_ids[:, -1].tolist())
        stop = self.switch.event.is_set()
        return torch.full((input_ids.shape[0],), stop, dtype=torch.bool, device=input_ids.device)

    def _stream(self, tokens: list[int]) -> None:
        assert self.on_token is not None
        for index, token in enumerate(tokens):
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
) -> list[Generation]:
    """Outputs of a batch. Raises RunError when memory runs out."""
    recorder = _StepRecorder(loaded, switch, on_token)
    # Typed by transformers as whatever a module may have of that name.
    generate_tokens: Any = loaded.model.generate
    reset_peak(loaded.device)
    synchronise(loaded.device)
    started = time.perf_counter()
    with without_gradients(loaded.model), explain_out_of_memory(loaded.request, loaded.device):
        sequences = generate_tokens(
            input_ids=batch.tokens,
            attention_mask=batch.mask,
            generation_config=_generation_config(loaded, max_new_tokens, decoding),
            stopping_criteria=StoppingCriteriaList([recorder]),
        )
    synchronise(loaded.device)
    ended = time.perf_counter()
    assert recorder.first_token_at is not None
    return to_generations(
        loaded,
        batch,
        sequences[:, batch.tokens.shape[1] :].tolist(),
        Times(started, recorder.first_token_at, ended),
        peak_bytes(loaded.device),
        stopped=switch.event.is_set(),
        max_new_tokens=max_new_tokens,
    )


def _generation_config(
    loaded: LoadedModel, max_new_tokens: int, decoding: Decoding
) -> GenerationConfig:
    how: dict[str, Any] = {"do_sample": False}
    if decoding.temperature is not None:
        torch.manual_seed(decoding.seed)
        # top_k=0: no cut but top_p's; transformers' own default of 50 would be a second one.
        how = {
            "do_sample": True,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "top_k": 0,
        }
    return GenerationConfig(
        **how,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(loaded.eos_token_ids) or None,
        pad_token_id=loaded.pad_token_id,
    )
