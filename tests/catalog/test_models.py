"""Families, ids, own models, and the memory estimates of the published architectures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.folders import Tensors, demo_folder
from tests.support.gguf_files import shape_of, write_gguf
from vibecore.catalog import demo_models, models
from vibecore.catalog.architectures import read_spec
from vibecore.catalog.memory import RUNTIME_BYTES, needed_bytes
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


@pytest.mark.parametrize("precision", ["bf16", "8bit", "4bit", "int8-torchao"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_of_an_unknown_architecture_is_sized_by_its_headers(
    precision: str, tied: bool, tmp_path: Path
) -> None:
    """A shape that is known, under a name that is not: the files weigh what the shape says."""

    def with_head(tensors: Tensors) -> Tensors:
        return tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"].clone()}

    folder = demo_folder(
        tmp_path / "other",
        config={"model_type": "another", "tie_word_embeddings": tied},
        tensors=with_head,
    )
    [config] = models.own_configs(str(folder), [precision])
    assert config.model.spec is None
    spec = read_spec(demo_models.MODELS_DIR / "1M")
    assert spec is not None
    expected = PRECISIONS[precision].weight_bytes(replace(spec, tied=tied))
    assert config.estimated_weight_bytes == expected
    # Its config.json tells its shape all the same, so its cache and activations are counted.
    known = models.find_configs(["1M-bf16"])[0]
    if (precision, tied) == ("bf16", True):
        assert needed_bytes(config, "cuda") == needed_bytes(known, "cuda")
    else:
        assert needed_bytes(config, "cuda") != needed_bytes(known, "cuda")


def test_a_folder_whose_size_cannot_be_known(tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "other", config={"model_type": "another"})
    [plain] = models.own_configs(str(folder), ["bf16"])
    assert plain.estimated_weight_bytes
    # Quantised already: it is loaded at no other precision, and as it is weighs what its files do.
    quantised = demo_folder(
        tmp_path / "quantised",
        config={
            "model_type": "another",
            "quantization_config": {"quant_method": "gptq", "bits": 4},
        },
    )
    [as_is] = models.own_configs(str(quantised), ["as-is"])
    as_bf16 = replace(as_is, precision=PRECISIONS["bf16"])
    assert as_is.estimated_weight_bytes == (quantised / "model.safetensors").stat().st_size
    assert as_bf16.estimated_weight_bytes is None
    # Weights without a shape: they alone are counted.
    (folder / "config.json").write_text('{"model_type": "another"}')
    assert needed_bytes(plain, "cpu") == plain.estimated_weight_bytes + RUNTIME_BYTES["cpu"]
    (folder / "model.safetensors").unlink()
    assert plain.estimated_weight_bytes is None
    assert needed_bytes(plain, "cpu") is None


# As the hub shows them for each model's safetensors, tied heads counted once.
PARAMETERS = {
    "0.5B": 494_032_768,
    "1.5B": 1_543_714_304,
    "0.5B-Instruct": 494_032_768,
    "1.5B-Instruct": 1_543_714_304,
    "0.5B-Coder": 494_032_768,
    "1.5B-Coder": 1_543_714_304,
    "Qwen3-0.6B": 596_049_920,
    "Qwen3-1.7B": 1_720_574_976,
    "SmolLM2-135M": 134_515_008,
    "SmolLM2-360M": 361_821_120,
    "SmolLM2-1.7B": 1_711_376_384,
    "Llama-3.2-1B": 1_235_814_400,
    "Llama-3.2-3B": 3_212_749_824,
    "Gemma-3-270M": 268_098_176,
    "Gemma-3-1B": 999_885_952,
}


@pytest.mark.parametrize(("model", "parameters"), PARAMETERS.items())
def test_parameter_counts_are_those_of_the_hub(model: str, parameters: int) -> None:
    assert models.MODELS[model].spec.parameters == parameters


def test_every_model_of_a_family_is_checked_and_says_what_it_is() -> None:
    in_families = [
        name
        for family, (names, _) in models.FAMILIES.items()
        if not family.endswith("-formats")
        for name in names
    ]
    assert sorted(in_families) == sorted({*in_families, "1M", "5M"}) == sorted(models.MODELS)
    assert set(PARAMETERS) == set(models.MODELS) - {"1M", "5M"}
    assert next(iter(models.FAMILIES)) == "qwen2.5"
    kinds = {name: model.kind for name, model in models.MODELS.items()}
    assert {kinds[name] for name in models.FAMILIES["qwen2.5"][0]} == {"base"}
    assert {kinds[name] for name in models.FAMILIES["qwen3"][0]} == {"thinking"}
    assert {
        kinds[name]
        for family in models.FAMILIES
        if "instruct" in family
        for name in models.FAMILIES[family][0]
    } == {"instruct"}


def test_gated_models_say_how_to_get_access() -> None:
    gated = {name for name, model in models.MODELS.items() if model.access}
    assert gated == {"Llama-3.2-1B", "Llama-3.2-3B", "Gemma-3-270M", "Gemma-3-1B"}
    access = models.MODELS["Llama-3.2-1B"].access
    assert "https://huggingface.co/meta-llama/Llama-3.2-1B-Instruct" in access
    assert "hf auth login" in access


def test_only_families_of_formats_need_packages_of_their_own() -> None:
    needing = {
        family
        for family in models.FAMILIES
        if any(config.precision.requirement for config in models.family_configs(family))
    }
    assert needing == {"qwen2.5-formats", "qwen2.5-coder-formats"}


def test_a_family_of_formats_is_one_model_in_seven() -> None:
    for family in ("qwen2.5-formats", "qwen2.5-coder-formats"):
        configs = models.family_configs(family)
        assert len({config.model.name for config in configs}) == 1
        assert [config.precision.name for config in configs] == [
            *("bf16", "8bit", "4bit", "int8-torchao", "int4-torchao", "Q8_0", "Q4_K_M"),
        ]


def test_what_is_not_listed_is_found_by_name_all_the_same() -> None:
    labels = {name for name, entry in PRECISIONS.items() if entry.is_label}
    hidden = set(PRECISIONS) - set(LISTED_PRECISIONS) - labels
    assert hidden == {
        *("int8-torchao", "int8-dynamic-torchao", "float8-torchao", "int4-torchao"),
        *("int8-quanto", "int4-quanto", "int2-quanto", "as-is"),
        *("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"),
    }
    assert {config.precision.name for config in models.listed_configs().values()} == set(
        LISTED_PRECISIONS
    )
    offered = set(models.offered_configs())
    assert offered > set(models.listed_configs()) and "1M-int4-quanto" not in offered
    # A form that takes a family takes all of it.
    assert offered >= {
        config.id for family in models.FAMILIES for config in models.family_configs(family)
    }
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
        (lambda: models.own_configs("no/such.gguf", ["bf16"]), ["no/such.gguf"]),
        (lambda: models.own_configs(__file__, ["bf16"]), [__file__, "not a GGUF file"]),
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


def folders(tmp_path: Path, *names: str) -> list[str]:
    """Folders of tiny shapes, as own models."""
    for name in names:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    return [str(tmp_path / name) for name in names]


@pytest.mark.parametrize(
    ("paths", "names", "wanted"),
    [
        (["a/one", "a/two"], [], ["one", "two"]),
        # Of one name: the folder above comes in front.
        (["a/model", "b/model"], [], ["a-model", "b-model"]),
        (["a/x/model", "b/x/model"], [], ["x-model", "x-model-2"]),
        # The catalogue's name is the catalogue's.
        (["mine/0.5B", "mine/SmolLM2-135M"], [], ["mine-0.5B", "mine-SmolLM2-135M"]),
        (["a/model", "b/model"], ["first"], ["first", "model"]),
        (["a/model", "b/model"], ["model"], ["model", "b-model"]),
        (["a/model", "b/model"], ["x", "y"], ["x", "y"]),
        # A form has names for some of its models only.
        (["a/one", "a/two"], ["", "deux"], ["one", "deux"]),
        # Of one place in URLs and one word on the command line.
        (["a/my model (v2)", "a/-odd"], [], ["my-model-v2", "odd"]),
        (["a/same", "a/same"], [], ["same", "same"]),
    ],
)
def test_names_are_distinct_by_a_rule(
    tmp_path: Path, paths: list[str], names: list[str], wanted: list[str]
) -> None:
    folders(tmp_path, *dict.fromkeys(paths))
    found = models.own_models([str(tmp_path / path) for path in paths], names)
    assert [model.name for model in found] == wanted
    assert [model.source for model in found] == [str(tmp_path / path) for path in paths]


def test_a_name_of_the_study_is_not_given_to_another_folder(tmp_path: Path) -> None:
    first, second = folders(tmp_path, "a/model", "b/model")
    taken = {"model": first}
    assert [model.name for model in models.own_models([first], taken=taken)] == ["model"]
    assert [model.name for model in models.own_models([second], taken=taken)] == ["b-model"]
    known = {"a-model": first, "b-model": second}
    again = models.own_models([second, first], taken=known)
    assert [model.name for model in again] == ["b-model", "a-model"], "as the study has them"
    both = models.own_models([first, second], taken=taken)
    assert [model.name for model in both] == ["model", "b-model"]
    with pytest.raises(InputError, match=f"another model, {first}"):
        models.own_models([second], ["model"], taken)


def test_families_configs_and_models_go_together_each_config_once(tmp_path: Path) -> None:
    [folder] = folders(tmp_path, "mine")
    found = models.choose_configs(
        families=("demo",),
        ids=("1M-bf16", "0.5B-4bit"),
        sources=(folder, "Qwen/Qwen2.5-0.5B"),
        precisions=("4bit", "bf16"),
    )
    assert [config.id for config in found[6:]] == [
        "0.5B-4bit",
        "mine-4bit",
        "mine-bf16",
        "0.5B-bf16",
    ]
    assert [config.id for config in found[:6]] == [
        config.id for config in models.family_configs("demo")
    ]


def test_of_several_precisions_as_is_goes_to_what_is_quantised(tmp_path: Path) -> None:
    plain, quantised = folders(tmp_path, "plain", "quantised")
    (Path(quantised) / "config.json").write_text(
        '{"quantization_config": {"quant_method": "gptq", "bits": 4}}'
    )
    (Path(quantised) / "model.safetensors").write_bytes(bytes(1000))
    found = models.choose_configs(sources=(plain, quantised), precisions=("bf16", "as-is"))
    assert [config.id for config in found] == ["plain-bf16", "quantised-gptq-int4"]
    assert found[1].estimated_weight_bytes == 1000


def test_a_gguf_file_is_a_model(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "My model.Q8_0.gguf")
    [config] = models.own_configs(str(file), ["4bit"])
    assert config.id == "My-model.Q8_0-4bit"
    assert (config.model.weights, config.model.source) == ("gguf", str(file))
    assert config.model.spec == shape_of("llama")
    again = models.model_of("x", str(file), "gguf")
    assert again == models.Model("x", str(file), "gguf", config.model.spec)
    file.unlink()
    assert models.model_of("x", str(file), "gguf").spec is None


@pytest.mark.parametrize("source", ["", " "])
def test_an_empty_model_is_not_the_current_folder(source: str) -> None:
    with pytest.raises(InputError, match="The model is empty"):
        models.own_models([source])
