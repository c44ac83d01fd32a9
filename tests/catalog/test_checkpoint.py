"""Folders that are not what their config.json says are refused before anything is loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.safetensors_files import read_tensors, write_tensors
from vibecore.catalog.checkpoint import (
    likely_cause,
    refuse_adapter,
    require_complete,
    stored_as,
    weight_files,
)
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.errors import InputError

Change = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / "my-model"))


def renamed(change: Callable[[str], str | None]) -> Change:
    """Every tensor under another name; None leaves it out."""

    def spoil(folder: Path) -> None:
        file = folder / "model.safetensors"
        tensors = read_tensors(file)
        write_tensors(file, {new: tensors[old] for old in tensors if (new := change(old))})

    return spoil


def with_tensor(name: str, shape: list[int]) -> Change:
    def spoil(folder: Path) -> None:
        file = folder / "model.safetensors"
        size = 2 * shape[0] * shape[1]
        write_tensors(file, {**read_tensors(file), name: ("BF16", shape, bytes(size))})

    return spoil


def configured(**fields: Any) -> Change:
    def spoil(folder: Path) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))

    return spoil


def cut_short(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def sharded(*files: str) -> Change:
    """An index in the place of one file, which names files that are not there."""

    def spoil(folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        places = {f"tensor.{number}": name for number, name in enumerate(files)}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))

    return spoil


FAULTS: dict[str, tuple[Change, list[str]]] = {
    "compiled": (
        renamed(lambda name: f"_orig_mod.{name}"),
        ["missing: model.embed_tokens.weight", "`_orig_mod.`", "compiled", "more"],
    ),
    "parallel": (renamed(lambda name: f"module.{name}"), ["`module.`", "DataParallel"]),
    "peft": (
        renamed(lambda name: f"base_model.model.{name}"),
        ["`base_model.model.`", "merge_and_unload"],
    ),
    "part of another": (
        renamed(lambda name: f"language_model.{name}"),
        ["`language_model.`", "part of another model"],
    ),
    "tie flag false": (
        configured(tie_word_embeddings=False),
        ["missing: lm_head.weight", "tie_word_embeddings", "true"],
    ),
    "a layer absent": (
        renamed(lambda name: None if ".layers.1." in name else name),
        ["missing: model.layers.1.", "and 9 more", "layer 1", "num_hidden_layers"],
    ),
    "fewer layers in config.json": (
        configured(num_hidden_layers=1),
        ["unexpected: model.layers.1.", "num_hidden_layers leaves out"],
    ),
    "a classifier": (
        with_tensor("score.weight", [2, 128]),
        ["unexpected: score.weight", "classifier"],
    ),
    "another size": (
        configured(intermediate_size=96),
        ["of another shape: model.layers.0.mlp.", "wanted [96, ", "not of the same model"],
    ),
    "adapter tensors": (
        with_tensor("base.layers.0.self_attn.q_proj.lora_A.weight", [8, 64]),
        ["lora_A", "merge_and_unload"],
    ),
    "quantised without a word": (
        with_tensor("model.layers.0.self_attn.q_proj.qweight", [8, 64]),
        ["qweight", "quantization_config"],
    ),
    "cut short": (cut_short, ["model.safetensors is cut short", "again"]),
    "not safetensors": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"PK\x03\x04 a pickle") and None,
        ["not a safetensors file"],
    ),
    "an empty file": (
        lambda folder: (folder / "model.safetensors").write_bytes(b"") and None,
        ["not a safetensors file"],
    ),
    "files of the index absent": (
        sharded(*(f"model-{number}-of-5.safetensors" for number in range(1, 6))),
        ["index.json names files that are not there", "model-3-of-5", "and 2 more"],
    ),
    "an index of nothing": (sharded(), ["no weight_map"]),
    "another file name": (
        lambda folder: (
            (folder / "model.safetensors").rename(folder / "weights.safetensors") and None
        ),
        ["weights.safetensors", "Rename"],
    ),
}


def test_whole_models_pass(folder: Path) -> None:
    for name in ("1M", "5M"):
        require_complete(MODELS_DIR / name)


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_named_with_its_cause(folder: Path, fault: str) -> None:
    spoil, says = FAULTS[fault]
    spoil(folder)
    with pytest.raises(InputError) as caught:
        require_complete(folder)
    message = str(caught.value)
    assert str(folder) in message
    assert [part for part in says if part not in message] == [], message


def test_a_shard_left_out_of_the_index_is_missing_by_name(folder: Path) -> None:
    tensors = read_tensors(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    first = {name: found for name, found in tensors.items() if ".layers.0." in name}
    write_tensors(folder / "a.safetensors", first)
    write_tensors(
        folder / "b.safetensors", {name: tensors[name] for name in tensors if name not in first}
    )
    index = folder / "model.safetensors.index.json"
    whole = {name: "a.safetensors" if name in first else "b.safetensors" for name in tensors}
    index.write_text(json.dumps({"weight_map": whole}))
    require_complete(folder)
    assert [file.name for file in weight_files(folder)] == ["a.safetensors", "b.safetensors"]
    index.write_text(json.dumps({"weight_map": dict.fromkeys(first, "a.safetensors")}))
    with pytest.raises(InputError, match=r"missing: model.embed_tokens.weight"):
        require_complete(folder)


@pytest.mark.parametrize(
    "change",
    [
        with_tensor("lm_head.weight", [3072, 128]),
        with_tensor("model.layers.0.self_attn.rotary_emb.inv_freq", [16, 1]),
        # As a model saved without its head is, which transformers loads all the same.
        renamed(lambda name: name.removeprefix("model.")),
        # Not known: only loading it tells.
        configured(model_type="gpt2"),
    ],
)
def test_what_loads_all_the_same_is_no_fault(folder: Path, change: Change) -> None:
    change(folder)
    require_complete(folder)


@pytest.mark.parametrize("beside", [True, False])
def test_an_adapter_is_refused_with_the_way_to_merge_it(folder: Path, beside: bool) -> None:
    refuse_adapter(folder)
    if not beside:
        (folder / "model.safetensors").unlink()
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "a/base"}')
    with pytest.raises(InputError, match="merge_and_unload") as caught:
        refuse_adapter(folder)
    assert "a/base" in str(caught.value)
    assert ("beside it alone" in str(caught.value)) is beside


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, None),
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
            "bitsandbytes NF4",
        ),
        ({"load_in_4bit": True, "load_in_8bit": False}, "bitsandbytes FP4"),
        (
            {"quant_method": "bitsandbytes", "load_in_8bit": True, "load_in_4bit": False},
            "bitsandbytes int8",
        ),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq 4 bit"),
        ({"quant_method": "awq", "bits": 4, "version": "gemm"}, "awq 4 bit"),
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int"}}},
            },
            "compressed-tensors int 4 bit",
        ),
        (
            {
                "quant_method": "torchao",
                "quant_type": {"default": {"_type": "Int8WeightOnlyConfig", "_data": {}}},
            },
            "torchao Int8WeightOnlyConfig",
        ),
        ({"quant_method": "quanto", "weights": "int4"}, "quanto int4"),
        ({"quant_method": "hqq", "nbits": 3}, "hqq 3 bit"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        # transformers refuses both.
        ({}, "quantised"),
        ({"something": "else"}, "quantised"),
    ],
)
def test_a_quantised_folder_is_named_from_its_config(
    folder: Path, found: dict | None, words: str | None
) -> None:
    configured(quantization_config=found)(folder)
    assert stored_as(folder) == words


def test_a_quantised_folder_is_not_checked_tensor_by_tensor(folder: Path) -> None:
    configured(quantization_config={"quant_method": "gptq", "bits": 4})(folder)
    with_tensor("model.layers.0.self_attn.q_proj.qweight", [8, 64])(folder)
    require_complete(folder)
    cut_short(folder)
    with pytest.raises(InputError, match="cut short"):
        require_complete(folder)


def test_causes_are_told_apart() -> None:
    layers = [f"model.layers.{number}.mlp.up_proj.weight" for number in range(2, 9)]
    biases = ["model.layers.0.self_attn.q_proj.bias", "model.layers.1.self_attn.q_proj.bias"]
    assert "layers 2 to 8" in likely_cause(layers, [])
    assert "no such biases" in likely_cause(biases, [])
    assert "another architecture" in likely_cause([], biases)
    assert "incomplete" in likely_cause(["model.norm.weight"], [])
    assert "tie_word_embeddings" in likely_cause([], ["lm_head.weight"])
    assert "same model" in likely_cause(["model.norm.weight"], ["transformer.wte.weight"])
