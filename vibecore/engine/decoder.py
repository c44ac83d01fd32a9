"""One decode step of a Qwen2 checkpoint, as short as it can be: what engine `graph` repeats.

The same arithmetic in the same order as transformers' own model (models/qwen2), rounding
included, without its modules between. The prompt still goes through transformers' forward pass;
its keys and values are then copied into a cache of fixed size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedModel

from vibecore.core.errors import RunError
from vibecore.engine.linear.dense import Projection, join


@dataclass(frozen=True)
class Layer:
    """One transformer block: its two norms' weights and its four projections."""

    input_norm: torch.Tensor
    query_key_value: Projection
    output: Projection
    post_norm: torch.Tensor
    gate_up: Projection
    down: Projection


@dataclass(frozen=True)
class Decoder:
    """A model taken apart for decoding. `captures` keeps what a GPU recorded, by shape."""

    model: PreTrainedModel
    layers: tuple[Layer, ...]
    embedding: torch.Tensor
    norm: torch.Tensor
    head: Projection
    heads: int
    key_heads: int
    head_size: int
    epsilon: float
    outlier_threshold: float
    captures: dict[tuple[int, int], Any] = field(default_factory=dict)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embedding.device


@dataclass
class Cache:
    """Keys and values of every layer, [rows, key heads, length, head size], and the rotary tables
    [length, head size]; `padding` is how many slots before each row's first token are unused,
    `tickets` int32 [rows · heads] are for a GPU's kernel of attention (kernels_attention.py)."""

    keys: list[torch.Tensor]
    values: list[torch.Tensor]
    cosine: torch.Tensor
    sine: torch.Tensor
    padding: torch.Tensor
    tickets: torch.Tensor

    @property
    def length(self) -> int:
        """Slots a row has."""
        return self.keys[0].shape[2]

    def keep(self, rows: list[int]) -> None:
        """Let all other rows leave."""
        index = torch.tensor(rows, device=self.padding.device)
        self.keys = [keys[index] for keys in self.keys]
        self.values = [values[index] for values in self.values]
        self.padding = self.padding[index]


def build_decoder(model: PreTrainedModel) -> Decoder:
    """Take a loaded model apart. Raises RunError for anything but a plain Qwen2 checkpoint."""
    config = model.config
    if config.model_type != "qwen2" or getattr(config, "use_sliding_window", False):
        raise RunError(
            f"Engine graph decodes Qwen2 checkpoints with full attention; this one is "
            f"'{config.model_type}'. Use --engine eager."
        )
    layers = tuple(
        Layer(
            input_norm=layer.input_layernorm.weight.data,
            query_key_value=join(
                layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj
            ),
            output=join(layer.self_attn.o_proj),
            post_norm=layer.post_attention_layernorm.weight.data,
            gate_up=join(layer.mlp.gate_proj, layer.mlp.up_proj),
            down=join(layer.mlp.down_proj),
        )
        for layer in model.model.layers
    )
    return Decoder(
        model=model,
        layers=layers,
        embedding=model.model.embed_tokens.weight.data,
        norm=model.model.norm.weight.data,
        head=join(model.lm_head),
        heads=config.num_attention_heads,
        key_heads=config.num_key_value_heads,
        head_size=config.hidden_size // config.num_attention_heads,
        epsilon=config.rms_norm_eps,
        outlier_threshold=_outlier_threshold(model),
    )


def _outlier_threshold(model: PreTrainedModel) -> float:
    """LLM.int8()'s threshold; 0 for every other precision."""
    state = getattr(model.model.layers[0].self_attn.q_proj, "state", None)
    return getattr(state, "threshold", 0.0)


def new_cache(decoder: Decoder, rows: int, length: int) -> Cache:
    """An empty cache for `rows` sequences of at most `length` tokens, padding included."""
    shape = (rows, decoder.key_heads, length, decoder.head_size)

    def empty() -> list[torch.Tensor]:
        return [
            torch.zeros(shape, dtype=decoder.embedding.dtype, device=decoder.device)
            for _ in decoder.layers
        ]

    positions = torch.arange(length, device=decoder.device)[None]
    cosine, sine = decoder.model.model.rotary_emb(decoder.embedding, positions)
    half = decoder.head_size // 2
    # Rotating a half means negating it; the sign is kept in the table, which saves a step.
    signed = torch.cat((-sine[0, :, :half], sine[0, :, half:]), dim=-1)
    padding = torch.zeros(rows, dtype=torch.long, device=decoder.device)
    tickets = torch.zeros(rows * decoder.heads, dtype=torch.int32, device=decoder.device)
    return Cache(empty(), empty(), cosine[0].contiguous(), signed, padding, tickets)


def prefill(
    decoder: Decoder, tokens: torch.Tensor, mask: torch.Tensor, cache: Cache
) -> torch.Tensor:
    """Run left-padded prompts, `tokens` and `mask` [rows, longest], through the model and fill
    the cache. Returns each one's first token, [rows]."""
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    output = decoder.model(
        input_ids=tokens,
        attention_mask=mask,
        position_ids=positions,
        use_cache=True,
        logits_to_keep=1,
    )
    length = tokens.shape[1]
    for keys, values, made in zip(
        cache.keys, cache.values, output.past_key_values.layers, strict=True
    ):
        keys[:, :, :length] = made.keys
        values[:, :, :length] = made.values
    cache.padding.copy_(length - mask.sum(dim=1))
    return output.logits[:, -1].argmax(dim=-1)


def decode_step(decoder: Decoder, cache: Cache, tokens: torch.Tensor, slot: int) -> torch.Tensor:
    """The next token of each row, after `tokens` [rows], whose keys go into `slot`.

    In plain torch, with shapes that grow with `slot`: the form for a CPU.
    """
    rows = tokens.shape[0]
    groups = decoder.heads // decoder.key_heads
    cosine, sine, mask = _place(cache, slot)
    hidden = functional.embedding(tokens, decoder.embedding)
    for layer, keys, values in zip(decoder.layers, cache.keys, cache.values, strict=True):
        x = rms_norm(hidden, layer.input_norm, decoder.epsilon)
        joined = layer.query_key_value(x).view(rows, -1, decoder.head_size)
        turned = rotate(joined[:, : decoder.heads + decoder.key_heads], cosine, sine)
        keys[:, :, slot] = turned[:, decoder.heads :]
        values[:, :, slot] = joined[:, decoder.heads + decoder.key_heads :]
        # The heads of a group read the same keys, so they stand as rows of one query.
        attended = functional.scaled_dot_product_attention(
            turned[:, : decoder.heads].view(rows, decoder.key_heads, groups, decoder.head_size),
            keys[:, :, : slot + 1],
            values[:, :, : slot + 1],
            attn_mask=mask,
        )
        hidden = hidden + layer.output(attended.reshape(rows, -1))
        x = rms_norm(hidden, layer.post_norm, decoder.epsilon)
        gate, up = layer.gate_up(x).chunk(2, dim=-1)
        hidden = hidden + layer.down(functional.silu(gate) * up)
    return decoder.head(rms_norm(hidden, decoder.norm, decoder.epsilon)).argmax(dim=-1)


def _place(cache: Cache, slot: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Cosine and sine of each row's position in `slot`, and which slots each row may read."""
    if not cache.padding.any():
        return cache.cosine[slot], cache.sine[slot], None
    positions = slot - cache.padding
    mask = torch.arange(slot + 1, device=positions.device) >= cache.padding[:, None]
    return cache.cosine[positions][:, None], cache.sine[positions][:, None], mask[:, None, None]


def rms_norm(x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Qwen2RMSNorm: normalised in float32, rounded, then scaled (arXiv 1910.07467)."""
    wide = x.float()
    variance = wide.pow(2).mean(-1, keepdim=True)
    return weight * (wide * torch.rsqrt(variance + epsilon)).to(x.dtype)


def rotate(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Rotary position embedding (arXiv 2104.09864) of heads [rows, heads, head size]; `sine` is
    signed (see new_cache)."""
    half = x.shape[-1] // 2
    return x * cosine + torch.cat((x[..., half:], x[..., :half]), dim=-1) * sine
