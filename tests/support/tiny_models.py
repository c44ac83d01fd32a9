"""Small random models of every architecture in the catalogue, made from their own configs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from vibecore.core.records import LoadReport, LoadRequest
from vibecore.engine.graph import take_apart
from vibecore.engine.model import Batch, LoadedModel

SHAPE = {
    "vocab_size": 211,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
# Layers alternate, so that three of them are of both kinds.
GEMMA = {
    "model_type": "gemma3_text",
    "head_dim": 32,
    "query_pre_attn_scalar": 24,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1_000_000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
    },
}
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
SLIDING_QWEN = {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}

# What each is a case of -> its config, besides SHAPE.
TINY: Mapping[str, Mapping[str, Any]] = {
    "qwen2": {"model_type": "qwen2", "tie_word_embeddings": True},
    "qwen2, a window from layer 1 on": {"model_type": "qwen2", **SLIDING_QWEN},
    "qwen2, yarn": {
        "model_type": "qwen2",
        "rope_parameters": {"rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0},
    },
    "llama": {"model_type": "llama"},
    "llama, every bias, one KV head, llama3 rope": {
        "model_type": "llama",
        "attention_bias": True,
        "mlp_bias": True,
        "num_key_value_heads": 1,
        "rope_parameters": LLAMA3_ROPE,
    },
    "llama, wide heads, tied": {
        "model_type": "llama",
        "head_dim": 32,
        "tie_word_embeddings": True,
    },
    "llama, gelu in its tanh form": {"model_type": "llama", "hidden_act": "gelu_pytorch_tanh"},
    "qwen2, silu by its other name": {"model_type": "qwen2", "hidden_act": "swish"},
    "mistral, no window": {"model_type": "mistral", "sliding_window": None, "head_dim": 8},
    "mistral, a window longer than the run": {"model_type": "mistral", "sliding_window": 200},
    "mistral, a window shorter than the prompt": {"model_type": "mistral", "sliding_window": 5},
    "mistral, a window of one token": {"model_type": "mistral", "sliding_window": 2},
    "qwen3": {"model_type": "qwen3", "head_dim": 32, "tie_word_embeddings": True},
    "qwen3, attention bias, a window": {
        "model_type": "qwen3",
        "head_dim": 16,
        "attention_bias": True,
        **SLIDING_QWEN,
    },
    "gemma3, a window shorter than the prompt": {**GEMMA, "sliding_window": 6},
    "gemma3, a window in every layer": {
        **GEMMA,
        "sliding_window": 6,
        "layer_types": ["sliding_attention"] * 3,
    },
    "gemma3, no window in any layer": {
        **GEMMA,
        "sliding_window": 6,
        "layer_types": ["full_attention"] * 3,
    },
    "gemma3, a window longer than the run": {**GEMMA, "sliding_window": 200},
    "gemma3, untied, attention bias, heads of 24": {
        **GEMMA,
        "sliding_window": 12,
        "head_dim": 24,
        "attention_bias": True,
        "tie_word_embeddings": False,
    },
}


def tiny_model(
    raw: Mapping[str, Any], dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> PreTrainedModel:
    """A model with random weights, norms and biases included, the same ones each time."""
    # As engine.load does for a model so small: a second thread costs more than it gives.
    torch.set_num_threads(1)
    config = AutoConfig.for_model(**{**SHAPE, **raw})
    model = AutoModelForCausalLM.from_config(
        config, dtype=torch.float32, attn_implementation="sdpa"
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Large enough that a term left out changes the output; small where a tied head would
            # find the last token in the residual stream again, and repeat it.
            deviation = 0.3 if "norm" in name or "bias" in name else 2 * weight.shape[-1] ** -0.5
            deviation = 1 / weight.shape[-1] if "embed" in name else deviation
            weight += torch.randn(weight.shape, generator=generator) * deviation
    model.to(dtype).to(device).eval()
    model.generation_config.eos_token_id = None
    return model


def loaded(model: PreTrainedModel, engine: str, eos_token_ids: Sequence[int] = ()) -> LoadedModel:
    """A model as `engine.load` gives it, without a tokenizer: it makes no text."""
    decoder, environment = take_apart(model, engine)
    return LoadedModel(
        model=model,
        tokenizer=cast(PreTrainedTokenizerBase, None),
        device=model.device,
        vocabulary=model.config.vocab_size,
        eos_token_ids=tuple(eos_token_ids),
        pad_token_id=0,
        context=model.config.max_position_embeddings,
        dummy=True,
        request=LoadRequest("tiny", "fp32", model.device.type, engine),
        report=LoadReport(0.0, 0, "float32", environment),
        decoder=decoder,
    )


def random_prompts(device: str, *lengths: int) -> Batch:
    """Left-padded prompts of random tokens, of these lengths."""
    generator = torch.Generator().manual_seed(7)
    tokens = torch.randint(
        3, SHAPE["vocab_size"], (len(lengths), max(lengths)), generator=generator
    )
    starts = max(lengths) - torch.tensor(lengths)
    mask = (torch.arange(max(lengths)) >= starts[:, None]).long()
    return Batch((tokens * mask).to(device), mask.to(device), lengths)
