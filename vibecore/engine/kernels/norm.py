"""GPU kernels of one decode step, in Triton: norms, activation, and a 16-bit product of one row.

A decode step reads every weight once, and that sets its least time; what runs between the
products is small, but as plain torch operations it takes three times as many launches, each of
which costs about as much as it computes. Every kernel rounds where transformers' own model does.
Imported only where Triton is installed; availability.py says whether it can compile here.
"""

from __future__ import annotations

import os

import torch
import triton
import triton.language as tl

# Triton's interpreter, in which the kernels are tested without a GPU, knows no PTX: what is written
# in it has a second form in plain Triton (nf4.py, int8.py).
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
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
    shrink = tl.rsqrt(tl.sum(x * x) / size + epsilon)
    x = normed(x.to(kind), tl.load(weight + columns, inside, 0.0), shrink)
    tl.store(out + row * size + columns, x, inside)


@triton.jit
def normed(x, weight, shrink):
    """The last steps of Qwen2RMSNorm: scaled, rounded, weighted, rounded."""
    even = (x.to(tl.float32) * shrink).to(x.dtype).to(tl.float32)
    return (even * weight.to(tl.float32)).to(x.dtype)


@triton.jit
def activated(gate, up):
    """silu(gate) · up, silu rounded."""
    wide = gate.to(tl.float32)
    silu = (wide / (1.0 + tl.exp(-wide))).to(gate.dtype).to(tl.float32)
    return (silu * up.to(tl.float32)).to(gate.dtype)


@triton.jit
def finish(result, beside, out, own, exists, SILU: tl.constexpr, ADD: tl.constexpr):
    """Round a product's rows `own`, make silu(result) · beside of them or add them to what is
    in `out`, and store them there."""
    kind = out.dtype.element_ty
    result = result.to(kind)
    if SILU:
        result = activated(result, beside.to(kind))
    if ADD:
        before = tl.load(out + own, exists, 0.0).to(tl.float32)
        result = (before + result.to(tl.float32)).to(kind)
    tl.store(out + own, result, exists)


@triton.jit
def _vector_product(
    x, norm, weight, bias, out, rows, size, epsilon,
    NORM: tl.constexpr, BIAS: tl.constexpr, SILU: tl.constexpr, ADD: tl.constexpr,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    exists = own < rows
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
        part = tl.load(x + columns, inside, 0.0)
        if NORM:
            part = normed(part, tl.load(norm + columns, inside, 0.0), shrink)
        part = part.to(tl.float32)
        product += w * part[None, :]
        if SILU:
            up = tl.load(weight + rows.to(tl.int64) * size + places, filled, 0.0).to(tl.float32)
            beside += up * part[None, :]
    result, other = tl.sum(product, 1), tl.sum(beside, 1)
    if BIAS:
        result += tl.load(bias + own, exists, 0.0).to(tl.float32)
        if SILU:
            other += tl.load(bias + rows + own, exists, 0.0).to(tl.float32)
    finish(result, other, out, own, exists, SILU, ADD)


@triton.jit
def _silu_multiply(gate_up, out, size, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < size
    gate = tl.load(gate_up + row * 2 * size + columns, inside, 0.0)
    up = tl.load(gate_up + row * 2 * size + size + columns, inside, 0.0)
    tl.store(out + row * size + columns, activated(gate, up), inside)


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
        return 4, 512, 2
    if silu:
        return 4, 256, 4
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
