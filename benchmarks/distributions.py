"""How far two ways of computing a model's next-token distributions are apart, in nats.

Every way is led along the same tokens, so that one rounding does not send it into another text.
The distance is the Kullback-Leibler divergence from engine `eager` alone, its cache growing token
by token; `eager` by other ways of its own is the noise floor, for rounding differs there too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from vibecore.engine.decoder import Decoder
from vibecore.engine.divergence import divergence
from vibecore.engine.forced import Passage, graph_steps, logits_alone
from vibecore.engine.graph import why_eager
from vibecore.engine.model import Batch, LoadedModel


@dataclass(frozen=True)
class Distance:
    """Divergence in nats over `tokens` next-token distributions: mean and 99th percentile."""

    mean: float
    percentile_99: float
    tokens: int

    def __str__(self) -> str:
        return f"{self.mean:.1e} / {self.percentile_99:.1e}"


def distances(
    eager: LoadedModel, graph: LoadedModel, batch: Batch, outputs: Sequence[Sequence[int]]
) -> Mapping[str, Distance]:
    """Of engine `graph` and of the noise floor, each from `eager` alone, over the distributions
    that `outputs`, one a prompt of `batch`, were or could have been chosen from. Without the first
    two where `eager` decodes in place of `graph`."""
    singles = [_alone(batch, row) for row in range(len(outputs))]
    passages = [
        Passage(tuple(single.tokens[0].tolist()), tuple(output))
        for single, output in zip(singles, outputs, strict=True)
    ]
    tokens = [torch.tensor([list(output)], device=eager.device) for output in outputs]
    longest = max(len(output) for output in outputs)
    together = torch.zeros((len(outputs), longest), dtype=torch.long, device=eager.device)
    for row, own in enumerate(tokens):
        together[row, : own.shape[1]] = own
    found: dict[str, list[torch.Tensor]] = {}
    with torch.inference_mode():
        wanted = [
            eager_token_by_token(eager, single, own)[0]
            for single, own in zip(singles, tokens, strict=True)
        ]
        if graph.decoder is not None and why_eager(graph.decoder) is None:
            found["graph"] = [
                graph_token_by_token(graph.decoder, single, own)[0]
                for single, own in zip(singles, tokens, strict=True)
            ]
            found["graph in a batch"] = list(graph_token_by_token(graph.decoder, batch, together))
        found["eager in a batch"] = list(eager_token_by_token(eager, batch, together))
        found["eager in one pass"] = [
            torch.cat(list(logits_alone(eager, passage))) for passage in passages
        ]
        return {
            way: _distance(
                [divergence(own, one[: len(own)]) for own, one in zip(wanted, logits, strict=True)]
            )
            for way, logits in found.items()
        }


def eager_token_by_token(loaded: LoadedModel, batch: Batch, tokens: torch.Tensor) -> torch.Tensor:
    """Logits [rows, new, vocabulary] that transformers' model gives for each of `tokens` [rows,
    new] before reading it, its cache growing by one token at a time."""
    mask, fed, cache, logits = batch.mask, batch.tokens, None, []
    for place in range(tokens.shape[1]):
        positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -fed.shape[1] :]
        made = loaded.model(
            input_ids=fed,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits.append(made.logits[:, -1])
        cache, fed = made.past_key_values, tokens[:, place : place + 1]
        mask = torch.cat((mask, torch.ones_like(fed)), -1)
    return torch.stack(logits, 1)


def graph_token_by_token(decoder: Decoder, batch: Batch, tokens: torch.Tensor) -> torch.Tensor:
    """Logits [rows, new, vocabulary] that engine `graph` gives for each of `tokens` [rows, new]
    before reading it."""
    return torch.stack(list(graph_steps(decoder, batch, tokens)), 1)


def _alone(batch: Batch, row: int) -> Batch:
    """One row of a batch, without its padding."""
    length = batch.lengths[row]
    own = slice(row, row + 1)
    return Batch(batch.tokens[own, -length:], batch.mask[own, -length:], (length,))


def _distance(divergences: Sequence[torch.Tensor]) -> Distance:
    every = torch.cat(list(divergences))
    return Distance(every.mean().item(), every.quantile(0.99).item(), every.numel())
