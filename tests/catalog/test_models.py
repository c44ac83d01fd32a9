"""Families, ids, own models, and the memory estimates of the published architectures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vibecore.catalog import models
from vibecore.catalog.architectures import read_spec
from vibecore.catalog.precisions import LISTED_PRECISIONS, PRECISIONS
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB

PUBLISHED_GIB = {
    "1.5B-bf16": 2.88,
    "1.5B-8bit": 1.66,
    "1.5B-4bit": 1.12,
    "0.5B-bf16": 0.92,
    "0.5B-8bit": 0.59,
    "0.5B-4bit": 0.44,
}


@pytest.mark.parametrize(("config_id", "gib"), PUBLISHED_GIB.items())
def test_estimates_of_the_published_six(config_id: str, gib: float) -> None:
    [config] = models.find_configs([config_id])
    assert round(config.estimated_weight_bytes / GIB, 2) == gib


@pytest.mark.parametrize(("model", "parameters"), [("0.5B", 494_032_768), ("1.5B", 1_543_714_304)])
def test_parameter_counts_are_those_of_the_hub(model: str, parameters: int) -> None:
    assert models.MODELS[model].spec.parameters == parameters


def test_no_family_has_a_precision_that_needs_a_package_of_its_own() -> None:
    for family in models.FAMILIES:
        assert all(c.precision.requirement is None for c in models.family_configs(family))


def test_what_is_not_listed_is_found_by_name_all_the_same() -> None:
    hidden = set(PRECISIONS) - set(LISTED_PRECISIONS)
    assert hidden == {"int8-torchao", "int4-quanto", "as-is"}
    assert {config.precision.name for config in models.listed_configs().values()} == set(
        LISTED_PRECISIONS
    )
    assert [config.id for config in models.find_configs(["1M-int4-quanto"])] == ["1M-int4-quanto"]


def test_families_are_the_six_configs_in_order() -> None:
    ids = [config.id for config in models.family_configs("qwen2.5")]
    assert ids == ["0.5B-bf16", "0.5B-8bit", "0.5B-4bit", "1.5B-bf16", "1.5B-8bit", "1.5B-4bit"]
    assert len(models.family_configs("demo")) == 6


def test_fp16_and_bf16_weigh_the_same() -> None:
    fp16, bf16 = models.find_configs(["0.5B-fp16", "0.5B-bf16"])
    assert fp16.estimated_weight_bytes == bf16.estimated_weight_bytes


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (lambda: models.family_configs("llama"), ["llama", "qwen2.5", "demo"]),
        (lambda: models.find_configs(["0.5B-3bit"]), ["0.5B-3bit", "8bit-t0", "--model"]),
        (lambda: models.own_configs("no/such/folder", ["bf16"]), ["no/such/folder", "hub id"]),
        (lambda: models.own_configs("./missing", ["bf16"]), ["./missing", "config.json"]),
        (lambda: models.own_configs("a/b", ["int3"]), ["int3", "bf16"]),
    ],
)
def test_unknown_names_are_refused_with_what_there_is(call, names: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        call()
    assert all(name in str(caught.value) for name in names)


def test_a_repeated_config_runs_once() -> None:
    assert len(models.find_configs(["1M-bf16", "1M-bf16"])) == 1


def test_own_folder_gets_its_name_and_shape(tmp_path: Path) -> None:
    folder = tmp_path / "my-model"
    folder.mkdir()
    known = models.MODELS["0.5B"].spec
    (folder / "config.json").write_text(json.dumps(known.raw))
    [config] = models.own_configs(str(folder), ["4bit"])
    assert config.id == "my-model-4bit"
    assert config.model.weights == "local"
    assert config.model.spec == known


def test_a_known_hub_id_is_the_known_model() -> None:
    [config] = models.own_configs("Qwen/Qwen2.5-0.5B", ["bf16"])
    assert config.id == "0.5B-bf16"


@pytest.mark.parametrize(
    "content", ["not json", "[]", '{"model_type": "gpt2"}', '{"model_type": "qwen2"}']
)
def test_an_unreadable_shape_is_unknown(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    assert read_spec(tmp_path) is None
