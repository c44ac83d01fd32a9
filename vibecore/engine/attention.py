"""Attention of new tokens over the KV cache in plain torch: their keys and values are stored there,
then read together with all before them.

Two forms: one whose shapes grow with the text, for a CPU, and one of fixed shapes over the whole
cache, masked, which a CUDA graph can record.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional

from vibecore.engine.arithmetic import rotate
from vibecore.engine.cache import Cache
from vibecore.engine.decoder import Decoder, Layer

# (layer, the new tokens' joined queries, keys and values [rows · new, (heads + 2 · KV heads) · head
# size], the layer's cached keys, its cached values) -> what each token attends to, [rows · new,
# heads · head size]. Stores the new keys and values in the cache.
Attend = Callable[[Layer, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def is_real(cache: Cache, slot: int | torch.Tensor, new: int) -> torch.Tensor:
    """Which of the `new` slots from `slot` on hold a token and no padding, bool [rows, new]."""
    return _own_slots(cache, slot, new) >= cache.padding[:, None]


def growing_attention(
    decoder: Decoder, cache: Cache, slot: int, new: int, real: torch.Tensor | None
) -> Attend:
    """Over the slots used so far. `real` as is_real says, None where no token is padding."""
    padded = bool(cache.padding.any())
    end = slot + new
    if padded:
        positions = (_own_slots(cache, slot, new) - cache.padding[:, None]).clamp(min=0).reshape(-1)
        tables = [
            (cosine[positions][:, None], sine[positions][:, None]) for cosine, sine in cache.tables
        ]
    else:
        every = slice(slot, end)
        tables = [_for_rows(table, every, cache.rows) for table in cache.tables]
    # A single new token sees everything in its row; several without padding see by triangle.
    masks = _Masks(decoder, cache, slot, new, end) if padded or new > 1 else None

    def attend(
        layer: Layer, joined: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        rotated, new_values = _heads(decoder, layer, joined, cache.rows, *tables[layer.rope])
        keys[:, :, slot:end] = rotated[:, decoder.spec.heads :]
        values[:, :, slot:end] = new_values
        first = 0 if layer.window is None else max(0, slot + 1 - layer.window)
        mask = None if masks is None else masks.of(layer.window)[..., first:]
        seen = slice(first, end)
        # A CPU's fused attention takes groups, and is faster so.
        return _attended(
            decoder, rotated, keys[:, :, seen], values[:, :, seen], mask, real, grouped=new == 1
        )

    return attend


def fixed_attention(
    decoder: Decoder, cache: Cache, slot: torch.Tensor, new: int, real: torch.Tensor | None
) -> Attend:
    """Over the whole cache, with `slot` [1] on the device."""
    slots = _own_slots(cache, slot, new)
    positions = (slots - cache.padding[:, None]).clamp(min=0).reshape(-1)
    tables = [
        (cosine[positions][:, None], sine[positions][:, None]) for cosine, sine in cache.tables
    ]
    # The heads of a group read the same keys, so they are the rows of one query: of the backends of
    # scaled_dot_product_attention that take a mask on a GPU, the fused one takes no groups.
    group = decoder.spec.heads // decoder.spec.kv_heads if new > 1 else 1
    masks = _Masks(decoder, cache, slot, new, cache.length, copies=group)

    def attend(
        layer: Layer, joined: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> torch.Tensor:
        rotated, new_values = _heads(decoder, layer, joined, cache.rows, *tables[layer.rope])
        keys.index_copy_(2, slots[0], rotated[:, decoder.spec.heads :])
        values.index_copy_(2, slots[0], new_values)
        mask = masks.of(layer.window)
        return _attended(decoder, rotated, keys, values, mask, real, grouped=True)

    return attend


class _Masks:
    """Which keys each new token sees, bool [rows or 1, 1, copies · new, keys], made once for each
    window."""

    def __init__(
        self,
        decoder: Decoder,
        cache: Cache,
        slot: int | torch.Tensor,
        new: int,
        keys: int,
        *,
        copies: int = 1,
    ) -> None:
        own = _own_slots(cache, slot, new)[..., None]
        slots = torch.arange(keys, device=decoder.device)
        whole = (slots <= own) & (slots >= cache.padding[:, None, None])
        self._made = {
            window: (whole if window is None else whole & (slots > own - window))[:, None]
            for window in set(decoder.spec.windows)
        }
        if copies > 1:
            self._made = {
                window: mask.repeat(1, 1, copies, 1) for window, mask in self._made.items()
            }

    def of(self, window: int | None) -> torch.Tensor:
        """Of layers that look back over `window` tokens, None for all."""
        return self._made[window]


def _own_slots(cache: Cache, slot: int | torch.Tensor, new: int) -> torch.Tensor:
    """The slots of the new tokens, [1, new]."""
    return (slot + torch.arange(new, device=cache.padding.device))[None]


def _for_rows(
    table: tuple[torch.Tensor, torch.Tensor], positions: slice, rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """A rotary table at `positions`, which every row has alike, to broadcast over heads."""
    cosine, sine = (part[positions][:, None] for part in table)
    many = rows > 1 and cosine.shape[0] > 1
    return (cosine.repeat(rows, 1, 1), sine.repeat(rows, 1, 1)) if many else (cosine, sine)


def _heads(
    decoder: Decoder,
    layer: Layer,
    joined: torch.Tensor,
    rows: int,
    cosine: torch.Tensor,
    sine: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotated queries and keys [rows, heads + KV heads, new, head size], and the values."""
    spec = decoder.spec
    heads = joined.view(joined.shape[0], -1, spec.head_size)
    rotating = spec.heads + spec.kv_heads
    rotated = heads[:, :rotating]
    if layer.query_key_norm is not None:
        rotated = decoder.normalise(rotated, layer.query_key_norm, spec.norm_epsilon)
    rotated = rotate(rotated, cosine, sine)
    return _by_row(rotated, rows), _by_row(heads[:, rotating:], rows)


def _by_row(heads: torch.Tensor, rows: int) -> torch.Tensor:
    """[rows · new, heads, head size] as [rows, heads, new, head size], a view."""
    return heads.view(rows, -1, *heads.shape[1:]).transpose(1, 2)


def _attended(
    decoder: Decoder,
    rotated: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    mask: torch.Tensor | None,
    real: torch.Tensor | None,
    *,
    grouped: bool,
) -> torch.Tensor:
    """Attention of `rotated`'s queries, [rows · new, heads · head size]; zero where not `real`.
    `grouped` makes the heads that read the same keys rows of one query."""
    spec = decoder.spec
    rows, _, new, size = rotated.shape
    queries = rotated[:, : spec.heads]
    if grouped:
        queries = queries.reshape(rows, spec.kv_heads, -1, size)
    attended = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, scale=spec.attention_scale, enable_gqa=not grouped
    )
    if new == 1:
        return attended.reshape(rows, -1)
    attended = attended.reshape(rows, spec.heads, new, size)
    if real is not None:
        # A padded token sees no key, and of nothing the softmax is not a number.
        attended = attended.masked_fill(~real[:, None, :, None], 0.0)
    return attended.transpose(1, 2).reshape(rows * new, -1)
