"""One row times 4-bit weights on a GPU, in Triton: what bitsandbytes' own kernel gives, to the bit.

Weights are NF4 in blocks of 64 with a scale each (arXiv 2305.14314), two codes a byte, the first
in the upper half. As in bitsandbytes (csrc/gemm_4bit_simt.cu) value times scale is rounded to
bfloat16, so is that times x, and the sum is float32; only its order differs. A GPU's cores are
busy here with looking up weights more than its memory is with reading them, so the look-up is
written in PTX, for two weights at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl

from vibecore.engine.kernels import early
from vibecore.engine.kernels.early import await_previous, fetch_rows, let_next_begin
from vibecore.engine.kernels.norm import ACTIVATIONS, INTERPRETED, finish
from vibecore.engine.linear.nf4_layout import BLOCK_SIZE, WORDS

# Four of a word's codes, bits 0-15 of `codes` less their top bits, to two pairs of weights, times
# x. The two bytes of a value are looked up apart: `prmt` picks four bytes of eight by three bits of
# each code, and the code's top bit, spread over a byte, says of which eight. -0 is what a product
# can be added to unchanged.
_FOUR = """
prmt.b32 tops, {word}, shifted, {tops};
prmt.b32 high, {t0}, {t1}, codes;
prmt.b32 other, {t2}, {t3}, codes;
lop3.b32 high, high, other, tops, 0xd8;
prmt.b32 low, {t4}, {t5}, codes;
prmt.b32 other, {t6}, {t7}, codes;
lop3.b32 low, low, other, tops, 0xd8;
"""
_PAIR = """
prmt.b32 {pair}, low, high, {bytes};
fma.rn.bf16x2 {pair}, {pair}, scales, minus_zero;
fma.rn.bf16x2 {pair}, {pair}, {x}, minus_zero;
"""
_ADD = """
shl.b32 bits, {pair}, 16; mov.b32 one, bits; add.f32 sum, sum, one;
and.b32 bits, {pair}, 0xffff0000; mov.b32 one, bits; add.f32 sum, sum, one;
"""
# The tensor cores add up two rows' pairs: each a row of a matrix times a column of ones.
_SUM = """
mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {{d0, d1, d2, d3}},
{{{0}, {1}, {2}, {3}}}, {{ones, ones}}, {{d0, d1, d2, d3}};
"""


def _row(number: int, word: str, scale: str, x: list[str], table: list[str]) -> str:
    """A row's eight products, in pairs p0 to p3 of that number."""
    words = {f"t{place}": name for place, name in enumerate(table)}
    text = (
        f"cvt.rn.bf16x2.f32 scales, {scale}, {scale};"
        f"shl.b32 shifted, {word}, 4; and.b32 codes, {word}, 0x77777777;"
    )
    for half, tops in enumerate(("0x9d8c", "0xbfae")):
        text += "shr.b32 codes, codes, 16;" if half else ""
        text += _FOUR.format(word=word, tops=tops, **words)
        for which, picked in enumerate(("0x4051", "0x6273")):
            pair = 2 * half + which
            text += _PAIR.format(pair=f"p{pair}_{number}", bytes=picked, x=x[pair])
    return text


_REGISTERS = (
    "{.reg .b32 shifted, codes, tops, high, low, other, scales, minus_zero, bits, ones;"
    ".reg .b32 p0_0, p1_0, p2_0, p3_0, p0_1, p1_1, p2_1, p3_1; .reg .f32 sum, one, d0, d1, d2, d3;"
    "mov.b32 minus_zero, 0x80008000;"
)


def _names(first: int, count: int) -> list[str]:
    return [f"${first + place}" for place in range(count)]


# Sum $0 of a row's word $1 with scale $2 and eight numbers of x in $3 to $6; $7 to $14 are the
# table.
_OF_ONE = tl.constexpr(
    _REGISTERS
    + "mov.f32 sum, 0f00000000;"
    + _row(0, "$1", "$2", _names(3, 4), _names(7, 8))
    + "".join(_ADD.format(pair=f"p{pair}_0") for pair in range(4))
    + "mov.f32 $0, sum;}"
)
# The same of two rows: sums $0 and $1, words $2 and $4, scales $3 and $5, x $6 to $9, table $10 to
# $17. Each sum is that of four threads, and all four have it.
_OF_TWO = tl.constexpr(
    _REGISTERS
    + "mov.b32 ones, 0x3f803f80; mov.f32 d0, 0f00000000; mov.f32 d1, 0f00000000;"
    + "mov.f32 d2, 0f00000000; mov.f32 d3, 0f00000000;"
    + _row(0, "$2", "$3", _names(6, 4), _names(10, 8))
    + _row(1, "$4", "$5", _names(6, 4), _names(10, 8))
    + _SUM.format("p0_0", "p0_1", "p1_0", "p1_1")
    + _SUM.format("p2_0", "p2_1", "p3_0", "p3_1")
    + "mov.f32 $0, d0; mov.f32 $1, d2;}"
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
    """What _OF_ONE computes."""
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
            _OF_ONE, "=f,r,f,r,r,r,r,r,r,r,r,r,r,r,r",
            [word, scale, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7],
            dtype=tl.float32, is_pure=True, pack=1,
        )  # fmt: skip
    return made


@triton.jit
def _of_two_rows(
    word0, scale0, word1, scale1, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7,
    TENSOR: tl.constexpr,
):  # fmt: skip
    """Sums of two rows' eight weights times eight of x; with TENSOR times 4 once added up."""
    if TENSOR and not INTERPRETED:
        made = tl.inline_asm_elementwise(
            _OF_TWO, "=f,=f,r,f,r,f,r,r,r,r,r,r,r,r,r,r,r,r",
            [word0, scale0, word1, scale1, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7],
            dtype=(tl.float32, tl.float32), is_pure=False, pack=1,
        )  # fmt: skip
    else:
        made = (
            _eight_products(word0, scale0, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7),
            _eight_products(word1, scale1, x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7),
        )
    return made


@triton.jit
def _load_word(at):
    if INTERPRETED:
        made = tl.load(at)
    else:
        # Not pure, so that it stays before the wait.
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
def _row_sums(products, shared: tl.constexpr):
    flat = tl.reshape(products, (products.shape[0], products.shape[1] * products.shape[2]))
    made = tl.sum(flat, 1)
    # Four threads had each sum; a factor of 4 is exact.
    return made * 0.25 if shared else made


@triton.jit
def _nf4_vector(
    x, weight, scales, table, bias, out, rows, blocks: tl.constexpr,
    BIAS: tl.constexpr, ACTIVATION: tl.constexpr, ADD: tl.constexpr,
    ROWS: tl.constexpr, AT_ONCE: tl.constexpr, BLOCKS: tl.constexpr, WORDS: tl.constexpr,
    TENSOR: tl.constexpr, EARLY: tl.constexpr,
):  # fmt: skip
    let_next_begin(EARLY)
    # Rows that a row of the tile stands for; before an activation half of them lie further on.
    near: tl.constexpr = AT_ONCE // 2 if ACTIVATION else AT_ONCE
    first = tl.program_id(0) * ROWS * near
    count = tl.minimum(rows - first, ROWS * near)
    fetch_rows(weight, first, count, blocks * WORDS * 4, EARLY)
    if ACTIVATION:
        fetch_rows(weight, rows + first, count, blocks * WORDS * 4, EARLY)
    own = first + tl.arange(0, ROWS) * near
    # The last program's surplus rows read the last ones, and are not stored.
    row = tl.minimum(own, rows - near)[:, None, None]
    word = tl.arange(0, WORDS)
    words = weight.to(tl.pointer_type(tl.int32))
    loaded = ()
    for start in tl.static_range(0, blocks, BLOCKS):
        # Surplus blocks are the last one, times 0.
        block = tl.minimum(start + tl.arange(0, BLOCKS), blocks - 1)[None, :, None]
        some = ()
        for one in tl.static_range(AT_ONCE):
            of_row = row + one if one < near else row + (one - near) + rows
            place = tl.broadcast_to(of_row.to(tl.int64) * blocks + block, (ROWS, BLOCKS, WORDS))
            some += (_load_word(words + (place * WORDS + word[None, None, :])),)
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
    sum0 = tl.zeros((ROWS, BLOCKS, WORDS), tl.float32)
    sum1, sum2, sum3 = sum0, sum0, sum0
    await_previous(EARLY)
    numbers = ()
    for start in tl.static_range(0, blocks, BLOCKS):
        block = tl.broadcast_to((start + tl.arange(0, BLOCKS))[None, :, None], (1, BLOCKS, WORDS))
        x_at = pairs + (block * WORDS + word[None, None, :]) * 4
        there = block < blocks if start + BLOCKS > blocks else tl.full((1, 1, 1), 1, tl.int1)
        numbers += (_load_x(x_at, there),)
    for step in tl.static_range((blocks + BLOCKS - 1) // BLOCKS):
        x0, x1, x2, x3 = numbers[step]
        some = loaded[step]
        if AT_ONCE == 1:
            sum0 += _eight_products(
                some[0], some[1], x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7
            )
        else:
            made = _of_two_rows(
                some[0], some[1], some[2], some[3],
                x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7, TENSOR,
            )  # fmt: skip
            sum0 += made[0]
            sum1 += made[1]
        if AT_ONCE == 4:
            made = _of_two_rows(
                some[4], some[5], some[6], some[7],
                x0, x1, x2, x3, t0, t1, t2, t3, t4, t5, t6, t7, TENSOR,
            )  # fmt: skip
            sum2 += made[0]
            sum3 += made[1]
    shared: tl.constexpr = TENSOR and AT_ONCE > 1 and not INTERPRETED
    of0 = _row_sums(sum0, shared)
    of1 = _row_sums(sum1, shared) if AT_ONCE > 1 else of0
    if AT_ONCE == 1:
        _store(of0, of0, bias, out, own, rows, BIAS, ACTIVATION, ADD)
    elif AT_ONCE == 2 and ACTIVATION:
        _store(of0, of1, bias, out, own, rows, BIAS, ACTIVATION, ADD)
    elif AT_ONCE == 2:
        _store(of0, of0, bias, out, own, rows, BIAS, ACTIVATION, ADD)
        _store(of1, of1, bias, out, own + 1, rows, BIAS, ACTIVATION, ADD)
    else:
        of2, of3 = _row_sums(sum2, shared), _row_sums(sum3, shared)
        _store(of0, of2, bias, out, own, rows, BIAS, ACTIVATION, ADD)
        _store(of1, of3, bias, out, own + 1, rows, BIAS, ACTIVATION, ADD)
        if not ACTIVATION:
            _store(of2, of2, bias, out, own + 2, rows, BIAS, ACTIVATION, ADD)
            _store(of3, of3, bias, out, own + 3, rows, BIAS, ACTIVATION, ADD)


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
        TENSOR=TENSOR, num_warps=tile.warps, **early.options(x.device),
    )  # fmt: skip
    return out


TENSOR = False


@dataclass(frozen=True)
class Tile:
    """What a program does at once: so many times `at_once` rows, so many blocks of each."""

    rows: int
    at_once: int
    blocks: int
    warps: int


def choose_tile(rows: int, blocks: int, silu: bool) -> Tile:
    """The best of some on an H100, at the shapes of Qwen2.5."""
    at_once = 2 if silu else 1 if rows % 2 else 2
    if blocks * BLOCK_SIZE > 2 * rows:
        return Tile(1, at_once, 32, 8)
    return Tile(1, at_once, 8, 1)
