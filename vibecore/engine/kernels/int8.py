"""LLM.int8() (arXiv 2208.07339) of one row on a GPU, outliers included, in Triton.

bitsandbytes gathers the outlier columns, for which the host must know how many there are. Here
they are listed on the GPU, and the product takes as many of them as there are: nothing need be
known before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels import early
from vibecore.engine.kernels.early import await_previous, let_next_begin
from vibecore.engine.kernels.norm import ACTIVATIONS, INTERPRETED, finish, normed

COLUMNS = 32
OUTLIERS_AT_ONCE = 16
QUANTISING_WARPS = 8
WIDE, MANY_WARPS = 8192, 16
# The widest row that one program quantises in no more time than several; how many numbers each of
# these looks at at once, and how many lines it stores.
ALONE = 2048
AT_ONCE, SHARE_LINES = 2048, 32


@triton.jit
def _bits(word):
    """How many bits of each int32 are set."""
    if INTERPRETED:
        count = word & 1
        for place in range(1, 32):
            count += (word >> place) & 1
        return count
    return tl.inline_asm_elementwise(
        "popc.b32 $0, $1;", "=r,r", [word], dtype=tl.int32, is_pure=True, pack=1
    )


@triton.jit
def _quantise(
    x, norm, whole, scale, places, outliers, found, threshold, size, epsilon,
    NORM: tl.constexpr, LINES: tl.constexpr, COLUMNS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    bit = tl.arange(0, COLUMNS)[None, :]
    columns = tl.arange(0, LINES)[:, None] * COLUMNS + bit
    inside = columns < size
    if NORM:
        weight = tl.load(norm + columns, inside, 0.0)
    await_previous(EARLY)
    exact = tl.load(x + columns, inside, 0.0)
    if NORM:
        wide = exact.to(tl.float32)
        shrink = tl.rsqrt(tl.sum(tl.sum(wide * wide, 1), 0) / size + epsilon)
        exact = normed(exact, weight, shrink)
    half, sticks_out, size_of = _sized(exact, threshold)
    largest = tl.max(tl.max(size_of, 1), 0)
    count = tl.sum(tl.sum(sticks_out.to(tl.int32), 1), 0)
    tl.store(scale, largest)
    tl.store(found, count)
    _store(
        exact, half, sticks_out, columns, inside, bit, largest, 0, count, whole, places, outliers
    )


@triton.jit
def _quantise_wide(
    x, whole, scale, places, outliers, found, threshold, size: tl.constexpr,
    AT_ONCE: tl.constexpr, LINES: tl.constexpr, COLUMNS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    """As _quantise, by several programs: each looks at all of the row and stores a share of it."""
    let_next_begin(EARLY)
    first = tl.program_id(0) * LINES * COLUMNS
    bit = tl.arange(0, COLUMNS)[None, :]
    own = first + tl.arange(0, LINES)[:, None] * COLUMNS + bit
    inside = own < size
    largest_of = tl.zeros((AT_ONCE,), tl.float32)
    found_of = tl.zeros((AT_ONCE,), tl.int32)
    before_of = tl.zeros((AT_ONCE,), tl.int32)
    await_previous(EARLY)
    exact = tl.load(x + own, inside, 0.0)
    for start in range(0, size, AT_ONCE):
        columns = start + tl.arange(0, AT_ONCE)
        _, outside, size_of = _sized(tl.load(x + columns, columns < size, 0.0), threshold)
        largest_of = tl.maximum(largest_of, size_of)
        found_of += outside.to(tl.int32)
        before_of += (outside & (columns < first)).to(tl.int32)
    largest = tl.max(largest_of, 0)
    count = tl.sum(found_of, 0)
    if first == 0:
        tl.store(scale, largest)
        tl.store(found, count)
    half, sticks_out, _ = _sized(exact, threshold)
    _store(
        exact, half, sticks_out, own, inside, bit, largest, tl.sum(before_of, 0), count,
        whole, places, outliers,
    )  # fmt: skip


@triton.jit
def _sized(exact, threshold):
    """Numbers as float16 has them, which are outliers, and the sizes of the others."""
    half = exact.to(tl.float16).to(tl.float32)
    sticks_out = (tl.abs(half) >= threshold) & (threshold > 0.0)
    size_of = tl.where(sticks_out, 0.0, tl.abs(half))
    # A maximum passes over a NaN, which has to reach the product all the same.
    return half, sticks_out, tl.where(half != half, float("inf"), size_of)


@triton.jit
def _store(
    exact, half, sticks_out, columns, inside, bit, largest, found_before, count,
    whole, places, outliers,
):  # fmt: skip
    """The numbers of `columns` [lines, 32] in steps, and their outliers into the row's list, of
    which there are `count`, and `found_before` these columns."""
    steps = half * tl.where(largest > 0.0, 127.0 / largest, 0.0)
    # Adding and taking away 1.5 · 2^23 rounds to the nearest even whole number.
    rounded = tl.where(sticks_out, 0.0, (steps + 12582912.0) - 12582912.0)
    tl.store(whole + columns, rounded.to(tl.int8), inside)
    if count > 0:
        # Each outlier's place in the list: those of the lines before, and those before it.
        marks = tl.sum(sticks_out.to(tl.int32) << bit, 1)
        marked = _bits(marks)
        before = found_before + (tl.cumsum(marked, 0) - marked)[:, None]
        rank = before + _bits(marks[:, None] & ((1 << bit) - 1))
        tl.store(places + rank, columns, sticks_out)
        tl.store(outliers + rank, exact, sticks_out)


@triton.jit
def _four_products(four, of_x, sum):
    """`sum` and the products of the four int8 in each int32."""
    if INTERPRETED:
        for place in range(4):
            # Shifted to the top and back, which carries the sign down.
            left = 24 - 8 * place
            sum += ((four << left) >> 24) * ((of_x << left) >> 24)
        return sum
    return tl.inline_asm_elementwise(
        "dp4a.s32.s32 $0, $1, $2, $3;", "=r,r,r,r", [four, of_x, sum],
        dtype=tl.int32, is_pure=True, pack=1,
    )  # fmt: skip


@triton.jit
def _fours(at, start, exists, words: tl.constexpr, WORDS: tl.constexpr):
    """WORDS int32 from `start` on, of each row that `at` [rows, 1] points to."""
    columns = start + tl.arange(0, WORDS)[None, :]
    return tl.load(at + columns, exists[:, None] & (columns < words), 0)


@triton.jit
def _scaled(sums, row_scale, scale, bias, own, exists, kind: tl.constexpr, BIAS: tl.constexpr):
    # The order of bitsandbytes: scaled to float16, biased there, cast.
    result = (sums.to(tl.float32) * (row_scale * scale) * 6.200124e-05).to(tl.float16)
    if BIAS:
        result = (result.to(tl.float32) + tl.load(bias + own, exists, 0.0).to(tl.float32)).to(
            tl.float16
        )
    return result.to(kind)


@triton.jit
def _of_outliers(weight, row_scale, exists, places, outliers, count, kind: tl.constexpr,
                 ROWS: tl.constexpr, OUTLIERS: tl.constexpr):  # fmt: skip
    """What the outliers give each row, whose first weight `weight` [ROWS] points to."""
    gathered = tl.zeros((ROWS, OUTLIERS), tl.float32)
    for start in range(0, count, OUTLIERS):
        which = start + tl.arange(0, OUTLIERS)
        there = which < count
        column = tl.load(places + which, there, 0)
        exact = tl.load(outliers + which, there, 0.0).to(tl.float32)
        w = tl.load(weight[:, None] + column[None, :], exists[:, None] & there[None, :], 0)
        wide = w.to(tl.float32) * row_scale[:, None] * (1.0 / 127.0)
        gathered += wide.to(kind).to(tl.float32) * exact[None, :]
    return tl.sum(gathered, 1)


@triton.jit
def _int8_vector(
    whole, scale, places, outliers, found, weight, weight_scale, bias, out, rows,
    size: tl.constexpr, BIAS: tl.constexpr, ACTIVATION: tl.constexpr, ADD: tl.constexpr,
    ROWS: tl.constexpr, WORDS: tl.constexpr, OUTLIERS: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    first = tl.program_id(0) * ROWS
    own = first + tl.arange(0, ROWS)
    exists = own < rows
    kind = out.dtype.element_ty
    words: tl.constexpr = size // 4
    row = own.to(tl.int64)
    up = rows.to(tl.int64)
    fours = weight.to(tl.pointer_type(tl.int32)) + row[:, None] * words
    fours_of_x = whole.to(tl.pointer_type(tl.int32))
    some = _fours(fours, 0, exists, words, WORDS)
    others = _fours(fours + up * words, 0, exists, words, WORDS) if ACTIVATION else some
    row_scale = tl.load(weight_scale + own, exists, 0.0)
    await_previous(EARLY)
    zero = tl.zeros((ROWS, WORDS), tl.int32)
    always = tl.full((1,), 1, tl.int1)
    of_x = _fours(fours_of_x, 0, always, words, WORDS)
    product = _four_products(some, of_x, zero)
    beside = _four_products(others, of_x, zero) if ACTIVATION else zero
    for start in range(WORDS, words, WORDS):
        of_x = _fours(fours_of_x, start, always, words, WORDS)
        product = _four_products(_fours(fours, start, exists, words, WORDS), of_x, product)
        if ACTIVATION:
            others = _fours(fours + up * words, start, exists, words, WORDS)
            beside = _four_products(others, of_x, beside)
    x_scale, count = tl.load(scale), tl.load(found)
    result = _scaled(tl.sum(product, 1), row_scale, x_scale, bias, own, exists, kind, BIAS)
    other = result
    if ACTIVATION:
        up_scale = tl.load(weight_scale + rows + own, exists, 0.0)
        other = _scaled(tl.sum(beside, 1), up_scale, x_scale, bias + rows, own, exists, kind, BIAS)
    if count > 0:
        of_row = weight + row * size
        extra = _of_outliers(
            of_row, row_scale, exists, places, outliers, count, kind, ROWS, OUTLIERS
        )
        result = (result.to(tl.float32) + extra).to(kind)
        if ACTIVATION:
            extra = _of_outliers(
                of_row + up * size, up_scale, exists, places, outliers, count, kind, ROWS, OUTLIERS
            )
            other = (other.to(tl.float32) + extra).to(kind)
    finish(result, other, out, own, exists, ACTIVATION, ADD)


@dataclass(frozen=True)
class Quantised:
    """A row as LLM.int8() takes it: `whole` int8 [size] in steps of `scale` / 127, 0 where an
    outlier is; the `found` outliers' `places` and values, [size] with the first ones filled.
    All but `whole`, `places` and `outliers` are single numbers on the GPU."""

    whole: torch.Tensor
    scale: torch.Tensor
    places: torch.Tensor
    outliers: torch.Tensor
    found: torch.Tensor


def quantise(
    x: torch.Tensor, threshold: float, *, norm: torch.Tensor | None = None, epsilon: float = 0.0
) -> Quantised:
    """The row `x` [1, size], RMS-normed first where `norm` is given, its outliers at or above
    `threshold` (0: none) kept apart."""
    size = x.shape[1]

    def empty(count: int, dtype: torch.dtype) -> torch.Tensor:
        return torch.empty(count, dtype=dtype, device=x.device)

    made = Quantised(
        empty(size, torch.int8),
        empty(1, torch.float32),
        empty(size, torch.int32),
        empty(size, x.dtype),
        empty(1, torch.int32),
    )
    if norm is None and size > ALONE:
        _quantise_wide[(triton.cdiv(size, SHARE_LINES * COLUMNS),)](
            x, made.whole, made.scale, made.places, made.outliers, made.found, threshold, size,
            AT_ONCE=AT_ONCE, LINES=SHARE_LINES, COLUMNS=COLUMNS, num_warps=QUANTISING_WARPS,
            **early.options(x.device),
        )  # fmt: skip
        return made
    _quantise[(1,)](
        x, x if norm is None else norm, made.whole, made.scale, made.places, made.outliers,
        made.found, threshold, size, epsilon, NORM=norm is not None,
        LINES=triton.next_power_of_2(triton.cdiv(size, COLUMNS)), COLUMNS=COLUMNS,
        num_warps=MANY_WARPS if size > WIDE else QUANTISING_WARPS, **early.options(x.device),
    )  # fmt: skip
    return made


def int8_vector(
    x: Quantised,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    bias: torch.Tensor | None,
    dtype: torch.dtype,
    *,
    activation: str | None = None,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """LLM.int8() of a quantised row with `weight` int8 [rows, size], size a multiple of 4, every
    outlier in 16 bit. Returns [1, rows]; `activation` and `add_to` as in kernels.vector_product."""
    rows, size = weight.shape
    rows = rows // 2 if activation else rows
    device = weight.device
    out = add_to if add_to is not None else torch.empty((1, rows), dtype=dtype, device=device)
    rows_at_once, words_at_once, warps = _tile(rows, size)
    _int8_vector[(triton.cdiv(rows, rows_at_once),)](
        x.whole, x.scale, x.places, x.outliers, x.found, weight, weight_scale,
        weight_scale if bias is None else bias, out, rows, size,
        BIAS=bias is not None, ACTIVATION=ACTIVATIONS[activation], ADD=add_to is not None,
        ROWS=rows_at_once, WORDS=words_at_once, OUTLIERS=OUTLIERS_AT_ONCE, num_warps=warps,
        **early.options(device),
    )  # fmt: skip
    return out


def _tile(rows: int, size: int) -> tuple[int, int, int]:
    """(rows, words of four, warps) of a program: the best of 13 on an H100, at Qwen2.5's
    shapes."""
    return (4, 256, 8) if size > 2 * rows else (8, 128, 8)
