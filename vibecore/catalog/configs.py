"""Models, precisions and the configs made of them, as literal tables.

A new model is one line in MODELS, a new precision one line in PRECISIONS. Memory estimates
count weights only, from the architecture, so they need neither the weights nor torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.core.errors import InputError

GIB = 1024**3
# Storage of 16-bit, LLM.int8() and NF4 weights. LLM.int8() keeps one float32 scale per output
# row (arXiv 2208.07339); NF4 keeps one float32 scale per block of 64 (arXiv 2305.14314,
# without double quantisation).
NF4_BLOCK = 64
SCALE_BYTES = 4


@dataclass(frozen=True)
class Precision:
    """How the linear layers of a model are stored; embeddings and head stay in 16 bit."""

    name: str
    dtype: str
    weight_bits: int
    title: str
    outlier_threshold: float | None = None


PRECISIONS = {
    "bf16": Precision("bf16", "bfloat16", 16, "bfloat16"),
    "fp16": Precision("fp16", "float16", 16, "float16"),
    "8bit": Precision("8bit", "bfloat16", 8, "LLM.int8(), outlier threshold 6.0", 6.0),
    "8bit-t0": Precision("8bit-t0", "bfloat16", 8, "LLM.int8() without outliers", 0.0),
    "4bit": Precision("4bit", "bfloat16", 4, "NF4, blocks of 64, computed in bfloat16"),
}


@dataclass(frozen=True)
class Architecture:
    """The shape of a Qwen2 checkpoint, as in its config.json."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    rope_theta: float = 1_000_000.0
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = True

    @property
    def linear_shapes(self) -> tuple[tuple[int, int], ...]:
        """(out, in) of one layer's linear weights, those that a quantiser replaces."""
        key_value = self.hidden_size // self.num_attention_heads * self.num_key_value_heads
        hidden, intermediate = self.hidden_size, self.intermediate_size
        attention = ((hidden, hidden), (key_value, hidden), (key_value, hidden), (hidden, hidden))
        return (
            *attention,
            (intermediate, hidden),
            (intermediate, hidden),
            (hidden, intermediate),
        )

    @property
    def linear_parameters(self) -> int:
        """Parameters of all linear layers, biases and head left out."""
        return self.num_hidden_layers * sum(rows * cols for rows, cols in self.linear_shapes)

    @property
    def other_parameters(self) -> int:
        """Embeddings, untied head, norms and the query, key and value biases."""
        query, key, value = (rows for rows, _ in self.linear_shapes[:3])
        per_layer = query + key + value + 2 * self.hidden_size
        embeddings = self.vocab_size * self.hidden_size * (1 if self.tie_word_embeddings else 2)
        return embeddings + self.hidden_size + self.num_hidden_layers * per_layer

    @property
    def parameters(self) -> int:
        """All parameters, shared ones counted once."""
        return self.linear_parameters + self.other_parameters

    def weight_bytes(self, precision: Precision) -> int:
        """Bytes the weights occupy once loaded at `precision`."""
        other = 2 * self.other_parameters
        if precision.weight_bits == 16:
            return other + 2 * self.linear_parameters
        if precision.weight_bits == 8:
            rows = self.num_hidden_layers * sum(rows for rows, _ in self.linear_shapes)
            return other + self.linear_parameters + SCALE_BYTES * rows
        return (
            other + self.linear_parameters // 2 + SCALE_BYTES * self.linear_parameters // NF4_BLOCK
        )


@dataclass(frozen=True)
class Model:
    """A checkpoint. `weights` is `hub`, `local` or `demo`; `source` the hub id, the folder, or
    `demo/NAME` for a model that ships with Vibe check."""

    name: str
    source: str
    weights: str
    architecture: Architecture | None


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
        """Weight bytes from the architecture; None where the architecture is not known."""
        if self.model.architecture is None:
            return None
        return self.model.architecture.weight_bytes(self.precision)


def read_architecture(folder: Path) -> Architecture | None:
    """The shape in a model folder's config.json; None for anything but a Qwen2 checkpoint."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(raw, dict) or raw.get("model_type") != "qwen2":
        return None
    rope = raw.get("rope_parameters") or {}
    try:
        return Architecture(
            vocab_size=raw["vocab_size"],
            hidden_size=raw["hidden_size"],
            intermediate_size=raw["intermediate_size"],
            num_hidden_layers=raw["num_hidden_layers"],
            num_attention_heads=raw["num_attention_heads"],
            num_key_value_heads=raw["num_key_value_heads"],
            max_position_embeddings=raw["max_position_embeddings"],
            rope_theta=raw.get("rope_theta") or rope.get("rope_theta", 10_000.0),
            rms_norm_eps=raw.get("rms_norm_eps", 1e-6),
            tie_word_embeddings=raw.get("tie_word_embeddings", False),
        )
    except KeyError:
        return None


# Shapes as in the config.json of each hub repository.
QWEN_05B = Architecture(151_936, 896, 4_864, 24, 14, 2, 32_768)
QWEN_15B = Architecture(151_936, 1_536, 8_960, 28, 12, 2, 131_072)


def _demo_model(name: str) -> Model:
    return Model(name, f"demo/{name}", "demo", read_architecture(DEMO_MODELS_DIR / name))


MODELS = {
    "0.5B": Model("0.5B", "Qwen/Qwen2.5-0.5B", "hub", QWEN_05B),
    "1.5B": Model("1.5B", "Qwen/Qwen2.5-1.5B", "hub", QWEN_15B),
    "1M": _demo_model("1M"),
    "5M": _demo_model("5M"),
}

PUBLISHED_PRECISIONS = ("bf16", "8bit", "4bit")

# family -> (models, precisions); its configs are their product, in this order.
FAMILIES = {
    "qwen2.5": (("0.5B", "1.5B"), PUBLISHED_PRECISIONS),
    "demo": (("1M", "5M"), PUBLISHED_PRECISIONS),
}


def why_left(environment: Mapping[str, Any], batch_size: int) -> str | None:
    """Why engine `eager` decoded what engine `graph` was asked for, by a run's recorded
    environment; None where the engine that was asked for did."""
    if environment.get("engine") != "graph":
        return None
    if (left := environment.get("left_to_eager")) is not None:
        return left["batch" if batch_size > 1 else "single"]
    # Runs from before the reason was recorded: on a GPU LLM.int8() with outliers was left to eager
    # in batches, and without Triton.
    precision = PRECISIONS.get(environment.get("precision", ""))
    if environment.get("device") != "cuda" or precision is None or not precision.outlier_threshold:
        return None
    if batch_size > 1:
        return "batches of LLM.int8() with outliers cannot be captured"
    kernels = environment.get("kernels")
    return None if kernels == "triton" else f"LLM.int8() with outliers needs Triton ({kernels})"


def decoded_by(environment: Mapping[str, Any], batch_size: int) -> str | None:
    """The engine that decoded, by a run's recorded environment; None where it has none."""
    return "eager" if why_left(environment, batch_size) else environment.get("engine")


def left_to(environment: Mapping[str, Any], batch_size: int) -> str | None:
    """The engine that decoded in place of the one asked for; None where that one did."""
    engine = decoded_by(environment, batch_size)
    return engine if engine != environment.get("engine") else None


def engine_in_words(engine: str, environment: Mapping[str, Any], batch_size: int) -> str:
    """The engine that was asked for, and the one that decoded where it is another."""
    other = left_to(environment, batch_size)
    return f"{engine} (by {other})" if other else engine


def family_configs(family: str) -> tuple[Config, ...]:
    """The configs of a family. Raises InputError for a family that does not exist."""
    if family not in FAMILIES:
        raise InputError(f"There is no family '{family}'. Families: {', '.join(FAMILIES)}.")
    models, precisions = FAMILIES[family]
    return tuple(Config(MODELS[m], PRECISIONS[p]) for m in models for p in precisions)


def known_configs() -> dict[str, Config]:
    """Every config the tables can make, by id, at every precision."""
    configs = (Config(m, p) for m in MODELS.values() for p in PRECISIONS.values())
    return {config.id: config for config in configs}


def find_configs(ids: Sequence[str]) -> tuple[Config, ...]:
    """Configs by id, in the order asked. Raises InputError for an unknown or repeated one."""
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
    """Configs of a model outside the tables: `source` is a local folder or a hub id.

    Raises InputError for an unknown precision or a source that is neither.
    """
    unknown = [p for p in precisions if p not in PRECISIONS]
    if unknown:
        raise InputError(
            f"There is no precision '{unknown[0]}'. Precisions: {', '.join(PRECISIONS)}."
        )
    folder = Path(source).expanduser()
    if folder.is_dir():
        resolved = folder.resolve()
        model = Model(resolved.name, str(resolved), "local", read_architecture(resolved))
    elif source.count("/") == 1 and not source.startswith((".", "/", "~")):
        known = next((m for m in MODELS.values() if m.source == source), None)
        model = known or Model(source.split("/")[1], source, "hub", None)
    else:
        raise InputError(
            f"'{source}' is neither a model folder nor a hub id (ORGANISATION/NAME). "
            "Give the path of a folder with config.json and *.safetensors, or a hub id."
        )
    return tuple(Config(model, PRECISIONS[p]) for p in dict.fromkeys(precisions))
