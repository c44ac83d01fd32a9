"""Loading: specs and estimates against models as transformers and the quantisers make them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from vibecore.catalog.architectures import ARCHITECTURES, ModelSpec, spec_of
from vibecore.catalog.models import MODELS, Config, find_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.requirements import Requirement
from vibecore.catalog.weights import load_request, resolve
from vibecore.core.errors import InputError, RunError
from vibecore.core.records import LoadRequest
from vibecore.engine.load import load
from vibecore.engine.quantisers import QUANTISERS, without_gradients
from vibecore.engine.weight_size import weight_bytes

# Odd on purpose: rows of 160 and 272 columns make groups of 32 and no groups at all.
SHAPE = {
    "vocab_size": 500,
    "hidden_size": 160,
    "intermediate_size": 272,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
}
# What a file may say beyond the default; a field that an architecture does not have is ignored.
BIASES = {"attention_bias": True, "mlp_bias": True}


def spec_and_config(
    model_type: str, tied: bool, extra: Mapping[str, Any] | None = None
) -> tuple[ModelSpec, Any]:
    config = AutoConfig.for_model(model_type, **SHAPE, tie_word_embeddings=tied, **(extra or {}))
    spec = spec_of(config.to_dict())
    assert spec is not None
    return spec, config


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def tied(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_spec_has_every_weight_of_the_model_and_no_other(architecture: str, tied: bool) -> None:
    spec, config = spec_and_config(architecture, tied, BIASES)
    model = AutoModelForCausalLM.from_config(config)
    found = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    if tied:
        del found["lm_head.weight"]
    assert {weight.name: weight.shape for weight in spec.weights()} == found
    assert spec.parameters == model.num_parameters()


def installed(name: str) -> bool:
    requirement = PRECISIONS[name].requirement
    if requirement is None:
        return True
    try:
        importlib.metadata.version(requirement.package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.mark.parametrize(
    "name", [name for name, entry in PRECISIONS.items() if entry.from_plain_weights]
)
def test_an_estimate_is_the_bytes_as_loaded(architecture: str, tied: bool, name: str) -> None:
    if not installed(name):
        pytest.skip(f"{PRECISIONS[name].requirement} is not installed")
    spec, _ = spec_and_config(architecture, tied)
    request = LoadRequest(f"tiny-{name}", name, "cpu", architecture=spec.raw)
    loaded = load(request)
    expected = PRECISIONS[name].weight_bytes(spec)
    assert loaded.report.weight_bytes == expected
    bits = PRECISIONS[name].bits_of(spec)
    assert loaded.report.environment["bits_per_weight"] == pytest.approx(vars(bits), rel=1e-12)
    with without_gradients(loaded.model):
        logits = loaded.model(torch.tensor([[1, 2, 3]])).logits
    assert logits.isfinite().all()
    assert weight_bytes(loaded.model) == expected - packing_saves(loaded.model), "moved, not grown"


def packing_saves(model: torch.nn.Module) -> int:
    """A CPU with AVX512-BF16 packs what it can of 4bit at the first forward pass, its scales in
    16 bit."""
    states = [getattr(weight, "quant_state", None) for weight in model.parameters()]
    packed = [one for one in states if getattr(one, "packing_format_for_cpu", False)]
    return sum(2 * state.absmax.numel() for state in packed)


@pytest.mark.parametrize("shape", [(896, 896), (100, 160), (128, 4864), (8960, 1536), (7, 64)])
def test_int4_of_torchao_weighs_on_a_gpu_what_is_estimated(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its layout there is made of a tensor without numbers, which any machine can have."""
    quantisation = pytest.importorskip("torchao.quantization")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: (8, 0))
    precision = PRECISIONS["int4-torchao"]
    config = QUANTISERS[precision.method](precision, "cuda").quant_type
    layer = torch.nn.Linear(shape[1], shape[0], bias=False, dtype=torch.bfloat16, device="meta")
    quantisation.quantize_(layer, config)
    parts = [layer.weight]
    if flatten := getattr(layer.weight, "__tensor_flatten__", None):
        parts = [getattr(layer.weight, name) for name in flatten()[0]]
    assert precision.gpu_linear_bytes is not None
    assert precision.gpu_linear_bytes(*shape) == sum(part.nbytes for part in parts)


def test_no_layer_of_the_catalogues_models_is_left_in_16_bit() -> None:
    """As torchao leaves rows that are no whole number of groups."""
    plain = PRECISIONS["bf16"].linear_bytes
    for model in MODELS.values():
        assert model.spec is not None
        shapes = {weight.shape for weight in model.spec.weights() if weight.kind == "linear"}
        for precision in PRECISIONS.values():
            if precision.bits < 16 and precision.from_plain_weights:
                assert all(precision.linear_bytes(*one) < plain(*one) for one in shapes), model.name


def test_every_method_of_the_catalogue_has_a_quantiser() -> None:
    assert {
        precision.method for precision in PRECISIONS.values() if precision.gguf_type is None
    } == set(QUANTISERS)


def test_dummy_norms_leave_their_input_alone() -> None:
    for architecture, weight in (("llama", 1.0), ("gemma3_text", 0.0)):
        spec, _ = spec_and_config(architecture, True)
        loaded = load(LoadRequest("tiny-bf16", "bf16", "cpu", architecture=spec.raw))
        assert (loaded.model.model.norm.weight == weight).all()
        assert loaded.model.model.embed_tokens.weight.std().item() == pytest.approx(0.02, rel=0.1)


def test_a_missing_package_is_named_before_anything_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known = PRECISIONS["bf16"]
    needy = Requirement("no-such-package", "pip install no-such-package")
    precision = replace(known, requirement=needy)
    [config] = find_configs(["1M-bf16"])
    with pytest.raises(InputError, match=r"no-such-package.*pip install no-such-package"):
        resolve(Config(config.model, precision), "hub")
    monkeypatch.setitem(PRECISIONS, "bf16", precision)
    with pytest.raises(RunError, match="pip install no-such-package"):
        load(load_request(config, resolve(config, "dummy"), "cpu", "eager"))
