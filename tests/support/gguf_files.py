"""Small GGUF files, written by the package that llama.cpp's converters use."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quantize

from vibecore.catalog.architectures import ModelSpec, spec_of
from vibecore.catalog.gguf import gguf_name

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}"
SPECIAL = ("<pad>", "<|im_start|>", "<|im_end|>")
# Byte-level: Ġ and Ċ are the blank and the line end.
TOKENS = [*SPECIAL, *string.ascii_letters, "Ġ", "Ċ", "?", ".", "<", ">", "|", "th", "he"]

# What a file is of -> the config.json of its original.
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "llama": {"model_type": "llama", "num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen2": {"model_type": "qwen2", "num_key_value_heads": 2, "tie_word_embeddings": True},
    "qwen3": {
        "model_type": "qwen3",
        "num_key_value_heads": 2,
        "head_dim": 32,
        "tie_word_embeddings": True,
    },
    "gemma3": {
        "model_type": "gemma3_text",
        "num_key_value_heads": 1,
        "head_dim": 32,
        "sliding_window": 16,
        "query_pre_attn_scalar": 32,
    },
}


def shape_of(architecture: str) -> ModelSpec:
    """The spec of the tiny model that `write_gguf` writes for an architecture."""
    spec = spec_of(
        {
            "vocab_size": len(TOKENS),
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 256,
            "rope_theta": 10_000.0,
            "rms_norm_eps": 1e-6,
            **SHAPES[architecture],
        }
    )
    assert spec is not None
    return spec


def write_gguf(
    path: Path,
    architecture: str = "llama",
    *,
    file_type: LlamaFileType | None = LlamaFileType.MOSTLY_Q8_0,
    type: GGMLQuantizationType = GGMLQuantizationType.Q8_0,
    template: str | None = TEMPLATE,
    metadata: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray | None] | None = None,
    head: str | None = None,
) -> Path:
    """Write a tiny model with random weights.

    `metadata` adds keys (text, whole and broken numbers), `tensors` replaces tensors or, with
    None, leaves them out. `head`: `tied` stores the embeddings once more as the head in another
    type, `own` stores a head of its own.
    """
    spec = shape_of(architecture)
    writer = GGUFWriter(path, architecture)
    writer.add_name("Tiny")
    if file_type is not None:
        writer.add_file_type(file_type)
    writer.add_context_length(spec.context)
    writer.add_embedding_length(spec.hidden_size)
    writer.add_block_count(spec.layers)
    writer.add_feed_forward_length(spec.intermediate_size)
    writer.add_head_count(spec.heads)
    writer.add_head_count_kv(spec.kv_heads)
    writer.add_key_length(spec.head_size)
    writer.add_value_length(spec.head_size)
    writer.add_layer_norm_rms_eps(spec.norm_epsilon)
    writer.add_rope_freq_base(spec.rope.theta)
    if spec.windows[0]:
        writer.add_sliding_window(spec.windows[0])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    kinds = [TokenType.CONTROL if token in SPECIAL else TokenType.NORMAL for token in TOKENS]
    writer.add_token_types(kinds)
    writer.add_token_merges(["t h", "h e"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    if template is not None:
        writer.add_chat_template(template)
    for key, value in (metadata or {}).items():
        if isinstance(value, str):
            writer.add_string(key, value)
        elif isinstance(value, float):
            writer.add_float32(key, value)
        else:
            writer.add_uint32(key, value)
    generator = np.random.default_rng(5)
    values: dict[str, np.ndarray | None] = {
        gguf_name(weight, spec): generator.standard_normal(weight.shape).astype(np.float32)
        for weight in spec.weights()
    }
    values |= dict(tensors or {})
    if head == "own":
        values["output.weight"] = generator.standard_normal(
            (spec.vocab_size, spec.hidden_size)
        ).astype(np.float32)
    for name, value in values.items():
        if value is None:
            continue
        if value.ndim == 1:
            writer.add_tensor(name, value)
        else:
            writer.add_tensor(name, quantize(value, type), raw_dtype=type)
    if head == "tied":
        embeddings = values["token_embd.weight"]
        assert embeddings is not None
        writer.add_tensor("output.weight", embeddings.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
