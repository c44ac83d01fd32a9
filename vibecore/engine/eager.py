"""Engine `eager`: transformers' own `generate`, greedy, timed and stoppable.

A StoppingCriteria sees every step, so it gives the time of the first token, streams tokens and
stops on request, at batch 1 and at batch N alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from vibecore.engine.load import LoadedModel
from vibecore.engine.memory import explain_out_of_memory, peak_bytes, reset_peak
from vibecore.errors import RunError
from vibecore.records import GREEDY, Decoding, FinishReason, Generation

WARM_UP_TOKENS = 4

# Called with (index in the batch, token id) for every token of an unfinished sequence.
OnToken = Callable[[int, int], None]


@dataclass
class StopSwitch:
    """Asks a running `generate` to end after the token it is working on."""

    event: Event = field(default_factory=Event)


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
            _synchronise(self.loaded.device)
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
    prompts: Sequence[str],
    max_new_tokens: int,
    switch: StopSwitch | None = None,
    on_token: OnToken | None = None,
    decoding: Decoding = GREEDY,
) -> list[Generation]:
    """Outputs of all `prompts`, decoded as one left-padded batch.

    Raises RunError for a prompt that does not fit the context.
    """
    switch = switch or StopSwitch()
    inputs = loaded.tokenizer(
        list(prompts),
        return_tensors="pt",
        padding=len(prompts) > 1,
        padding_side="left",
        return_token_type_ids=False,
    )
    prompt_lengths = inputs["attention_mask"].sum(dim=1).tolist()
    _check_context(loaded, prompt_lengths, max_new_tokens)
    inputs = inputs.to(loaded.device)
    recorder = _StepRecorder(loaded, switch, on_token)
    reset_peak(loaded.device)
    _synchronise(loaded.device)
    started = time.perf_counter()
    with torch.inference_mode(), explain_out_of_memory(loaded.request, loaded.device):
        sequences = loaded.model.generate(
            **inputs,
            generation_config=_generation_config(loaded, max_new_tokens, decoding),
            stopping_criteria=StoppingCriteriaList([recorder]),
        )
    _synchronise(loaded.device)
    ended = time.perf_counter()
    peak = peak_bytes(loaded.device)
    assert recorder.first_token_at is not None
    new_tokens = sequences[:, inputs["input_ids"].shape[1] :].tolist()
    stopped = switch.event.is_set()
    generations = []
    for prompt_tokens, tokens in zip(prompt_lengths, new_tokens, strict=True):
        token_ids, finish_reason = _own_part(tokens, loaded.eos_token_ids, stopped, max_new_tokens)
        generations.append(
            Generation(
                text=None
                if loaded.dummy
                else loaded.tokenizer.decode(token_ids, skip_special_tokens=True),
                token_ids=token_ids,
                prompt_tokens=prompt_tokens,
                finish_reason=finish_reason,
                first_token_seconds=recorder.first_token_at - started,
                total_seconds=ended - started,
                peak_memory_bytes=peak,
                batch_size=len(prompts),
            )
        )
    return generations


def warm_up(loaded: LoadedModel, prompts: Sequence[str]) -> None:
    """Run the first batch for a few tokens, so that no timed one pays for set-up."""
    generate(loaded, prompts, WARM_UP_TOKENS)


def _own_part(
    tokens: Sequence[int], eos_token_ids: Sequence[int], stopped: bool, max_new_tokens: int
) -> tuple[tuple[int, ...], FinishReason]:
    """A sequence's tokens to its own end, without the padding a longer neighbour caused."""
    for position, token in enumerate(tokens):
        if token in eos_token_ids:
            return tuple(tokens[: position + 1]), "eos"
    reason: FinishReason = "stopped" if stopped and len(tokens) < max_new_tokens else "length"
    return tuple(tokens), reason


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


def _check_context(loaded: LoadedModel, prompt_lengths: Sequence[int], new_tokens: int) -> None:
    needed = max(prompt_lengths) + new_tokens
    if min(prompt_lengths) == 0:
        raise RunError("The prompt is empty: write at least one character.")
    if needed > loaded.context:
        raise RunError(
            f"The prompt has {max(prompt_lengths)} tokens; with {new_tokens} new ones that is "
            f"{needed}, and the model's context is {loaded.context}. Shorten the prompt or lower "
            "--max-new-tokens."
        )


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
