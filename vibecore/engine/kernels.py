"""GPU kernels for the small steps between the matrix products of one decode step, in Triton.

A decode step reads every weight once, and that sets its least time; what these kernels do is
small, but as plain torch operations it takes three times as many launches, each of which costs
about as much as it computes. Every kernel rounds where transformers' own model does.
Imported only where there is a GPU; `why_not` says whether Triton can compile here.
"""

from __future__ import annotations

import functools

import torch
import triton
import triton.language as tl

KEYS_AT_ONCE = 64
COLUMNS_AT_ONCE = 1024
MANY_ROWS = 32_768


@triton.jit
def _add_norm(change, hidden, weight, out, size, epsilon, ADD: tl.constexpr, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < size
    kind = out.dtype.element_ty
    x = tl.load(hidden + row * size + columns, inside, 0.0).to(tl.float32)
    if ADD:
        x += tl.load(change + row * size + columns, inside, 0.0).to(tl.float32)
        x = x.to(kind).to(tl.float32)
        tl.store(hidden + row * size + columns, x.to(kind), inside)
    variance = tl.sum(x * x) / size
    x = (x * tl.rsqrt(variance + epsilon)).to(kind).to(tl.float32)
    scale = tl.load(weight + columns, inside, 0.0).to(tl.float32)
    tl.store(out + row * size + columns, (x * scale).to(kind), inside)


@triton.jit
def _rotated(heads_at, cosine, sine, position, SIZE: tl.constexpr):
    columns = tl.arange(0, SIZE)
    x = tl.load(heads_at + columns)
    partner = tl.load(heads_at + (columns + SIZE // 2) % SIZE).to(tl.float32)
    turn = tl.load(cosine + position * SIZE + columns).to(tl.float32)
    cross = tl.load(sine + position * SIZE + columns).to(tl.float32)
    straight = (x.to(tl.float32) * turn).to(x.dtype).to(tl.float32)
    return (straight + (partner * cross).to(x.dtype).to(tl.float32)).to(x.dtype)


@triton.jit
def _attend(
    joined, keys, values, out, cosine, sine, padding, slot, heads, key_heads, length, scale,
    SIZE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    row, head = tl.program_id(0), tl.program_id(1)
    first, own = tl.load(padding + row), tl.load(slot)
    columns = tl.arange(0, SIZE)
    group = heads // key_heads
    key_head = head // group
    heads_of_row = joined + row * (heads + 2 * key_heads) * SIZE
    query_at = heads_of_row + head * SIZE
    q = _rotated(query_at, cosine, sine, own - first, SIZE).to(tl.float32) * scale
    key_at = heads_of_row + (heads + key_head) * SIZE
    new_key = _rotated(key_at, cosine, sine, own - first, SIZE)
    new_value = tl.load(heads_of_row + (heads + key_heads + key_head) * SIZE + columns)
    base = (row * key_heads + key_head) * length
    # The heads of a group make the same key; one of them stores it, none reads it back.
    if head % group == 0:
        tl.store(keys + (base + own) * SIZE + columns, new_key)
        tl.store(values + (base + own) * SIZE + columns, new_value)
    # The running softmax of arXiv 2205.14135, over blocks of keys, begun with the new one.
    highest = tl.sum(q * new_key.to(tl.float32), 0)
    total = 1.0
    gathered = new_value.to(tl.float32)
    for start in range(0, own, BLOCK):
        slots = start + tl.arange(0, BLOCK)
        readable = (slots >= first) & (slots < own)
        places = (base + slots)[:, None] * SIZE + columns[None, :]
        k = tl.load(keys + places, readable[:, None], 0.0).to(tl.float32)
        v = tl.load(values + places, readable[:, None], 0.0).to(tl.float32)
        score = tl.where(readable, tl.sum(k * q[None, :], 1), -1.0e30)
        new = tl.maximum(highest, tl.max(score, 0))
        share = tl.where(readable, tl.exp(score - new), 0.0)
        shrink = tl.exp(highest - new)
        gathered = gathered * shrink + tl.sum(share[:, None] * v, 0)
        total = total * shrink + tl.sum(share, 0)
        highest = new
    out_at = out + (row * heads + head) * SIZE + columns
    tl.store(out_at, (gathered / total).to(out.dtype.element_ty))


@triton.jit
def _vector_product(
    x, norm, weight, bias, out, rows, size, epsilon,
    NORM: tl.constexpr, BIAS: tl.constexpr, SILU: tl.constexpr, ADD: tl.constexpr,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    exists = own < rows
    kind = out.dtype.element_ty
    shrink = 1.0
    if NORM:
        every = tl.arange(0, WIDTH)
        whole = tl.load(x + every, every < size, 0.0).to(tl.float32)
        shrink = tl.rsqrt(tl.sum(whole * whole, 0) / size + epsilon)
    product = tl.zeros((ROWS, BLOCK), tl.float32)
    beside = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, size, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        inside = columns < size
        filled = exists[:, None] & inside[None, :]
        places = own.to(tl.int64)[:, None] * size + columns[None, :]
        w = tl.load(weight + places, filled, 0.0).to(tl.float32)
        part = tl.load(x + columns, inside, 0.0).to(tl.float32)
        if NORM:
            scale = tl.load(norm + columns, inside, 0.0).to(tl.float32)
            part = ((part * shrink).to(kind).to(tl.float32) * scale).to(kind).to(tl.float32)
        product += w * part[None, :]
        if SILU:
            up = tl.load(weight + rows.to(tl.int64) * size + places, filled, 0.0).to(tl.float32)
            beside += up * part[None, :]
    result = tl.sum(product, 1)
    if BIAS:
        result += tl.load(bias + own, exists, 0.0).to(tl.float32)
    result = result.to(kind)
    if SILU:
        wide = result.to(tl.float32)
        silu = (wide / (1.0 + tl.exp(-wide))).to(kind).to(tl.float32)
        result = (silu * tl.sum(beside, 1).to(kind).to(tl.float32)).to(kind)
    if ADD:
        before = tl.load(out + own, exists, 0.0).to(tl.float32)
        result = (before + result.to(tl.float32)).to(kind)
    tl.store(out + own, result, exists)


@triton.jit
def _silu_multiply(gate_up, out, size, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < size
    gate = tl.load(gate_up + row * 2 * size + columns, inside, 0.0)
    up = tl.load(gate_up + row * 2 * size + size + columns, inside, 0.0).to(tl.float32)
    wide = gate.to(tl.float32)
    silu = (wide / (1.0 + tl.exp(-wide))).to(gate.dtype).to(tl.float32)
    tl.store(out + row * size + columns, (silu * up).to(gate.dtype), inside)


def add_norm(
    hidden: torch.Tensor, change: torch.Tensor | None, weight: torch.Tensor, epsilon: float
) -> torch.Tensor:
    """Add `change` to `hidden` in place, both [rows, size], and give its RMS norm."""
    rows, size = hidden.shape
    out = torch.empty_like(hidden)
    _add_norm[(rows,)](
        hidden if change is None else change, hidden, weight, out, size, epsilon,
        ADD=change is not None, BLOCK=triton.next_power_of_2(size),
    )  # fmt: skip
    return out


def attend(
    joined: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    tables: tuple[torch.Tensor, torch.Tensor],
    padding: torch.Tensor,
    slot: torch.Tensor,
    heads: int,
) -> torch.Tensor:
    """Attention of each row's newest token: `joined` [rows, all heads · size] holds its queries,
    key and value, which are rotated, stored in `slot` (one number) and attended from.

    Returns [rows, heads · size].
    """
    rows, key_heads, length, size = keys.shape
    out = torch.empty((rows, heads * size), dtype=joined.dtype, device=joined.device)
    _attend[(rows, heads)](
        joined, keys, values, out, *tables, padding, slot, heads, key_heads, length, size**-0.5,
        SIZE=size, BLOCK=KEYS_AT_ONCE,
    )  # fmt: skip
    return out


def vector_product(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    norm: torch.Tensor | None = None,
    epsilon: float = 0.0,
    silu: bool = False,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """`weight` [rows, size] times the vector `x` [1, size], which is RMS-normed first where
    `norm` is given. With `silu`, `weight` holds gate and up rows and the result is
    silu(gate) · up; with `add_to` [1, rows] the result is added there in place."""
    rows, size = weight.shape
    rows = rows // 2 if silu else rows
    out = add_to if add_to is not None else torch.empty((1, rows), dtype=x.dtype, device=x.device)
    rows_at_once, block, warps = _tile(rows, size, silu)
    _vector_product[(triton.cdiv(rows, rows_at_once),)](
        x, weight if norm is None else norm, weight, weight if bias is None else bias, out,
        rows, size, epsilon, NORM=norm is not None, BIAS=bias is not None, SILU=silu,
        ADD=add_to is not None, WIDTH=triton.next_power_of_2(size), ROWS=rows_at_once,
        BLOCK=block, num_warps=warps,
    )  # fmt: skip
    return out


def _tile(rows: int, size: int, silu: bool) -> tuple[int, int, int]:
    """(rows, columns, warps) of a program: the best of ten on an H100, at Qwen2.5's shapes."""
    if rows > MANY_ROWS:
        return 4, 512, 4
    if silu:
        return 2, 512, 4
    return (1, 1024, 4) if size > 2 * rows else (4, 1024, 8)


def silu_multiply(gate_up: torch.Tensor) -> torch.Tensor:
    """silu(gate) · up of `gate_up` [rows, 2 · size]."""
    rows, both = gate_up.shape
    size = both // 2
    out = torch.empty((rows, size), dtype=gate_up.dtype, device=gate_up.device)
    _silu_multiply[(rows, triton.cdiv(size, COLUMNS_AT_ONCE))](
        gate_up, out, size, BLOCK=COLUMNS_AT_ONCE
    )
    return out


@functools.cache
def why_not(dtype: torch.dtype) -> str | None:
    """Why Triton cannot be used here for weights of a 16-bit type (no C compiler; bfloat16 before
    compute capability 8.0); None when it can."""
    try:
        x = torch.randn(1, 64, device="cuda", dtype=dtype)
        norm = add_norm(x.clone(), None, torch.ones(64, device="cuda", dtype=x.dtype), 1e-6)
        wanted = x.float() * torch.rsqrt(x.float().pow(2).mean() + 1e-6)
        torch.testing.assert_close(norm.float(), wanted, atol=3e-2, rtol=3e-2)
    except Exception as error:  # a compiler can fail in many ways; each leaves the plain path
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None
