"""Models, families and the configs they make with the precisions, as literal tables.

A new model is one entry in MODELS, a new family one in FAMILIES.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

from vibecore.catalog.architectures import ModelSpec, RawConfig, is_tied, read_spec, spec_of
from vibecore.catalog.checkpoint import (
    stored_as,
    stored_precision,
    stored_tensors,
    weight_file_bytes,
)
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.gguf import is_gguf, read_gguf
from vibecore.catalog.precisions import AS_IS, PRECISIONS, Precision, find_precision
from vibecore.core.errors import InputError
from vibecore.core.paths import given_path
from vibecore.core.records import Kind
from vibecore.core.special_files import refuse_special, refuse_special_in
from vibecore.core.text_files import no_character

# A name given with --name: part of config ids, which stand in URLs and on the command line.
NAME = re.compile(r"\w[\w.+-]*")


@dataclass(frozen=True)
class Model:
    """A checkpoint. `weights` is `hub`, `local`, `gguf` or `demo`; `source` the hub id, the folder,
    the GGUF file, or `demo/NAME` for a model that ships with Vibe check. `spec` is None where the
    architecture is not known, `kind` where the checkpoint's files have to say it. `access` says
    how to get access to a gated one."""

    name: str
    source: str
    weights: str
    spec: ModelSpec | None
    kind: Kind | None = None
    access: str | None = None


@dataclass(frozen=True)
class Config:
    """One model at one precision."""

    model: Model
    precision: Precision

    @property
    def id(self) -> str:
        """The config's name everywhere: `0.5B-4bit`."""
        return f"{self.model.name}-{self.precision.name}"

    @property
    def estimated_weight_bytes(self) -> int | None:
        """Weight bytes on a CPU, which are those on a GPU but where a format is laid out otherwise
        there (see weight_bytes)."""
        return self.weight_bytes("cpu")

    def weight_bytes(self, device: str) -> int | None:
        """Weight bytes on `cpu` or `cuda` from the architecture; from a local folder's files, or a
        GGUF file, where they are loaded as they are, and from a folder's headers where the
        architecture is not known. None where none of them is here, or not whole."""
        if self.model.spec is not None and not self.precision.as_stored:
            return self.precision.weight_bytes(self.model.spec, device)
        if self.model.weights not in ("local", "gguf"):
            return None
        folder = Path(self.model.source)
        try:
            if self.model.weights == "gguf":
                return read_gguf(folder).tensor_bytes if self.precision.as_stored else None
            if self.precision.unpacked and self.model.spec is not None:
                return PRECISIONS["bf16"].weight_bytes(self.model.spec, device)
            if self.precision.as_stored:
                return weight_file_bytes(folder)
            return self._bytes_by_header(folder, device)
        except InputError:
            return None

    def _bytes_by_header(self, folder: Path, device: str) -> int | None:
        """From the shapes in the headers of a folder's weight files; None where it is quantised
        already, as it is loaded at no other precision then. Raises InputError as `stored_tensors`
        does."""
        if stored_as(folder):
            return None
        shapes = {name: tensor.shape for name, tensor in stored_tensors(folder).items()}
        if is_tied(folder):
            shapes.pop("lm_head.weight", None)
        return self.precision.stored_weight_bytes(shapes.items(), device)


# What the config.json files of a family's repositories have in common, besides SHAPE.
_QWEN_25 = {
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "rope_theta": 1_000_000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}
_QWEN_25_LONG = {**_QWEN_25, "max_position_embeddings": 131_072}
_QWEN_3 = {**_QWEN_25, "model_type": "qwen3", "head_dim": 128, "max_position_embeddings": 40_960}
_SMOLLM = {
    "model_type": "llama",
    "vocab_size": 49_152,
    "max_position_embeddings": 8_192,
    "rope_theta": 100_000.0,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}
_SMOLLM_LARGE = {**_SMOLLM, "rope_theta": 130_000.0}
_LLAMA_32 = {
    "model_type": "llama",
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
    "rope_theta": 500_000.0,
    "rope_scaling": {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8_192,
    },
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}
_GEMMA_3 = {
    "model_type": "gemma3_text",
    "vocab_size": 262_144,
    "max_position_embeddings": 32_768,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
    "rope_theta": 1_000_000.0,
    "rope_local_base_freq": 10_000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}
# The fields of config.json that a model's shape in the table below stands for, in its order.
SHAPE = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
)


# Organisations whose models are gated -> whose terms those are.
GATED = {"meta-llama": "Meta", "google": "Google"}


def _hub(kind: Kind, common: RawConfig, name: str, source: str, *shape: int) -> Model:
    """A model of the hub, its shape in the order of SHAPE."""
    spec = spec_of({**common, **dict(zip(SHAPE, shape, strict=True))})
    return Model(name, source, "hub", spec, kind, _access(source))


def _access(source: str) -> str | None:
    """How to get access to a gated model; None for one that is not."""
    organisation = GATED.get(source.split("/")[0])
    return organisation and (
        f"Accept {organisation}'s terms on https://huggingface.co/{source}, then log in with "
        "`hf auth login`, or set HF_TOKEN."
    )


_base, _instruct, _thinking = (partial(_hub, kind) for kind in get_args(Kind))

# A size alone is Qwen2.5's base model, as published; every other name says what it is.
_LISTED = (
    _base(_QWEN_25, "0.5B", "Qwen/Qwen2.5-0.5B", 896, 4864, 24, 14, 2),
    _base(_QWEN_25_LONG, "1.5B", "Qwen/Qwen2.5-1.5B", 1536, 8960, 28, 12, 2),
    Model("1M", "demo/1M", "demo", read_spec(DEMO_MODELS_DIR / "1M"), "base"),
    Model("5M", "demo/5M", "demo", read_spec(DEMO_MODELS_DIR / "5M"), "base"),
    _instruct(_QWEN_25, "0.5B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct", 896, 4864, 24, 14, 2),
    _instruct(_QWEN_25, "1.5B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct", 1536, 8960, 28, 12, 2),
    _instruct(_QWEN_25, "0.5B-Coder", "Qwen/Qwen2.5-Coder-0.5B-Instruct", 896, 4864, 24, 14, 2),
    _instruct(_QWEN_25, "1.5B-Coder", "Qwen/Qwen2.5-Coder-1.5B-Instruct", 1536, 8960, 28, 12, 2),
    _thinking(_QWEN_3, "Qwen3-0.6B", "Qwen/Qwen3-0.6B", 1024, 3072, 28, 16, 8),
    _thinking(_QWEN_3, "Qwen3-1.7B", "Qwen/Qwen3-1.7B", 2048, 6144, 28, 16, 8),
    _instruct(_SMOLLM, "SmolLM2-135M", "HuggingFaceTB/SmolLM2-135M-Instruct", 576, 1536, 30, 9, 3),
    _instruct(_SMOLLM, "SmolLM2-360M", "HuggingFaceTB/SmolLM2-360M-Instruct", 960, 2560, 32, 15, 5),
    _instruct(
        _SMOLLM_LARGE, "SmolLM2-1.7B", "HuggingFaceTB/SmolLM2-1.7B-Instruct", 2048, 8192, 24, 32, 32
    ),
    _instruct(_LLAMA_32, "Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct", 2048, 8192, 16, 32, 8),
    _instruct(_LLAMA_32, "Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct", 3072, 8192, 28, 24, 8),
    _instruct(_GEMMA_3, "Gemma-3-270M", "google/gemma-3-270m-it", 640, 2048, 18, 4, 1),
    _instruct(_GEMMA_3, "Gemma-3-1B", "google/gemma-3-1b-it", 1152, 6912, 26, 4, 1),
)
MODELS: Mapping[str, Model] = {model.name: model for model in _LISTED}

PUBLISHED_PRECISIONS = ("bf16", "8bit", "4bit")
# What people choose between: bitsandbytes, torchao, and GGUF through llama.cpp. Some need packages.
FORMATS = (*PUBLISHED_PRECISIONS, "int8-torchao", "int4-torchao", "Q8_0", "Q4_K_M")

# family -> (models, precisions); its configs are their product, in this order.
FAMILIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "qwen2.5": (("0.5B", "1.5B"), PUBLISHED_PRECISIONS),
    "demo": (("1M", "5M"), PUBLISHED_PRECISIONS),
    "qwen2.5-instruct": (("0.5B-Instruct", "1.5B-Instruct"), PUBLISHED_PRECISIONS),
    "qwen2.5-coder-instruct": (("0.5B-Coder", "1.5B-Coder"), PUBLISHED_PRECISIONS),
    "qwen3": (("Qwen3-0.6B", "Qwen3-1.7B"), PUBLISHED_PRECISIONS),
    "smollm2-instruct": (("SmolLM2-135M", "SmolLM2-360M", "SmolLM2-1.7B"), PUBLISHED_PRECISIONS),
    "llama3.2-instruct": (("Llama-3.2-1B", "Llama-3.2-3B"), PUBLISHED_PRECISIONS),
    "gemma3-instruct": (("Gemma-3-270M", "Gemma-3-1B"), PUBLISHED_PRECISIONS),
    "qwen2.5-formats": (("1.5B-Instruct",), FORMATS),
    "qwen2.5-coder-formats": (("0.5B-Coder",), FORMATS),
}


def family_configs(family: str) -> tuple[Config, ...]:
    """The configs of a family. Raises InputError for a family that does not exist."""
    if family not in FAMILIES:
        raise InputError(f"There is no family '{family}'. Families: {', '.join(FAMILIES)}.")
    models, precisions = FAMILIES[family]
    return tuple(Config(MODELS[m], PRECISIONS[p]) for m in models for p in precisions)


def known_configs() -> dict[str, Config]:
    """Every config the tables make, by id, at every precision but those that only files make."""
    precisions = [precision for precision in PRECISIONS.values() if not precision.is_label]
    configs = (Config(model, precision) for model in MODELS.values() for precision in precisions)
    return {config.id: config for config in configs}


def listed_configs() -> dict[str, Config]:
    """The known configs that forms and suggestions offer, by id."""
    return {id_: config for id_, config in known_configs().items() if config.precision.listed}


def offered_configs() -> dict[str, Config]:
    """The configs that forms let choose, by id: the listed ones, and whatever a family has."""
    of_families = {config.id for family in FAMILIES for config in family_configs(family)}
    listed = listed_configs()
    return {
        id_: config
        for id_, config in known_configs().items()
        if id_ in listed or id_ in of_families
    }


def find_configs(ids: Sequence[str]) -> tuple[Config, ...]:
    """Configs by id, in the order asked, repeated ones once. Raises InputError for an unknown
    one."""
    known = known_configs()
    for id_ in ids:
        if id_ not in known:
            raise InputError(
                f"There is no config '{id_}'. A config is MODEL-PRECISION: models "
                f"{', '.join(MODELS)}; precisions {', '.join(PRECISIONS)}. For a model of your "
                "own use --model with --precision."
            )
    return tuple(known[id_] for id_ in dict.fromkeys(ids))


def own_configs(source: str, precisions: Sequence[str]) -> tuple[Config, ...]:
    """Configs of a model outside the tables: `source` is a local folder, a GGUF file or a hub id.

    Raises InputError for an unknown precision or a source that is none of them.
    """
    return choose_configs(sources=(source,), precisions=precisions)


def choose_configs(
    *,
    families: Sequence[str] = (),
    ids: Sequence[str] = (),
    sources: Sequence[str] = (),
    names: Sequence[str] = (),
    precisions: Sequence[str] = (),
    taken: Mapping[str, str] | None = None,
) -> tuple[Config, ...]:
    """The configs of families, then those of `ids`, then every model of `sources` at every one of
    `precisions`, each config once. `names` and `taken` are as in `own_models`.

    Where `as-is` is among several precisions, a GGUF file and a folder that is quantised already
    have it alone, and any other model the rest; of a folder it is the label that its files make,
    `gptq-int4`. Raises InputError for what does not exist or does not go together.
    """
    if precisions and not sources:
        raise InputError("--precision goes with --model; a config's id already names its own.")
    if sources and not precisions:
        raise InputError("--model needs at least one --precision, such as bf16, 8bit or 4bit.")
    chosen = [config for family in families for config in family_configs(family)]
    chosen += find_configs(ids)
    wanted = [find_precision(name) for name in dict.fromkeys(precisions)]
    for model in own_models(sources, names, taken):
        own = label_of_files(model)
        as_it_is = own is not None or model.weights == "gguf"
        fitting = [
            own if own and precision.name == AS_IS else precision
            for precision in wanted
            if precision.as_stored is as_it_is
        ]
        chosen += [Config(model, precision) for precision in fitting or wanted]
    return tuple({config.id: config for config in chosen}.values())


def label_of_files(model: Model) -> Precision | None:
    """The label that a local folder runs under as it is, where it is quantised already; None for
    any other model. Raises InputError as `stored_precision` does."""
    return stored_precision(Path(model.source)) if model.weights == "local" else None


def own_models(
    sources: Sequence[str], names: Sequence[str] = (), taken: Mapping[str, str] | None = None
) -> tuple[Model, ...]:
    """Models outside the tables, by folder, GGUF file or hub id, each with a name of its own.

    The i-th of `names` names the i-th source, unless it is empty. Any other that is in `taken`
    (name -> source) keeps the name it has there, and the rest is called by the last part of its
    source; where two sources share that, or it is the catalogue's or one in `taken`, the part
    before it comes in front (`first/model` -> `first-model`), and then a number behind.
    Raises InputError for a source that is none of them, and for a name that is taken or not valid.
    """
    if len(names) > len(sources):
        raise InputError(
            f"--name is given {len(names)} times and --model {len(sources)}: the first --name "
            "names the first --model, and so on."
        )
    models = [_own_model(source) for source in sources]
    used = {model.name: model.source for model in MODELS.values()} | dict(taken or {})
    given = [*names, *[""] * (len(sources) - len(names))]
    for name, model in zip(given, models, strict=True):
        if name:
            _check_name(name, model, used)
            used[name] = model.source
    found = {source: name for name, source in (taken or {}).items()}
    unnamed = {
        model.source: model.name
        for name, model in zip(given, models, strict=True)
        if not name and model.source not in found
    }
    shared = {name for name, count in Counter(unnamed.values()).items() if count > 1}
    for source, short in unnamed.items():
        name = short
        if short in shared or used.get(short, source) != source:
            name = stem = f"{_part_before(source)}-{short}".lstrip("-")
            number = 1
            while used.get(name, source) != source:
                number += 1
                name = f"{stem}-{number}"
        used[name], found[source] = source, name
    return tuple(
        replace(model, name=name or found[model.source])
        for name, model in zip(given, models, strict=True)
    )


def model_of(name: str, source: str, weights: str) -> Model:
    """A model that was run before, by what was stored of it: the catalogue's where it is that."""
    known = next((model for model in MODELS.values() if model.source == source), None)
    if known:
        return replace(known, name=name)
    # Random weights keep the source of their architecture.
    if weights == "gguf" or (weights == "dummy" and is_gguf(Path(source))):
        return Model(name, source, "gguf", _gguf_spec(Path(source)))
    if weights == "hub":
        return Model(name, source, "hub", None)
    return Model(name, source, "local", read_spec(Path(source)))


def _gguf_spec(path: Path) -> ModelSpec | None:
    """The spec of a GGUF file; None where it cannot be read now, as it may not be needed."""
    try:
        return read_gguf(path).spec
    except InputError:
        return None


def _own_model(source: str) -> Model:
    """The model of a folder, a GGUF file or a hub id, under the last part of its source."""
    if not source.strip():
        # As a path it would be the current folder.
        raise InputError(
            "The model is empty. Give the path of a folder with config.json and *.safetensors, a "
            ".gguf file, or a hub id (ORGANISATION/NAME)."
        )
    path = given_path(source)
    if (defect := no_character(str(path.resolve()))) is not None:
        raise InputError(
            f"The path of the model '{source}' is not UTF-8 text: {defect}. Rename it."
        )
    refuse_special(path, "Give a .gguf file, or the folder of a model.")
    if path.is_dir():
        resolved = path.resolve()
        refuse_special_in(resolved)
        return Model(_tidy(resolved.name), str(resolved), "local", read_spec(resolved))
    if path.is_file() or is_gguf(path):
        if not is_gguf(path):
            raise InputError(
                f"'{source}' is a file, but not a GGUF file. Give a .gguf file, or the folder "
                "that holds config.json and *.safetensors."
            )
        file = read_gguf(path)
        resolved = path.resolve()
        return Model(_tidy(resolved.stem), str(resolved), "gguf", file.spec)
    if source.count("/") == 1 and not source.startswith((".", "/", "~")):
        known = next((model for model in MODELS.values() if model.source == source), None)
        return known or Model(_tidy(source.split("/")[1]), source, "hub", None)
    raise InputError(
        f"'{source}' is neither a model folder, nor a GGUF file, nor a hub id (ORGANISATION/NAME). "
        "Give the path of a folder with config.json and *.safetensors, or a hub id."
    )


def _check_name(name: str, model: Model, used: Mapping[str, str]) -> None:
    if not NAME.fullmatch(name):
        raise InputError(
            f"--name '{name}' cannot be part of a config's id: use letters, digits, "
            '"_", "-", "." and "+" only, beginning with a letter or digit.'
        )
    if used.get(name, model.source) != model.source:
        raise InputError(
            f"--name {name} is the name of another model, {used[name]}. Choose another."
        )


def _part_before(source: str) -> str:
    """What the folder above is called, or the organisation of a hub id."""
    return _tidy(Path(source).parent.name)


def _tidy(name: str) -> str:
    """A name as config ids can have it: whatever else it holds becomes dashes."""
    return re.sub(r"[^\w.+-]+", "-", name).strip("-") or "model"
