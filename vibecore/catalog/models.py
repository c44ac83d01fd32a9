"""Models, families and the configs they make with the precisions, as literal tables.

A new model is one entry in MODELS, a new family one in FAMILIES.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vibecore.catalog.architectures import ModelSpec, read_spec, spec_of
from vibecore.catalog.demo_models import MODELS_DIR as DEMO_MODELS_DIR
from vibecore.catalog.precisions import PRECISIONS, Precision, find_precision
from vibecore.core.errors import InputError
from vibecore.core.records import Kind


@dataclass(frozen=True)
class Model:
    """A checkpoint. `weights` is `hub`, `local` or `demo`; `source` the hub id, the folder, or
    `demo/NAME` for a model that ships with Vibe check. `spec` is None where the architecture is
    not known, `kind` where the checkpoint's files have to say it. `access` says how to get access
    to a gated one."""

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
        """Weight bytes from the architecture; None where the architecture is not known."""
        return self.precision.weight_bytes(self.model.spec) if self.model.spec else None


# What the config.json files of the Qwen2.5 repositories have in common.
_QWEN_25 = {
    "model_type": "qwen2",
    "vocab_size": 151_936,
    "rope_theta": 1_000_000.0,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}

MODELS: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(
            "0.5B",
            "Qwen/Qwen2.5-0.5B",
            "hub",
            spec_of(
                {
                    **_QWEN_25,
                    "hidden_size": 896,
                    "intermediate_size": 4_864,
                    "num_hidden_layers": 24,
                    "num_attention_heads": 14,
                    "num_key_value_heads": 2,
                    "max_position_embeddings": 32_768,
                }
            ),
        ),
        Model(
            "1.5B",
            "Qwen/Qwen2.5-1.5B",
            "hub",
            spec_of(
                {
                    **_QWEN_25,
                    "hidden_size": 1_536,
                    "intermediate_size": 8_960,
                    "num_hidden_layers": 28,
                    "num_attention_heads": 12,
                    "num_key_value_heads": 2,
                    "max_position_embeddings": 131_072,
                }
            ),
        ),
        Model("1M", "demo/1M", "demo", read_spec(DEMO_MODELS_DIR / "1M")),
        Model("5M", "demo/5M", "demo", read_spec(DEMO_MODELS_DIR / "5M")),
    )
}

PUBLISHED_PRECISIONS = ("bf16", "8bit", "4bit")

# family -> (models, precisions); its configs are their product, in this order.
FAMILIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "qwen2.5": (("0.5B", "1.5B"), PUBLISHED_PRECISIONS),
    "demo": (("1M", "5M"), PUBLISHED_PRECISIONS),
}


def family_configs(family: str) -> tuple[Config, ...]:
    """The configs of a family. Raises InputError for a family that does not exist."""
    if family not in FAMILIES:
        raise InputError(f"There is no family '{family}'. Families: {', '.join(FAMILIES)}.")
    models, precisions = FAMILIES[family]
    return tuple(Config(MODELS[m], PRECISIONS[p]) for m in models for p in precisions)


def known_configs() -> dict[str, Config]:
    """Every config the tables make, by id, at every precision."""
    configs = (Config(m, p) for m in MODELS.values() for p in PRECISIONS.values())
    return {config.id: config for config in configs}


def listed_configs() -> dict[str, Config]:
    """The known configs that forms and suggestions offer, by id."""
    return {id_: config for id_, config in known_configs().items() if config.precision.listed}


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
    """Configs of a model outside the tables: `source` is a local folder or a hub id.

    Raises InputError for an unknown precision or a source that is neither.
    """
    chosen = [find_precision(name) for name in dict.fromkeys(precisions)]
    folder = Path(source).expanduser()
    if folder.is_dir():
        resolved = folder.resolve()
        model = Model(resolved.name, str(resolved), "local", read_spec(resolved))
    elif source.count("/") == 1 and not source.startswith((".", "/", "~")):
        known = next((m for m in MODELS.values() if m.source == source), None)
        model = known or Model(source.split("/")[1], source, "hub", None)
    else:
        raise InputError(
            f"'{source}' is neither a model folder nor a hub id (ORGANISATION/NAME). "
            "Give the path of a folder with config.json and *.safetensors, or a hub id."
        )
    return tuple(Config(model, precision) for precision in chosen)
