"""LLM.int8() (arXiv 2208.07339) of one row on a GPU, outliers included, in Triton.

bitsandbytes gathers the outlier columns, for which the host must know how many there are. Here
one kernel reads each weight once and uses it for both paths, so nothing need be known before.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

ROWS_AT_ONCE = 4
WEIGHTS_AT_ONCE = 512


@triton.jit
def _quantise(x, quantised, scale, outliers, found, threshold, size, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    columns = tl.arange(0, BLOCK)
    inside = columns < size
    exact = tl.load(x + row * size + columns, inside, 0.0)
    half = exact.to(tl.float16).to(tl.float32)
    sticks_out = (tl.abs(half) >= threshold) & (threshold > 0.0)
    largest = tl.max(tl.where(sticks_out, 0.0, tl.abs(half)))
    steps = half * tl.where(largest > 0.0, 127.0 / largest, 0.0)
    # Adding and taking away 1.5 · 2^23 rounds to the nearest even whole number.
    whole = tl.where(sticks_out, 0.0, (steps + 12582912.0) - 12582912.0)
    tl.store(quantised + row * size + columns, whole.to(tl.int8), inside)
    tl.store(scale + row, largest)
    tl.store(
        outliers + row * size + columns, tl.where(sticks_out, exact.to(tl.float32), 0.0), inside
    )
    tl.store(found + row, tl.sum(sticks_out.to(tl.int32)))


@triton.jit
def _int8_vector(
    quantised, scale, outliers, found, weight, weight_scale, bias, out, rows, size,
    BIAS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    exists = own < rows
    kind = out.dtype.element_ty
    any_outlier = tl.load(found) > 0
    row_scale = tl.load(weight_scale + own, exists, 0.0)
    product = tl.zeros((ROWS, BLOCK), tl.int32)
    beside = tl.zeros((ROWS, BLOCK), tl.float32)
    for start in range(0, size, BLOCK):
        columns = start + tl.arange(0, BLOCK)
        inside = columns < size
        places = own.to(tl.int64)[:, None] * size + columns[None, :]
        w = tl.load(weight + places, exists[:, None] & inside[None, :], 0)
        x = tl.load(quantised + columns, inside, 0).to(tl.int32)
        product += w.to(tl.int32) * x[None, :]
        if any_outlier:
            o = tl.load(outliers + columns, inside, 0.0)
            wide = w.to(tl.float32) * row_scale[:, None] * (1.0 / 127.0)
            beside += wide.to(kind).to(tl.float32) * o[None, :]
    # The order of bitsandbytes: scaled to float16, biased there, cast, outliers added last.
    scaled = tl.sum(product, 1).to(tl.float32) * (row_scale * tl.load(scale)) * 6.200124e-05
    result = scaled.to(tl.float16)
    if BIAS:
        result = (result.to(tl.float32) + tl.load(bias + own, exists, 0.0).to(tl.float32)).to(
            tl.float16
        )
    result = result.to(kind)
    if any_outlier:
        result = (result.to(tl.float32) + tl.sum(beside, 1)).to(kind)
    tl.store(out + own, result, exists)


def int8_vector(
    x: torch.Tensor,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    bias: torch.Tensor | None,
    threshold: float,
) -> torch.Tensor:
    """LLM.int8() (arXiv 2208.07339) of one row `x` [1, size] with `weight` [rows, size]: every
    outlier at or above `threshold` (0: none) goes through the 16-bit path, however many."""
    rows, size = weight.shape
    quantised = torch.empty_like(x, dtype=torch.int8)
    outliers = torch.empty_like(x, dtype=torch.float32)
    scale = torch.empty(1, dtype=torch.float32, device=x.device)
    found = torch.empty(1, dtype=torch.int32, device=x.device)
    block = triton.next_power_of_2(size)
    _quantise[(1,)](x, quantised, scale, outliers, found, threshold, size, BLOCK=block, num_warps=8)
    out = torch.empty((1, rows), dtype=x.dtype, device=x.device)
    _int8_vector[(triton.cdiv(rows, ROWS_AT_ONCE),)](
        quantised, scale, outliers, found, weight, weight_scale,
        weight_scale if bias is None else bias, out, rows, size,
        BIAS=bias is not None, ROWS=ROWS_AT_ONCE, BLOCK=WEIGHTS_AT_ONCE,
    )  # fmt: skip
    return out
