"""Bytes of one linear layer's weight of shape [rows, columns] in each format, its scales included.

Each is what the quantiser really stores: tests hold them to models as loaded, to the byte. What is
in no format is in 16 bit.
"""

from __future__ import annotations

SIXTEEN_BIT_BYTES = 2
FLOAT32_BYTES = 4
# Columns that share a scale in int4 of torchao: the most that divide every row of the catalogue's
# models. torchao's own default of 128 leaves rows of 576 or 960 numbers in 16 bit.
TORCHAO_INT4_GROUP = 64
# The product of int4 on a GPU (tinygemm) takes rows of whole multiples of so many columns, and so
# many rows at a time; torchao fills up with zeros (Int4TilePackedTo4dTensor).
TINYGEMM_COLUMNS, TINYGEMM_ROWS = 1024, 8


def sixteen_bit(rows: int, columns: int) -> int:
    """bfloat16 or float16."""
    return SIXTEEN_BIT_BYTES * rows * columns


def llm_int8(rows: int, columns: int) -> int:
    """int8 with one float32 scale a row (arXiv 2208.07339)."""
    return rows * columns + FLOAT32_BYTES * rows


def nf4(rows: int, columns: int) -> int:
    """4 bits with one float32 scale for each block of 64, without double quantisation (arXiv
    2305.14314)."""
    return _packed(rows * columns, 4) + FLOAT32_BYTES * -(-rows * columns // 64)


def torchao_int8(rows: int, columns: int) -> int:
    """int8 with one float32 scale and one int8 zero point a row (torchao Int8Tensor)."""
    return rows * columns + (FLOAT32_BYTES + 1) * rows


def torchao_float8(rows: int, columns: int) -> int:
    """float8 e4m3 with one float32 scale a row (torchao Float8Tensor)."""
    return rows * columns + FLOAT32_BYTES * rows


def torchao_int4(rows: int, columns: int) -> int:
    """On a CPU: 4 bits with a 16-bit scale and zero point a group (torchao Int4OpaqueTensor); 16
    bit where groups do not divide a row."""
    if columns % TORCHAO_INT4_GROUP:
        return sixteen_bit(rows, columns)
    groups = rows * (columns // TORCHAO_INT4_GROUP)
    return _packed(rows * columns, 4) + 2 * SIXTEEN_BIT_BYTES * groups


def torchao_int4_gpu(rows: int, columns: int) -> int:
    """On a GPU: the same, filled up to whole tiles (torchao Int4TilePackedTo4dTensor)."""
    if columns % TORCHAO_INT4_GROUP:
        return sixteen_bit(rows, columns)
    return torchao_int4(_whole(rows, TINYGEMM_ROWS), _whole(columns, TINYGEMM_COLUMNS))


def quanto_int8(rows: int, columns: int) -> int:
    """int8 with one 16-bit scale a row, and float32 scales of the layer's input and output
    (optimum-quanto WeightQBytesTensor, QModuleMixin)."""
    return rows * columns + SIXTEEN_BIT_BYTES * rows + 2 * FLOAT32_BYTES


def quanto_int4(rows: int, columns: int) -> int:
    """4 bits in groups of columns (see _quanto_groups)."""
    return _quanto_groups(rows, columns, 4)


def quanto_int2(rows: int, columns: int) -> int:
    """2 bits in groups of columns (see _quanto_groups)."""
    return _quanto_groups(rows, columns, 2)


def _quanto_groups(rows: int, columns: int, bits: int) -> int:
    """A 16-bit scale and shift for each group of columns, and float32 scales of the layer's input
    and output (optimum-quanto QModuleMixin): 128 columns a group, fewer where that does not divide
    the row, the whole row where nothing from 32 up does."""
    group = 128
    while columns > group > 32 and columns % group:
        group -= 32
    groups = columns // group if columns > group and columns % group == 0 else 1
    scales = 2 * SIXTEEN_BIT_BYTES * rows * groups + 2 * FLOAT32_BYTES
    return _packed(rows * columns, bits) + scales


def _packed(numbers: int, bits: int) -> int:
    """Bytes of so many numbers of `bits` bits, several a byte."""
    return -(-numbers * bits // 8)


def _whole(number: int, step: int) -> int:
    """The least multiple of `step` that is not below `number`."""
    return -(-number // step) * step
