"""A model folder checked before anything is written or loaded: are its weights all there, and what
are they? Reads config.json and the headers of the safetensors files; needs no torch.

A safetensors file is 8 bytes (the header's length, little-endian), the header (JSON: name -> dtype,
shape, data_offsets) and the data: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibecore.catalog.architectures import ModelSpec, read_spec
from vibecore.catalog.precisions import AS_IS, PRECISIONS, Precision, require_here
from vibecore.catalog.stored_formats import label_of
from vibecore.core.errors import InputError

SINGLE_FILE, INDEX_FILE = "model.safetensors", "model.safetensors.index.json"
CONFIG_FILE = "config.json"
ADAPTER_FILE = "adapter_config.json"
# The format's own limit.
MOST_HEADER_BYTES = 100_000_000
# How many tensors a message names.
NAMED = 3
# What a model without a head is saved with, and what transformers puts before it.
BASE_PREFIX = "model."
HEAD = "lm_head.weight"
# Computed from config.json; older files hold them, and transformers leaves them out.
DERIVED = re.compile(r"\.rotary_emb\.inv_freq$|\.masked_bias$")

# What wrote a prefix before every name -> how to save without it.
PREFIXES: Mapping[str, str] = {
    "_orig_mod.": "saved from a compiled model. Save the model inside: "
    "model._orig_mod.save_pretrained(FOLDER)",
    "module.": "saved from DataParallel or DistributedDataParallel. Save the model inside: "
    "model.module.save_pretrained(FOLDER)",
    "base_model.model.": "saved from a PEFT model. Merge it: "
    "model.merge_and_unload().save_pretrained(FOLDER)",
}
# Heads of models that do not write text.
OTHER_HEAD = re.compile(r"^(score|classifier|v_head|value_head|qa_outputs|reward_head)\.")
QUANTISED = re.compile(
    r"\.(qweight|qzeros|g_idx|SCB|absmax|quant_map|weight_packed|weight_scale|weight_format)$"
    r"|\.quant_state\.|\.weight\.(absmax|quant_map)"
)
LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a file holds it: its bytes are `start` to `end` of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class WeightFile:
    """A safetensors file by its header, which is its first `header_bytes` bytes."""

    path: Path
    header_bytes: int
    tensors: Mapping[str, StoredTensor]


@dataclass(frozen=True)
class Faults:
    """Tensors that a checkpoint lacks, has beyond its architecture, or has in another shape (each
    with both shapes, in words)."""

    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshaped: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.misshaped)

    def __str__(self) -> str:
        parts = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.misshaped),
        )
        return "; ".join(f"{what}: {_some(names)}" for what, names in parts if names)


def require_complete(folder: Path) -> None:
    """Raise InputError, with the likely cause and what to do, where a folder's weights are not
    whole or not those that its config.json describes.

    Tensors are checked for architectures that are known and not quantised; of others only that the
    files are whole.
    """
    tensors = stored_tensors(folder)
    spec = read_spec(folder)
    if spec is None or stored_as(folder):
        return
    if faults := find_faults(tensors, spec):
        cause = likely_cause(faults.missing, faults.unexpected)
        raise InputError(
            f"{folder} does not hold the weights that its config.json describes; {faults}. {cause}"
        )


def refuse_adapter(folder: Path) -> None:
    """Raise InputError where a folder holds an adapter, alone or beside full weights."""
    file = folder / ADAPTER_FILE
    if not file.is_file():
        return
    base = _read_json(file).get("base_model_name_or_path") or "its base model"
    beside = any((folder / name).is_file() for name in (SINGLE_FILE, INDEX_FILE))
    raise InputError(
        f"{folder} holds an adapter ({ADAPTER_FILE}, for {base}), which would have no effect. "
        "Merge it: PeftModel.from_pretrained(model, FOLDER).merge_and_unload()"
        ".save_pretrained(MERGED), save the tokenizer there too, and run MERGED."
        + (f" To run the weights beside it alone, move {ADAPTER_FILE} away." if beside else "")
    )


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files that loading reads, by name: transformers' own choice.

    Raises InputError where there are none, or where an index names files that are not there.
    """
    single, index = folder / SINGLE_FILE, folder / INDEX_FILE
    if single.is_file():
        return (single,)
    if not index.is_file():
        raise InputError(_no_weights(folder))
    places = _read_json(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{index} has no weight_map: it does not say which file holds a tensor.")
    names = sorted({str(name) for name in places.values()})
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise InputError(
            f"{index} names files that are not there: {_some(absent)}. Copy or download them, "
            f"{len(names)} in all."
        )
    return tuple(folder / name for name in names)


def weight_file_bytes(folder: Path) -> int:
    """Bytes of the files that loading reads. Raises InputError as `weight_files` does."""
    return sum(file.stat().st_size for file in weight_files(folder))


def stored_tensors(folder: Path) -> Mapping[str, StoredTensor]:
    """Every tensor in a folder's weight files, by name. Raises InputError as `weight_files` and
    `read_header` do."""
    found: dict[str, StoredTensor] = {}
    for file in weight_files(folder):
        found |= read_header(file).tensors
    return found


def read_header(file: Path) -> WeightFile:
    """A safetensors file by its header. Raises InputError for one that is cut short or is of
    another format."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        if not 2 <= length <= MOST_HEADER_BYTES:
            raise InputError(f"{file} is not a safetensors file: it has no header.")
        text = opened.read(length)
    try:
        if len(text) < length:
            raise InputError(_cut_short(file, size))
        header = json.loads(text)
        tensors = {
            name: StoredTensor(
                entry["dtype"],
                tuple(entry["shape"]),
                8 + length + entry["data_offsets"][0],
                8 + length + entry["data_offsets"][1],
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        raise InputError(f"{file} is not a safetensors file: its header cannot be read.") from None
    if any(tensor.end > size for tensor in tensors.values()):
        raise InputError(_cut_short(file, size, max(tensor.end for tensor in tensors.values())))
    return WeightFile(file, 8 + length, tensors)


def find_faults(tensors: Mapping[str, StoredTensor], spec: ModelSpec) -> Faults:
    """What of a checkpoint's tensors differs from its architecture's, layer by layer.

    A tied head that is stored all the same and tables that are computed are no fault. Names
    without `model.`, as a model saved without its head has, are found as transformers finds them.
    """
    wanted = {weight.name: weight.shape for weight in spec.weights()}
    if spec.tied and HEAD in tensors:
        wanted[HEAD] = (spec.vocab_size, spec.hidden_size)
    found = {
        name if name in wanted or BASE_PREFIX + name not in wanted else BASE_PREFIX + name: tensor
        for name, tensor in tensors.items()
        if not DERIVED.search(name)
    }
    return Faults(
        tuple(name for name in wanted if name not in found),
        tuple(name for name in found if name not in wanted),
        tuple(
            f"{name} is {list(found[name].shape)}, wanted {list(shape)}"
            for name, shape in wanted.items()
            if name in found and found[name].shape != shape
        ),
    )


def likely_cause(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """Why tensors are missing or unexpected, most likely, and what to do: a sentence or two."""
    for known, words in PREFIXES.items():
        if any(name.startswith(known) for name in unexpected):
            return f"The names begin with `{known}`: {words}."
    if any(".lora_" in name or "lora_magnitude" in name for name in unexpected):
        return (
            "The file holds an adapter's tensors. Merge it: "
            "model.merge_and_unload().save_pretrained(FOLDER)."
        )
    if any(QUANTISED.search(name) for name in unexpected):
        return (
            "The file holds quantised tensors, and config.json has no quantization_config that "
            "says so. Save the model again with the library that quantised it."
        )
    if heads := [name for name in unexpected if OTHER_HEAD.match(name)]:
        return (
            f"`{heads[0]}` is the head of a classifier or reward model, which writes no text. Run "
            "the language model that it was made from."
        )
    if list(missing) == [HEAD]:
        return (
            "The head has no weights of its own: where the model ties it to the embeddings, set "
            '"tie_word_embeddings": true in config.json; else the file is incomplete.'
        )
    if HEAD in unexpected:
        return (
            "The file has a head of its own where config.json's tie_word_embeddings says that it "
            "is the embeddings."
        )
    if prefix := _other_prefix(missing, unexpected):
        return (
            f"The names begin with `{prefix}`: a part of another model, or saved from a wrapper. "
            "Save the language model itself with save_pretrained(FOLDER)."
        )
    if missing and not unexpected:
        return _absent(missing)
    layers = _layers(unexpected)
    if unexpected and not missing and len(layers) and all(map(LAYER.search, unexpected)):
        if all(name.endswith((".bias", "_norm.weight")) for name in unexpected):
            return "config.json is of another architecture: it has no such biases or norms."
        return f"config.json's num_hidden_layers leaves out {_layer_words(layers)} of the file."
    return "The files and config.json are not of the same model: take both from one source."


def stored_as(folder: Path) -> str | None:
    """How a folder's weights are quantised already, in words, by its config.json: `bitsandbytes
    NF4`, `gptq 4 bit`; None for plain ones."""
    found = _quantisation(folder)
    if found is None:
        return None
    return _quantised_words(found) if isinstance(found, dict) else "quantised"


def stored_precision(folder: Path) -> Precision | None:
    """The label that a folder's weights run under as they are: `gptq-int4`; `as-is` for a format
    without a label of its own, None for plain weights. Raises InputError for a
    quantization_config that is damaged or unknown."""
    found = _quantisation(folder)
    if found is None:
        return None
    try:
        return PRECISIONS[label_of(found) or AS_IS]
    except InputError as error:
        raise InputError(
            f"{folder / CONFIG_FILE} does not say how its weights are quantised: {error} Copy "
            "config.json from the original, or take the original weights."
        ) from None


def _quantisation(folder: Path) -> Any:
    """What config.json says of it, whatever that is; None where it says nothing."""
    raw = _read_json(folder / CONFIG_FILE)
    found = raw.get("quantization_config")
    return raw.get("compression_config") if found is None else found


def require_label(folder: Path, precision: Precision, device: str | None) -> str | None:
    """How a folder's weights are quantised already, None for plain ones. Raises InputError where
    they are and would run under another label, where they are not and would run as they are, and,
    with what to do, where their format does not run on this machine's `device`."""
    own, stored = stored_precision(folder), stored_as(folder)
    if own and precision.name not in (AS_IS, own.name):
        raise InputError(
            f"{folder} is quantised already ({stored}), and cannot be run as {precision.name}. Run "
            f"it as it is, --precision {AS_IS}, or take the original weights."
        )
    if precision.as_stored and not own:
        raise InputError(
            f"{folder} is not quantised: its config.json has no quantization_config. Choose a "
            f"precision instead of {precision.name}: --precision bf16, 8bit or 4bit."
        )
    if own:
        require_here(own, device)
    return stored


def _quantised_words(raw: Mapping[str, Any]) -> str:
    method = str(raw.get("quant_method") or "").lower().replace("_", "-")
    if not method and ("load_in_4bit" in raw or "load_in_8bit" in raw):
        method = "bitsandbytes"
    if method == "bitsandbytes":
        if raw.get("load_in_4bit"):
            return f"bitsandbytes {str(raw.get('bnb_4bit_quant_type', 'fp4')).upper()}"
        return "bitsandbytes int8"
    if method == "compressed-tensors":
        return f"compressed-tensors {_compressed_words(raw)}".strip()
    if method == "torchao":
        return f"torchao {_torchao_words(raw.get('quant_type'))}".strip()
    if method == "quanto":
        return f"quanto {raw.get('weights', '')}".strip()
    bits = raw.get("bits") or raw.get("w_bit") or raw.get("nbits")
    return f"{method or 'quantised'} {bits} bit" if isinstance(bits, int) else method or "quantised"


def _compressed_words(raw: Mapping[str, Any]) -> str:
    """The weights of the first group of layers: `int 4 bit`."""
    groups = raw.get("config_groups")
    first: Any = next(iter(groups.values()), {}) if isinstance(groups, dict) else {}
    weights = first.get("weights") if isinstance(first, dict) else None
    if isinstance(weights, dict) and weights.get("num_bits"):
        return f"{weights.get('type', '')} {weights['num_bits']} bit".strip()
    return str(raw.get("format") or "")


def _torchao_words(kind: Any) -> str:
    """torchao's name of what it did; nested as transformers writes it: {default: {_type: …}}."""
    while isinstance(kind, dict):
        kind = kind.get("_type") or kind.get("default")
    return str(kind or "")


def _other_prefix(missing: Sequence[str], unexpected: Sequence[str]) -> str | None:
    """What stands before a missing tensor's name in the file; None where nothing does."""
    wanted = set(missing)
    for name in unexpected:
        parts = name.split(".")
        for count in range(1, len(parts)):
            rest = ".".join(parts[count:])
            if rest in wanted or BASE_PREFIX + rest in wanted:
                return ".".join(parts[:count]) + "."
    return None


def _absent(missing: Sequence[str]) -> str:
    layers = _layers(missing)
    if layers and all(map(LAYER.search, missing)):
        if all(name.endswith((".bias", "_norm.weight")) for name in missing):
            return "config.json is of another architecture: the file has no such biases or norms."
        return (
            f"The file lacks {_layer_words(layers)}: config.json's num_hidden_layers counts "
            "layers that were removed, or a file of the model is missing. Copy or download the "
            "model again."
        )
    return "The file is incomplete: copy or download the model again."


def _layers(names: Sequence[str]) -> list[int]:
    return sorted({int(found[1]) for name in names if (found := LAYER.search(name))})


def _layer_words(layers: Sequence[int]) -> str:
    """`layer 2`, `layers 2, 3`, `layers 2 to 9`."""
    if len(layers) == 1:
        return f"layer {layers[0]}"
    if len(layers) > NAMED and list(layers) == list(range(layers[0], layers[-1] + 1)):
        return f"layers {layers[0]} to {layers[-1]}"
    return f"layers {_some([str(layer) for layer in layers])}"


def _no_weights(folder: Path) -> str:
    if others := sorted(folder.glob("*.safetensors")):
        return (
            f"{folder} has {_some([file.name for file in others])}, but neither {SINGLE_FILE} nor "
            f"{INDEX_FILE}, which loading reads. Rename a single file to {SINGLE_FILE}."
        )
    if gguf := sorted(folder.glob("*.gguf")):
        return f"{folder} has no *.safetensors. Give a GGUF file by its own path: --model {gguf[0]}"
    return (
        f"{folder} has no *.safetensors. Other weight formats can run code on loading and "
        "are never read; convert them with save_pretrained(FOLDER)."
    )


def _cut_short(file: Path, size: int, wanted: int | None = None) -> str:
    ends = f" where its header says {wanted:,}" if wanted else ""
    return f"{file} is cut short: it has {size:,} bytes{ends}. Copy or download it again."


def _read_json(file: Path) -> Mapping[str, Any]:
    """A JSON object; an empty one where the file is absent or holds no object."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _some(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
