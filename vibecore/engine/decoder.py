"""A loaded model taken apart for engine `graph`, and the reason where that cannot be done exactly.

The shapes and formulas come from the model's spec (catalog/architectures.py), the weights from its
modules, which keep working: what is joined here, they see as views.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from vibecore.catalog.architectures import ARCHITECTURES, ModelSpec, spec_of
from vibecore.core.errors import RunError
from vibecore.engine.arithmetic import ACTIVATIONS, NORMS, Activation, Norm, norm_weight
from vibecore.engine.linear.join import is_supported, join
from vibecore.engine.linear.projection import Arranged, Projection

# Rotary embeddings whose angles depend on a token's position alone. Those of the others
# (`dynamic`, `longrope`) change with the length reached, so one table cannot hold them.
STATIC_ROPES = ("default", "linear", "llama3", "yarn")


@dataclass(frozen=True)
class Layer:
    """One transformer block. Norm weights are as arithmetic.norm_weight makes them, [hidden].

    `query_key_norm` [heads + KV heads, head size], `attention_output_norm` and `mlp_output_norm`
    are None where the architecture has none. `window` is how many tokens attention looks back
    over, its own included, None for all; `rope` says which of the cache's rotary tables it uses.
    """

    input_norm: torch.Tensor
    query_key_value: Projection
    query_key_norm: torch.Tensor | None
    output: Projection
    attention_output_norm: torch.Tensor | None
    post_norm: torch.Tensor
    gate_up: Projection
    down: Projection
    mlp_output_norm: torch.Tensor | None
    window: int | None
    rope: int


@dataclass(frozen=True)
class Decoder:
    """A model taken apart for decoding. `embedding` is [vocabulary, hidden], `embedding_scale` a
    single number in its dtype or None; `outlier_threshold` is LLM.int8()'s, 0 for every other
    precision. `recordings` keeps what a GPU recorded, by (rows, length)."""

    model: PreTrainedModel
    spec: ModelSpec
    layers: tuple[Layer, ...]
    embedding: torch.Tensor
    embedding_scale: torch.Tensor | None
    norm: torch.Tensor
    head: Projection
    normalise: Norm
    activate: Activation
    outlier_threshold: float
    recordings: dict[tuple[int, int], Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device

    @property
    def dtype(self) -> torch.dtype:
        """What is computed in."""
        return self.embedding.dtype

    def arrange(self, rows: int) -> None:
        """Have every weight in the layout that suits decoding `rows` sequences at a time."""
        for layer in self.layers:
            for projection in (layer.query_key_value, layer.output, layer.gate_up, layer.down):
                if isinstance(projection, Arranged):
                    projection.arrange(rows)


def why_not(model: PreTrainedModel) -> str | None:
    """Why engine `graph` cannot decode a model exactly; None when it can."""
    spec = spec_of(model.config.to_dict())
    if spec is None:
        known = ", ".join(ARCHITECTURES)
        return f"engine graph does not know the architecture '{model.config.model_type}' ({known})"
    ropes = [rope.kind for rope in (spec.rope, spec.local_rope) if rope is not None]
    unknown_ropes = [kind for kind in ropes if kind not in STATIC_ROPES]
    if unknown_ropes:
        return f"the rotary embedding '{unknown_ropes[0]}' depends on the length of the text"
    if spec.activation not in ACTIVATIONS:
        return f"engine graph does not know the activation '{spec.activation}'"
    if spec.logit_softcap is not None or spec.attention_softcap is not None:
        return "engine graph does not cap logits"
    if (spec.raw or {}).get("use_bidirectional_attention"):
        return "engine graph decodes causal attention only"
    difference = {weight.name for weight in spec.weights()} ^ set(_weight_names(model))
    if difference:
        return f"the weight '{min(difference)}' is not as the architecture's spec has it"
    computed_in = _four_bit_dtypes(model) - {model.dtype}
    if computed_in:
        other, own = (str(one).removeprefix("torch.") for one in (computed_in.pop(), model.dtype))
        return f"the folder has its 4-bit weights computed in {other}, the rest in {own}"
    groups = [
        (model.lm_head,),
        *(group for block in model.model.layers for group in _joined(block)),
    ]
    unknown = next((group[0] for group in groups if not is_supported(*group)), None)
    if unknown is not None:
        stored = type(unknown.weight.data).__name__
        return f"engine graph has no product for {type(unknown).__name__} with a {stored} weight"
    return None


def build_decoder(model: PreTrainedModel) -> Decoder:
    """Take a loaded model apart. Raises RunError with the reason where `why_not` has one."""
    reason = why_not(model)
    spec = spec_of(model.config.to_dict())
    if reason or spec is None:
        raise RunError(f"{reason}. Use --engine eager.")
    embedding = model.model.embed_tokens
    scale = embedding.embed_scale.to(embedding.weight) if spec.embedding_scale != 1.0 else None
    return Decoder(
        model=model,
        spec=spec,
        layers=tuple(
            _take_layer(spec, number, block) for number, block in enumerate(model.model.layers)
        ),
        embedding=embedding.weight.data,
        embedding_scale=scale,
        norm=norm_weight(spec.norm, model.model.norm.weight.data),
        head=join(model.lm_head),
        normalise=NORMS[spec.norm],
        activate=ACTIVATIONS[spec.activation],
        outlier_threshold=outlier_threshold(model),
    )


def _take_layer(spec: ModelSpec, number: int, block: Any) -> Layer:
    def weight_of(norm: Any) -> torch.Tensor:
        return norm_weight(spec.norm, norm.weight.data)

    attention, four = block.self_attn, spec.block_norms == 4
    query_key_value, output, gate_up, down = _joined(block)
    query_key_norm = None
    if spec.query_key_norm:
        # One weight a head, so that queries and keys are normalised as the rows of one tensor.
        norms = (attention.q_norm, spec.heads), (attention.k_norm, spec.kv_heads)
        query_key_norm = torch.cat([weight_of(norm).expand(count, -1) for norm, count in norms])
    window = spec.windows[number]
    return Layer(
        input_norm=weight_of(block.input_layernorm),
        query_key_value=join(*query_key_value),
        query_key_norm=query_key_norm,
        output=join(*output),
        # transformers names a block's second norm alike whether it is before the MLP or after
        # attention.
        attention_output_norm=weight_of(block.post_attention_layernorm) if four else None,
        post_norm=weight_of(
            block.pre_feedforward_layernorm if four else block.post_attention_layernorm
        ),
        gate_up=join(*gate_up),
        down=join(*down),
        mlp_output_norm=weight_of(block.post_feedforward_layernorm) if four else None,
        window=window,
        rope=1 if spec.local_rope is not None and window is not None else 0,
    )


def _joined(block: Any) -> tuple[tuple[nn.Linear, ...], ...]:
    """A block's linear layers, those that read the same input together."""
    attention, mlp = block.self_attn, block.mlp
    return (
        (attention.q_proj, attention.k_proj, attention.v_proj),
        (attention.o_proj,),
        (mlp.gate_proj, mlp.up_proj),
        (mlp.down_proj,),
    )


def _four_bit_dtypes(model: PreTrainedModel) -> set[torch.dtype]:
    """What bitsandbytes' 4-bit layers are set to compute in (bnb_4bit_compute_dtype); of our own
    precisions the model's type, of a folder that was quantised elsewhere often float32."""
    layers: list[Any] = [
        module for module in model.modules() if type(module).__name__ == "Linear4bit"
    ]
    return {layer.compute_dtype for layer in layers if layer.compute_dtype is not None}


def _weight_names(model: PreTrainedModel) -> list[str]:
    """Names as in the checkpoint; a tied head shares the embedding's and is listed once."""
    return [name for name, _ in model.named_parameters()]


def outlier_threshold(model: PreTrainedModel) -> float:
    """LLM.int8()'s outlier threshold; 0 for every other precision."""
    states = (module.state for module in model.modules() if type(module).__name__ == "Linear8bitLt")
    return next((float(getattr(state, "threshold", 0.0)) for state in states), 0.0)
