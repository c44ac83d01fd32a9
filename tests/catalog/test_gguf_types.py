"""File types of llama.cpp weigh what llama-quantize makes, to the byte."""

from __future__ import annotations

import pytest

from vibecore.catalog.gguf_types import GGUF_TYPES, tensor_bytes
from vibecore.catalog.models import MODELS, Config
from vibecore.catalog.precisions import PRECISIONS

# (model, type) -> bytes of all tensors in what llama-quantize of llama.cpp b10605 made of
# Qwen2.5-Coder-Instruct in bf16, and bits per weight of its layers' matrices.
MADE = {
    ("0.5B-Coder", "Q8_0"): (525_120_000, 8.5),
    ("0.5B-Coder", "Q6_K"): (499_788_288, 7.933653846153846),
    ("0.5B-Coder", "Q5_K_M"): (414_137_856, 6.01875),
    ("0.5B-Coder", "Q4_K_M"): (391_859_712, 5.520673076923077),
}


@pytest.mark.parametrize(("model", "type_"), MADE)
def test_a_model_weighs_what_llama_quantize_made(model: str, type_: str) -> None:
    config = Config(MODELS[model], PRECISIONS[type_])
    size, layers = MADE[model, type_]
    assert config.weight_bytes("cpu") == config.weight_bytes("cuda") == size
    assert config.model.spec is not None
    assert config.precision.bits_of(config.model.spec).layers == pytest.approx(layers, rel=1e-12)


def test_all_file_types_were_compared() -> None:
    assert {type_ for _, type_ in MADE} == set(GGUF_TYPES)


@pytest.mark.parametrize(
    ("wanted", "columns", "bits"),
    [
        ("Q8_0", 896, 8.5),
        ("Q6_K", 1536, 6.5625),
        ("Q4_K", 1536, 4.5),
        # 896 is no whole number of 256.
        ("Q4_K", 896, 5.5),
        ("Q6_K", 896, 8.5),
        ("Q5_K", 896, 6.0),
        # Nor is 100 one of 32.
        ("Q4_K", 100, 16.0),
        ("Q8_0", 100, 16.0),
    ],
)
def test_rows_that_blocks_do_not_divide_have_another_type(
    wanted: str, columns: int, bits: float
) -> None:
    assert 8 * tensor_bytes(wanted, 3, columns) == bits * 3 * columns
