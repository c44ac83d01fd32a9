"""The catalogue's models as transformers builds them from their config.json fields."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from vibecore.catalog.models import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_tensors_and_the_windows_that_transformers_makes(name: str) -> None:
    spec = MODELS[name].spec
    assert spec is not None
    config = AutoConfig.for_model(**dict(spec.raw or {}))
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    made = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    assert made == {weight.name: weight.shape for weight in spec.weights()}
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * spec.layers
    assert [kind.startswith("sliding") for kind in kinds] == [
        window is not None for window in spec.windows
    ]
