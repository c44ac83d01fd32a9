"""How prompts fill the cache of engine `graph`: each distinct prompt once, long ones in chunks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vibecore.catalog.prefill import longest_chunk
from vibecore.engine.cache import Cache
from vibecore.engine.decoder import Decoder
from vibecore.engine.model import Batch
from vibecore.engine.step import growing_step


@dataclass(frozen=True)
class Prompts:
    """The distinct prompts of a batch, left-padded: `tokens` [distinct, longest], `padding`
    [distinct] how many of each come before its first token, and for each row of the batch which
    prompt is its own, `of_row` [rows], None where all differ."""

    tokens: torch.Tensor
    padding: torch.Tensor
    of_row: torch.Tensor | None


def distinct_prompts(batch: Batch) -> Prompts:
    """Several samples of a prompt are rows of one batch, and read it once."""
    length = batch.tokens.shape[1]
    padding = torch.tensor([length - own for own in batch.lengths], device=batch.tokens.device)
    rows = [
        (own, tuple(row[-own:]))
        for own, row in zip(batch.lengths, batch.tokens.tolist(), strict=True)
    ]
    first = {row: place for place, row in reversed(list(enumerate(rows)))}
    if len(first) == len(rows):
        return Prompts(batch.tokens, padding, None)
    kept = sorted(first.values())
    number = {rows[place]: index for index, place in enumerate(kept)}
    of_row = torch.tensor([number[row] for row in rows], device=batch.tokens.device)
    return Prompts(batch.tokens[kept], padding[kept], of_row)


def prefill(decoder: Decoder, batch: Batch, cache: Cache) -> torch.Tensor:
    """Read a batch's prompts into an empty cache by the form for a CPU. Returns the logits of what
    follows each, [rows, vocabulary]."""
    prompts = distinct_prompts(batch)
    own = cache.first(prompts.tokens.shape[0])
    own.padding.copy_(prompts.padding)
    logits, chunk = torch.empty(0), longest_chunk(own.rows)
    for start in range(0, prompts.tokens.shape[1], chunk):
        logits = growing_step(decoder, own, prompts.tokens[:, start : start + chunk], start)
    if prompts.of_row is None:
        return logits
    cache.gather(prompts.of_row)
    return logits[prompts.of_row]
