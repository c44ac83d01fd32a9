"""How a folder says that it is quantised already, and what is told where that is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.folders import demo_folder
from vibecore.catalog.checkpoint import stored_as, stored_precision
from vibecore.catalog.models import choose_configs, known_configs, own_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.stored_formats import FORMATS, label_of
from vibecore.catalog.weights import resolve
from vibecore.core.errors import InputError


def compressed(**weights: Any) -> dict[str, Any]:
    return {
        "quant_method": "compressed-tensors",
        "config_groups": {"group_0": {"weights": weights}},
    }


NF4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
LABELS: list[tuple[dict[str, Any], str | None]] = [
    (NF4, "bnb-nf4"),
    ({"load_in_4bit": True, "load_in_8bit": False}, "bnb-fp4"),
    ({"quant_method": "bitsandbytes", "load_in_8bit": True}, "bnb-int8"),
    ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq-int4"),
    ({"quant_method": "gptq", "bits": 8, "group_size": -1}, "gptq-int8"),
    ({"quant_method": "awq", "bits": 4, "version": "gemm"}, "awq-int4"),
    ({"quant_method": "awq", "w_bit": 4, "q_group_size": 128}, "awq-int4"),
    (compressed(num_bits=4, type="int"), "compressed-int4"),
    (compressed(num_bits=8, type="float"), "compressed-float8"),
    (
        {
            "quant_method": "compressed-tensors",
            "config_groups": {
                "a": {"weights": {"num_bits": 8, "type": "float"}},
                "b": {"weights": {"num_bits": 4, "type": "int"}},
                "c": {"weights": None},
            },
        },
        "compressed-mixed",
    ),
    ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
    ({"quant_method": "fp8", "weight_block_size": None}, "fp8"),
    # Known to transformers alone.
    ({"quant_method": "hqq", "nbits": 3}, None),
    ({"quant_method": "mxfp4"}, None),
]

# quantization_config -> a part of what is said of it.
DAMAGED: list[tuple[Any, str]] = [
    ("gptq", "quantization_config is 'gptq', not an object"),
    ([4], "quantization_config is [4], not an object"),
    (7, "quantization_config is 7, not an object"),
    ({}, "has no quant_method"),
    ({"bits": 4}, "has no quant_method"),
    ({"quant_method": None}, "quant_method is None, which transformers does not know"),
    ({"quant_method": ["gptq"]}, "quant_method is ['gptq'], which transformers does not know"),
    ({"quant_method": "GPTQ", "bits": 4}, "quant_method is 'GPTQ', which transformers does not"),
    ({"quant_method": "of-mine"}, "would run the weights unquantised"),
    ({"quant_method": "gptq"}, "has no bits"),
    ({"quant_method": "gptq", "bits": "four"}, "bits is 'four', not a positive whole number"),
    ({"quant_method": "gptq", "bits": True}, "bits is True"),
    ({"quant_method": "gptq", "bits": 4.0}, "bits is 4.0"),
    ({"quant_method": "gptq", "bits": -4}, "bits is -4"),
    ({"quant_method": "gptq", "bits": 5}, "its weights are int5, and GPTQ has int2, int3"),
    ({"quant_method": "gptq", "bits": 4, "group_size": "all"}, "group_size is 'all'"),
    ({"quant_method": "gptq", "bits": 4, "group_size": 0}, "group_size is 0"),
    ({"quant_method": "awq", "bits": 3}, "its weights are int3, and AWQ has int4"),
    ({"quant_method": "awq"}, "has no w_bit"),
    ({"quant_method": "bitsandbytes"}, "neither of 4 bit and 8 bit"),
    ({"load_in_4bit": True, "load_in_8bit": True}, "both of 4 bit and 8 bit"),
    ({"load_in_4bit": "yes"}, "load_in_4bit is 'yes', neither true nor false"),
    ({**NF4, "bnb_4bit_quant_type": "nf3"}, "bnb_4bit_quant_type is 'nf3', not one of fp4, nf4"),
    ({**NF4, "bnb_4bit_quant_type": ["nf4"]}, "bnb_4bit_quant_type is ['nf4']"),
    ({"quant_method": "compressed-tensors"}, "has no config_groups"),
    ({"quant_method": "compressed-tensors", "config_groups": []}, "has no config_groups"),
    (
        {"quant_method": "compressed-tensors", "config_groups": {"a": ["Linear"]}},
        "config_groups has ['Linear'] as a, not an object",
    ),
    (
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": None}}},
        "config_groups without weights",
    ),
    (
        {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": 4}}},
        "weights of a are 4, not an object",
    ),
    (compressed(type="int"), "has no num_bits"),
    (compressed(num_bits=None, type="int"), "num_bits is None"),
    (compressed(num_bits=8, type="complex"), "type is 'complex', not one of int, float"),
    (compressed(num_bits=3, type="float"), "its weights are float3"),
    ({"quant_method": "fp8", "weight_block_size": 128}, "weight_block_size is 128"),
    ({"quant_method": "fp8", "weight_block_size": [128, 0]}, "weight_block_size is [128, 0]"),
    ({"quant_method": "fp8", "weight_block_size": ["a", "b"]}, "two positive whole numbers"),
    ({"quant_method": "fp8", "activation_scheme": 8}, "activation_scheme is 8"),
    ({"quant_method": {"x": "y" * 100}}, "…, which transformers does not know"),
]


@pytest.mark.parametrize(("found", "label"), LABELS)
def test_a_label_says_method_and_kind_of_number(found: dict[str, Any], label: str | None) -> None:
    assert label_of(found) == label
    assert label is None or PRECISIONS[label].is_label


@pytest.mark.parametrize(("found", "words"), DAMAGED)
def test_what_is_damaged_is_told_in_a_sentence(found: Any, words: str) -> None:
    with pytest.raises(InputError) as caught:
        label_of(found)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return demo_folder(tmp_path_factory.mktemp("stored") / "mine")


def configured(folder: Path, found: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "quantization_config": found}))


def test_a_folder_runs_under_the_label_of_its_files(model_folder: Path) -> None:
    configured(model_folder, NF4)
    for asked in ("as-is", "bnb-nf4"):
        [config] = own_configs(str(model_folder), [asked])
        assert config.id == "mine-bnb-nf4"
    [config] = choose_configs(sources=(str(model_folder),), precisions=("bf16", "as-is"))
    assert config.id == "mine-bnb-nf4"
    assert resolve(config, "hub", "cpu").stored_as == "bitsandbytes NF4"
    [other] = own_configs(str(model_folder), ["gptq-int4"])
    with pytest.raises(InputError, match=r"gptq-int4 needs gptqmodel|as gptq-int4"):
        resolve(other, "hub", "cpu")
    [other] = own_configs(str(model_folder), ["bnb-int8"])
    with pytest.raises(InputError, match=r"quantised already \(bitsandbytes NF4\).*as bnb-int8"):
        resolve(other, "hub", "cpu")


def test_what_unpacks_its_weights_is_estimated_in_16_bit(model_folder: Path) -> None:
    configured(model_folder, compressed(num_bits=4, type="int"))
    [config] = own_configs(str(model_folder), ["as-is"])
    assert config.id == "mine-compressed-int4"
    assert config.model.spec is not None
    assert config.estimated_weight_bytes == 2 * config.model.spec.parameters


def test_a_damaged_folder_is_refused_before_anything_is_loaded(model_folder: Path) -> None:
    configured(model_folder, {"quant_method": "gptq", "bits": "four"})
    assert stored_as(model_folder) == "gptq"
    wanted = r"config\.json does not say how its weights are quantised: bits is 'four'.*Copy"
    with pytest.raises(InputError, match=wanted):
        own_configs(str(model_folder), ["as-is"])
    with pytest.raises(InputError, match=wanted):
        stored_precision(model_folder)


def test_labels_are_for_folders_alone() -> None:
    assert not any(config.precision.is_label for config in known_configs().values())
    for format_ in FORMATS.values():
        assert format_.types and format_.calibration and format_.link.startswith("https://")
