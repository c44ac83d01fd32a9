"""Teacher forcing: the next-token logits that a model gives along a text that is given.

Each way yields them in slices of the same positions, KEPT_AT_ONCE at most, so that the logits of a
large vocabulary never stand whole: of 151,936 tokens a slice has 78 MB in 16 bit. What was read
stays in a KV cache.

Of LLM.int8() with an outlier threshold the logits depend on what is read together: a column of the
input with an outlier in any token of a pass is multiplied in 16 bit for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch

from vibecore.core.fidelity import KEPT_AT_ONCE, READ_AT_ONCE
from vibecore.engine.cache import new_cache
from vibecore.engine.decoder import Decoder
from vibecore.engine.gpu_steps import choose_step
from vibecore.engine.model import Batch, LoadedModel
from vibecore.engine.prefill import distinct_prompts, prefill
from vibecore.engine.quantisers import without_gradients
from vibecore.engine.step import growing_step


@dataclass(frozen=True)
class Passage:
    """Token ids: `before` is read, at least one, and then `tokens`, at least one, each after its
    own distribution was given. The last one need not be read."""

    before: tuple[int, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Pass:
    """A forward pass over the slots [start, stop), that gives the logits of its last `keep`."""

    start: int
    stop: int
    keep: int


def passes(before: int, tokens: int) -> list[Pass]:
    """The passes over a passage of so many tokens before and so many after. Those with logits give
    KEPT_AT_ONCE positions each, but for the last."""
    first, found = before - 1, []
    start = 0
    while first - start > READ_AT_ONCE:
        found.append(Pass(start, start + READ_AT_ONCE, 0))
        start += READ_AT_ONCE
    for given in range(0, tokens, KEPT_AT_ONCE):
        keep = min(KEPT_AT_ONCE, tokens - given)
        found.append(Pass(start, first + given + keep, keep))
        start = first + given + keep
    return found


def logits_alone(loaded: LoadedModel, passage: Passage) -> Iterator[torch.Tensor]:
    """Logits [positions, vocabulary], slice by slice, by transformers' forward pass over one text
    without padding."""
    for logits in _logits(loaded, torch.tensor([_read(passage)], device=loaded.device), passage):
        yield logits[0]


def logits_in_batch(loaded: LoadedModel, passages: Sequence[Passage]) -> Iterator[torch.Tensor]:
    """Logits [rows, positions, vocabulary], slice by slice, by transformers' forward pass over
    several texts as one batch, padded on the left of `before`. Those of shorter `tokens` than the
    longest end in positions that mean nothing."""
    before = max(len(one.before) for one in passages)
    longest = max(len(one.tokens) for one in passages)
    fill = loaded.pad_token_id
    rows, mask = [], []
    for one in passages:
        left, right = before - len(one.before), longest - len(one.tokens)
        rows.append([fill] * left + _read(one) + [fill] * right)
        mask.append([0] * left + [1] * (len(rows[-1]) - left))
    tokens, seen = (torch.tensor(part, device=loaded.device) for part in (rows, mask))
    widest = Passage((fill,) * before, (fill,) * longest)
    yield from _logits(loaded, tokens, widest, seen)


def logits_by_graph(decoder: Decoder, passage: Passage) -> Iterator[torch.Tensor]:
    """Logits as logits_alone gives them, as engine `graph` decodes: `before` as a prompt, and then
    token by token."""
    before = torch.tensor([passage.before], device=decoder.device)
    batch = Batch(before, torch.ones_like(before), (len(passage.before),))
    steps = graph_steps(decoder, batch, torch.tensor([passage.tokens], device=decoder.device))
    while True:
        # Not around the yield, as in _logits.
        with torch.inference_mode():
            part = list(islice(steps, KEPT_AT_ONCE))
        if not part:
            return
        yield torch.cat(part)


def graph_steps(decoder: Decoder, batch: Batch, tokens: torch.Tensor) -> Iterator[torch.Tensor]:
    """Logits [rows, vocabulary] that engine `graph` gives for each of `tokens` [rows, new] before
    reading it, by the forward passes that it decodes with on the decoder's device. To be run in
    inference mode."""
    if decoder.device.type == "cuda":
        return recorded_steps(decoder, batch, tokens)
    return called_steps(decoder, batch, tokens)


def called_steps(decoder: Decoder, batch: Batch, tokens: torch.Tensor) -> Iterator[torch.Tensor]:
    """As graph_steps on a CPU."""
    (rows, slot), new = batch.tokens.shape, tokens.shape[1]
    decoder.arrange(rows)
    cache = new_cache(decoder, rows, slot + new)
    yield prefill(decoder, batch, cache)
    for place in range(new - 1):
        yield growing_step(decoder, cache, tokens[:, place : place + 1], slot + place)


def recorded_steps(decoder: Decoder, batch: Batch, tokens: torch.Tensor) -> Iterator[torch.Tensor]:
    """As graph_steps on a GPU: prompts by what is recorded, steps by what would be."""
    from vibecore.engine.capture import recording_for

    (rows, longest), new = batch.tokens.shape, tokens.shape[1]
    prompts = distinct_prompts(batch)
    recording = recording_for(decoder, rows, longest, new, prompts=len(prompts.padding))
    recording.read(prompts)
    step = choose_step(decoder, rows)
    yield recording.logits.clone()
    for place in range(new - 1):
        fed = tokens[:, place : place + 1]
        yield step(decoder, recording.cache, fed, recording.slot).clone()
        recording.slot.add_(1)


def _read(passage: Passage) -> list[int]:
    return [*passage.before, *passage.tokens[:-1]]


def _logits(
    loaded: LoadedModel, tokens: torch.Tensor, passage: Passage, mask: torch.Tensor | None = None
) -> Iterator[torch.Tensor]:
    """Logits [rows, positions, vocabulary] of `tokens` [rows, slots], which are a passage's, a row
    or several; `mask` says which are no padding."""
    # Typed by transformers as whatever a module may have of that name.
    model: Any = loaded.model
    cache = None
    for each in passes(len(passage.before), len(passage.tokens)):
        arguments: dict[str, Any] = {}
        if mask is not None:
            own = mask[:, : each.stop]
            positions = (own.cumsum(-1) - 1).clamp(min=0)[:, each.start :]
            arguments = {"attention_mask": own, "position_ids": positions}
        # Not around the yield: the other model of a comparison may need another context.
        with without_gradients(loaded.model):
            made = model(
                input_ids=tokens[:, each.start : each.stop],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=max(1, each.keep),
                **arguments,
            )
        cache = made.past_key_values
        if each.keep:
            yield made.logits
