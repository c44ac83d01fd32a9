"""Several rows times 4-bit weights on a GPU, in Triton.

Weights are NF4 in blocks of 64 with a scale each (arXiv 2305.14314), two codes a byte, the first
in the upper half. As in the product of one row (kernels/nf4.py) value times scale is rounded to
bfloat16; here that goes to the tensor cores, whose products are not rounded. The upper halves are
the even columns, the lower ones the odd: two products, each with its half of x, and no weight has
to move.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels.int8_rows import (
    MOST_SHARED,
    PROGRAMS,
    choose_parts,
    exact_dot,
)
from vibecore.engine.kernels.norm import INTERPRETED
from vibecore.engine.kernels.scratch import zeroed
from vibecore.engine.linear.nf4_layout import BLOCK_SIZE

# A weight of many rows needs no sharing of sums; a large one more rows at once.
MANY_ROWS, LARGE = 4096, 8_000_000
BYTES = tl.constexpr(BLOCK_SIZE // 2)

# Four codes, bits 0-15 of `codes` less their top bits, to the upper and the lower bytes of their
# values: `prmt` picks four bytes of eight by three bits of each code, and the code's top bit,
# spread over a byte, says of which eight.
_FOUR = """
prmt.b32 tops, $4, shifted, {tops};
prmt.b32 high, {0}, {1}, codes;
prmt.b32 other, {2}, {3}, codes;
lop3.b32 high, high, other, tops, 0xd8;
prmt.b32 low, {4}, {5}, codes;
prmt.b32 other, {6}, {7}, codes;
lop3.b32 low, low, other, tops, 0xd8;
"""
# Of four codes the second and the fourth, or the first and the third, times their scales.
_PAIR = """
prmt.b32 pair, low, high, {bytes};
fma.rn.bf16x2 {out}, pair, {scales}, minus_zero;
"""
_EVEN, _ODD = "0x7351", "0x6240"


@functools.cache
def look_up(table: tuple[int, ...]) -> str:
    """PTX that makes four bytes, $4, and their scales, $5 and $6, into the weights of their upper
    halves, $0 and $1, and of their lower halves, $2 and $3. `table` has the values' upper bytes in
    four words, then their lower bytes."""
    words = [f"0x{word & 0xFFFFFFFF:08x}" for word in table]
    return (
        "{.reg .b32 shifted, codes, tops, high, low, other, pair, minus_zero;"
        "mov.b32 minus_zero, 0x80008000;"
        "shl.b32 shifted, $4, 4; and.b32 codes, $4, 0x77777777;"
        + _FOUR.format(*words, tops="0x9d8c")
        + _PAIR.format(bytes=_EVEN, out="$0", scales="$5")
        + _PAIR.format(bytes=_ODD, out="$2", scales="$5")
        + "shr.b32 codes, codes, 16;"
        + _FOUR.format(*words, tops="0xbfae")
        + _PAIR.format(bytes=_EVEN, out="$1", scales="$6")
        + _PAIR.format(bytes=_ODD, out="$3", scales="$6")
        + "}"
    )


@triton.jit
def _weights(packed, scale, values, LOOK_UP: tl.constexpr):
    """Weights of the even and of the odd columns, bfloat16, of bytes `packed` and their scales."""
    if INTERPRETED:
        even = tl.load(values + (packed >> 4)).to(tl.bfloat16).to(tl.float32)
        odd = tl.load(values + (packed & 15)).to(tl.bfloat16).to(tl.float32)
        wide = scale.to(tl.float32)
        return (even * wide).to(tl.bfloat16), (odd * wide).to(tl.bfloat16)
    return tl.inline_asm_elementwise(
        LOOK_UP, "=&r,=&r,=&r,=&r,r,r,r", [packed, scale],
        dtype=(tl.bfloat16, tl.bfloat16), is_pure=True, pack=4,
    )  # fmt: skip


@triton.jit
def _finish(sums, bias, out, own, which, exists, taken, rows, BIAS: tl.constexpr):
    if BIAS:
        sums += tl.load(bias + own, exists, 0.0).to(tl.float32)[:, None]
    at = out + which.to(tl.int64)[None, :] * rows + own[:, None]
    tl.store(at, sums.to(out.dtype.element_ty), exists[:, None] & taken[None, :])


@triton.jit(do_not_specialize=["count"])
def _nf4_rows(
    x, weight, scales, values, bias, out, gathered, counters, count, rows, blocks,
    LOOK_UP: tl.constexpr, BIAS: tl.constexpr, EVEN: tl.constexpr, SHARED: tl.constexpr,
    OWN: tl.constexpr, ROWS: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    tile = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
    part, parts = tl.program_id(2), tl.num_programs(2)
    own = tl.program_id(0) * OWN + tl.arange(0, OWN)
    which = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    exists, taken = own < rows, which < count
    # What is past the end reads the last row: its sums are not stored.
    row = tl.minimum(own, rows - 1).to(tl.int64) * blocks
    byte = tl.arange(0, BYTES)
    packed_of = weight + row[:, None] * BYTES + byte[None, :]
    row_of_x = tl.minimum(which, count - 1).to(tl.int64) * blocks * BYTES
    pairs_of = x.to(tl.pointer_type(tl.int32)) + row_of_x[None, :] + byte[:, None]
    sums = tl.zeros((OWN, ROWS), tl.float32)
    for start in range(part * BLOCKS, blocks, BLOCKS * parts):
        for within in tl.static_range(BLOCKS):
            block = start + within
            if EVEN:
                packed = tl.load(packed_of + block * BYTES)
                pairs = tl.load(pairs_of + block * BYTES)
                scale = tl.load(scales + row + block)
            else:
                there = block * BYTES + byte < blocks * BYTES
                packed = tl.load(packed_of + block * BYTES, there[None, :], 0)
                pairs = tl.load(pairs_of + block * BYTES, there[:, None], 0)
                scale = tl.load(scales + row + block, tl.zeros_like(own) + block < blocks, 0.0)
            wide = tl.broadcast_to(scale.to(tl.bfloat16)[:, None], (OWN, BYTES))
            even, odd = _weights(packed, wide, values, LOOK_UP)
            sums = exact_dot(even, pairs.to(tl.int16).to(tl.bfloat16, bitcast=True), sums)
            sums = exact_dot(odd, (pairs >> 16).to(tl.int16).to(tl.bfloat16, bitcast=True), sums)
    if SHARED:
        inner = tl.arange(0, OWN)[:, None] * ROWS + tl.arange(0, ROWS)[None, :]
        parts_at = gathered + tile.to(tl.int64) * parts * OWN * ROWS
        tl.store(parts_at + part * OWN * ROWS + inner, sums)
        # All of it is written before it is counted, and the program that counts last reads it.
        tl.debug_barrier()
        if tl.atomic_add(counters + tile, 1, sem="acq_rel") == parts - 1:
            # In order, so that the sum is the same every time.
            whole = tl.zeros((OWN, ROWS), tl.float32)
            for first in range(0, parts, 4):
                for within in tl.static_range(4):
                    at = inner + (first + within) * OWN * ROWS
                    whole += tl.load(parts_at + at, at < parts * OWN * ROWS, 0.0, volatile=True)
            tl.store(counters + tile, 0)
            _finish(whole, bias, out, own, which, exists, taken, rows, BIAS)
    else:
        _finish(sums, bias, out, own, which, exists, taken, rows, BIAS)


@dataclass(frozen=True)
class Tile:
    """Of the weight's rows, of x's rows, and of the blocks a program multiplies at once; how many
    programs share the blocks, and of how many warps and stages each is."""

    own: int
    rows: int
    blocks: int
    parts: int
    warps: int
    stages: int


def nf4_rows(
    x: torch.Tensor,
    weight: torch.Tensor,
    scales: torch.Tensor,
    values: torch.Tensor,
    table: tuple[int, ...],
    bias: torch.Tensor | None,
    tile: Tile,
) -> torch.Tensor:
    """4-bit weights, packed as bitsandbytes packs them [rows · size / 2] with float32 `scales`
    [rows · size / 64], times `x` [count, size], bfloat16; size is whole blocks of 64. `values` are
    the 16 that a code stands for, `table` they as look_up takes them. Returns [count, rows]."""
    x = x.contiguous()
    count, size = x.shape
    blocks = size // BLOCK_SIZE
    rows = scales.numel() // blocks
    out = torch.empty((count, rows), dtype=x.dtype, device=x.device)
    tiles = triton.cdiv(rows, tile.own), triton.cdiv(count, tile.rows)
    gathered = counters = out
    if tile.parts > 1:
        counters = zeroed(x.device, torch.int32, MOST_SHARED)
        shared = tiles[0] * tiles[1] * tile.parts * tile.own * tile.rows
        gathered = torch.empty(shared, dtype=torch.float32, device=x.device)
    _nf4_rows[(*tiles, tile.parts)](
        x, weight, scales, values, weight if bias is None else bias, out, gathered, counters,
        count, rows, blocks, LOOK_UP=look_up(table), BIAS=bias is not None,
        EVEN=blocks % tile.blocks == 0, SHARED=tile.parts > 1, OWN=tile.own, ROWS=tile.rows,
        BLOCKS=tile.blocks, num_warps=tile.warps, num_stages=tile.stages,
    )  # fmt: skip
    return out


def choose_tile(count: int, rows: int, size: int) -> Tile | None:
    """For `count` rows times a weight [rows, size]; None where weights in 16 bit are faster. The
    best of 14 on an H100, or nearly, at Qwen2.5's shapes and 2 to 512 rows."""
    blocks, many = size // BLOCK_SIZE, rows > MANY_ROWS
    if count > 64:
        return Tile(64, 128, 1, 1, 4, 3) if many and count <= 128 else None
    at_once = 16 if count <= 16 else 32 if count <= 32 else 64
    if many and count <= 32:
        return Tile(64, at_once, 2, choose_parts(rows, 64, 4 * PROGRAMS, blocks // 2), 4, 3)
    if many or rows * size > LARGE:
        return Tile(64, at_once, 1, choose_parts(rows, 64, 2 * PROGRAMS, blocks), 4, 4)
    return Tile(32, at_once, 2, choose_parts(rows, 32, 2 * PROGRAMS, blocks // 2), 4, 3)
