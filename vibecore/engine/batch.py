"""Prompts in as one padded batch, generations out: what every engine does the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from vibecore.core.errors import RunError
from vibecore.core.records import FinishReason, Generation
from vibecore.engine.chat import encode_prompts
from vibecore.engine.model import Batch, Loaded, Times
from vibecore.engine.reasoning import split, visible


def encode(loaded: Loaded, prompts: Sequence[str], max_new_tokens: int) -> Batch:
    """The prompts as the model is asked them, on its device.

    Raises RunError for one that does not fit, or that its chat template fails on.
    """
    ids = encode_prompts(loaded.tokenizer, loaded.ask, prompts)
    lengths = tuple(len(each) for each in ids)
    _check_context(loaded, lengths, max_new_tokens)
    longest = max(lengths)
    # Padded here and not by the tokenizer: one without a padding token cannot.
    tokens = [[loaded.pad_token_id] * (longest - len(each)) + each for each in ids]
    mask = [[0] * (longest - length) + [1] * length for length in lengths]
    return Batch(
        torch.tensor(tokens, device=loaded.device),
        torch.tensor(mask, device=loaded.device),
        lengths,
        None if loaded.dummy else tuple(_as_asked(loaded, each) for each in ids),
    )


def random_batch(loaded: Loaded, sequences: int, prompt_tokens: int, max_new_tokens: int) -> Batch:
    """Prompts of random tokens, the same ones each time. Raises RunError as encode does."""
    lengths = (prompt_tokens,) * sequences
    _check_context(loaded, lengths, max_new_tokens)
    generator = torch.Generator().manual_seed(0)
    shape = (sequences, prompt_tokens)
    tokens = torch.randint(loaded.vocabulary, shape, generator=generator)
    return Batch(tokens.to(loaded.device), torch.ones_like(tokens).to(loaded.device), lengths)


def to_generations(
    loaded: Loaded,
    batch: Batch,
    new_tokens: Sequence[Sequence[int]],
    times: Times,
    peak_bytes: int,
    *,
    stopped: bool,
    max_new_tokens: int,
    non_finite: Collection[int] = (),
) -> list[Generation]:
    """One record a sequence, from each one's new tokens; reasoning apart from the answer. Those of
    the sequences `non_finite` end before the logits that were not finite."""
    generations = []
    rendered = batch.rendered or (None,) * len(batch.lengths)
    parts = zip(batch.lengths, rendered, new_tokens, strict=True)
    for index, (prompt_tokens, prompt, tokens) in enumerate(parts):
        token_ids, finish_reason = _own_part(tokens, loaded.eos_token_ids, stopped, max_new_tokens)
        if index in non_finite:
            token_ids, finish_reason = tuple(tokens), "non_finite"
        written = _written(loaded, token_ids, finish_reason)
        generations.append(
            Generation(
                text=written.text,
                token_ids=token_ids,
                prompt_tokens=prompt_tokens,
                finish_reason=written.finish_reason,
                rendered_prompt=prompt,
                reasoning=written.reasoning,
                reasoning_tokens=written.reasoning_tokens,
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


@dataclass(frozen=True)
class _Written:
    """What one sequence says, and how it ended."""

    finish_reason: FinishReason
    text: str | None = None
    reasoning: str | None = None
    reasoning_tokens: int = 0


def _written(loaded: Loaded, token_ids: Sequence[int], finish_reason: FinishReason) -> _Written:
    if loaded.dummy:
        return _Written(finish_reason)
    body = token_ids[:-1] if finish_reason == "eos" else token_ids
    if loaded.ask.markers is None:
        text = str(loaded.tokenizer.decode(list(token_ids), skip_special_tokens=True))
        return _Written(finish_reason, text)
    parts = split(loaded.tokenizer, loaded.ask, body)
    if parts is None:
        return _Written(finish_reason, visible(loaded.tokenizer, loaded.ask, body))
    if finish_reason == "length" and not parts.answer.strip():
        # The budget went into the reasoning, or ended at its end marker: no answer came.
        finish_reason = "thinking"
    return _Written(finish_reason, parts.answer, parts.reasoning or None, parts.tokens)


def _as_asked(loaded: Loaded, ids: Sequence[int]) -> str:
    """A prompt as the model reads it, special tokens visible."""
    text = loaded.tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
    return str(text)


def _own_part(
    tokens: Sequence[int], eos_token_ids: Sequence[int], stopped: bool, max_new_tokens: int
) -> tuple[tuple[int, ...], FinishReason]:
    """A sequence's tokens to its own end, without the padding a longer neighbour caused."""
    for position, token in enumerate(tokens):
        if token in eos_token_ids:
            return tuple(tokens[: position + 1]), "eos"
    reason: FinishReason = "stopped" if stopped and len(tokens) < max_new_tokens else "length"
    return tuple(tokens), reason


def _check_context(loaded: Loaded, prompt_lengths: Sequence[int], new_tokens: int) -> None:
    needed = max(prompt_lengths) + new_tokens
    if min(prompt_lengths) == 0:
        raise RunError("The prompt is empty: write at least one character.")
    if loaded.context is not None and needed > loaded.context:
        raise RunError(
            f"The prompt has {max(prompt_lengths)} tokens; with {new_tokens} new ones that is "
            f"{needed}, and the model's context is {loaded.context}. Shorten the prompt or lower "
            "--max-new-tokens."
        )
