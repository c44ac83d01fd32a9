"""Model architectures as specs, read from a checkpoint's config.json. Needs no torch.

A spec says everything about an architecture that memory estimates, dummy weights, messages and
engine `graph` need: its shapes, biases, norms, activation and rotary embedding, and the name and
shape of every weight. A new architecture is one entry in ARCHITECTURES: what differs from Llama's
block, which all of them are built on. Field names and defaults are those of transformers'
configuration classes (models/*/configuration_*.py); where config.json leaves a field out, the
entry's default stands.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

RawConfig = Mapping[str, Any]
# `rms` scales by its weight; `rms_plus_one` by one plus its weight, before rounding (Gemma).
NormKind = Literal["rms", "rms_plus_one"]
# config.json's name for an activation -> ours.
ACTIVATIONS: Mapping[str, str] = {
    "silu": "silu",
    "swish": "silu",
    "gelu_pytorch_tanh": "gelu_tanh",
}
# config.json's sizes -> the most that a file may say; those of models are a hundredth of them.
MOST_SIZES: Mapping[str, int] = {
    "num_hidden_layers": 10_000,
    "num_attention_heads": 100_000,
    "num_key_value_heads": 100_000,
    "head_dim": 1_000_000,
    "hidden_size": 10_000_000,
    "intermediate_size": 100_000_000,
    "vocab_size": 1_000_000_000,
    "max_position_embeddings": 10**12,
    "sliding_window": 10**12,
    "sliding_window_pattern": 10_000,
    "max_window_layers": 10_000,
}
# Its numbers that are above zero.
FIGURES = (
    "rms_norm_eps",
    "rope_theta",
    "rope_local_base_freq",
    "query_pre_attn_scalar",
    "final_logit_softcapping",
    "attn_logit_softcapping",
)
MOST_FIGURE = 1e15
# What a quantiser stores in another format is "linear"; the rest stays in 16 bit.
WeightKind = Literal["embedding", "linear", "bias", "norm", "head"]


@dataclass(frozen=True)
class Weight:
    """One tensor of a checkpoint: its name in the file, its shape, and what it is."""

    name: str
    shape: tuple[int, ...]
    kind: WeightKind

    @property
    def parameters(self) -> int:
        """Numbers in the tensor."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Rope:
    """Rotary position embedding (arXiv 2104.09864): base `theta`, and transformers' name for how
    it is scaled to longer contexts (`default` for not at all)."""

    theta: float
    kind: str = "default"


@dataclass(frozen=True)
class ModelSpec:
    """The architecture of one checkpoint.

    `windows` has one entry a layer: how many tokens its attention looks back over, None for all.
    `local_rope` is the rotary embedding of layers with a window where it is another.
    `block_norms` is how many norms a layer has around attention and MLP: 2 before them, or 4,
    before and after. `attention_scale` multiplies query · key. `raw` is config.json itself,
    which comparing two specs leaves out.
    """

    model_type: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    context: int
    tied: bool
    norm_epsilon: float
    rope: Rope
    query_key_value_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    query_key_norm: bool = False
    norm: NormKind = "rms"
    block_norms: int = 2
    activation: str = "silu"
    attention_scale: float = 0.0
    embedding_scale: float = 1.0
    windows: tuple[int | None, ...] = ()
    local_rope: Rope | None = None
    logit_softcap: float | None = None
    attention_softcap: float | None = None
    raw: RawConfig | None = field(default=None, compare=False, repr=False)

    def weights(self) -> Iterator[Weight]:
        """Every tensor of the checkpoint, by its name in the file; a tied head has none."""
        hidden = self.hidden_size
        yield Weight("model.embed_tokens.weight", (self.vocab_size, hidden), "embedding")
        for layer in range(self.layers):
            yield from self._layer_weights(f"model.layers.{layer}.")
        yield Weight("model.norm.weight", (hidden,), "norm")
        if not self.tied:
            yield Weight("lm_head.weight", (self.vocab_size, hidden), "head")

    def _layer_weights(self, prefix: str) -> Iterator[Weight]:
        hidden, wide = self.hidden_size, self.intermediate_size
        queries, keys = self.heads * self.head_size, self.kv_heads * self.head_size
        linears = (
            ("self_attn.q_proj", queries, hidden, self.query_key_value_bias),
            ("self_attn.k_proj", keys, hidden, self.query_key_value_bias),
            ("self_attn.v_proj", keys, hidden, self.query_key_value_bias),
            ("self_attn.o_proj", hidden, queries, self.output_bias),
            ("mlp.gate_proj", wide, hidden, self.mlp_bias),
            ("mlp.up_proj", wide, hidden, self.mlp_bias),
            ("mlp.down_proj", hidden, wide, self.mlp_bias),
        )
        for name, rows, columns, bias in linears:
            yield Weight(f"{prefix}{name}.weight", (rows, columns), "linear")
            if bias:
                yield Weight(f"{prefix}{name}.bias", (rows,), "bias")
        if self.query_key_norm:
            for name in ("self_attn.q_norm", "self_attn.k_norm"):
                yield Weight(f"{prefix}{name}.weight", (self.head_size,), "norm")
        norms = ["input_layernorm", "post_attention_layernorm"]
        if self.block_norms == 4:
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in norms:
            yield Weight(f"{prefix}{name}.weight", (hidden,), "norm")

    @property
    def parameters(self) -> int:
        """All parameters, a tied head counted once."""
        return sum(weight.parameters for weight in self.weights())

    @property
    def linear_parameters(self) -> int:
        """Parameters of all linear layers, biases and head left out: what a quantiser stores."""
        return sum(weight.parameters for weight in self.weights() if weight.kind == "linear")


def spec_of(raw: RawConfig) -> ModelSpec | None:
    """The spec of a config.json; None for an architecture that is not in ARCHITECTURES, or where
    a field that every one of them needs is missing or holds what no model has."""
    read = ARCHITECTURES.get(str(raw.get("model_type")))
    return _read(read, raw) if read else None


def _read(reader: Callable[[RawConfig], ModelSpec], raw: RawConfig) -> ModelSpec | None:
    """A spec by its reader; None where a field is missing or absurd."""
    try:
        _refuse_absurd(raw)
        spec = reader(raw)
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError):
        return None
    sizes = (spec.vocab_size, spec.hidden_size, spec.intermediate_size, spec.kv_heads, spec.context)
    whole = all(type(size) is int for size in (*sizes, spec.layers, spec.heads, spec.head_size))
    return spec if whole and len(spec.windows) == spec.layers else None


def _refuse_absurd(raw: RawConfig) -> None:
    """Raise ValueError for a size that no model has: a list a layer long is made of it, and other
    sizes are computed from it."""
    for name, most in MOST_SIZES.items():
        size = raw.get(name)
        if size is not None and (type(size) is not int or not 0 <= size <= most):
            raise ValueError(f"{name} is {size}")
    for name in FIGURES:
        figure = raw.get(name)
        if figure is not None and not (type(figure) in (int, float) and 0 < figure <= MOST_FIGURE):
            raise ValueError(f"{name} is {figure}")


def read_spec(folder: Path) -> ModelSpec | None:
    """The spec in a model folder's config.json; None where there is none that is known."""
    return spec_of(_read_config(folder))


def rough_spec(folder: Path) -> ModelSpec | None:
    """The shape in a model folder's config.json, read as Llama's block whatever its architecture:
    good for sizes and for nothing else. None where a field is missing."""
    return _read(_llama, _read_config(folder))


def is_tied(folder: Path) -> bool:
    """Whether a model folder's config.json says that head and embedding are one matrix."""
    return bool(_read_config(folder).get("tie_word_embeddings", False))


def _read_config(folder: Path) -> RawConfig:
    """A folder's config.json; empty where it is absent or holds no object."""
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _llama(raw: RawConfig) -> ModelSpec:
    """Llama's own block. Raises KeyError for a missing field that has no default."""
    heads, layers = raw["num_attention_heads"], raw["num_hidden_layers"]
    head_size = raw.get("head_dim") or raw["hidden_size"] // heads
    bias = bool(raw.get("attention_bias", False))
    rope = raw.get("rope_parameters") or raw.get("rope_scaling") or {}
    return ModelSpec(
        model_type=raw["model_type"],
        vocab_size=raw["vocab_size"],
        hidden_size=raw["hidden_size"],
        intermediate_size=raw["intermediate_size"],
        layers=layers,
        heads=heads,
        kv_heads=raw.get("num_key_value_heads") or heads,
        head_size=head_size,
        context=raw["max_position_embeddings"],
        tied=bool(raw.get("tie_word_embeddings", False)),
        norm_epsilon=raw.get("rms_norm_eps", 1e-6),
        rope=_rope(rope, raw.get("rope_theta") or 10_000.0),
        query_key_value_bias=bias,
        output_bias=bias,
        mlp_bias=bool(raw.get("mlp_bias", False)),
        activation=_activation(raw.get("hidden_act", "silu")),
        attention_scale=head_size**-0.5,
        windows=(None,) * layers,
        raw=dict(raw),
    )


def _mistral(raw: RawConfig) -> ModelSpec:
    window = raw.get("sliding_window", 4096)
    spec = _llama_without_mlp_bias({**raw, "attention_bias": False})
    return replace(spec, windows=(window,) * spec.layers, raw=dict(raw))


def _llama_without_mlp_bias(raw: RawConfig) -> ModelSpec:
    """Of Llama's heirs none reads `mlp_bias`; a file may have it all the same."""
    return replace(_llama(raw), mlp_bias=False)


def _qwen2(raw: RawConfig) -> ModelSpec:
    return replace(
        _llama_without_mlp_bias(raw),
        query_key_value_bias=True,
        output_bias=False,
        windows=_qwen_windows(raw),
    )


def _qwen3(raw: RawConfig) -> ModelSpec:
    spec = _llama_without_mlp_bias({"head_dim": 128, **raw})
    return replace(spec, query_key_norm=True, windows=_qwen_windows(raw))


def _gemma3_text(raw: RawConfig) -> ModelSpec:
    spec = _llama_without_mlp_bias({"head_dim": 256, "tie_word_embeddings": True, **raw})
    rope = raw.get("rope_parameters") or {}
    whole = rope.get("full_attention") or raw.get("rope_scaling") or {}
    kinds = raw.get("layer_types")
    if kinds is None:
        every = raw.get("sliding_window_pattern") or 6
        kinds = ["sliding" if (layer + 1) % every else "full" for layer in range(spec.layers)]
    window = raw.get("sliding_window", 4096)
    return replace(
        spec,
        rope=_rope(whole, raw.get("rope_theta") or 1_000_000.0),
        local_rope=_rope(
            rope.get("sliding_attention") or {}, raw.get("rope_local_base_freq") or 10_000.0
        ),
        query_key_norm=True,
        norm="rms_plus_one",
        block_norms=4,
        activation=_activation(raw.get("hidden_activation", "gelu_pytorch_tanh")),
        attention_scale=raw.get("query_pre_attn_scalar", 256) ** -0.5,
        embedding_scale=spec.hidden_size**0.5,
        windows=tuple(window if kind.startswith("sliding") else None for kind in kinds),
        logit_softcap=raw.get("final_logit_softcapping"),
        attention_softcap=raw.get("attn_logit_softcapping"),
    )


# config.json's model_type -> the reader of its spec. Gemma 3's text models are `gemma3_text`.
ARCHITECTURES: Mapping[str, Callable[[RawConfig], ModelSpec]] = {
    "qwen2": _qwen2,
    "llama": _llama,
    "mistral": _mistral,
    "qwen3": _qwen3,
    "gemma3_text": _gemma3_text,
}


def _qwen_windows(raw: RawConfig) -> tuple[int | None, ...]:
    """With `use_sliding_window`, layers from `max_window_layers` on have a window."""
    layers = raw["num_hidden_layers"]
    if not raw.get("use_sliding_window", False):
        return (None,) * layers
    window = raw.get("sliding_window", 4096)
    if kinds := raw.get("layer_types"):
        return tuple(window if kind.startswith("sliding") else None for kind in kinds)
    first = raw.get("max_window_layers", 28)
    return tuple(window if layer >= first else None for layer in range(layers))


def _rope(raw: RawConfig, theta: float) -> Rope:
    """From `rope_parameters` (transformers 5) or `rope_scaling` (4, where `type` was the kind)."""
    kind = raw.get("rope_type") or raw.get("type") or "default"
    return Rope(float(raw.get("rope_theta") or theta), kind)


def _activation(name: str) -> str:
    """Our name of an activation; an unknown one keeps the name it has."""
    return ACTIVATIONS.get(name, name)
