"""Precisions: how the linear layers of a model are stored. One entry each in PRECISIONS, which also
says what a precision leaves alone, what it was made with, and what it runs on.

How a `method` is loaded is one entry in engine/quantisers.py.
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
# What most precisions leave alone, and what they are fitted to.
ALL_BUT_LINEAR = "embeddings, head, norms and biases, in 16 bit"
NO_CALIBRATION = "none: scales are computed from the weights alone"
# Matrices of a checkpoint that no quantiser stores: embeddings, of tokens and positions, and heads.
NOT_LINEAR = re.compile(r"embed|\bw[tp]e\b|\bhead\b|_head\b|\boutput\.weight$")


@dataclass(frozen=True)
class Requirement:
    """An optional package: its name in a package index and the command that installs it."""

    package: str
    install: str


@dataclass(frozen=True)
class Hardware:
    """What a precision runs on: whether a CPU will do, and an NVIDIA GPU, from which compute
    capability on (None: any that torch runs on). `note` is what else there is to know."""

    cpu: bool = True
    gpu: bool = True
    capability: tuple[int, int] | None = None
    note: str = ""

    @property
    def words(self) -> str:
        """`CPU; NVIDIA GPU from compute capability 7.5`, and the note."""
        places = [*(["CPU"] if self.cpu else []), *([self._gpu] if self.gpu else [])]
        return "; ".join([*places, *([self.note] if self.note else [])])

    @property
    def _gpu(self) -> str:
        since = f" from compute capability {dotted(self.capability)}" if self.capability else ""
        return f"NVIDIA GPU{since}"

    def why_not(self, device: str, capability: tuple[int, int] | None = None) -> str | None:
        """Why it does not run on `device` (`cpu` or `cuda`, of a compute capability where that is
        known), in a few words; None where it does."""
        if device == "cpu":
            return None if self.cpu else f"not on a CPU: needs an {self._gpu}"
        if not self.gpu:
            return "runs on a CPU only"
        if capability is None or self.capability is None or capability >= self.capability:
            return None
        return f"needs an {self._gpu}, and this one is of {dotted(capability)}"


@dataclass(frozen=True)
class BitsPerWeight:
    """Bits that a weight takes, scales included: one of the quantised layers (of a model that is
    not quantised, of its linear layers but the head), and one of the whole model."""

    layers: float
    model: float


@dataclass(frozen=True)
class Precision:
    """How linear layers are stored.

    `linear_bytes` gives the bytes of one weight of shape [rows, columns] with its scales. `listed`:
    whether forms and suggestions offer it; one that is not listed is asked for by its name.
    `as_stored`: for a folder that is quantised already, whose files say what it weighs.
    `unquantised` is what it leaves as it was, `calibration` what data it was fitted to, `hardware`
    what it runs on, `link` the paper or documentation that defines it.
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
    unquantised: str = ALL_BUT_LINEAR
    calibration: str = NO_CALIBRATION
    hardware: Hardware = Hardware()
    link: str = ""

    def bits_per_weight(self, rows: int, columns: int) -> float:
        """Bits that one weight of a linear layer of shape [rows, columns] takes, scales
        included, by the format's definition."""
        return 8 * self.linear_bytes(rows, columns) / (rows * columns)

    def bits_of(self, spec: ModelSpec) -> BitsPerWeight:
        """The same over all linear layers of a model, and over all its weights."""
        linear = [weight for weight in spec.weights() if weight.kind == "linear"]
        taken = sum(self.linear_bytes(weight.shape[0], weight.shape[1]) for weight in linear)
        return BitsPerWeight(
            8 * taken / sum(weight.parameters for weight in linear),
            8 * self.weight_bytes(spec) / spec.parameters,
        )

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


def dotted(capability: tuple[int, int]) -> str:
    """A compute capability as NVIDIA writes it: `7.5`."""
    return f"{capability[0]}.{capability[1]}"


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

# bitsandbytes' own table: https://huggingface.co/docs/bitsandbytes/v0.50.2/en/installation.
TURING, PASCAL = Hardware(capability=(7, 5)), Hardware(capability=(6, 0))
NOT_QUANTISED = "everything: nothing is quantised"

PRECISIONS: Mapping[str, Precision] = {
    entry.name: entry
    for entry in (
        Precision(
            "bf16",
            "bfloat16",
            "bfloat16",
            16,
            "plain",
            _sixteen_bit,
            unquantised=NOT_QUANTISED,
            calibration="none",
            hardware=Hardware(note="emulated, so slow, on a GPU below compute capability 8.0"),
            link="https://arxiv.org/abs/1905.12322",
        ),
        Precision(
            "fp16",
            "float16",
            "float16",
            16,
            "plain",
            _sixteen_bit,
            unquantised=NOT_QUANTISED,
            calibration="none",
            link="https://arxiv.org/abs/1710.03740",
        ),
        Precision(
            "8bit",
            "LLM.int8(), outlier threshold 6.0",
            "bfloat16",
            8,
            "llm-int8",
            _llm_int8,
            outlier_threshold=6.0,
            hardware=TURING,
            link="https://arxiv.org/abs/2208.07339",
        ),
        Precision(
            "8bit-t0",
            "LLM.int8() without outliers",
            "bfloat16",
            8,
            "llm-int8",
            _llm_int8,
            outlier_threshold=0.0,
            hardware=TURING,
            link="https://huggingface.co/docs/bitsandbytes/reference/nn/linear8bit",
        ),
        Precision(
            "4bit",
            "NF4, blocks of 64, computed in bfloat16",
            "bfloat16",
            4,
            "bnb-nf4",
            _nf4,
            hardware=PASCAL,
            link="https://arxiv.org/abs/2305.14314",
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
            link="https://docs.pytorch.org/ao/stable/",
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
            link="https://github.com/huggingface/optimum-quanto",
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
            unquantised="what its files leave",
            calibration="as its files were made",
            hardware=Hardware(note="what its format needs"),
            link="https://huggingface.co/docs/transformers/quantization/overview",
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
