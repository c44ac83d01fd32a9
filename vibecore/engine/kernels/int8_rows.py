"""LLM.int8() (arXiv 2208.07339) of several rows on a GPU, outliers included, in Triton.

bitsandbytes lists the columns that have an outlier in any row, for which the host must know how
many there are, and clears them in the int8 matrix. Here they are listed on the GPU, and not
cleared: what they gave to the int8 product is taken away again, which is exact with whole numbers,
while their product in 16 bit is made. So the int8 product can be any.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels import early
from vibecore.engine.kernels.early import await_previous, let_next_begin
from vibecore.engine.kernels.norm import INTERPRETED
from vibecore.engine.kernels.scratch import zeroed

# The most tiles whose sum several programs share.
MOST_SHARED = 16_384
# As many programs as an H100 has processors, and the most that share a sum.
PROGRAMS, MOST_PARTS = 132, 16
# cuBLAS' int8 product wants more rows than 16, and whole eights of everything.
LEAST_ROWS, MULTIPLE = 24, 8


@triton.jit
def exact_dot(left, right, sums):
    """`sums` float32 and the product of 16-bit matrices."""
    if INTERPRETED:
        # The interpreter would multiply the bits of bfloat16.
        return tl.dot(left.to(tl.float32), right.to(tl.float32), sums, input_precision="ieee")
    return tl.dot(left, right, sums, input_precision="ieee")


@triton.jit
def _quantise_rows(
    x, whole, scales, flags, places, found, ended, threshold, size,
    OUTLIERS: tl.constexpr, BLOCK: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    columns = tl.arange(0, BLOCK)
    inside = columns < size
    await_previous(EARLY)
    let_next_begin(EARLY)
    half = tl.load(x + row * size + columns, inside, 0.0).to(tl.float16).to(tl.float32)
    size_of = tl.abs(half)
    sticks_out = (size_of >= threshold) & OUTLIERS
    size_of = tl.where(sticks_out, 0.0, size_of)
    # A maximum passes over a NaN, which has to reach the product all the same.
    size_of = tl.where(half != half, float("inf"), size_of)
    largest = tl.max(size_of, 0)
    steps = half * tl.where(largest > 0.0, 127.0 / largest, 0.0)
    # Adding and taking away 1.5 · 2^23 rounds to the nearest even whole number.
    rounded = tl.where(sticks_out, 0.0, (steps + 12582912.0) - 12582912.0)
    tl.store(whole + row * size + columns, rounded.to(tl.int8), inside)
    tl.store(scales + row, largest)
    if OUTLIERS:
        tl.store(flags + columns, sticks_out.to(tl.int8), sticks_out)
        # All of it is written before it is counted, and the program that counts last reads it.
        tl.debug_barrier()
        ended_before = tl.atomic_add(ended, 1, sem="acq_rel")
        if ended_before == tl.num_programs(0) - 1:
            # Four columns' marks at a time.
            words = tl.arange(0, BLOCK // 4)
            words_at = flags.to(tl.pointer_type(tl.int32)) + words
            marks = tl.load(words_at, words * 4 < size, 0, volatile=True)
            marked = (marks & 1) + ((marks >> 8) & 1) + ((marks >> 16) & 1) + ((marks >> 24) & 1)
            count = tl.sum(marked, 0)
            tl.store(found, count)
            if count > 0:
                # In order, so that sums are taken in the same order every time.
                rank = tl.cumsum(marked, 0) - marked
                for place in tl.static_range(4):
                    mark = (marks >> (8 * place)) & 1
                    tl.store(places + rank, words * 4 + place, mark > 0)
                    rank += mark
                tl.store(words_at, tl.zeros_like(marks), marks != 0)
            tl.store(ended, 0)


@triton.jit
def _finish(
    sums, x, whole, row_scales, places, found, weight, weight_scale, bias, out, own, which,
    exists, taken, rows, size,
    BIAS: tl.constexpr, OUTLIERS: tl.constexpr, OWN: tl.constexpr, ROWS: tl.constexpr,
    AT_ONCE: tl.constexpr,
):  # fmt: skip
    """From the int8 product `sums` [OWN, ROWS] to 16 bit: outliers, scales, bias."""
    kind = out.dtype.element_ty
    scale = tl.load(weight_scale + own, exists, 0.0)
    row_scale = tl.load(row_scales + which, taken, 0.0)
    count = 0
    weight_of = weight + own.to(tl.int64)[:, None] * size
    row_of = which.to(tl.int64)[None, :] * size
    if OUTLIERS:
        count = tl.load(found)
        for start in tl.range(0, count, AT_ONCE, num_stages=1):
            outlier = start + tl.arange(0, AT_ONCE)
            there = outlier < count
            column = tl.load(places + outlier, there, 0)
            w = tl.load(weight_of + column[None, :], exists[:, None] & there[None, :], 0)
            filled = there[:, None] & taken[None, :]
            of_whole = tl.load(whole + row_of + column[:, None], filled, 0)
            sums = tl.dot(w, -of_whole, sums, out_dtype=tl.int32)
    # The order of bitsandbytes: scaled to float16, biased there, cast, outliers added.
    scales = row_scale[None, :] * scale[:, None]
    result = (sums.to(tl.float32) * scales * 6.200124e-05).to(tl.float16)
    if BIAS:
        addend = tl.load(bias + own, exists, 0.0).to(tl.float32)
        result = (result.to(tl.float32) + addend[:, None]).to(tl.float16)
    result = result.to(kind)
    if OUTLIERS:
        extra = tl.zeros((OWN, ROWS), tl.float32)
        for start in tl.range(0, count, AT_ONCE, num_stages=1):
            outlier = start + tl.arange(0, AT_ONCE)
            there = outlier < count
            column = tl.load(places + outlier, there, 0)
            w = tl.load(weight_of + column[None, :], exists[:, None] & there[None, :], 0)
            filled = there[:, None] & taken[None, :]
            exact = tl.load(x + row_of + column[:, None], filled, 0.0)
            wide = (w.to(tl.float32) * scale[:, None] * (1.0 / 127.0)).to(kind)
            extra = exact_dot(wide, exact, extra)
        result = (result.to(tl.float32) + extra).to(kind)
    at = out + which.to(tl.int64)[None, :] * rows + own[:, None]
    tl.store(at, result, exists[:, None] & taken[None, :])


@triton.jit(do_not_specialize=["count"])
def _int8_rows(
    x, whole, row_scales, places, found, weight, weight_scale, bias, out, gathered, counters,
    count, rows, size,
    BIAS: tl.constexpr, OUTLIERS: tl.constexpr, EVEN: tl.constexpr, SHARED: tl.constexpr,
    OWN: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, AT_ONCE: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    part, parts = tl.program_id(2), tl.num_programs(2)
    own = tl.program_id(0) * OWN + tl.arange(0, OWN)
    which = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    exists, taken = own < rows, which < count
    # What is past the end reads the last row: its sums are not stored.
    weight_of = weight + tl.minimum(own, rows - 1).to(tl.int64)[:, None] * size
    row_of = whole + tl.minimum(which, count - 1).to(tl.int64)[None, :] * size
    sums = tl.zeros((OWN, ROWS), tl.int32)
    for start in range(part * COLUMNS, size, COLUMNS * parts):
        columns = start + tl.arange(0, COLUMNS)
        if EVEN:
            w = tl.load(weight_of + columns[None, :])
            row = tl.load(row_of + columns[:, None])
        else:
            w = tl.load(weight_of + columns[None, :], (columns < size)[None, :], 0)
            row = tl.load(row_of + columns[:, None], (columns < size)[:, None], 0)
        sums = tl.dot(w, row, sums, out_dtype=tl.int32)
    if SHARED:
        inner = tl.arange(0, OWN)[:, None] * ROWS + tl.arange(0, ROWS)[None, :]
        parts_at = gathered + tile.to(tl.int64) * parts * OWN * ROWS
        tl.store(parts_at + part * OWN * ROWS + inner, sums)
        # All of it is written before it is counted, and the program that counts last reads it.
        tl.debug_barrier()
        if tl.atomic_add(counters + tile, 1, sem="acq_rel") == parts - 1:
            whole_sums = tl.zeros((OWN, ROWS), tl.int32)
            for first in range(0, parts, 4):
                for within in tl.static_range(4):
                    at = inner + (first + within) * OWN * ROWS
                    whole_sums += tl.load(parts_at + at, at < parts * OWN * ROWS, 0, volatile=True)
            tl.store(counters + tile, 0)
            _finish(
                whole_sums, x, whole, row_scales, places, found, weight, weight_scale, bias, out,
                own, which, exists, taken, rows, size, BIAS, OUTLIERS, OWN, ROWS, AT_ONCE,
            )  # fmt: skip
    else:
        _finish(
            sums, x, whole, row_scales, places, found, weight, weight_scale, bias, out,
            own, which, exists, taken, rows, size, BIAS, OUTLIERS, OWN, ROWS, AT_ONCE,
        )  # fmt: skip


@triton.jit(do_not_specialize=["count"])
def _rescale(
    product, x, whole, row_scales, places, found, weight, weight_scale, bias, out,
    count, rows, size,
    BIAS: tl.constexpr, OUTLIERS: tl.constexpr, OWN: tl.constexpr, ROWS: tl.constexpr,
    AT_ONCE: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * OWN + tl.arange(0, OWN)
    which = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    exists, taken = own < rows, which < count
    at = product + which.to(tl.int64)[None, :] * rows + own[:, None]
    sums = tl.load(at, exists[:, None] & taken[None, :], 0)
    _finish(
        sums, x, whole, row_scales, places, found, weight, weight_scale, bias, out,
        own, which, exists, taken, rows, size, BIAS, OUTLIERS, OWN, ROWS, AT_ONCE,
    )  # fmt: skip


@dataclass(frozen=True)
class QuantisedRows:
    """Rows as LLM.int8() takes them. `exact` [count, size] are the rows themselves, `whole` int8
    [at least count, size] are they in steps of `scales` [count] / 127, 0 for an outlier; `places`
    int32 [size] starts with the `found` [1] columns that have an outlier in any row, in order, and
    is None where none is looked for."""

    exact: torch.Tensor
    whole: torch.Tensor
    scales: torch.Tensor
    places: torch.Tensor | None
    found: torch.Tensor | None


@dataclass(frozen=True)
class Tile:
    """Of the weight's rows, of x's rows, and of the columns a program multiplies at once; how many
    programs share the columns, and of how many warps and stages each is. `parts` 0: the product is
    cuBLAS', and a program rescales a tile of it."""

    own: int
    rows: int
    columns: int
    parts: int
    warps: int
    stages: int


def quantise_rows(x: torch.Tensor, threshold: float) -> QuantisedRows:
    """The rows of `x` [count, size], what is at or above `threshold` (0: nothing) kept apart."""
    x = x.contiguous()
    count, size = x.shape
    padded = -(-max(count, LEAST_ROWS) // MULTIPLE) * MULTIPLE
    whole = torch.empty((padded, size), dtype=torch.int8, device=x.device)
    scales = torch.empty(count, dtype=torch.float32, device=x.device)
    places = found = None
    flags = ended = scales
    if threshold > 0:
        flags = zeroed(x.device, torch.int8, -(-size // 4) * 4)
        ended = zeroed(x.device, torch.int32, MOST_SHARED)
        both = torch.empty(size + 1, dtype=torch.int32, device=x.device)
        places, found = both[1:], both[:1]
    block = triton.next_power_of_2(size)
    _quantise_rows[(count,)](
        x, whole, scales, flags, scales if places is None else places,
        scales if found is None else found, ended, threshold, size,
        OUTLIERS=threshold > 0, BLOCK=block, num_warps=quantising_warps(block),
        **early.options(x.device),
    )  # fmt: skip
    return QuantisedRows(x, whole, scales, places, found)


def quantising_warps(block: int) -> int:
    """Of the program that quantises a row, of at most `block` columns."""
    return min(max(block // 512, 4), 16)


def int8_rows(
    x: QuantisedRows,
    weight: torch.Tensor,
    weight_scale: torch.Tensor,
    bias: torch.Tensor | None,
    tile: Tile | None = None,
) -> torch.Tensor:
    """LLM.int8() of quantised rows with `weight` int8 [rows, size], whose scales `weight_scale`
    are float32 [rows]; outliers in the rows' own type. Returns [count, rows] of that type. `tile`
    is chosen by shape where it is not given."""
    rows, size = weight.shape
    count, device = x.exact.shape[0], weight.device
    tile = tile or choose_tile(count, rows, size)
    out = torch.empty((count, rows), dtype=x.exact.dtype, device=device)
    tiles = triton.cdiv(rows, tile.own), triton.cdiv(count, tile.rows)
    # A tensor that is not read stands for one that is not there.
    inputs = (
        x.exact, x.whole, x.scales, x.scales if x.places is None else x.places,
        x.scales if x.found is None else x.found, weight, weight_scale,
        weight_scale if bias is None else bias, out,
    )  # fmt: skip
    options = {
        "BIAS": bias is not None, "OUTLIERS": x.places is not None, "OWN": tile.own,
        "ROWS": tile.rows, "AT_ONCE": 32, "num_warps": tile.warps, "num_stages": tile.stages,
    }  # fmt: skip
    if not tile.parts:
        product = torch._int_mm(x.whole, weight.t())
        _rescale[tiles](product, *inputs, count, rows, size, **options)
        return out
    gathered = counters = out
    if tile.parts > 1:
        counters = zeroed(device, torch.int32, MOST_SHARED)
        shared = tiles[0] * tiles[1] * tile.parts * tile.own * tile.rows
        gathered = torch.empty(shared, dtype=torch.int32, device=device)
    _int8_rows[(*tiles, tile.parts)](
        *inputs, gathered, counters, count, rows, size, EVEN=size % tile.columns == 0,
        SHARED=tile.parts > 1, COLUMNS=tile.columns, **options,
    )  # fmt: skip
    return out


def choose_tile(count: int, rows: int, size: int) -> Tile:
    """For `count` rows times a weight [rows, size]: the best of 15 on an H100, or nearly, at
    Qwen2.5's shapes and 2 to 512 rows."""
    if count > 64:
        at_once = triton.cdiv(count, 64)
        if triton.cdiv(rows, 64) * at_once > 2 * PROGRAMS:
            return Tile(128, 64, 128, 1, 8, 4)
        return Tile(64, 64, 128, choose_parts(rows, 64, PROGRAMS // at_once, size // 128), 4, 4)
    at_once = 16 if count <= 16 else 32 if count <= 32 else 64
    return Tile(32, at_once, 256, choose_parts(rows, 32, 2 * PROGRAMS, size // 256), 4, 3)


def choose_parts(rows: int, own: int, programs: int, most: int) -> int:
    """How many programs share a tile's sum for about so many in all, at most `most`."""
    return max(1, min(round(programs / triton.cdiv(rows, own)), most, MOST_PARTS))
