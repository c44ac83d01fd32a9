"""The forward pass of engine `graph`, as short as it can be: of one token a row, to decode, and of
a part of each row's prompt, to prefill.

The same arithmetic in the same order as transformers' own models, rounding included, without the
modules between. Its body exists once and knows rows of numbers only; attention (attention.py) has
two forms, one whose shapes grow with the text, for a CPU, and one of fixed shapes, which a CUDA
graph can record.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from vibecore.engine.attention import Attend, fixed_attention, growing_attention, is_real
from vibecore.engine.cache import Cache
from vibecore.engine.decoder import Decoder

# (decoder, cache, tokens [rows, new], first slot [1] on the device) -> logits [rows, vocabulary] of
# what follows each row's last token. Stores the tokens' keys and values in the cache.
Step = Callable[[Decoder, Cache, torch.Tensor, torch.Tensor], torch.Tensor]


def growing_step(decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: int) -> torch.Tensor:
    """Logits [rows, vocabulary] of what follows `tokens` [rows, new], whose keys go into the slots
    from `slot` on. Reads the used part of the cache only: the form for a CPU."""
    new = tokens.shape[1]
    real = is_real(cache, slot, new) if new > 1 and bool((cache.padding > slot).any()) else None
    attend = growing_attention(decoder, cache, slot, new, real)
    return _logits(decoder, cache, tokens, attend, real)


def fixed_step(
    decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor
) -> torch.Tensor:
    """As growing_step, with `slot` [1] on the device and attention over the whole cache, masked:
    every shape is the same for every token."""
    new = tokens.shape[1]
    real = is_real(cache, slot, new) if new > 1 else None
    attend = fixed_attention(decoder, cache, slot, new, real)
    return _logits(decoder, cache, tokens, attend, real)


def embed(decoder: Decoder, tokens: torch.Tensor, real: torch.Tensor | None = None) -> torch.Tensor:
    """The first hidden states of `tokens` [rows, new], one row a token: [rows · new, hidden].

    Where a token is padding (not `real` [rows, new]) they are zero, and stay so through the layers
    of a model without biases: padding makes no outliers for LLM.int8() to find.
    """
    hidden = functional.embedding(tokens.reshape(-1), decoder.embedding)
    if decoder.embedding_scale is not None:
        hidden = hidden * decoder.embedding_scale
    return hidden if real is None else hidden.masked_fill(~real.reshape(-1, 1), 0.0)


def last_of_each(hidden: torch.Tensor, rows: int) -> torch.Tensor:
    """Of [rows · new, hidden] each row's last token, [rows, hidden]."""
    return hidden if hidden.shape[0] == rows else hidden.view(rows, -1, hidden.shape[1])[:, -1]


def _logits(
    decoder: Decoder,
    cache: Cache,
    tokens: torch.Tensor,
    attend: Attend,
    real: torch.Tensor | None,
) -> torch.Tensor:
    normalise, epsilon = decoder.normalise, decoder.spec.norm_epsilon
    hidden = embed(decoder, tokens, real)
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        x = normalise(hidden, layer.input_norm, epsilon)
        change = layer.output(attend(layer, layer.query_key_value(x), keys, values))
        if layer.attention_output_norm is not None:
            change = normalise(change, layer.attention_output_norm, epsilon)
        hidden = hidden + change
        x = normalise(hidden, layer.post_norm, epsilon)
        gate, up = layer.gate_up(x).chunk(2, dim=-1)
        change = layer.down(decoder.activate(gate) * up)
        if layer.mlp_output_norm is not None:
            change = normalise(change, layer.mlp_output_norm, epsilon)
        hidden = hidden + change
    hidden = last_of_each(hidden, tokens.shape[0])
    return decoder.head(normalise(hidden, decoder.norm, epsilon))
