"""GPU kernels of one decode step, in Triton: norms, activation, and a 16-bit product of one row.

A decode step reads every weight once, and that sets its least time; what runs between the
products is small, but as plain torch operations it takes three times as many launches, each of
which costs about as much as it computes. Every kernel rounds where transformers' own model does.
Imported only where Triton is installed; availability.py says whether it can compile here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

from vibecore.engine.kernels import early
from vibecore.engine.kernels.early import await_previous, let_next_begin

# Triton's interpreter, in which the kernels are tested without a GPU, knows no PTX: what is written
# in it has a second form in plain Triton (nf4.py, int8.py).
INTERPRETED = tl.constexpr(os.environ.get("TRITON_INTERPRET") == "1")
SILU, GELU_TANH = tl.constexpr(1), tl.constexpr(2)
# arithmetic.py's name for an activation, or None for no activation -> what kernels are told.
ACTIVATIONS: Mapping[str | None, int] = {None: 0, "silu": SILU.value, "gelu_tanh": GELU_TANH.value}
COLUMNS_AT_ONCE = 1024
MANY_ROWS = 32_768


@triton.jit
def _add_norm(
    change, change_weight, hidden, weight, out, size, epsilon, ADD: tl.constexpr,
    CHANGE_NORM: tl.constexpr, PLUS_ONE: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < size
    scale = tl.load(weight + columns, inside, 0.0)
    if CHANGE_NORM:
        change_scale = tl.load(change_weight + columns, inside, 0.0)
    await_previous(EARLY)
    kind = out.dtype.element_ty
    x = tl.load(hidden + row * size + columns, inside, 0.0).to(tl.float32)
    if ADD:
        addend = tl.load(change + row * size + columns, inside, 0.0)
        if CHANGE_NORM:
            wide = addend.to(tl.float32)
            shrink = tl.rsqrt(tl.sum(wide * wide) / size + epsilon)
            addend = normed(addend, change_scale, shrink, PLUS_ONE)
        x += addend.to(tl.float32)
        x = x.to(kind).to(tl.float32)
        tl.store(hidden + row * size + columns, x.to(kind), inside)
    shrink = tl.rsqrt(tl.sum(x * x) / size + epsilon)
    x = normed(x.to(kind), scale, shrink, PLUS_ONE)
    tl.store(out + row * size + columns, x, inside)


@triton.jit
def normed(x, weight, shrink, PLUS_ONE: tl.constexpr = False):
    """The last steps of an RMS norm (arithmetic.py): scaled, rounded, weighted, rounded; or, with
    a weight of PLUS_ONE, scaled, weighted, rounded."""
    if PLUS_ONE:
        return (x.to(tl.float32) * shrink * weight).to(x.dtype)
    even = (x.to(tl.float32) * shrink).to(x.dtype).to(tl.float32)
    return (even * weight.to(tl.float32)).to(x.dtype)


@triton.jit
def _tanh(x):
    if INTERPRETED:
        return 2.0 / (1.0 + tl.exp(-2.0 * x)) - 1.0
    return libdevice.tanh(x)


@triton.jit
def activated(gate, up, ACTIVATION: tl.constexpr):
    """activation(gate) · up, the first factor rounded."""
    wide = gate.to(tl.float32)
    if ACTIVATION == SILU:
        wide = wide / (1.0 + tl.exp(-wide))
    else:
        # The order of torch's own kernel; the first factor is the square root of 2 / pi.
        inner = 0.7978845608028654 * (wide + 0.044715 * (wide * wide * wide))
        wide = 0.5 * wide * (1.0 + _tanh(inner))
    return (wide.to(gate.dtype).to(tl.float32) * up.to(tl.float32)).to(gate.dtype)


@triton.jit
def finish(result, beside, out, own, exists, ACTIVATION: tl.constexpr, ADD: tl.constexpr):
    """Round a product's rows `own`, make activation(result) · beside of them or add them to what is
    in `out`, and store them there."""
    kind = out.dtype.element_ty
    result = result.to(kind)
    if ACTIVATION:
        result = activated(result, beside.to(kind), ACTIVATION)
    if ADD:
        before = tl.load(out + own, exists, 0.0).to(tl.float32)
        result = (before + result.to(tl.float32)).to(kind)
    tl.store(out + own, result, exists)


@triton.jit
def _part(x, norm, columns, size, shrink, NORM: tl.constexpr):
    """The row's numbers in `columns`, [1, columns], float32."""
    inside = columns < size
    part = tl.load(x + columns, inside, 0.0)
    if NORM:
        part = normed(part, tl.load(norm + columns, inside, 0.0), shrink)
    return part.to(tl.float32)[None, :]


@triton.jit
def _vector_product(
    x, norm, weight, bias, out, rows, size, epsilon,
    NORM: tl.constexpr, BIAS: tl.constexpr, ACTIVATION: tl.constexpr, ADD: tl.constexpr,
    WIDTH: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    first = tl.program_id(0) * ROWS
    own = first + tl.arange(0, ROWS)
    exists = own < rows
    rows_at = own.to(tl.int64)[:, None] * size
    up = rows.to(tl.int64) * size
    columns = tl.arange(0, BLOCK)
    filled = exists[:, None] & (columns < size)[None, :]
    w = tl.load(weight + rows_at + columns[None, :], filled, 0.0).to(tl.float32)
    w_up = w
    if ACTIVATION:
        w_up = tl.load(weight + up + rows_at + columns[None, :], filled, 0.0).to(tl.float32)
    shrink = 1.0
    await_previous(EARLY)
    if NORM:
        every = tl.arange(0, WIDTH)
        whole = tl.load(x + every, every < size, 0.0).to(tl.float32)
        shrink = tl.rsqrt(tl.sum(whole * whole, 0) / size + epsilon)
    part = _part(x, norm, columns, size, shrink, NORM)
    product = w * part
    beside = w_up * part
    for start in range(BLOCK, size, BLOCK):
        places = start + columns
        part = _part(x, norm, places, size, shrink, NORM)
        filled = exists[:, None] & (places < size)[None, :]
        w = tl.load(weight + rows_at + places[None, :], filled, 0.0).to(tl.float32)
        product += w * part
        if ACTIVATION:
            w_up = tl.load(weight + up + rows_at + places[None, :], filled, 0.0).to(tl.float32)
            beside += w_up * part
    result, other = tl.sum(product, 1), tl.sum(beside, 1)
    if BIAS:
        result += tl.load(bias + own, exists, 0.0).to(tl.float32)
        if ACTIVATION:
            other += tl.load(bias + rows + own, exists, 0.0).to(tl.float32)
    finish(result, other, out, own, exists, ACTIVATION, ADD)


@triton.jit
def _gated(gate_up, out, size, ACTIVATION: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr):
    let_next_begin(EARLY)
    await_previous(EARLY)
    row = tl.program_id(0)
    columns = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = columns < size
    gate = tl.load(gate_up + row * 2 * size + columns, inside, 0.0)
    up = tl.load(gate_up + row * 2 * size + size + columns, inside, 0.0)
    tl.store(out + row * size + columns, activated(gate, up, ACTIVATION), inside)


def add_norm(
    hidden: torch.Tensor,
    change: torch.Tensor | None,
    weight: torch.Tensor,
    epsilon: float,
    *,
    change_norm: torch.Tensor | None = None,
    plus_one: bool = False,
) -> torch.Tensor:
    """Add `change` to `hidden` in place, both [rows, size], and give its RMS norm. `change` is
    normed itself first where `change_norm` [size] is given. With `plus_one` both weights are those
    of arithmetic.rms_norm_plus_one."""
    rows, size = hidden.shape
    out = torch.empty_like(hidden)
    # Fused with the sum after it a normed change would not be rounded.
    _add_norm[(rows,)](
        hidden if change is None else change, weight if change_norm is None else change_norm,
        hidden, weight, out, size, epsilon,
        ADD=change is not None, CHANGE_NORM=change_norm is not None, PLUS_ONE=plus_one,
        BLOCK=triton.next_power_of_2(size), enable_fp_fusion=change_norm is None,
        **early.options(hidden.device),
    )  # fmt: skip
    return out


def vector_product(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    norm: torch.Tensor | None = None,
    epsilon: float = 0.0,
    activation: str | None = None,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """`weight` [rows, size] times the vector `x` [1, size], which is RMS-normed first where
    `norm` is given. With `activation`, one of arithmetic.ACTIVATIONS, `weight` holds gate and up
    rows and the result is activation(gate) · up; with `add_to` [1, rows] the result is added there
    in place."""
    rows, size = weight.shape
    rows = rows // 2 if activation else rows
    out = add_to if add_to is not None else torch.empty((1, rows), dtype=x.dtype, device=x.device)
    rows_at_once, block, warps = _tile(rows, size, activation is not None)
    _vector_product[(triton.cdiv(rows, rows_at_once),)](
        x, weight if norm is None else norm, weight, weight if bias is None else bias, out,
        rows, size, epsilon, NORM=norm is not None, BIAS=bias is not None,
        ACTIVATION=ACTIVATIONS[activation], ADD=add_to is not None,
        WIDTH=triton.next_power_of_2(size), ROWS=rows_at_once,
        BLOCK=block, num_warps=warps, **early.options(x.device),
    )  # fmt: skip
    return out


def _tile(rows: int, size: int, silu: bool) -> tuple[int, int, int]:
    """(rows, columns, warps) of a program: the best of ten on an H100, at Qwen2.5's shapes."""
    if rows > MANY_ROWS:
        return 4, 512, 2
    if silu:
        return 4, 256, 4
    return (1, 1024, 4) if size > 2 * rows else (4, 1024, 8)


def gated(gate_up: torch.Tensor, activation: str) -> torch.Tensor:
    """activation(gate) · up of `gate_up` [rows, 2 · size]."""
    rows, both = gate_up.shape
    size = both // 2
    out = torch.empty((rows, size), dtype=gate_up.dtype, device=gate_up.device)
    _gated[(rows, triton.cdiv(size, COLUMNS_AT_ONCE))](
        gate_up, out, size, ACTIVATION=ACTIVATIONS[activation], BLOCK=COLUMNS_AT_ONCE,
        **early.options(gate_up.device),
    )  # fmt: skip
    return out
