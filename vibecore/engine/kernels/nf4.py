"""One row times 4-bit weights on a GPU, in Triton: what bitsandbytes' own kernel gives.

Weights are NF4 in blocks of 64 with a scale each (arXiv 2305.14314), two codes a byte, the first
in the upper half. As in bitsandbytes (csrc/gemm_4bit_simt.cu) value times scale is rounded to
bfloat16, so is that times x, and the sum is float32; only its order differs. A GPU's cores are
busy here with looking up weights more than its memory is with reading them, so the look-up is
written in PTX, for two weights at a time, and several rows share what is read of x. A program asks
for all its weights before it waits for x (early.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels import early
from vibecore.engine.kernels.early import await_previous, let_next_begin
from vibecore.engine.kernels.norm import ACTIVATIONS, INTERPRETED, finish
from vibecore.engine.linear.nf4_layout import BLOCK_SIZE, WORDS

# Up to so many blocks a row is short, and below so many rows a GPU is filled by several warps to
# each. A thread keeps all that it reads of weights in registers: rows of more words than so many
# are shared by more threads.
FEW_BLOCKS, FEW_ROWS = 16, 1024
MOST_WORDS, MOST_WARPS = 36, 16

# Four of a word's codes, bits 0-15 of `codes` less their top bits, to two pairs of weights, times
# x, into `sum`. The two bytes of a value are looked up apart: `prmt` picks four bytes of eight by
# three bits of each code, and the code's top bit, spread over a byte, says of which eight.
_FOUR = """
prmt.b32 tops, $1, shifted, {tops};
prmt.b32 high, $7, $8, codes;
prmt.b32 other, $9, $10, codes;
lop3.b32 high, high, other, tops, 0xd8;
prmt.b32 low, $11, $12, codes;
prmt.b32 other, $13, $14, codes;
lop3.b32 low, low, other, tops, 0xd8;
"""
_PAIR = """
prmt.b32 pair, low, high, {bytes};
fma.rn.bf16x2 pair, pair, scales, minus_zero;
fma.rn.bf16x2 pair, pair, {x}, minus_zero;
shl.b32 bits, pair, 16; mov.b32 one, bits; add.f32 sum, sum, one;
and.b32 bits, pair, 0xffff0000; mov.b32 one, bits; add.f32 sum, sum, one;
"""
_FIRST, _SECOND = "0x4051", "0x6273"
# $0 is the sum; $1 is a word, $2 its block's scale, $3 to $6 are its eight of x, $7 to $14 the
# table. -0 is what a product can be added to unchanged.
EIGHT_PRODUCTS = tl.constexpr(
    "{.reg .b32 shifted, codes, tops, high, low, other, pair, bits, scales, minus_zero;"
    ".reg .f32 sum, one; mov.b32 minus_zero, 0x80008000; mov.f32 sum, 0f00000000;"
    "cvt.rn.bf16x2.f32 scales, $2, $2;"
    "shl.b32 shifted, $1, 4; and.b32 codes, $1, 0x77777777;"
    + _FOUR.format(tops="0x9d8c")
    + _PAIR.format(bytes=_FIRST, x="$3")
    + _PAIR.format(bytes=_SECOND, x="$4")
    + "shr.b32 codes, codes, 16;"
    + _FOUR.format(tops="0xbfae")
    + _PAIR.format(bytes=_FIRST, x="$5")
    + _PAIR.format(bytes=_SECOND, x="$6")
    + "mov.f32 $0, sum;}"
)


@triton.jit
def _rounded(x):
    return x.to(tl.bfloat16).to(tl.float32)


@triton.jit
def _value(code, high, low):
    """The bfloat16 of two bytes, looked up by the lower two bits of `code`, as float32."""
    shift = (code & 3) * 8
    bits = (((high >> shift) & 0xFF) << 8) | ((low >> shift) & 0xFF)
    return (bits << 16).to(tl.float32, bitcast=True)


@triton.jit
def _eight_products_in_triton(codes, scale, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7):
    """What EIGHT_PRODUCTS computes."""
    scales = _rounded(scale)
    total = tl.zeros_like(codes).to(tl.float32)
    for pair in tl.static_range(4):
        two = (x0, x1, x2, x3)[pair]
        for second in tl.static_range(2):
            code = (codes >> (8 * pair + 4 * (1 - second))) & 15
            lower = tl.where(code < 4, _value(code, t0, t4), _value(code, t1, t5))
            upper = tl.where(code < 12, _value(code, t2, t6), _value(code, t3, t7))
            value = tl.where(code < 8, lower, upper)
            own = two & -65536 if second else two << 16
            total += _rounded(_rounded(value * scales) * own.to(tl.float32, bitcast=True))
    return total


@triton.jit
def _eight_products(word, scale, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7):
    """Sums of a row's eight weights times eight of x."""
    if INTERPRETED:
        made = _eight_products_in_triton(
            word, scale, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7
        )
    else:
        made = tl.inline_asm_elementwise(
            EIGHT_PRODUCTS, "=f,r,f,r,r,r,r,r,r,r,r,r,r,r,r",
            [word, scale, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7],
            dtype=tl.float32, is_pure=True, pack=1,
        )  # fmt: skip
    return made


@triton.jit
def _load_word(at):
    if INTERPRETED:
        made = tl.load(at)
    else:
        # Not pure, and not by way of the read-only cache: so it stays before the wait.
        made = tl.inline_asm_elementwise(
            "ld.global.L1::no_allocate.b32 $0, [$1];", "=r,l", [at.to(tl.int64)],
            dtype=tl.int32, is_pure=False, pack=1,
        )  # fmt: skip
    return made


@triton.jit
def _load_scale(at):
    if INTERPRETED:
        made = tl.load(at)
    else:
        made = tl.inline_asm_elementwise(
            "ld.global.f32 $0, [$1];", "=f,l", [at.to(tl.int64)],
            dtype=tl.float32, is_pure=False, pack=1,
        )  # fmt: skip
    return made


@triton.jit
def _load_x(at, there):
    """Eight numbers as four int32, 0 where they are not `there`."""
    if INTERPRETED:
        made = (
            tl.load(at, there, 0), tl.load(at + 1, there, 0), tl.load(at + 2, there, 0),
            tl.load(at + 3, there, 0),
        )  # fmt: skip
    else:
        made = tl.inline_asm_elementwise(
            "{.reg .pred there; setp.ne.b32 there, $5, 0;"
            "mov.b32 $0, 0; mov.b32 $1, 0; mov.b32 $2, 0; mov.b32 $3, 0;"
            "@there ld.global.v4.b32 {$0, $1, $2, $3}, [$4];}",
            "=&r,=&r,=&r,=&r,l,r", [at.to(tl.int64), there.to(tl.int32)],
            dtype=(tl.int32, tl.int32, tl.int32, tl.int32), is_pure=False, pack=1,
        )  # fmt: skip
    return made


@triton.jit
def _row_sums(products):
    flat = tl.reshape(products, (products.shape[0], products.shape[1] * products.shape[2]))
    return tl.sum(flat, 1)


@triton.jit
def _nf4_vector(
    x, weight, scales, table, bias, out, rows, blocks: tl.constexpr,
    BIAS: tl.constexpr, ACTIVATION: tl.constexpr, ADD: tl.constexpr,
    ROWS: tl.constexpr, AT_ONCE: tl.constexpr, BLOCKS: tl.constexpr, WORDS: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    # Rows that a row of the tile stands for; before an activation half of them lie further on.
    near: tl.constexpr = AT_ONCE // 2 if ACTIVATION else AT_ONCE
    own = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)) * near
    # The last program's surplus rows read the last ones, and are not stored.
    row = tl.minimum(own, rows - near)[:, None, None]
    word = tl.arange(0, WORDS)
    word_of_block = word[None, None, :]
    words = weight.to(tl.pointer_type(tl.int32))
    # All that the program reads of weights is under way before it waits.
    loaded = ()
    for start in tl.static_range(0, blocks, BLOCKS):
        # Surplus blocks are the last one, times 0.
        block = tl.minimum(start + tl.arange(0, BLOCKS), blocks - 1)[None, :, None]
        some = ()
        for one in tl.static_range(AT_ONCE):
            of_row = row + one if one < near else row + (one - near) + rows
            place = tl.broadcast_to(of_row.to(tl.int64) * blocks + block, (ROWS, BLOCKS, WORDS))
            some += (_load_word(words + (place * WORDS + word_of_block)),)
            some += (_load_scale(scales + place),)
        loaded += (some,)
    t0 = tl.load(table + word)[None, None, :]
    t1 = tl.load(table + WORDS + word)[None, None, :]
    t2 = tl.load(table + 2 * WORDS + word)[None, None, :]
    t3 = tl.load(table + 3 * WORDS + word)[None, None, :]
    t4 = tl.load(table + 4 * WORDS + word)[None, None, :]
    t5 = tl.load(table + 5 * WORDS + word)[None, None, :]
    t6 = tl.load(table + 6 * WORDS + word)[None, None, :]
    t7 = tl.load(table + 7 * WORDS + word)[None, None, :]
    pairs = x.to(tl.pointer_type(tl.int32))
    zero = tl.zeros((ROWS, BLOCKS, WORDS), tl.float32)
    sums = (zero, zero, zero, zero)
    await_previous(EARLY)
    for start in tl.static_range(0, blocks, BLOCKS):
        block = tl.broadcast_to((start + tl.arange(0, BLOCKS))[None, :, None], (1, BLOCKS, WORDS))
        there = block < blocks if start + BLOCKS > blocks else tl.full((1, 1, 1), 1, tl.int1)
        x0, x1, x2, x3 = _load_x(pairs + (block * WORDS + word_of_block) * 4, there)
        some, added = loaded[start // BLOCKS], ()
        for one in tl.static_range(AT_ONCE):
            products = _eight_products(
                some[2 * one], some[2 * one + 1], x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7
            )
            added += (sums[one] + products,)
        sums = added
    for one in tl.static_range(near):
        of_row = _row_sums(sums[one])
        beside = _row_sums(sums[near + one]) if ACTIVATION else of_row
        _store(of_row, beside, bias, out, own + one, rows, BIAS, ACTIVATION, ADD)


@triton.jit
def _store(
    result, other, bias, out, own, rows,
    BIAS: tl.constexpr, ACTIVATION: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    exists = own < rows
    if BIAS:
        result += tl.load(bias + own, exists, 0.0).to(tl.float32)
        if ACTIVATION:
            other += tl.load(bias + rows + own, exists, 0.0).to(tl.float32)
    finish(result, other, out, own, exists, ACTIVATION, ADD)


def nf4_vector(
    x: torch.Tensor,
    weight: torch.Tensor,
    scales: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    activation: str | None = None,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """4-bit weights, packed as bitsandbytes packs them [rows · size / 2] with float32 `scales`
    [rows · size / 64], times `x` [1, size], bfloat16; size is whole blocks of 64.

    `table` is nf4_layout.look_up_table's; `activation` and `add_to` as in norm.vector_product.
    """
    blocks = x.shape[1] // BLOCK_SIZE
    rows = scales.numel() // blocks // (2 if activation else 1)
    out = add_to if add_to is not None else torch.empty((1, rows), dtype=x.dtype, device=x.device)
    tile = choose_tile(rows, blocks, activation is not None)
    near = tile.at_once // 2 if activation else tile.at_once
    _nf4_vector[(triton.cdiv(rows, tile.rows * near),)](
        x, weight, scales, table, weight if bias is None else bias, out, rows, blocks,
        BIAS=bias is not None, ACTIVATION=ACTIVATIONS[activation], ADD=add_to is not None,
        ROWS=tile.rows, AT_ONCE=tile.at_once, BLOCKS=tile.blocks, WORDS=WORDS,
        num_warps=tile.warps, **early.options(x.device),
    )  # fmt: skip
    return out


@dataclass(frozen=True)
class Tile:
    """What a program does: `rows` times `at_once` rows, the latter with the same numbers of x in
    the same threads, `blocks` of each at a time. Four warps hold 16 blocks of a row."""

    rows: int
    at_once: int
    blocks: int
    warps: int


def choose_tile(rows: int, blocks: int, gated: bool) -> Tile:
    """The best of 30 to 60 on an H100, at Qwen2.5's shapes; `gated` is before an activation."""
    if gated:
        tile = Tile(2, 2, 4, 1)
        if blocks <= FEW_BLOCKS:
            tile = Tile(4, 2 if rows % 2 else 4, 4, 4)
    elif blocks * BLOCK_SIZE > 2 * rows:
        tile = Tile(4, 1, 16, 8) if rows < FEW_ROWS else Tile(4, 1, 4, 4)
    elif blocks <= FEW_BLOCKS:
        tile = Tile(1, 1 if rows % 2 else 2, 8, 1)
    else:
        tile = Tile(4, 1, 8, 8)
    while blocks * tile.at_once > MOST_WORDS * tile.blocks and tile.warps < MOST_WARPS:
        tile = replace(tile, blocks=2 * tile.blocks, warps=2 * tile.warps)
    return tile
