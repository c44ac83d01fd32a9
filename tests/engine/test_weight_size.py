"""Bits per weight of layers that no precision of the catalogue makes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from vibecore.engine.weight_size import bits_per_weight, weight_bytes


def tiny(model_type: str, **more: object) -> PreTrainedModel:
    shape = {"vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(model_type, **shape, **more)
    return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


class Packed(nn.Module):
    """A linear layer as GPTQ has it: buffers in place of a weight."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.in_features, self.out_features = columns, rows
        self.register_buffer("qweight", torch.zeros(columns // 8, rows, dtype=torch.int32))
        self.register_buffer("scales", torch.zeros(1, rows, dtype=torch.float16))
        self.register_buffer("bias", torch.zeros(rows, dtype=torch.float16))


@pytest.mark.parametrize("model_type", ["gpt2", "qwen2"])
def test_plain_layers_have_the_bits_of_their_numbers(model_type: str) -> None:
    model = tiny(model_type)
    assert vars(bits_per_weight(model)) == {"layers": 16.0, "model": 16.0}
    model.float()
    assert vars(bits_per_weight(model)) == {"layers": 32.0, "model": 32.0}


def test_only_quantised_layers_count_their_packed_numbers_and_scales_but_no_bias() -> None:
    model = tiny("qwen2", tie_word_embeddings=True)
    rows, columns = model.model.layers[0].mlp.up_proj.weight.shape
    plain = weight_bytes(model)
    weights = sum(one.numel() for one in model.parameters())
    model.model.layers[0].mlp.up_proj = Packed(rows, columns)
    found = bits_per_weight(model)
    assert found.layers == pytest.approx(4 + 16 / columns)
    saved = 2 * rows * columns - (rows * columns // 2 + 2 * rows)
    bias = 2 * rows
    assert found.model == pytest.approx(8 * (plain - saved + bias) / weights)


def test_a_quantised_head_counts() -> None:
    model = tiny("qwen2", tie_word_embeddings=False)
    head = model.get_output_embeddings()
    head.weight = nn.Parameter(head.weight.to(torch.float8_e4m3fn), requires_grad=False)
    assert bits_per_weight(model).layers == 8.0
