"""One decode step, as short as it can be: what engine `graph` repeats for every token.

The same arithmetic in the same order as transformers' own models, rounding included, without the
modules between. Its body exists once; attention has two forms, one whose shapes grow with the
text, for a CPU, and one of fixed shapes, which a CUDA graph can record.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from vibecore.engine.arithmetic import rotate
from vibecore.engine.cache import Cache
from vibecore.engine.choice import Chosen, choose
from vibecore.engine.decoder import Decoder, Layer

# (layer, its joined queries, keys and values [rows, (heads + 2 · KV heads) · head size], its cached
# keys, its cached values) -> what each row attends to, [rows, heads · head size]. Stores the new
# key and value in the cache.
Attend = Callable[[Layer, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def decode_step(decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: int) -> Chosen:
    """The next token of each row after `tokens` [rows], whose keys go into `slot`. Reads the used
    part of the cache only: the form for a CPU."""
    return _next_tokens(decoder, cache, tokens, _growing_attention(decoder, cache, slot))


def fixed_step(decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: torch.Tensor) -> Chosen:
    """As decode_step, with `slot` [1] on the device and attention over the whole cache, masked:
    every shape is the same for every token."""
    return _next_tokens(decoder, cache, tokens, _fixed_attention(decoder, cache, slot))


def embed(decoder: Decoder, tokens: torch.Tensor) -> torch.Tensor:
    """The first hidden states, [rows, hidden]."""
    hidden = functional.embedding(tokens, decoder.embedding)
    return hidden if decoder.embedding_scale is None else hidden * decoder.embedding_scale


def _next_tokens(decoder: Decoder, cache: Cache, tokens: torch.Tensor, attend: Attend) -> Chosen:
    normalise, epsilon = decoder.normalise, decoder.spec.norm_epsilon
    hidden = embed(decoder, tokens)
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
    return choose(decoder.head(normalise(hidden, decoder.norm, epsilon)))


def _growing_attention(decoder: Decoder, cache: Cache, slot: int) -> Attend:
    padded = bool(cache.padding.any())
    positions = slot - cache.padding if padded else slot
    tables = [(cosine[positions], sine[positions]) for cosine, sine in cache.tables]
    if padded:
        tables = [(cosine[:, None], sine[:, None]) for cosine, sine in tables]
        slots = torch.arange(slot + 1, device=decoder.device)
        mask = (slots >= cache.padding[:, None])[:, None, None]

    def attend(
        layer: Layer, joined: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        rotated, new_values = _heads(decoder, layer, joined, *tables[layer.rope])
        keys[:, :, slot] = rotated[:, decoder.spec.heads :]
        values[:, :, slot] = new_values
        first = 0 if layer.window is None else max(0, slot + 1 - layer.window)
        seen = slice(first, slot + 1)
        return _attended(
            decoder,
            rotated,
            keys[:, :, seen],
            values[:, :, seen],
            mask[..., seen] if padded else None,
        )

    return attend


def _fixed_attention(decoder: Decoder, cache: Cache, slot: torch.Tensor) -> Attend:
    positions = slot - cache.padding
    tables = [
        (cosine[positions][:, None], sine[positions][:, None]) for cosine, sine in cache.tables
    ]
    slots = torch.arange(cache.length, device=decoder.device)
    whole = (slots <= slot) & (slots >= cache.padding[:, None])
    masks = {
        window: (whole if window is None else whole & (slots > slot - window))[:, None, None]
        for window in set(decoder.spec.windows)
    }

    def attend(
        layer: Layer, joined: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        rotated, new_values = _heads(decoder, layer, joined, *tables[layer.rope])
        keys.index_copy_(2, slot, rotated[:, decoder.spec.heads :, None])
        values.index_copy_(2, slot, new_values[:, :, None])
        return _attended(decoder, rotated, keys, values, masks[layer.window])

    return attend


def _heads(
    decoder: Decoder,
    layer: Layer,
    joined: torch.Tensor,
    cosine: torch.Tensor,
    sine: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotated queries and keys [rows, heads + KV heads, head size], and the values."""
    spec = decoder.spec
    heads = joined.view(joined.shape[0], -1, spec.head_size)
    rotating = spec.heads + spec.kv_heads
    rotated = heads[:, :rotating]
    if layer.query_key_norm is not None:
        rotated = decoder.normalise(rotated, layer.query_key_norm, spec.norm_epsilon)
    return rotate(rotated, cosine, sine), heads[:, rotating:]


def _attended(
    decoder: Decoder,
    rotated: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """Attention of `rotated`'s queries; the heads of a group read the same keys, so they are the
    rows of one query. [rows, heads · head size]."""
    spec, rows = decoder.spec, rotated.shape[0]
    queries = rotated[:, : spec.heads].view(rows, spec.kv_heads, -1, spec.head_size)
    attended = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, scale=spec.attention_scale
    )
    return attended.reshape(rows, -1)
