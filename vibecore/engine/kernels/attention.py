"""Attention of each row's newest token over its cache, in Triton: rotary embedding, storing the new
key and value, and the softmax, in one kernel.

A single row has too few heads to keep a GPU busy, so a head's keys are shared out among several
programs; the one that ends last puts their parts together (as in Flash-Decoding).
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels import early
from vibecore.engine.kernels.early import await_previous, let_next_begin
from vibecore.engine.kernels.norm import normed

# About how many programs keep a GPU busy, and the most that share one head's keys.
PROGRAMS = 256
MOST_PARTS = 16


@triton.jit
def _rotated(
    heads_at,
    norm,
    cosine,
    sine,
    position,
    epsilon,
    NORM: tl.constexpr,
    PLUS_ONE: tl.constexpr,
    SIZE: tl.constexpr,
):
    """A head, RMS-normed first where its architecture does so, and rotated. To be compiled without
    enable_fp_fusion, which puts a rounded product and a sum into one operation: without the
    rounding between."""
    columns = tl.arange(0, SIZE)
    opposite = (columns + SIZE // 2) % SIZE
    x = tl.load(heads_at + columns)
    partner = tl.load(heads_at + opposite)
    if NORM:
        wide = x.to(tl.float32)
        shrink = tl.rsqrt(tl.sum(wide * wide, 0) / SIZE + epsilon)
        x = normed(x, tl.load(norm + columns), shrink, PLUS_ONE)
        partner = normed(partner, tl.load(norm + opposite), shrink, PLUS_ONE)
    turn = tl.load(cosine + position * SIZE + columns).to(tl.float32)
    cross = tl.load(sine + position * SIZE + columns).to(tl.float32)
    straight = (x.to(tl.float32) * turn).to(x.dtype).to(tl.float32)
    return (straight + (partner.to(tl.float32) * cross).to(x.dtype).to(tl.float32)).to(x.dtype)


@triton.jit
def _cached(keys, values, base, start, first, own, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    """Keys and values of the slots from `start` on, and which of them may be read."""
    slots = start + tl.arange(0, BLOCK)
    readable = (slots >= first) & (slots < own)
    places = (base + slots)[:, None] * SIZE + tl.arange(0, SIZE)[None, :]
    k = tl.load(keys + places, readable[:, None], 0.0)
    return k, tl.load(values + places, readable[:, None], 0.0), readable


@triton.jit
def _with_keys(q, k, v, readable, highest, total, gathered):
    """The running softmax of arXiv 2205.14135 taken over a block of keys."""
    score = tl.where(readable, tl.sum(k.to(tl.float32) * q[None, :], 1), -1.0e30)
    new = tl.maximum(highest, tl.max(score, 0))
    share = tl.where(readable, tl.exp(score - new), 0.0)
    shrink = tl.exp(highest - new)
    gathered = gathered * shrink + tl.sum(share[:, None] * v.to(tl.float32), 0)
    return new, total * shrink + tl.sum(share, 0), gathered


@triton.jit
def _attend(
    joined, norm, keys, values, out, gathered_parts, counters, cosine, sine, padding, slot,
    heads, kv_heads, length, scale, window, epsilon,
    NORM: tl.constexpr, PLUS_ONE: tl.constexpr, SIZE: tl.constexpr, BLOCK: tl.constexpr,
    PARTS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    row, head, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    unused, own = tl.load(padding + row), tl.load(slot)
    first = tl.maximum(unused, own - window + 1)
    columns = tl.arange(0, SIZE)
    group = heads // kv_heads
    kv_head = head // group
    heads_of_row = joined + row * (heads + 2 * kv_heads) * SIZE
    position = own - unused
    base = (row * kv_heads + kv_head) * length
    # Keys of earlier steps: nothing of this step writes them.
    start = part * BLOCK
    k, v, readable = _cached(keys, values, base, start, first, own, SIZE, BLOCK)
    await_previous(EARLY)
    q = _rotated(
        heads_of_row + head * SIZE, norm + head * SIZE, cosine, sine, position, epsilon,
        NORM, PLUS_ONE, SIZE,
    ).to(tl.float32) * scale  # fmt: skip
    highest = -1.0e30
    total = 0.0
    gathered = tl.zeros((SIZE,), tl.float32)
    if part == 0:
        at = (heads + kv_head) * SIZE
        new_key = _rotated(
            heads_of_row + at, norm + at, cosine, sine, position, epsilon, NORM, PLUS_ONE, SIZE
        )  # fmt: skip
        new_value = tl.load(heads_of_row + (heads + kv_heads + kv_head) * SIZE + columns)
        # The heads of a group make the same key; one of them stores it, none reads it back.
        if head % group == 0:
            tl.store(keys + (base + own) * SIZE + columns, new_key)
            tl.store(values + (base + own) * SIZE + columns, new_value)
        highest = tl.sum(q * new_key.to(tl.float32), 0)
        total = 1.0
        gathered = new_value.to(tl.float32)
    highest, total, gathered = _with_keys(q, k, v, readable, highest, total, gathered)
    for start in range((part + PARTS) * BLOCK, own, BLOCK * PARTS):
        k, v, readable = _cached(keys, values, base, start, first, own, SIZE, BLOCK)
        highest, total, gathered = _with_keys(q, k, v, readable, highest, total, gathered)
    place = row * heads + head
    out_at = out + place * SIZE + columns
    if PARTS == 1:
        tl.store(out_at, (gathered / total).to(out.dtype.element_ty))
    else:
        parts_at = gathered_parts + place * PARTS * (SIZE + 2)
        part_at = parts_at + part * (SIZE + 2)
        tl.store(part_at + columns, gathered)
        tl.store(part_at + SIZE, highest)
        tl.store(part_at + SIZE + 1, total)
        # All of it is written before it is counted, and the program that counts last reads it.
        tl.debug_barrier()
        ended_before = tl.atomic_add(counters + place, 1, sem="acq_rel")
        if ended_before == PARTS - 1:
            every = parts_at + tl.arange(0, PARTS) * (SIZE + 2)
            highests = tl.load(every + SIZE, volatile=True)
            totals = tl.load(every + SIZE + 1, volatile=True)
            sums = tl.load(every[:, None] + columns[None, :], volatile=True)
            shares = tl.exp(highests - tl.max(highests, 0))
            whole = tl.sum(sums * shares[:, None], 0) / tl.sum(totals * shares, 0)
            tl.store(out_at, whole.to(out.dtype.element_ty))
            tl.store(counters + place, 0)


def attend(
    joined: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    table: tuple[torch.Tensor, torch.Tensor],
    padding: torch.Tensor,
    slot: torch.Tensor,
    counters: torch.Tensor,
    *,
    scale: float,
    window: int | None = None,
    norm: torch.Tensor | None = None,
    epsilon: float = 0.0,
    plus_one: bool = False,
) -> torch.Tensor:
    """Attention of each row's newest token, [rows, heads · size].

    `joined` [rows, (heads + 2 · KV heads) · size] has its queries, key and value, which are RMS-
    normed where `norm` [heads + KV heads, size] is given (`plus_one` as in norm.add_norm), rotated
    by `table` (cosine and signed sine, [length, size]), stored in `slot` [1] of `keys` and `values`
    [rows, KV heads, length, size], and attended from: back over `window` tokens (None: all), never
    into `padding` [rows].
    `counters` int32 [rows · heads] are zero, and are zero again when it ends. `size` is a power of
    two.
    """
    rows, kv_heads, length, size = keys.shape
    heads = counters.numel() // rows
    parts, block, warps = _tile(rows * heads, length, size)
    out = torch.empty((rows, heads * size), dtype=joined.dtype, device=joined.device)
    gathered = torch.empty(
        (rows * heads * parts, size + 2), dtype=torch.float32, device=joined.device
    )
    _attend[(rows, heads, parts)](
        joined, joined if norm is None else norm, keys, values, out, gathered, counters, *table,
        padding, slot, heads, kv_heads, length, scale, window or length, epsilon,
        NORM=norm is not None, PLUS_ONE=plus_one, SIZE=size, BLOCK=block, PARTS=parts,
        num_warps=warps, enable_fp_fusion=False, **early.options(joined.device),
    )  # fmt: skip
    return out


def _tile(heads: int, length: int, size: int) -> tuple[int, int, int]:
    """(parts, keys at once, warps) for so many heads in all: the best of some on an H100, at
    Qwen2.5's shapes and caches of 512, 1,024 and 4,096 slots."""
    parts = 1
    while 2 * parts * heads <= PROGRAMS and parts < MOST_PARTS:
        parts *= 2
    if parts == 1:
        return 1, 64, 4
    if length <= 512:
        return parts, 16, 2 if size > 128 else 1
    return (parts, 64, 2) if length <= 2048 else (parts, 128, 4)
