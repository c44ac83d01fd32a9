"""Precisions: how the linear layers of a model are stored. One entry each in PRECISIONS.

Embeddings, head, norms and biases stay in 16 bit. How a `method` is loaded is one entry in
engine/quantisers.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from vibecore.catalog.architectures import ModelSpec
from vibecore.core.errors import InputError

SIXTEEN_BIT_BYTES = 2
# The precision, and its method, of a folder that is quantised already.
AS_IS = "as-is"
FLOAT32_BYTES = 4
# Matrices of a checkpoint that no quantiser stores: embeddings, of tokens and positions, and heads.
NOT_LINEAR = re.compile(r"embed|\bw[tp]e\b|\bhead\b|_head\b|\boutput\.weight$")


@dataclass(frozen=True)
class Requirement:
    """An optional package: its name in a package index and the command that installs it."""

    package: str
    install: str


@dataclass(frozen=True)
class Precision:
    """How linear layers are stored.

    `linear_bytes` gives the bytes of one weight of shape [rows, columns] with its scales. `listed`:
    whether forms and suggestions offer it; one that is not listed is asked for by its name.
    `as_stored`: for a folder that is quantised already, whose files say what it weighs.
    """

    name: str
    title: str
    dtype: str
    bits: int
    method: str
    linear_bytes: Callable[[int, int], int]
    outlier_threshold: float | None = None
    requirement: Requirement | None = None
    listed: bool = True
    as_stored: bool = False

    def weight_bytes(self, spec: ModelSpec) -> int:
        """Bytes of a model's weights as loaded at this precision, scales included."""
        return sum(
            self.linear_bytes(weight.shape[0], weight.shape[1])
            if weight.kind == "linear"
            else SIXTEEN_BIT_BYTES * weight.parameters
            for weight in spec.weights()
        )

    def stored_weight_bytes(self, shapes: Iterable[tuple[str, tuple[int, ...]]]) -> int:
        """Bytes of the tensors of a checkpoint, by name and shape, as loaded at this precision,
        where no spec says which are linear layers: all matrices but embeddings and heads, which
        have those in their names."""
        return sum(
            self.linear_bytes(shape[0], shape[1])
            if len(shape) == 2 and not NOT_LINEAR.search(name)
            else SIXTEEN_BIT_BYTES * math.prod(shape)
            for name, shape in shapes
        )


def _sixteen_bit(rows: int, columns: int) -> int:
    return SIXTEEN_BIT_BYTES * rows * columns


def _llm_int8(rows: int, columns: int) -> int:
    """int8 with one float32 scale a row (arXiv 2208.07339)."""
    return rows * columns + FLOAT32_BYTES * rows


def _nf4(rows: int, columns: int) -> int:
    """4 bits with one float32 scale for each block of 64, without double quantisation (arXiv
    2305.14314)."""
    return _halves(rows * columns) + FLOAT32_BYTES * -(-rows * columns // 64)


def _torchao_int8(rows: int, columns: int) -> int:
    """int8 with one float32 scale and one int8 zero point a row (torchao Int8Tensor)."""
    return rows * columns + (FLOAT32_BYTES + 1) * rows


def _quanto_int4(rows: int, columns: int) -> int:
    """4 bits with a 16-bit scale and shift for each group of columns, and float32 scales of the
    layer's input and output (optimum-quanto QModuleMixin): 128 columns a group, fewer where that
    does not divide the row, the whole row where nothing from 32 up does."""
    group = 128
    while columns > group > 32 and columns % group:
        group -= 32
    groups = columns // group if columns > group and columns % group == 0 else 1
    scales = 2 * SIXTEEN_BIT_BYTES * rows * groups + 2 * FLOAT32_BYTES
    return _halves(rows * columns) + scales


def _halves(numbers: int) -> int:
    """Bytes of 4-bit numbers, two a byte."""
    return -(-numbers // 2)


TORCHAO = Requirement("torchao", "pip install -r requirements-torchao.txt")
QUANTO = Requirement("optimum-quanto", "pip install -r requirements-quanto.txt")

PRECISIONS: Mapping[str, Precision] = {
    entry.name: entry
    for entry in (
        Precision("bf16", "bfloat16", "bfloat16", 16, "plain", _sixteen_bit),
        Precision("fp16", "float16", "float16", 16, "plain", _sixteen_bit),
        Precision(
            "8bit",
            "LLM.int8(), outlier threshold 6.0",
            "bfloat16",
            8,
            "llm-int8",
            _llm_int8,
            outlier_threshold=6.0,
        ),
        Precision(
            "8bit-t0",
            "LLM.int8() without outliers",
            "bfloat16",
            8,
            "llm-int8",
            _llm_int8,
            outlier_threshold=0.0,
        ),
        Precision(
            "4bit", "NF4, blocks of 64, computed in bfloat16", "bfloat16", 4, "bnb-nf4", _nf4
        ),
        Precision(
            "int8-torchao",
            "torchao int8, weights only",
            "bfloat16",
            8,
            "torchao-int8",
            _torchao_int8,
            requirement=TORCHAO,
            listed=False,
        ),
        Precision(
            "int4-quanto",
            "optimum-quanto int4, weights only",
            "bfloat16",
            4,
            "quanto-int4",
            _quanto_int4,
            requirement=QUANTO,
            listed=False,
        ),
        Precision(
            AS_IS,
            "a folder that is quantised already, loaded as it is",
            "bfloat16",
            16,
            AS_IS,
            _sixteen_bit,
            listed=False,
            as_stored=True,
        ),
    )
}
# What forms and suggestions offer.
LISTED_PRECISIONS = tuple(name for name, entry in PRECISIONS.items() if entry.listed)


def find_precision(name: str) -> Precision:
    """A precision by name. Raises InputError for one that does not exist."""
    if name not in PRECISIONS:
        raise InputError(f"There is no precision '{name}'. Precisions: {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def require_package(precision: Precision) -> None:
    """Raise InputError, with the command that installs it, where a precision's package is
    missing."""
    needed = precision.requirement
    if needed is None:
        return
    try:
        version(needed.package)
    except PackageNotFoundError:
        raise InputError(
            f"The precision {precision.name} needs {needed.package}, which is not installed. "
            f"Install it: {needed.install}"
        ) from None
