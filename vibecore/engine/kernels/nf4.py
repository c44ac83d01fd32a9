"""One row times 4-bit weights on a GPU, in Triton: what bitsandbytes' own kernel gives, to the bit.

Weights are NF4 in blocks of 64 with a scale each (arXiv 2305.14314), two codes a byte, the first
in the upper half. As in bitsandbytes (csrc/gemm_4bit_simt.cu) value times scale is rounded to
bfloat16, so is that times x, and the sum is float32; only its order differs. A GPU's cores are
busy here with looking up weights more than its memory is with reading them, so the look-up is
written in PTX, for two weights at a time.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels.norm import INTERPRETED, finish
from vibecore.engine.linear.nf4_layout import BLOCK_SIZE, WORDS

# Four of a word's codes, bits 0-15 of `codes` less their top bits, to two pairs of weights, times
# x, into `sum`. The two bytes of a value are looked up apart: `prmt` picks four bytes of eight by
# three bits of each code, and the code's top bit, spread over a byte, says of which eight.
_FOUR = """
prmt.b32 tops, word, shifted, {tops};
prmt.b32 high, $5, $6, codes;
prmt.b32 other, $7, $8, codes;
lop3.b32 high, high, other, tops, 0xd8;
prmt.b32 low, $9, $10, codes;
prmt.b32 other, $11, $12, codes;
lop3.b32 low, low, other, tops, 0xd8;
"""
_PAIR = """
prmt.b32 pair, low, high, {bytes};
fma.rn.bf16x2 pair, pair, scales, minus_zero;
fma.rn.bf16x2 pair, pair, {x}, minus_zero;
shl.b32 one, pair, 16;
add.f32 sum, sum, one;
and.b32 one, pair, 0xffff0000;
add.f32 sum, sum, one;
"""
_FIRST, _SECOND = "0x4051", "0x6273"
# $0 is the sum; $1 to $3 are where a word, its eight of x and its block's scale are, and $4
# whether they exist; $5 to $12 are the table. -0 is what a product can be added to unchanged.
EIGHT_PRODUCTS = tl.constexpr(
    "{.reg .pred there; .reg .f32 scale, sum;"
    ".reg .b32 word, shifted, codes, tops, high, low, other, pair, one, scales, minus_zero;"
    ".reg .b32 x0, x1, x2, x3;"
    "setp.ne.b32 there, $4, 0; mov.b32 minus_zero, 0x80008000;"
    "mov.b32 sum, 0; mov.b32 word, 0; mov.b32 scale, 0;"
    "mov.b32 x0, 0; mov.b32 x1, 0; mov.b32 x2, 0; mov.b32 x3, 0;"
    "@there ld.global.nc.L1::no_allocate.b32 word, [$1];"
    "@there ld.global.nc.f32 scale, [$3];"
    "@there ld.global.v4.b32 {x0, x1, x2, x3}, [$2];"
    "cvt.rn.bf16x2.f32 scales, scale, scale;"
    "shl.b32 shifted, word, 4; and.b32 codes, word, 0x77777777;"
    + _FOUR.format(tops="0x9d8c")
    + _PAIR.format(bytes=_FIRST, x="x0")
    + _PAIR.format(bytes=_SECOND, x="x1")
    + "shr.b32 codes, codes, 16;"
    + _FOUR.format(tops="0xbfae")
    + _PAIR.format(bytes=_FIRST, x="x2")
    + _PAIR.format(bytes=_SECOND, x="x3")
    + "mov.b32 $0, sum;}"
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
def _eight_products_in_triton(word, x, scale, there, t0, t1, t2, t3, t4, t5, t6, t7):
    """What EIGHT_PRODUCTS computes."""
    codes = tl.load(word, there, 0)
    scales = _rounded(tl.load(scale, there, 0.0))
    total = tl.zeros_like(codes).to(tl.float32)
    for pair in range(4):
        two = tl.load(x + pair, there, 0)
        for second in range(2):
            code = (codes >> (8 * pair + 4 * (1 - second))) & 15
            lower = tl.where(code < 4, _value(code, t0, t4), _value(code, t1, t5))
            upper = tl.where(code < 12, _value(code, t2, t6), _value(code, t3, t7))
            value = tl.where(code < 8, lower, upper)
            own = two & -65536 if second else two << 16
            total += _rounded(_rounded(value * scales) * own.to(tl.float32, bitcast=True))
    return total


@triton.jit
def _eight_products(word, x, scale, there, t0, t1, t2, t3, t4, t5, t6, t7):
    """Sums of eight weights times eight of x: one for each `word` that is `there`, else 0."""
    if INTERPRETED:
        return _eight_products_in_triton(
            word, x, scale, there, t0, t1, t2, t3, t4, t5, t6, t7
        )  # fmt: skip
    return tl.inline_asm_elementwise(
        EIGHT_PRODUCTS, "=f,l,l,l,r,r,r,r,r,r,r,r,r",
        [
            word.to(tl.int64), x.to(tl.int64), scale.to(tl.int64), there.to(tl.int32),
            t0, t1, t2, t3, t4, t5, t6, t7,
        ],
        dtype=tl.float32, is_pure=True, pack=1,
    )  # fmt: skip


@triton.jit
def _nf4_vector(
    x, weight, scales, table, bias, out, rows, blocks,
    BIAS: tl.constexpr, SILU: tl.constexpr, ADD: tl.constexpr,
    ROWS: tl.constexpr, BLOCKS: tl.constexpr, WORDS: tl.constexpr,
):  # fmt: skip
    own = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    exists = own < rows
    word = tl.arange(0, WORDS)
    t0 = tl.load(table + word)[None, None, :]
    t1 = tl.load(table + WORDS + word)[None, None, :]
    t2 = tl.load(table + 2 * WORDS + word)[None, None, :]
    t3 = tl.load(table + 3 * WORDS + word)[None, None, :]
    t4 = tl.load(table + 4 * WORDS + word)[None, None, :]
    t5 = tl.load(table + 5 * WORDS + word)[None, None, :]
    t6 = tl.load(table + 6 * WORDS + word)[None, None, :]
    t7 = tl.load(table + 7 * WORDS + word)[None, None, :]
    words = weight.to(tl.pointer_type(tl.int32))
    pairs = x.to(tl.pointer_type(tl.int32))
    product = tl.zeros((ROWS, BLOCKS, WORDS), tl.float32)
    beside = tl.zeros((ROWS, BLOCKS, WORDS), tl.float32)
    for start in range(0, blocks, BLOCKS):
        block = start + tl.arange(0, BLOCKS)
        there = (exists[:, None] & (block < blocks)[None, :])[:, :, None]
        x_at = (pairs + (block[:, None] * WORDS + word[None, :]) * 4)[None]
        place = own.to(tl.int64)[:, None] * blocks + block[None, :]
        scale_at = (scales + place)[:, :, None]
        word_at = words + (place[:, :, None] * WORDS + word[None, None, :])
        product += _eight_products(
            word_at, x_at, scale_at, there, t0, t1, t2, t3, t4, t5, t6, t7
        )  # fmt: skip
        if SILU:
            up = rows.to(tl.int64) * blocks
            beside += _eight_products(
                word_at + up * WORDS, x_at, scale_at + up, there, t0, t1, t2, t3, t4, t5, t6, t7
            )  # fmt: skip
    result, other = tl.sum(tl.sum(product, 2), 1), tl.sum(tl.sum(beside, 2), 1)
    if BIAS:
        result += tl.load(bias + own, exists, 0.0).to(tl.float32)
        if SILU:
            other += tl.load(bias + rows + own, exists, 0.0).to(tl.float32)
    finish(result, other, out, own, exists, SILU, ADD)


def nf4_vector(
    x: torch.Tensor,
    weight: torch.Tensor,
    scales: torch.Tensor,
    table: torch.Tensor,
    bias: torch.Tensor | None = None,
    *,
    silu: bool = False,
    add_to: torch.Tensor | None = None,
) -> torch.Tensor:
    """4-bit weights, packed as bitsandbytes packs them [rows · size / 2] with float32 `scales`
    [rows · size / 64], times `x` [1, size], bfloat16; size is whole blocks of 64.

    `table` is nf4_layout.look_up_table's; `silu` and `add_to` as in norm.vector_product.
    """
    blocks = x.shape[1] // BLOCK_SIZE
    rows = scales.numel() // blocks // (2 if silu else 1)
    out = add_to if add_to is not None else torch.empty((1, rows), dtype=x.dtype, device=x.device)
    rows_at_once, blocks_at_once, warps = _tile(rows, blocks)
    _nf4_vector[(triton.cdiv(rows, rows_at_once),)](
        x, weight, scales, table, weight if bias is None else bias, out, rows, blocks,
        BIAS=bias is not None, SILU=silu, ADD=add_to is not None,
        ROWS=rows_at_once, BLOCKS=blocks_at_once, WORDS=WORDS, num_warps=warps,
    )  # fmt: skip
    return out


def _tile(rows: int, blocks: int) -> tuple[int, int, int]:
    """(rows, blocks, warps) of a program: the best of 18 on an H100, at Qwen2.5's shapes."""
    size = blocks * BLOCK_SIZE
    if size > 2 * rows:
        return 2, 32, 8
    return (2, 8, 1) if size >= rows else (1, 8, 1)
