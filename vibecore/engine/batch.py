"""Prompts in as one padded batch, generations out: what every engine does the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from vibecore.core.errors import RunError
from vibecore.core.records import FinishReason, Generation
from vibecore.engine.model import Batch, LoadedModel, Times


def encode(loaded: LoadedModel, prompts: Sequence[str], max_new_tokens: int) -> Batch:
    """The prompts on the model's device. Raises RunError for one that does not fit."""
    inputs = loaded.tokenizer(
        list(prompts),
        return_tensors="pt",
        padding=len(prompts) > 1,
        padding_side="left",
        return_token_type_ids=False,
    )
    lengths = tuple(inputs["attention_mask"].sum(dim=1).tolist())
    _check_context(loaded, lengths, max_new_tokens)
    return Batch(
        inputs["input_ids"].to(loaded.device), inputs["attention_mask"].to(loaded.device), lengths
    )


def random_batch(
    loaded: LoadedModel, sequences: int, prompt_tokens: int, max_new_tokens: int
) -> Batch:
    """Prompts of random tokens, the same ones each time. Raises RunError as encode does."""
    lengths = (prompt_tokens,) * sequences
    _check_context(loaded, lengths, max_new_tokens)
    generator = torch.Generator().manual_seed(0)
    shape = (sequences, prompt_tokens)
    tokens = torch.randint(loaded.model.config.vocab_size, shape, generator=generator)
    return Batch(tokens.to(loaded.device), torch.ones_like(tokens).to(loaded.device), lengths)


def to_generations(
    loaded: LoadedModel,
    batch: Batch,
    new_tokens: Sequence[Sequence[int]],
    times: Times,
    peak_bytes: int,
    *,
    stopped: bool,
    max_new_tokens: int,
    non_finite: Collection[int] = (),
) -> list[Generation]:
    """One record a sequence, from each one's new tokens; those of the sequences `non_finite` end
    before the logits that were not finite."""
    generations = []
    for index, (prompt_tokens, tokens) in enumerate(zip(batch.lengths, new_tokens, strict=True)):
        token_ids, finish_reason = _own_part(tokens, loaded.eos_token_ids, stopped, max_new_tokens)
        if index in non_finite:
            token_ids, finish_reason = tuple(tokens), "non_finite"
        text = None
        if not loaded.dummy:
            text = str(loaded.tokenizer.decode(list(token_ids), skip_special_tokens=True))
        generations.append(
            Generation(
                text=text,
                token_ids=token_ids,
                prompt_tokens=prompt_tokens,
                finish_reason=finish_reason,
                first_token_seconds=times.first_token - times.started,
                total_seconds=times.ended - times.started,
                peak_memory_bytes=peak_bytes,
                batch_size=len(batch.lengths),
            )
        )
    return generations


def synchronise(device: torch.device) -> None:
    """Wait for a GPU's queued work, so that a clock read next is true."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def _own_part(
    tokens: Sequence[int], eos_token_ids: Sequence[int], stopped: bool, max_new_tokens: int
) -> tuple[tuple[int, ...], FinishReason]:
    """A sequence's tokens to its own end, without the padding a longer neighbour caused."""
    for position, token in enumerate(tokens):
        if token in eos_token_ids:
            return tuple(tokens[: position + 1]), "eos"
    reason: FinishReason = "stopped" if stopped and len(tokens) < max_new_tokens else "length"
    return tuple(tokens), reason


def _check_context(loaded: LoadedModel, prompt_lengths: Sequence[int], new_tokens: int) -> None:
    needed = max(prompt_lengths) + new_tokens
    if min(prompt_lengths) == 0:
        raise RunError("The prompt is empty: write at least one character.")
    if loaded.context is not None and needed > loaded.context:
        raise RunError(
            f"The prompt has {max(prompt_lengths)} tokens; with {new_tokens} new ones that is "
            f"{needed}, and the model's context is {loaded.context}. Shorten the prompt or lower "
            "--max-new-tokens."
        )
