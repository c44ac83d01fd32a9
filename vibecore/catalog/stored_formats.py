"""Formats that a folder may be quantised in already: one entry a method in FORMATS.

What a folder says of it is `quantization_config` in its config.json, which anybody may have
written: what is damaged there is told in a sentence, before any weight is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vibecore.catalog.requirements import ANYWHERE, Hardware, Requirement
from vibecore.core.errors import InputError

# Every quant_method that transformers 5.23 knows (quantizers/auto.py). A folder of one that is no
# entry of FORMATS is left to transformers, and runs under no label of its own.
TRANSFORMERS_METHODS = (
    "aqlm",
    "auto-round",
    "awq",
    "bitnet",
    "bitsandbytes",
    "compressed-tensors",
    "eetq",
    "fbgemm_fp8",
    "fouroversix",
    "fp8",
    "fp_quant",
    "gemma",
    "gguf",
    "gptq",
    "higgs",
    "hqq",
    "metal",
    "mxfp4",
    "mxfp8",
    "nvfp4",
    "quanto",
    "quark",
    "sinq",
    "spqr",
    "torchao",
    "vptq",
)
# Groups of layers that are quantised in more than one way.
MIXED = "mixed"


@dataclass(frozen=True)
class StoredFormat:
    """A method of quantising a folder.

    `types` are the kinds of number that weights may be stored in, each with a label of its own
    (`gptq-int4`), or nothing where the method has one alone. `type_of` reads the kind from a
    quantization_config, and raises InputError for what is damaged. `unpacked`: its weights are made
    16 bit before anything is computed, so that they take a plain model's memory.
    """

    method: str
    label: str
    title: str
    types: tuple[str, ...]
    type_of: Callable[[Mapping[str, Any]], str]
    calibration: str
    link: str
    requirement: Requirement | None = None
    hardware: Hardware = ANYWHERE
    unpacked: bool = False

    def label_of(self, type_: str) -> str:
        """The label of one of its types."""
        return f"{self.label}-{type_}" if type_ else self.label


def label_of(raw: Any) -> str | None:
    """The label of a folder that is quantised as its quantization_config `raw` says; None for a
    method that is left to transformers. Raises InputError for what is damaged or unknown."""
    if not isinstance(raw, Mapping):
        raise InputError(f"quantization_config is {_shown(raw)}, not an object.")
    method = _method(raw)
    if method not in TRANSFORMERS_METHODS:
        raise InputError(
            f"quant_method is {_shown(method)}, which transformers does not know: it would run the "
            f"weights unquantised. Known are {', '.join(FORMATS)} and "
            f"{len(set(TRANSFORMERS_METHODS) - set(FORMATS))} more."
        )
    if method not in FORMATS:
        return None
    format_ = FORMATS[method]
    type_ = format_.type_of(raw)
    if type_ not in format_.types:
        raise InputError(
            f"its weights are {type_}, and {format_.title} has {', '.join(format_.types)}."
        )
    return format_.label_of(type_)


def _method(raw: Mapping[str, Any]) -> Any:
    """The method, which older bitsandbytes folders do not name."""
    if raw.get("load_in_4bit") or raw.get("load_in_8bit"):
        return "bitsandbytes"
    if "quant_method" not in raw:
        raise InputError("quantization_config has no quant_method, which says how to read it.")
    return raw["quant_method"]


def _bitsandbytes(raw: Mapping[str, Any]) -> str:
    four, eight = (_flag(raw, name) for name in ("load_in_4bit", "load_in_8bit"))
    if four == eight:
        both = "both" if four else "neither"
        raise InputError(f"bitsandbytes is to load {both} of 4 bit and 8 bit: set one to true.")
    return _one_of(raw, "bnb_4bit_quant_type", ("fp4", "nf4"), "fp4") if four else "int8"


def _gptq(raw: Mapping[str, Any]) -> str:
    _group_size(raw, "group_size")
    return f"int{_whole(raw, 'bits')}"


def _awq(raw: Mapping[str, Any]) -> str:
    _group_size(raw, "group_size")
    return f"int{_whole(raw, 'bits' if 'bits' in raw else 'w_bit')}"


def _compressed_tensors(raw: Mapping[str, Any]) -> str:
    groups = raw.get("config_groups")
    if not isinstance(groups, Mapping) or not groups:
        raise InputError(
            "compressed-tensors has no config_groups, which say how layers are stored."
        )
    kinds = set(_group_types(groups))
    if not kinds:
        raise InputError("compressed-tensors has config_groups without weights.")
    return kinds.pop() if len(kinds) == 1 else MIXED


def _group_types(groups: Mapping[str, Any]) -> Iterator[str]:
    for name, group in groups.items():
        if not isinstance(group, Mapping):
            raise InputError(f"config_groups has {_shown(group)} as {name}, not an object.")
        weights = group.get("weights")
        if weights is None:
            continue
        if not isinstance(weights, Mapping):
            raise InputError(f"weights of {name} are {_shown(weights)}, not an object.")
        yield f"{_one_of(weights, 'type', ('int', 'float'), 'int')}{_whole(weights, 'num_bits')}"


def _fp8(raw: Mapping[str, Any]) -> str:
    _one_of(raw, "activation_scheme", ("dynamic", "static"), "dynamic")
    block = raw.get("weight_block_size")
    sizes = block if isinstance(block, list) else []
    if block is not None and (len(sizes) != 2 or not all(map(_is_positive, sizes))):
        raise InputError(f"weight_block_size is {_shown(block)}, not two positive whole numbers.")
    return ""


def _whole(raw: Mapping[str, Any], name: str) -> int:
    """A number of bits. Raises InputError where it is missing or none."""
    if name not in raw:
        raise InputError(f"quantization_config has no {name}, which says how weights are stored.")
    if not _is_positive(raw[name]):
        raise InputError(f"{name} is {_shown(raw[name])}, not a positive whole number.")
    return int(raw[name])


def _group_size(raw: Mapping[str, Any], name: str) -> None:
    size = raw.get(name)
    if size is not None and size != -1 and not _is_positive(size):
        raise InputError(f"{name} is {_shown(size)}, not a positive whole number or -1.")


def _is_positive(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise InputError(f"{name} is {_shown(value)}, neither true nor false.")
    return value


def _one_of(raw: Mapping[str, Any], name: str, known: tuple[str, ...], default: str) -> str:
    value = raw.get(name, default)
    if value not in known:
        raise InputError(f"{name} is {_shown(value)}, not one of {', '.join(known)}.")
    return str(value)


def _shown(value: Any) -> str:
    """A value as it stands in a file, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


# 7.6.0 is the last that takes torch 2.13. Both are built from source.
GPTQMODEL = Requirement(
    "gptqmodel", "pip install optimum==2.3.0 gptqmodel==7.6.0 (built here: takes a C compiler)"
)
COMPRESSED_TENSORS = Requirement(
    "compressed-tensors", "pip install -r requirements-compressed-tensors.txt"
)
AS_MADE = "whatever its maker used: the folder does not say"

FORMATS: Mapping[str, StoredFormat] = {
    entry.method: entry
    for entry in (
        StoredFormat(
            "gptq",
            "gptq",
            "GPTQ",
            ("int2", "int3", "int4", "int8"),
            _gptq,
            "a set of texts: each layer's rounding errors are made up for in the weights to come",
            "https://arxiv.org/abs/2210.17323",
            GPTQMODEL,
        ),
        StoredFormat(
            "awq",
            "awq",
            "AWQ",
            ("int4",),
            _awq,
            "a set of texts: columns that meet large activations are scaled up before rounding",
            "https://arxiv.org/abs/2306.00978",
            GPTQMODEL,
        ),
        StoredFormat(
            "compressed-tensors",
            "compressed",
            "compressed-tensors",
            ("int4", "int8", "float4", "float8", MIXED),
            _compressed_tensors,
            AS_MADE,
            "https://github.com/vllm-project/compressed-tensors",
            COMPRESSED_TENSORS,
            Hardware(
                note="unpacked to 16 bit before anything is computed: a small file, not less memory"
            ),
            unpacked=True,
        ),
        StoredFormat(
            "bitsandbytes",
            "bnb",
            "bitsandbytes",
            ("int8", "nf4", "fp4"),
            _bitsandbytes,
            "none: scales are computed from the weights alone",
            "https://huggingface.co/docs/bitsandbytes",
            hardware=Hardware(capability=(7, 5)),
        ),
        StoredFormat(
            "fp8",
            "fp8",
            "fine-grained float8 (e4m3)",
            ("",),
            _fp8,
            "none: scales are computed from the weights alone, a block each",
            "https://arxiv.org/abs/2412.19437",
            hardware=Hardware(cpu=False, capability=(8, 9)),
        ),
    )
}
