"""Attention of a part of each row's prompt over its cache, in Triton: what attention.py does for
one new token a row, for many.

One kernel rotates the new keys and stores them with their values; a second one rotates the queries
and takes the softmax over blocks of keys (as in FlashAttention). Every rounding is attention.py's.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels.norm import INTERPRETED, normed

# Tokens whose keys one program stores.
STORED = 16
# Bytes of a block of queries or keys at most: they, their values, and on some GPUs the next of both
# have to fit in 64 KiB together.
BLOCK_BYTES = 16_384
# About how many programs keep a GPU busy.
PROGRAMS = 256


@triton.jit
def _dot(one, other, addend):
    """one · other + addend, in float32."""
    if INTERPRETED:
        # numpy knows no bfloat16.
        one, other = one.to(tl.float32), other.to(tl.float32)
    return tl.dot(one, other, addend, input_precision="ieee")


@triton.jit
def _rotated(
    heads_at,
    exists,
    norm,
    cosine,
    sine,
    positions,
    epsilon,
    NORM: tl.constexpr,
    PLUS_ONE: tl.constexpr,
    SIZE: tl.constexpr,
):
    """A head of several tokens [tokens, SIZE], as attention.py's _rotated has it of one. To be
    compiled without enable_fp_fusion, which puts a rounded product and a sum into one operation:
    without the rounding between."""
    columns = tl.arange(0, SIZE)
    opposite = (columns + SIZE // 2) % SIZE
    there = exists[:, None]
    x = tl.load(heads_at[:, None] + columns[None, :], there, 0.0)
    partner = tl.load(heads_at[:, None] + opposite[None, :], there, 0.0)
    if NORM:
        wide = x.to(tl.float32)
        shrink = tl.rsqrt(tl.sum(wide * wide, 1) / SIZE + epsilon)[:, None]
        x = normed(x, tl.load(norm + columns)[None, :], shrink, PLUS_ONE)
        partner = normed(partner, tl.load(norm + opposite)[None, :], shrink, PLUS_ONE)
    places = positions[:, None] * SIZE + columns[None, :]
    turn = tl.load(cosine + places, there, 0.0).to(tl.float32)
    cross = tl.load(sine + places, there, 0.0).to(tl.float32)
    straight = (x.to(tl.float32) * turn).to(x.dtype).to(tl.float32)
    return (straight + (partner.to(tl.float32) * cross).to(x.dtype).to(tl.float32)).to(x.dtype)


@triton.jit
def _store_keys(
    joined, norm, keys, values, cosine, sine, padding, slot, new, heads, kv_heads, length, epsilon,
    NORM: tl.constexpr, PLUS_ONE: tl.constexpr, SIZE: tl.constexpr, TOKENS: tl.constexpr,
):  # fmt: skip
    row, kv_head = tl.program_id(0), tl.program_id(2)
    token = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    exists = token < new
    own = tl.load(slot) + token
    positions = tl.maximum(own - tl.load(padding + row), 0)
    columns = tl.arange(0, SIZE)
    token_at = joined + (row.to(tl.int64) * new + token) * (heads + 2 * kv_heads) * SIZE
    at = (heads + kv_head) * SIZE
    key = _rotated(
        token_at + at, exists, norm + at, cosine, sine, positions, epsilon, NORM, PLUS_ONE, SIZE
    )  # fmt: skip
    value_at = token_at + (heads + kv_heads + kv_head) * SIZE
    value = tl.load(value_at[:, None] + columns[None, :], exists[:, None], 0.0)
    place = (row.to(tl.int64) * kv_heads + kv_head) * length + own
    places = place[:, None] * SIZE + columns[None, :]
    tl.store(keys + places, key, exists[:, None])
    tl.store(values + places, value, exists[:, None])


@triton.jit
def _attend_prompt(
    joined, norm, keys, values, out, cosine, sine, padding, slot,
    new, heads, kv_heads, length, scale, window, epsilon,
    NORM: tl.constexpr, PLUS_ONE: tl.constexpr, SIZE: tl.constexpr, QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
):  # fmt: skip
    # The last tokens see the most keys, so they begin first.
    block = tl.num_programs(0) - 1 - tl.program_id(0)
    head, row = tl.program_id(1), tl.program_id(2)
    unused, before = tl.load(padding + row), tl.load(slot)
    token = block * QUERIES + tl.arange(0, QUERIES)
    exists = token < new
    own = before + token
    columns = tl.arange(0, SIZE)
    wide_row = row.to(tl.int64)
    token_at = joined + (wide_row * new + token) * (heads + 2 * kv_heads) * SIZE
    q = _rotated(
        token_at + head * SIZE, exists, norm + head * SIZE, cosine, sine,
        tl.maximum(own - unused, 0), epsilon, NORM, PLUS_ONE, SIZE,
    )  # fmt: skip
    base = (wide_row * kv_heads + head // (heads // kv_heads)) * length
    # The running softmax of arXiv 2205.14135. A padded query sees no key: its total stays zero.
    highest = tl.full((QUERIES,), -1.0e30, tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    gathered = tl.zeros((QUERIES, SIZE), tl.float32)
    first = tl.maximum(unused, before + block * QUERIES - window + 1)
    end = before + tl.minimum((block + 1) * QUERIES, new)
    for start in range(first // KEYS * KEYS, end, KEYS):
        slots = start + tl.arange(0, KEYS)
        readable = (slots >= first) & (slots < end)
        places = (base + slots)[:, None] * SIZE + columns[None, :]
        k = tl.load(keys + places, readable[:, None], 0.0)
        v = tl.load(values + places, readable[:, None], 0.0)
        seen = (slots[None, :] <= own[:, None]) & (slots[None, :] > own[:, None] - window)
        seen = seen & readable[None, :]
        score = _dot(q, tl.trans(k), tl.zeros((QUERIES, KEYS), tl.float32)) * scale
        score = tl.where(seen, score, -1.0e30)
        higher = tl.maximum(highest, tl.max(score, 1))
        share = tl.where(seen, tl.exp(score - higher[:, None]), 0.0)
        shrink = tl.exp(highest - higher)
        gathered = _dot(share.to(v.dtype), v, gathered * shrink[:, None])
        total = total * shrink + tl.sum(share, 1)
        highest = higher
    attended = gathered / tl.where(total > 0.0, total, 1.0)[:, None]
    place = (wide_row * new + token) * heads + head
    out_at = out + place[:, None] * SIZE + columns[None, :]
    tl.store(out_at, attended.to(out.dtype.element_ty), exists[:, None])


def attend_prompt(
    joined: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: tuple[torch.Tensor, torch.Tensor],
    padding: torch.Tensor,
    slot: torch.Tensor,
    *,
    scale: float,
    window: int | None = None,
    norm: torch.Tensor | None = None,
    epsilon: float = 0.0,
    plus_one: bool = False,
) -> torch.Tensor:
    """Attention of each row's `new` tokens from `slot` on, [rows · new, heads · size].

    `joined` [rows · new, (heads + 2 · KV heads) · size] has their queries, keys and values. As in
    attention.attend they are normed and rotated, stored in slots [slot, slot + new) of `keys` and
    `values`, and attended from, each token to those up to itself. A token in a slot that is
    padding gets zeros, and is not read. `size` is a power of two from 16 on.
    """
    rows, kv_heads, length, size = keys.shape
    new = joined.shape[0] // rows
    heads = joined.shape[1] // size - 2 * kv_heads
    weight = joined if norm is None else norm
    normed_heads = norm is not None
    _store_keys[(rows, triton.cdiv(new, STORED), kv_heads)](
        joined, weight, keys, values, *table, padding, slot, new, heads, kv_heads, length, epsilon,
        NORM=normed_heads, PLUS_ONE=plus_one, SIZE=size, TOKENS=STORED,
        enable_fp_fusion=False,
    )  # fmt: skip
    out = torch.empty((rows * new, heads * size), dtype=joined.dtype, device=joined.device)
    queries, keys_at_once, warps = _tile(rows * heads, new, size, joined.dtype)
    _attend_prompt[(triton.cdiv(new, queries), heads, rows)](
        joined, weight, keys, values, out, *table, padding, slot, new, heads, kv_heads, length,
        scale, window or length, epsilon, NORM=normed_heads, PLUS_ONE=plus_one, SIZE=size,
        QUERIES=queries, KEYS=keys_at_once, num_warps=warps, num_stages=2,
        enable_fp_fusion=False,
    )  # fmt: skip
    return out


def _tile(heads: int, new: int, size: int, dtype: torch.dtype) -> tuple[int, int, int]:
    """(queries, keys at once, warps) of a program for so many heads in all: near the best of ten on
    an H100, at the shapes of Qwen2.5, Llama 3.2, Qwen3 and Gemma 3."""
    most = max(16, min(64, BLOCK_BYTES // (size * dtype.itemsize)))
    queries = 16
    while queries < most and heads * triton.cdiv(new, 2 * queries) >= PROGRAMS:
        queries *= 2
    return queries, most, 4
