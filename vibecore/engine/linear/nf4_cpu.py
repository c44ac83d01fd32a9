"""4-bit weights on a CPU, in whichever of bitsandbytes' two layouts suits the number of rows.

As loaded, a weight's codes stand row by row. On a CPU with AVX-512 BF16 bitsandbytes packs them
into tiles, for a kernel that multiplies codes as they are. It reads the weight once for every four
rows of the input, so that a prompt of a hundred tokens takes it four times as long as a 16-bit
product. From some rows on it is faster to make 16-bit numbers of a part of the weight that stays in
the cache, and to multiply those; for that the codes have to stand row by row. Between the layouts
a weight is moved in place: whoever knows how many rows come says so (see `arrange`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from vibecore.engine.linear.plain import PlainProjection

# Rows of a tile (bitsandbytes' functional.py, _convert_weight_packed_for_cpu). It holds one pair of
# columns after the other: for each of 16 rows a byte of the pair's first column and one of its
# second, each with the code of the row itself in its lower half, of the row 16 below in its upper.
TILE_ROWS = 32
# Weights that are 16-bit numbers at a time, 4 MiB, and bytes of codes that are moved at a time:
# more leaves the cache, less is many calls.
BUFFER_WEIGHTS = 2 * 1024 * 1024
MOVED_BYTES = 256 * 1024
# From how many rows on 16-bit products are faster: where codes stand in rows already, and where
# they are in tiles. Processor time for weights of 0.5B and 1.5B, AVX-512 and AMX.
ROWS_FOR_16_BIT = 20
ROWS_FOR_MOVING = 48

_bnb = torch.ops.bitsandbytes


class Nf4CpuProjection:
    """Several of bitsandbytes' Linear4bit that read the same input, joined. Each keeps a weight of
    its own, and knows which layout that is in: it can still be called."""

    def __init__(self, linears: Sequence[Any]) -> None:
        self._linears = tuple(linears)
        # Not those whose shape forbids it (quantisers.leave_unpacked).
        self._tiled = tuple(linear for linear in linears if linear.support_avx512bf16_for_cpu)
        self.arrange(1)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """From [rows, in] to [rows, out]."""
        outputs = [_product(linear, x) for linear in self._linears]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)

    def arrange(self, rows: int) -> None:
        """Move the codes into the layout in which decoding `rows` at a time is faster."""
        move = to_tiles if rows < ROWS_FOR_16_BIT else to_rows
        for linear in self._tiled:
            move(linear)


def to_tiles(linear: Any) -> None:
    """Pack a Linear4bit's weight as bitsandbytes does at first use, for AVX-512 BF16, in place."""
    state = linear.weight.quant_state
    if _in_tiles(linear):
        return
    for part in _codes(linear).split(_whole_tiles(MOVED_BYTES, linear.in_features // 2)):
        _rows_to_tiles(part, out=part)
    by_row = state.absmax.view(linear.out_features, -1)
    state.absmax = by_row.t().to(torch.bfloat16).contiguous()
    state.packing_format_for_cpu = True
    linear.support_avx512bf16_for_cpu = True


def to_rows(linear: Any) -> None:
    """Undo to_tiles, but for the scales, which stay rounded to bfloat16."""
    state = linear.weight.quant_state
    if not _in_tiles(linear):
        return
    for part in _codes(linear).split(_whole_tiles(MOVED_BYTES, linear.in_features // 2)):
        _tiles_to_rows(part, out=part)
    state.absmax = state.absmax.t().float().reshape(-1)
    state.packing_format_for_cpu = False
    # Else it packs itself as soon as it is called.
    linear.support_avx512bf16_for_cpu = False


def _in_tiles(linear: Any) -> bool:
    return bool(getattr(linear.weight.quant_state, "packing_format_for_cpu", False))


def _codes(linear: Any) -> torch.Tensor:
    """Bytes of two codes each, [out, in / 2] where they stand in rows."""
    codes: torch.Tensor = linear.weight.data
    return codes.view(torch.uint8).view(-1, linear.in_features // 2)


def _whole_tiles(most: int, a_row: int) -> int:
    """How many rows, each of `a_row`, come to about `most`."""
    return max(1, most // a_row // TILE_ROWS) * TILE_ROWS


def _product(linear: Any, x: torch.Tensor) -> torch.Tensor:
    from bitsandbytes.functional import gemv_4bit

    state = linear.weight.quant_state
    if x.dtype != torch.bfloat16 or linear.in_features % state.blocksize:
        out: torch.Tensor = linear(x)
        return out
    if not _in_tiles(linear) or x.shape[0] >= ROWS_FOR_MOVING:
        return _product_in_16_bit(linear, x)
    out = gemv_4bit(x, linear.weight, state=state)
    return out if linear.bias is None else out.add_(linear.bias)


def _product_in_16_bit(linear: Any, x: torch.Tensor) -> torch.Tensor:
    """Part by part of the weight's rows: their codes row by row, as numbers, multiplied."""
    state, size, tiles = linear.weight.quant_state, linear.in_features, _in_tiles(linear)
    codes = _codes(linear)
    absmax = state.absmax if tiles else state.absmax.view(linear.out_features, -1)
    step = _whole_tiles(BUFFER_WEIGHTS, size)
    moved = torch.empty_like(codes[:step]) if tiles else None
    outputs = []
    for start in range(0, linear.out_features, step):
        part = codes[start : start + step]
        scales = absmax[start : start + step]
        if moved is not None:
            scales = absmax[:, start : start + step].t().float()
            in_rows, pieces = moved[: part.shape[0]], _whole_tiles(MOVED_BYTES, size // 2)
            for tile, row in zip(part.split(pieces), in_rows.split(pieces), strict=True):
                _tiles_to_rows(tile, out=row)
            part = in_rows
        weight = _bnb.dequantize_4bit.default(
            part,
            scales.reshape(-1),
            state.blocksize,
            state.quant_type,
            (part.shape[0], size),
            x.dtype,
        )
        bias = None if linear.bias is None else linear.bias[start : start + step]
        outputs.append(PlainProjection(weight, bias)(x))
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


# Of the four codes of a tile's two bytes, lowest first: (row, column), (row below, column), (row,
# next column), (row below, next column). In a row the first of two columns is the upper half of a
# byte. Four such words are handled as one.
_SECOND_OF_FOUR = 0x00F000F000F000F0
_FIRST_OF_TWO = 0x0F0F0F0F0F0F0F0F


def _tiles_to_rows(tiles: torch.Tensor, *, out: torch.Tensor) -> None:
    """Tiles as codes row by row; both [rows, in / 2] bytes, and may be the same."""
    words = _swap_halves(_swap_middle(tiles.view(torch.int64)))
    pairs = words.view(torch.uint8).view(-1, tiles.shape[1], TILE_ROWS // 2, 2)
    out.view(-1, 2, TILE_ROWS // 2, tiles.shape[1]).copy_(pairs.permute(0, 3, 2, 1))


def _rows_to_tiles(rows: torch.Tensor, *, out: torch.Tensor) -> None:
    """What _tiles_to_rows undoes."""
    pairs = rows.view(-1, 2, TILE_ROWS // 2, rows.shape[1]).permute(0, 3, 2, 1).contiguous()
    words = _swap_middle(_swap_halves(pairs.view(-1).view(torch.int64)))
    out.view(-1).copy_(words.view(torch.uint8))


def _swap_middle(words: torch.Tensor) -> torch.Tensor:
    """The second and third code of each four, exchanged."""
    differ = words >> 4
    differ ^= words
    differ &= _SECOND_OF_FOUR
    swapped = words ^ differ
    differ <<= 4
    swapped ^= differ
    return swapped


def _swap_halves(words: torch.Tensor) -> torch.Tensor:
    """The two codes of each byte, exchanged."""
    upper = words >> 4
    upper &= _FIRST_OF_TWO
    lower = words & _FIRST_OF_TWO
    lower <<= 4
    lower |= upper
    return lower
