"""GGUF files: what one holds, read from its header alone.

The format is that of ggml's docs/gguf.md: metadata as typed keys and values, a table of tensors,
then their data. The names of its types come from the package `gguf`, which transformers needs to
load such a file; the header is walked here, since that package makes two arrays of every token of
the vocabulary, which takes seconds. Of the tensors' data only a few rows of embeddings and head are
read, where a file holds both, and Llama 3's table of rope factors.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from vibecore.catalog.architectures import ModelSpec, Weight, spec_of
from vibecore.catalog.gguf_types import FALLBACKS
from vibecore.catalog.precisions import AS_IS, BitsPerWeight
from vibecore.catalog.requirements import Requirement
from vibecore.core.errors import InputError
from vibecore.core.special_files import refuse_special

GGUF = Requirement("gguf", "pip install -r requirements-gguf.txt")
MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32
STRING, ARRAY = 8, 9
PLAIN_TYPES = ("F32", "F16", "BF16", "F64")
# Type of a metadata value -> its struct format, little-endian.
SCALARS = dict(zip((*range(8), *range(10, 13)), "BbHhIif?Qqd", strict=True))
SPLIT_NAME = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
# Rows of embeddings and head that are compared, and how alike they are where one matrix was stored
# twice: two quantisations of a row have a cosine of 0.96 at 2 bits and more above, rows of two
# matrices well below 0.8.
COMPARED_ROWS = 64
LEAST_COSINE = 0.9
# Llama 3's rope scaling (transformers' modeling_rope_utils, `llama3`); a file holds what follows
# from these and the factor.
LLAMA3_ROPE = {
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
# Keys that name a token which ends an answer or a text.
STOP_KEYS = (
    "tokenizer.ggml.eos_token_id",
    "tokenizer.ggml.eot_token_id",
    "tokenizer.ggml.eom_token_id",
)
BOS_KEY = "tokenizer.ggml.bos_token_id"
TOKENS_KEY = "tokenizer.ggml.tokens"
ROPE_FREQUENCIES = "rope_freqs.weight"
EMBEDDINGS, HEAD = "token_embd.weight", "output.weight"


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file: shape as in torch, the name of its type, and where its bytes are."""

    name: str
    shape: tuple[int, ...]
    type: str
    start: int
    size: int

    @property
    def parameters(self) -> int:
        """Numbers in the tensor."""
        return math.prod(self.shape)

    @property
    def is_quantised(self) -> bool:
        """Whether it is in anything but plain numbers of 16 bit or more."""
        return self.type not in PLAIN_TYPES


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file holds.

    `file_type` is how it was quantised, in llama.cpp's words (`Q4_K_M`); `tensor_types` counts its
    tensors by type. `spec` has the config.json that the metadata amounts to as its `raw`, with the
    rope scaling that transformers' own translation leaves out; None where the architecture is one
    that only transformers knows. `parameters` and `tensor_bytes` are over all tensors as stored.
    `head_stored_apart`: the architecture ties embeddings and head, and the file holds the one
    matrix twice, at two quantisations. `stop_tokens` maps the metadata's key to the token's id,
    `token_texts` an id named in the metadata to its text. `data_start` is the header's size in
    bytes.
    """

    path: Path
    name: str | None
    architecture: str
    file_type: str
    tensor_types: Mapping[str, int]
    spec: ModelSpec | None
    template: str | None
    stop_tokens: Mapping[str, int]
    bos_token_id: int | None
    adds_bos: bool | None
    token_texts: Mapping[int, str]
    parameters: int
    tensor_bytes: int
    head_stored_apart: bool
    tensors: tuple[StoredTensor, ...]
    data_start: int

    @property
    def bits_per_weight(self) -> BitsPerWeight:
        """Bits that weights take as stored: of linear layers, the head among them where it is
        quantised and not the embeddings too, and of all."""
        linear = [
            tensor
            for tensor in self.tensors
            if len(tensor.shape) > 1
            and (tensor.name.startswith("blk.") or (tensor.name == HEAD and tensor.is_quantised))
        ]
        count = sum(tensor.parameters for tensor in linear)
        whole = 8 * self.tensor_bytes / sum(tensor.parameters for tensor in self.tensors)
        each = 8 * sum(tensor.size for tensor in linear) / count if count else whole
        return BitsPerWeight(each, whole)

    @property
    def is_unquantised(self) -> bool:
        """Whether all its weights are plain numbers, of which a quantised file can be made."""
        return not any(tensor.is_quantised for tensor in self.tensors)

    @property
    def is_dequantisable(self) -> bool:
        """Whether all its tensors can be made 16 bit."""
        return all(_can_be_unpacked(tensor.type) for tensor in self.tensors)

    @property
    def stored_as(self) -> str:
        """How its weights are stored, as a label says it: `gguf Q4_K_M`."""
        return f"gguf {self.file_type}"

    @property
    def tie_source(self) -> str | None:
        """The name of the tensor that a tied matrix is taken from where the file holds it twice:
        the one with more bits a number."""
        if not self.head_stored_apart:
            return None
        sizes = {tensor.name: tensor.size for tensor in self.tensors}
        return HEAD if sizes[HEAD] >= sizes[EMBEDDINGS] else EMBEDDINGS


def is_gguf(path: Path) -> bool:
    """Whether a path is meant as a GGUF file: by its name, or by how it begins."""
    if path.suffix.lower() == ".gguf":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def require_gguf() -> None:
    """Raise InputError, with the command that installs it, where the package is missing."""
    try:
        import gguf  # noqa: F401
    except ImportError:
        raise InputError(
            f"A GGUF file needs the package {GGUF.package}, which is not installed. "
            f"Install it: {GGUF.install}"
        ) from None


def read_gguf(path: Path) -> GgufFile:
    """Read the header of a GGUF file, once for as long as the file stays as it is.

    Raises InputError, with the file and what to do, for what is no such file, is cut off, is one
    part of a split model, holds no language model or one that transformers cannot load, or holds
    other tensors than its architecture has; and where the package is missing.
    """
    _check_whole_and_single(path)
    require_gguf()
    found = path.stat()
    return _read_once(path, found.st_size, found.st_mtime_ns)


def read_tokens(path: Path) -> list[str]:
    """The tokens of a GGUF file in the order of their ids. Raises InputError as read_gguf does."""
    read_gguf(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        count = struct.unpack_from("<IQQ", data, len(MAGIC))[-1]
        _, vocabulary, _ = _metadata(data, count)
        return [token for _, token in _strings(data, *vocabulary)]


@lru_cache(maxsize=8)
def _read_once(path: Path, size: int, changed_ns: int) -> GgufFile:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            return _read(path, data)
        except (struct.error, LookupError, ValueError, TypeError, ArithmeticError, MemoryError):
            raise InputError(
                f"{path} is damaged or cut off: its header cannot be read. Download it again and "
                "compare its size or SHA-256 with the publisher's."
            ) from None


def _check_whole_and_single(path: Path) -> None:
    refuse_special(path, "Give a .gguf file.")
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    part = SPLIT_NAME.search(path.name)
    if part and int(part[2]) > 1:
        first = path.name[: part.start()] + f"-00001-of-{part[2]}.gguf"
        raise InputError(
            f"{path} is part {int(part[1])} of {int(part[2])} of a split model. Join them first: "
            f"llama-gguf-split --merge {first} {path.name[: part.start()]}.gguf"
        )
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise InputError(
            f"{path} is a Git LFS pointer, not the file itself. Fetch it: git lfs pull"
        )
    if not start.startswith(MAGIC):
        what = "is empty" if not start else f"begins with {start[:4]!r}, not with GGUF"
        raise InputError(
            f"{path} is not a GGUF file: it {what}. Download it again, or give the folder of a "
            "model in safetensors."
        )


def _read(path: Path, data: mmap.mmap) -> GgufFile:
    version, tensor_count, key_count = struct.unpack_from("<IQQ", data, len(MAGIC))
    if version not in VERSIONS:
        big_endian = version >= 1 << 16
        raise InputError(
            f"{path} is a GGUF file "
            + ("in big-endian byte order" if big_endian else f"of version {version}")
            + f"; versions {' and '.join(map(str, VERSIONS))}, little-endian, can be read. Convert "
            "the original again with a current llama.cpp."
        )
    metadata, vocabulary, position = _metadata(data, key_count)
    architecture = _architecture(path, metadata)
    entries, position = _tensor_table(data, tensor_count, position)
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    start = -(-position // alignment) * alignment
    tensors = tuple(_stored(path, *entry, start) for entry in entries)
    if not tensors:
        raise InputError(f"{path} holds no weights, only a vocabulary. Give a whole model's file.")
    end = max(tensor.start + tensor.size for tensor in tensors)
    if end > len(data):
        raise InputError(
            f"{path} is cut off: it has {len(data):,} bytes of {end:,}. Download it again."
        )
    by_name = {tensor.name: tensor for tensor in tensors}
    apart = _same_matrix(data, by_name)
    spec = _spec(path, architecture, metadata, by_name, data, apart)
    if spec is not None:
        _check_tensors(path, spec, by_name, apart)
    stop_tokens = {key: metadata[key] for key in STOP_KEYS if key in metadata}
    named = {*stop_tokens.values(), metadata.get(BOS_KEY)}
    types = Counter(tensor.type for tensor in tensors)
    return GgufFile(
        path=path,
        name=metadata.get("general.name"),
        architecture=architecture,
        file_type=_file_type(metadata, tensors),
        tensor_types=dict(types.most_common()),
        spec=spec,
        template=metadata.get("tokenizer.chat_template"),
        stop_tokens=stop_tokens,
        bos_token_id=metadata.get(BOS_KEY),
        adds_bos=metadata.get("tokenizer.ggml.add_bos_token"),
        token_texts={
            number: text for number, text in _strings(data, *vocabulary) if number in named
        },
        parameters=sum(tensor.parameters for tensor in tensors if tensor.name != ROPE_FREQUENCIES),
        tensor_bytes=sum(tensor.size for tensor in tensors),
        head_stored_apart=apart,
        tensors=tensors,
        data_start=start,
    )


def _metadata(data: mmap.mmap, count: int) -> tuple[dict[str, Any], tuple[int, int], int]:
    """(keys and values, position and length of the vocabulary, position after them). An array of
    strings is given as its length: vocabularies and merges are long, and not needed."""
    metadata: dict[str, Any] = {}
    vocabulary = (0, 0)
    position = len(MAGIC) + struct.calcsize("<IQQ")
    for _ in range(count):
        key, position = _string(data, position)
        (kind,) = struct.unpack_from("<I", data, position)
        metadata[key], after = _value(data, position + 4, kind)
        if key == TOKENS_KEY:
            vocabulary = (position + 4 + struct.calcsize("<IQ"), metadata[key])
        position = after
    return metadata, vocabulary, position


def _value(data: mmap.mmap, position: int, kind: int) -> tuple[Any, int]:
    if kind in SCALARS:
        form = "<" + SCALARS[kind]
        return struct.unpack_from(form, data, position)[0], position + struct.calcsize(form)
    if kind == STRING:
        return _string(data, position)
    if kind != ARRAY:
        raise struct.error(f"no metadata is of type {kind}")
    inner, count = struct.unpack_from("<IQ", data, position)
    position += struct.calcsize("<IQ")
    if inner in SCALARS:
        form = f"<{count}{SCALARS[inner]}"
        return list(struct.unpack_from(form, data, position)), position + struct.calcsize(form)
    if inner != STRING:
        raise struct.error(f"no array is of type {inner}")
    for _ in range(count):
        position += 8 + struct.unpack_from("<Q", data, position)[0]
    return count, position


def _string(data: mmap.mmap, position: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<Q", data, position)
    end = position + 8 + length
    if end > len(data):
        raise struct.error("a string ends after the file")
    return data[position + 8 : end].decode("utf-8"), end


def _strings(data: mmap.mmap, position: int, count: int) -> Iterator[tuple[int, str]]:
    """The strings of an array with their numbers."""
    for number in range(count):
        (length,) = struct.unpack_from("<Q", data, position)
        yield number, data[position + 8 : position + 8 + length].decode("utf-8", "replace")
        position += 8 + length


def _architecture(path: Path, metadata: Mapping[str, Any]) -> str:
    kind = metadata.get("general.type", "model")
    architecture = metadata.get("general.architecture")
    if metadata.get("split.count", 0) > 1:
        raise InputError(
            f"{path} is one of {metadata['split.count']} parts of a split model. Join them first: "
            "llama-gguf-split --merge FIRST_PART WHOLE.gguf"
        )
    if kind == "adapter":
        raise InputError(
            f"{path} is an adapter, not a model. Merge it into its base model first: "
            "llama-export-lora -m BASE.gguf --lora ADAPTER.gguf -o MERGED.gguf"
        )
    if kind != "model" or architecture == "clip":
        raise InputError(
            f"{path} holds no language model (general.type {kind}, architecture {architecture}). "
            "Give the file of the text model."
        )
    if architecture is None:
        raise InputError(
            f"{path} does not say what it is: its metadata has no general.architecture. Convert "
            "the original again with a current llama.cpp."
        )
    if architecture not in KNOWN and architecture not in ONLY_TRANSFORMERS:
        raise InputError(
            f"{path} has the architecture {architecture}, which transformers does not load from "
            f"GGUF files. It loads {', '.join((*KNOWN, *ONLY_TRANSFORMERS))}. Give the folder of "
            "the original in safetensors."
        )
    return architecture


def _tensor_table(
    data: mmap.mmap, count: int, position: int
) -> tuple[list[tuple[str, tuple[int, ...], int, int]], int]:
    """([(name, shape, type, offset)], position after the table)."""
    entries = []
    for _ in range(count):
        name, position = _string(data, position)
        (dimensions,) = struct.unpack_from("<I", data, position)
        form = f"<{dimensions}QIQ"
        *shape, kind, offset = struct.unpack_from(form, data, position + 4)
        position += 4 + struct.calcsize(form)
        # ggml names the dimension that varies fastest first.
        entries.append((name, tuple(reversed(shape)), kind, offset))
    return entries, position


def _stored(
    path: Path, name: str, shape: tuple[int, ...], kind: int, offset: int, start: int
) -> StoredTensor:
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    try:
        known = GGMLQuantizationType(kind)
        block, block_bytes = GGML_QUANT_SIZES[known]
    except (ValueError, KeyError):
        raise InputError(
            f"{path} holds tensors of type {kind} ({name}), which this gguf package does not "
            "know. Give a file of another quantisation, such as Q4_K_M or Q8_0."
        ) from None
    size = math.prod(shape) // block * block_bytes
    return StoredTensor(name, shape, known.name, start + offset, size)


def require_dequantisable(file: GgufFile) -> None:
    """Raise InputError, with what to do, where a file holds tensors that cannot be made 16 bit."""
    for tensor in file.tensors:
        if not _can_be_unpacked(tensor.type):
            raise InputError(
                f"{file.path} holds tensors of type {tensor.type} ({tensor.name}), which cannot be "
                f"dequantised. Run it as it is, --precision {AS_IS}, or give a file of another "
                "quantisation, such as Q4_K_M or Q8_0."
            )


@cache
def _can_be_unpacked(kind: str) -> bool:
    if kind in PLAIN_TYPES:
        return True
    import numpy
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    known = GGMLQuantizationType[kind]
    try:
        dequantize(numpy.zeros((1, GGML_QUANT_SIZES[known][1]), numpy.uint8), known)
    except NotImplementedError:
        return False
    return True


def _rows(data: mmap.mmap, tensor: StoredTensor, rows: range) -> Any:
    """Some rows of a matrix as float32, of shape [rows, columns]."""
    import numpy
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    row_bytes = tensor.size // tensor.shape[0]
    stored = numpy.stack(
        [
            numpy.frombuffer(data, numpy.uint8, row_bytes, tensor.start + row * row_bytes)
            for row in rows
        ]
    )
    kind = GGMLQuantizationType[tensor.type]
    if tensor.type in ("F32", "F16"):
        return stored.view(numpy.dtype(f"<f{row_bytes // tensor.shape[1]}")).astype(numpy.float32)
    return dequantize(stored, kind)


def _same_matrix(data: mmap.mmap, tensors: Mapping[str, StoredTensor]) -> bool:
    """Whether embeddings and head are one matrix at two quantisations: the same direction in
    every row that is compared."""
    import numpy

    embeddings, head = tensors.get(EMBEDDINGS), tensors.get(HEAD)
    if embeddings is None or head is None or embeddings.shape != head.shape:
        return False
    rows = range(0, head.shape[0], max(1, head.shape[0] // COMPARED_ROWS))
    one, other = _rows(data, embeddings, rows), _rows(data, head, rows)
    lengths = numpy.linalg.norm(one, axis=1) * numpy.linalg.norm(other, axis=1)
    if not (lengths > 0).any():
        return False
    cosines = (one * other).sum(axis=1)[lengths > 0] / lengths[lengths > 0]
    return bool(numpy.median(cosines) > LEAST_COSINE)


def _file_type(metadata: Mapping[str, Any], tensors: tuple[StoredTensor, ...]) -> str:
    """What general.file_type says where the tensors bear it out, else the type that most numbers
    are stored in."""
    from gguf import LlamaFileType

    sizes: Counter[str] = Counter()
    for tensor in tensors:
        sizes[tensor.type] += tensor.parameters
    most = sizes.most_common(1)[0][0]
    try:
        said = LlamaFileType(metadata["general.file_type"]).name
    except (KeyError, ValueError):
        return most
    label = said.removeprefix("MOSTLY_").removeprefix("ALL_")
    base = next((name for name in sorted(sizes, key=len) if label.startswith(name)), None)
    wanted = next((name for name in FALLBACKS if label.startswith(name)), None)
    # Mixtures such as IQ3_M are named after no type of their own.
    mixed = label.startswith("IQ") and most.startswith("IQ")
    return label if base or mixed or (wanted and FALLBACKS[wanted] in sizes) else most


def _spec(
    path: Path,
    architecture: str,
    metadata: Mapping[str, Any],
    tensors: Mapping[str, StoredTensor],
    data: mmap.mmap,
    apart: bool,
) -> ModelSpec | None:
    translate = KNOWN.get(architecture)
    if translate is None:
        return None
    own = {
        key.removeprefix(f"{architecture}."): value
        for key, value in metadata.items()
        if key.startswith(f"{architecture}.")
    }
    if own.get("expert_count", 0) > 0:
        raise InputError(
            f"{path} is a mixture of experts under the architecture {architecture}, which "
            "transformers does not load from GGUF files. Give the folder of the original."
        )
    try:
        raw = _common(own, metadata, tensors, apart)
        raw |= {"rope_parameters": _rope(path, own, tensors, data)}
        raw |= translate(own, raw, tensors)
    except KeyError as error:
        missing = error.args[0]
        name = missing if missing in (EMBEDDINGS,) else f"{architecture}.{missing}"
        raise InputError(
            f"{path} lacks {name}, which a {architecture} model needs. Convert the original again "
            "with a current llama.cpp."
        ) from None
    spec = spec_of(raw)
    if spec is None:
        raise InputError(
            f"{path} has layers of different shapes, which a {architecture} model in transformers "
            "does not have. Give the folder of the original in safetensors."
        )
    return spec


def _common(
    own: Mapping[str, Any],
    metadata: Mapping[str, Any],
    tensors: Mapping[str, StoredTensor],
    apart: bool,
) -> dict[str, Any]:
    """The fields of config.json that all known architectures have."""
    heads = own["attention.head_count"]
    stops = [metadata[key] for key in STOP_KEYS if key in metadata]
    return {
        # The embeddings have a row for every token, padding included.
        "vocab_size": tensors[EMBEDDINGS].shape[0],
        "hidden_size": own["embedding_length"],
        "intermediate_size": own["feed_forward_length"],
        "num_hidden_layers": own["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": own.get("attention.head_count_kv", heads),
        "head_dim": own.get("attention.key_length") or own["embedding_length"] // heads,
        "max_position_embeddings": own["context_length"],
        # Stored as a float32: 1e-6 would read 9.999999974752427e-07.
        "rms_norm_eps": float(f"{own['attention.layer_norm_rms_epsilon']:.6g}"),
        "tie_word_embeddings": HEAD not in tensors or apart,
        "bos_token_id": metadata.get(BOS_KEY),
        "eos_token_id": list(dict.fromkeys(stops)) or None,
        "pad_token_id": metadata.get("tokenizer.ggml.padding_token_id"),
    }


def _rope(
    path: Path, own: Mapping[str, Any], tensors: Mapping[str, StoredTensor], data: mmap.mmap
) -> dict[str, Any]:
    """`rope_parameters` as config.json has them."""
    theta = float(own.get("rope.freq_base", 10_000.0))
    if (stored := tensors.get(ROPE_FREQUENCIES)) is not None:
        return _llama3_rope(path, theta, _floats(data, stored))
    kind = own.get("rope.scaling.type", "none")
    if kind == "none":
        return {"rope_type": "default", "rope_theta": theta}
    scaled = {"rope_type": kind, "rope_theta": theta, "factor": own.get("rope.scaling.factor")}
    if kind == "linear" and scaled["factor"]:
        return scaled
    if kind == "yarn" and scaled["factor"]:
        original = own.get("rope.scaling.original_context_length")
        return scaled | ({"original_max_position_embeddings": original} if original else {})
    raise InputError(
        f"{path} scales its rotary embedding by {kind}, which is not read from GGUF files. Give "
        "the folder of the original in safetensors."
    )


def _floats(data: mmap.mmap, tensor: StoredTensor) -> list[float]:
    count = tensor.parameters
    if tensor.type != "F32":
        return []
    return list(struct.unpack_from(f"<{count}f", data, tensor.start))


def _llama3_rope(path: Path, theta: float, factors: list[float]) -> dict[str, Any]:
    """Llama 3's scaling that gives these factors, one for each pair of a head's dimensions."""
    factor = max(factors, default=0.0)
    low, high = LLAMA3_ROPE["low_freq_factor"], LLAMA3_ROPE["high_freq_factor"]
    original = LLAMA3_ROPE["original_max_position_embeddings"]
    wanted = []
    for pair in range(len(factors)):
        turns = original / (2 * math.pi * theta ** (pair / len(factors)))
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        wanted.append(1 / ((1 - smooth) / factor + smooth) if factor else 0.0)
    close = (math.isclose(a, b, rel_tol=1e-3) for a, b in zip(factors, wanted, strict=True))
    if not factors or not all(close):
        raise InputError(
            f"{path} scales its rotary embedding by a table ({ROPE_FREQUENCIES}) that is not "
            "Llama 3's, and transformers would leave it out. Give the folder of the original in "
            "safetensors."
        )
    return {"rope_type": "llama3", "rope_theta": theta, "factor": factor, **LLAMA3_ROPE}


def _llama(
    own: Mapping[str, Any], raw: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "head_dim": own.get("rope.dimension_count") or raw["head_dim"],
        "attention_bias": "blk.0.attn_output.bias" in tensors,
        "mlp_bias": "blk.0.ffn_down.bias" in tensors,
    }


def _qwen2(*_: Mapping[str, Any]) -> dict[str, Any]:
    return {"model_type": "qwen2"}


def _qwen3(
    own: Mapping[str, Any], raw: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> dict[str, Any]:
    return {"model_type": "qwen3", "attention_bias": "blk.0.attn_output.bias" in tensors}


def _gemma3(
    own: Mapping[str, Any], raw: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> dict[str, Any]:
    local = float(own.get("rope.freq_base_swa", 10_000.0))
    # llama.cpp's gemma3: queries are scaled by the head size, but for 27B, of 62 layers.
    largest = raw["num_hidden_layers"] == 62
    scale = raw["hidden_size"] // raw["num_attention_heads"] if largest else raw["head_dim"]
    return {
        "model_type": "gemma3_text",
        "sliding_window": own["attention.sliding_window"],
        "query_pre_attn_scalar": scale,
        "rope_parameters": {
            "full_attention": {
                **raw["rope_parameters"],
                "rope_theta": float(own.get("rope.freq_base", 1_000_000.0)),
            },
            "sliding_attention": {"rope_type": "default", "rope_theta": local},
        },
    }


Translate = Callable[
    [Mapping[str, Any], Mapping[str, Any], Mapping[str, StoredTensor]], dict[str, Any]
]
# Architecture as a GGUF file names it -> the fields of config.json that are its own.
KNOWN: Mapping[str, Translate] = {
    "llama": _llama,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "gemma3": _gemma3,
}
# Those that transformers translates by itself (modeling_gguf_pytorch_utils, integrations/gguf);
# encoders are left out.
ONLY_TRANSFORMERS = (
    "qwen2moe",
    "qwen3moe",
    "qwen35",
    "qwen35moe",
    "gemma2",
    "phi3",
    "falcon",
    "bloom",
    "stablelm",
    "gpt2",
    "starcoder2",
    "mamba",
    "nemotron",
    "lfm2",
    "deci",
)

# A part of a weight's name in a checkpoint -> in a GGUF file (ggml's docs/gguf.md).
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
# Where a layer has four norms.
FOUR_NORMS = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
LISTED_TENSORS = 3


def gguf_name(weight: Weight, spec: ModelSpec) -> str:
    """The name that a weight of a checkpoint has in a GGUF file."""
    stem, _, suffix = weight.name.rpartition(".")
    names = NAMES | (FOUR_NORMS if spec.block_norms == 4 else {})
    if match := re.fullmatch(r"model\.layers\.(\d+)\.(.+)", stem):
        return f"blk.{match[1]}.{names[match[2]]}.{suffix}"
    return f"{names[stem]}.{suffix}"


def _check_tensors(
    path: Path, spec: ModelSpec, tensors: Mapping[str, StoredTensor], apart: bool
) -> None:
    """Raise InputError where the file has other tensors than its architecture."""
    wanted = {gguf_name(weight, spec): weight.shape for weight in spec.weights()}
    extra = {ROPE_FREQUENCIES} | ({HEAD} if apart else set())
    faults = {
        "lacks": [name for name in wanted if name not in tensors],
        "has besides": [name for name in tensors if name not in wanted and name not in extra],
        "has in another shape": [
            f"{name} {list(tensors[name].shape)} for {list(shape)}"
            for name, shape in wanted.items()
            if name in tensors and tensors[name].shape != shape
        ],
    }
    words = [
        f"{fault} {', '.join(names[:LISTED_TENSORS])}"
        + (f" and {len(names) - LISTED_TENSORS} more" if len(names) > LISTED_TENSORS else "")
        for fault, names in faults.items()
        if names
    ]
    if words:
        raise InputError(
            f"{path} does not hold what a {spec.model_type} model of its shape has: it "
            f"{'; it '.join(words)}. Convert the original again with a current llama.cpp, or give "
            "the folder of the original in safetensors."
        )
