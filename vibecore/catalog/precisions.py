"""Precisions: how the linear layers of a model are stored. One entry each in PRECISIONS, which also
says what a precision leaves alone, what it was made with, and what it runs on.

What a format weighs is in weight_formats.py, what it takes to run it in requirements.py; how a
`method` is loaded is one entry in engine/quantisers.py.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from vibecore.catalog import weight_formats
from vibecore.catalog.architectures import ModelSpec, Weight
from vibecore.catalog.gguf_types import BLOCKS, GGUF_TYPES, GgufType
from vibecore.catalog.requirements import ANYWHERE, Hardware, Requirement
from vibecore.catalog.stored_formats import FORMATS, StoredFormat
from vibecore.catalog.weight_formats import SIXTEEN_BIT_BYTES
from vibecore.core.errors import InputError
from vibecore.core.machine import gpu_capability, gpu_name, likely_device

# The precision, and its method, of a folder that is quantised already, and of a GGUF file.
AS_IS = "as-is"
# The method of what llama.cpp quantises to a GGUF file and runs.
GGUF_METHOD = "gguf"
# What most precisions leave alone, and what they are fitted to.
ALL_BUT_LINEAR = "embeddings, head, norms and biases, in 16 bit"
NO_CALIBRATION = "none: scales are computed from the weights alone"
# Matrices of a checkpoint that no quantiser stores: embeddings, of tokens and positions, and heads.
NOT_LINEAR = re.compile(r"embed|\bw[tp]e\b|\bhead\b|_head\b|\boutput\.weight$")


@dataclass(frozen=True)
class BitsPerWeight:
    """Bits that a weight takes, scales included: one of the quantised layers (of a model that is
    not quantised, of its linear layers but the head), and one of the whole model."""

    layers: float
    model: float


@dataclass(frozen=True)
class Precision:
    """How linear layers are stored.

    `linear_bytes` gives the bytes of one weight of shape [rows, columns] with its scales, and
    `gpu_linear_bytes` those on a GPU where it is laid out otherwise there. `listed`: whether forms
    and suggestions offer it; one that is not listed is asked for by its name.
    `as_stored`: for what is quantised already, whose files say what it weighs. `unpacked`: its
    weights are made 16 bit when they are loaded. `gguf_type`: llama.cpp quantises a whole model
    to it, embeddings too, and `linear_bytes` is of most of its matrices only.
    `unquantised` is what it leaves as it was, `calibration` what data it was fitted to, `hardware`
    what it runs on, `link` the paper or documentation that defines it.
    """

    name: str
    title: str
    dtype: str
    bits: int
    method: str
    linear_bytes: Callable[[int, int], int]
    gpu_linear_bytes: Callable[[int, int], int] | None = None
    outlier_threshold: float | None = None
    requirement: Requirement | None = None
    listed: bool = True
    as_stored: bool = False
    unpacked: bool = False
    gguf_type: GgufType | None = None
    unquantised: str = ALL_BUT_LINEAR
    calibration: str = NO_CALIBRATION
    hardware: Hardware = ANYWHERE
    link: str = ""

    @property
    def is_label(self) -> bool:
        """Whether only a folder's files make it: it is how they are quantised already, and the
        label that they run under at `as-is`."""
        return self.as_stored and self.name != AS_IS

    @property
    def from_plain_weights(self) -> bool:
        """Whether any model's plain weights, random ones too, are made it while they are loaded;
        else it needs files of its own."""
        return not self.as_stored and self.gguf_type is None

    def bits_per_weight(self, rows: int, columns: int) -> float:
        """Bits that one weight of a linear layer of shape [rows, columns] takes, scales
        included, by the format's definition."""
        return 8 * self.linear_bytes(rows, columns) / (rows * columns)

    def bits_of(self, spec: ModelSpec) -> BitsPerWeight:
        """The same over the linear layers of a model that it quantises, all of them where that is
        none, and over all the model's weights."""
        linear = [one for one in self._bytes_by_weight(spec, "cpu") if one[0].kind == "linear"]
        plain = weight_formats.sixteen_bit
        quantised = [(one, size) for one, size in linear if size != plain(*one.shape)] or linear
        taken = sum(size for _, size in quantised)
        return BitsPerWeight(
            8 * taken / sum(weight.parameters for weight, _ in quantised),
            8 * self.weight_bytes(spec) / spec.parameters,
        )

    def weight_bytes(self, spec: ModelSpec, device: str = "cpu") -> int:
        """Bytes of a model's weights as loaded at this precision on `cpu` or `cuda`, scales
        included."""
        return sum(size for _, size in self._bytes_by_weight(spec, device))

    def _bytes_by_weight(self, spec: ModelSpec, device: str) -> Iterator[tuple[Weight, int]]:
        if self.gguf_type is not None:
            yield from self.gguf_type.weight_bytes(spec)
            return
        linear_bytes = self._linear_bytes_on(device)
        for weight in spec.weights():
            if weight.kind == "linear":
                yield weight, linear_bytes(weight.shape[0], weight.shape[1])
            else:
                yield weight, SIXTEEN_BIT_BYTES * weight.parameters

    def stored_weight_bytes(
        self, shapes: Iterable[tuple[str, tuple[int, ...]]], device: str = "cpu"
    ) -> int:
        """Bytes of the tensors of a checkpoint, by name and shape, as loaded at this precision on
        `cpu` or `cuda`, where no spec says which are linear layers: all matrices but embeddings and
        heads, which have those in their names."""
        linear_bytes = self._linear_bytes_on(device)
        return sum(
            linear_bytes(shape[0], shape[1])
            if len(shape) == 2 and not NOT_LINEAR.search(name)
            else SIXTEEN_BIT_BYTES * math.prod(shape)
            for name, shape in shapes
        )

    def _linear_bytes_on(self, device: str) -> Callable[[int, int], int]:
        return self.gpu_linear_bytes or self.linear_bytes if device == "cuda" else self.linear_bytes

    def why_not_here(self, device: str) -> str | None:
        """Why it does not run on this machine's `cpu` or `cuda`, in a few words; None where it
        does, as far as that can be told without torch."""
        needed = self.requirement
        if needed is not None and not needed.is_met:
            return f"needs {needed.package}: {needed.install}"
        return self.hardware.why_not(device, gpu_capability() if device == "cuda" else None)


TORCHAO = Requirement("torchao", "pip install -r requirements-torchao.txt")
LLAMA_CPP_PACKAGE = Requirement("xllamacpp", "pip install -r requirements-llamacpp.txt")
QUANTO = Requirement("optimum-quanto", "pip install -r requirements-quanto.txt")
TORCHAO_DOCS = "https://docs.pytorch.org/ao/stable/"
LLAMA_CPP_DOCS = "https://github.com/ggml-org/llama.cpp/blob/master/tools/quantize/README.md"
QUANTO_DOCS = "https://github.com/huggingface/optimum-quanto"

# bitsandbytes' own table: https://huggingface.co/docs/bitsandbytes/v0.50.2/en/installation.
TURING, PASCAL = Hardware(capability=(7, 5)), Hardware(capability=(6, 0))
# torchao's tests of float8 ask for 8.9, its int4 for the tensor cores of 8.0
# (Int4TilePackedTo4dTensor.from_hp).
ADA = Hardware(capability=(8, 9))
AMPERE = Hardware(capability=(8, 0), note="on a GPU rows are filled up to multiples of 1,024")
NOT_QUANTISED = "everything: nothing is quantised"


def method_of_files(quant_method: str) -> str:
    """The method of a label: a folder's own way of loading, by its quant_method."""
    return f"{AS_IS} {quant_method}"


def _labels(format_: StoredFormat) -> Iterator[Precision]:
    """The labels of folders that are quantised already in a format, one a type of number."""
    for type_ in format_.types:
        bits = re.sub(r"\D", "", type_)
        yield Precision(
            format_.label_of(type_),
            f"{format_.title}, a folder that is quantised already",
            "bfloat16",
            int(bits) if bits else 8,
            method_of_files(format_.method),
            weight_formats.sixteen_bit,
            requirement=format_.requirement,
            listed=False,
            as_stored=True,
            unpacked=format_.unpacked,
            unquantised="what its files leave",
            calibration=format_.calibration,
            hardware=format_.hardware,
            link=format_.link,
        )


def _of_llama_cpp(type_: GgufType) -> Precision:
    """What llama.cpp quantises a model to and runs, under its own name for it."""
    block, size = BLOCKS[type_.base]
    return Precision(
        type_.name,
        f"GGUF {type_.name}, by llama.cpp",
        "bfloat16",
        round(8 * size / block - 0.5),
        GGUF_METHOD,
        type_.linear_bytes,
        requirement=LLAMA_CPP_PACKAGE,
        listed=False,
        gguf_type=type_,
        unquantised="norms and biases, in 32 bit; embeddings and head have a type of their own",
        hardware=Hardware(note="on a GPU with a CUDA wheel of the package"),
        link=LLAMA_CPP_DOCS,
    )


PRECISIONS: Mapping[str, Precision] = {
    entry.name: entry
    for entry in (
        Precision(
            "bf16",
            "bfloat16",
            "bfloat16",
            16,
            "plain",
            weight_formats.sixteen_bit,
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
            weight_formats.sixteen_bit,
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
            weight_formats.llm_int8,
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
            weight_formats.llm_int8,
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
            weight_formats.nf4,
            hardware=PASCAL,
            link="https://arxiv.org/abs/2305.14314",
        ),
        Precision(
            "int8-torchao",
            "torchao int8, weights only",
            "bfloat16",
            8,
            "torchao-int8",
            weight_formats.torchao_int8,
            requirement=TORCHAO,
            listed=False,
            link=TORCHAO_DOCS,
        ),
        Precision(
            "int8-dynamic-torchao",
            "torchao int8, activations too",
            "bfloat16",
            8,
            "torchao-int8-dynamic",
            weight_formats.torchao_int8,
            requirement=TORCHAO,
            listed=False,
            calibration=f"{NO_CALIBRATION}, those of activations anew for each token",
            hardware=TURING,
            link=TORCHAO_DOCS,
        ),
        Precision(
            "float8-torchao",
            "torchao float8 (e4m3), weights only",
            "bfloat16",
            8,
            "torchao-float8",
            weight_formats.torchao_float8,
            requirement=TORCHAO,
            listed=False,
            hardware=ADA,
            link=TORCHAO_DOCS,
        ),
        Precision(
            "int4-torchao",
            f"torchao int4, groups of {weight_formats.TORCHAO_INT4_GROUP}, weights only",
            "bfloat16",
            4,
            "torchao-int4",
            weight_formats.torchao_int4,
            weight_formats.torchao_int4_gpu,
            requirement=TORCHAO,
            listed=False,
            unquantised=f"{ALL_BUT_LINEAR}; layers whose rows are no whole number of groups",
            hardware=AMPERE,
            link=TORCHAO_DOCS,
        ),
        Precision(
            "int8-quanto",
            "optimum-quanto int8, weights only",
            "bfloat16",
            8,
            "quanto-int8",
            weight_formats.quanto_int8,
            requirement=QUANTO,
            listed=False,
            link=QUANTO_DOCS,
        ),
        Precision(
            "int4-quanto",
            "optimum-quanto int4, weights only",
            "bfloat16",
            4,
            "quanto-int4",
            weight_formats.quanto_int4,
            requirement=QUANTO,
            listed=False,
            link=QUANTO_DOCS,
        ),
        Precision(
            "int2-quanto",
            "optimum-quanto int2, weights only: known to be bad",
            "bfloat16",
            2,
            "quanto-int2",
            weight_formats.quanto_int2,
            requirement=QUANTO,
            listed=False,
            link=QUANTO_DOCS,
        ),
        *map(_of_llama_cpp, GGUF_TYPES.values()),
        Precision(
            AS_IS,
            "a folder that is quantised already, or a GGUF file, as it is",
            "bfloat16",
            16,
            AS_IS,
            weight_formats.sixteen_bit,
            listed=False,
            as_stored=True,
            unquantised="what its files leave",
            calibration="as its files were made",
            hardware=Hardware(note="what its format needs"),
            link="https://huggingface.co/docs/transformers/quantization/overview",
        ),
        *(label for format_ in FORMATS.values() for label in _labels(format_)),
    )
}
# What forms and suggestions offer.
LISTED_PRECISIONS = tuple(name for name, entry in PRECISIONS.items() if entry.listed)


def find_precision(name: str) -> Precision:
    """A precision by name. Raises InputError for one that does not exist."""
    if name not in PRECISIONS:
        known = ", ".join(one for one, entry in PRECISIONS.items() if not entry.is_label)
        raise InputError(f"There is no precision '{name}'. Precisions: {known}.")
    return PRECISIONS[name]


def require_here(precision: Precision, device: str | None) -> None:
    """Raise InputError, with what to do, where a precision does not run on this machine's
    `device` (`auto`, `cpu` or `cuda`): its package is missing, or its hardware. None is a device of
    another machine, of which nothing is known here."""
    if device is None:
        return
    needed = precision.requirement
    if needed is not None and not needed.is_met:
        raise InputError(
            f"The precision {precision.name} needs {needed.package}, which is not installed. "
            f"Install it: {needed.install}"
        )
    place = likely_device(device)
    if (why := precision.why_not_here(place)) is None:
        return
    gpu = f" ({gpu_name(place)})" if gpu_name(place) else ""
    elsewhere = "run it on a CPU (--device cpu), or " if precision.hardware.cpu else ""
    other = "take the original weights" if precision.as_stored else "choose another precision"
    raise InputError(
        f"{precision.name} cannot run here: {why}{gpu}. What to do: {elsewhere}{other}."
    )
