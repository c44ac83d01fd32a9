"""The KV cache of engine `graph`, of fixed size, and the rotary tables that go with it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vibecore.engine.decoder import Decoder

# Cosine and sine by position, both [length, head size].
RotaryTable = tuple[torch.Tensor, torch.Tensor]


@dataclass
class Cache:
    """Keys and values of every layer, each [rows, KV heads, length, head size].

    `tables` has the rotary table of layers that see the whole text and, where it is another, of
    those with a window. `padding` [rows] is how many slots before a row's first token are unused.
    `counters` int32 [rows · heads], zero between steps, are the Triton kernel of attention's.
    """

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    tables: tuple[RotaryTable, ...]
    padding: torch.Tensor
    counters: torch.Tensor

    @property
    def rows(self) -> int:
        """Sequences it holds."""
        return self.keys[0].shape[0]

    @property
    def length(self) -> int:
        """Slots a row has."""
        return self.keys[0].shape[2]

    def first(self, rows: int) -> Cache:
        """The first `rows` rows, as views."""
        heads = self.counters.numel() // self.rows
        return Cache(
            keys=[keys[:rows] for keys in self.keys],
            values=[values[:rows] for values in self.values],
            tables=self.tables,
            padding=self.padding[:rows],
            counters=self.counters[: rows * heads],
        )

    def keep(self, rows: list[int]) -> None:
        """Drop all other rows."""
        index = torch.tensor(rows, device=self.padding.device)
        # One after the other, so that no second cache stands beside the first.
        for tensors in (self.keys, self.values):
            for layer, tensor in enumerate(tensors):
                tensors[layer] = tensor[index]
        self.padding = self.padding[index]

    def clear(self) -> None:
        """Make all keys and values zero, in place."""
        torch._foreach_zero_([*self.keys, *self.values])

    def gather(self, rows: torch.Tensor) -> None:
        """Put the rows numbered `rows` [count] first, in place, each as often as it is named."""
        count = rows.numel()
        for each in (*self.keys, *self.values, self.padding):
            each[:count] = each[rows]


def new_cache(decoder: Decoder, rows: int, length: int) -> Cache:
    """An empty cache for `rows` sequences of at most `length` tokens, padding included."""
    spec = decoder.spec
    shape = (rows, spec.kv_heads, length, spec.head_size)

    def empty() -> list[torch.Tensor]:
        return [
            torch.zeros(shape, dtype=decoder.dtype, device=decoder.device) for _ in decoder.layers
        ]

    return Cache(
        keys=empty(),
        values=empty(),
        tables=_rotary_tables(decoder, length),
        padding=torch.zeros(rows, dtype=torch.long, device=decoder.device),
        counters=torch.zeros(rows * spec.heads, dtype=torch.int32, device=decoder.device),
    )


def _rotary_tables(decoder: Decoder, length: int) -> tuple[RotaryTable, ...]:
    """One, or one for each of the two kinds of layer by transformers' names for them. A kind that
    no layer is of has no embedding; the other's table stands in its place, unread."""
    if decoder.spec.local_rope is None:
        return (_rotary_table(decoder, length),)
    used = {layer.rope for layer in decoder.layers}
    tables = {
        rope: _rotary_table(decoder, length, kind)
        for rope, kind in enumerate(("full_attention", "sliding_attention"))
        if rope in used
    }
    return tuple(tables.get(rope, tables[min(used)]) for rope in range(2))


def _rotary_table(decoder: Decoder, length: int, *kind: str) -> RotaryTable:
    """From the model's own rotary module. Rotating a half means negating it; the sign is kept in
    the table of sines, which saves an operation a layer."""
    rotary = decoder.model.model.rotary_emb
    positions = torch.arange(length, device=decoder.device)[None]
    cosine, sine = rotary(decoder.embedding, positions, *kind)
    half = decoder.spec.head_size // 2
    signed = torch.cat((-sine[0, :, :half], sine[0, :, half:]), dim=-1)
    return cosine[0].contiguous(), signed
