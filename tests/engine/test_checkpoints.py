"""Every weight comes from the files, every tensor of them is used, and a label is what ran."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from tests.support.folders import Tensors, demo_folder, request_for
from vibecore import engine
from vibecore.catalog.architectures import spec_of
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.engines import why_left
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.errors import RunError
from vibecore.core.records import LoadRequest

PROMPT = "Write a Python function that adds two numbers."
EMBEDDINGS, HEAD = "model.embed_tokens.weight", "lm_head.weight"
UP = "model.layers.1.mlp.up_proj.weight"


def prefixed(prefix: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {prefix + name: tensor for name, tensor in tensors.items()}


def without(*starts: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {
        name: tensor for name, tensor in tensors.items() if not name.startswith(starts)
    }


def beside(**more: torch.Tensor) -> Callable[[Tensors], Tensors]:
    named = {name.replace("__", "."): tensor for name, tensor in more.items()}
    return lambda tensors: tensors | named


# What is wrong -> (keys of config.json, the change of the tensors, what the message says).
FAULTS: dict[str, tuple[dict[str, Any], Callable[[Tensors], Tensors], str]] = {
    "compiled": ({}, prefixed("_orig_mod."), r"and \d+ more.*begin with `_orig_mod\.`"),
    "data parallel": ({}, prefixed("module."), r"begin with `module\.`"),
    "PEFT": ({}, prefixed("base_model.model."), "begin with `base_model.model.`.*[Mm]erge"),
    "tie flag false": ({"tie_word_embeddings": False}, dict, "missing: lm_head.weight.*tie_word"),
    "tie flag absent": ({"tie_word_embeddings": None}, dict, "missing: lm_head.weight.*tie_word"),
    "one layer absent": (
        {},
        without("model.layers.2."),
        r"missing: model\.layers\.2\..* 9 more",
    ),
    "one tensor absent": ({}, without(UP), f"missing: {UP}"),
    "more layers": (
        {"num_hidden_layers": 3, "layer_types": None},
        dict,
        r"unexpected: model\.layers\.3\.",
    ),
    "a classifier": (
        {"architectures": ["Qwen2ForSequenceClassification"]},
        beside(score__weight=torch.zeros(2, 128)),
        "unexpected: score.weight.*classifier",
    ),
    "an adapter's tensors": (
        {},
        beside(model__layers__0__self_attn__q_proj__lora_A__weight=torch.zeros(4, 128)),
        "lora_A.*[Mm]erge",
    ),
    "of another shape": ({}, beside(**{UP.replace(".", "__"): torch.zeros(4, 128)}), UP),
    "of another size": ({"intermediate_size": 512}, dict, r"of another shape: .*and 9 more"),
    "a head of its own": (
        {},
        beside(lm_head__weight=torch.ones(3072, 128)),
        "lm_head.weight.*other values.*tie_word_embeddings",
    ),
}


@pytest.mark.parametrize("precision", ["bf16", "8bit", "4bit"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_not_whole_is_not_loaded(fault: str, precision: str, tmp_path: Path) -> None:
    config, change, says = FAULTS[fault]
    folder = demo_folder(tmp_path / "model", config=config, tensors=change)
    with pytest.raises(RunError, match=says) as raised:
        engine.load(request_for(folder, precision))
    assert str(folder) in str(raised.value)
    assert "\n" not in str(raised.value)


def same_head(tensors: Tensors) -> Tensors:
    return tensors | {HEAD: tensors[EMBEDDINGS].clone()}


HARMLESS: dict[str, Callable[[Tensors], Tensors]] = {
    "the tied head stored once more": same_head,
    "the tied head stored instead": lambda tensors: {
        **{name: tensor for name, tensor in tensors.items() if name != EMBEDDINGS},
        HEAD: tensors[EMBEDDINGS],
    },
    "rotary tables": beside(model__layers__0__self_attn__rotary_emb__inv_freq=torch.ones(32)),
}


@pytest.mark.parametrize("kind", HARMLESS)
@pytest.mark.parametrize("precision", ["bf16", "4bit"])
def test_what_changes_nothing_is_loaded(kind: str, precision: str, tmp_path: Path) -> None:
    wanted = engine.load(request_for(MODELS_DIR / "1M", precision))
    folder = demo_folder(tmp_path / "model", tensors=HARMLESS[kind])
    found = engine.load(request_for(folder, precision, "graph"))
    assert found.report.weight_bytes == wanted.report.weight_bytes
    texts = [engine.generate(one, [PROMPT], 20)[0].token_ids for one in (wanted, found)]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "keys",
    [
        {"_attn_implementation": "owner/attention"},
        {"attn_implementation": "owner/attention"},
        {"_attn_implementation": {"": "owner/attention"}},
        {"_attn_implementation_internal": "owner/attention"},
        {"_experts_implementation": "owner/experts", "experts_implementation": "owner/experts"},
        {"_attn_implementation": "flash_attention_2"},
        {"auto_map": {"AutoModelForCausalLM": "owner/code--modeling.Model"}},
    ],
    ids=str,
)
def test_no_code_that_a_config_names_is_looked_for(keys: dict[str, Any], tmp_path: Path) -> None:
    wanted = engine.load(request_for(MODELS_DIR / "1M"))
    found = engine.load(request_for(demo_folder(tmp_path / "model", config=keys)))
    used = [one.report.environment["attention"] for one in (wanted, found)]
    assert used[0] == used[1] == "sdpa"


@pytest.mark.parametrize("beside_weights", [True, False])
def test_an_adapter_is_refused_with_the_way_to_merge_it(
    beside_weights: bool, tmp_path: Path
) -> None:
    folder = demo_folder(tmp_path / "model")
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "somebody/something", "peft_type": "LORA"})
    )
    if not beside_weights:
        (folder / "config.json").unlink()
        (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    with pytest.raises(RunError, match=r"merge_and_unload\(\).*save_pretrained"):
        engine.load(request_for(folder))


def quantised(folder: Path, config: BitsAndBytesConfig, dtype: torch.dtype) -> Path:
    """The 5M demo model as transformers saves it at a precision of bitsandbytes."""
    model = AutoModelForCausalLM.from_pretrained(
        MODELS_DIR / "5M", dtype=dtype, quantization_config=config, device_map={"": "cpu"}
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(MODELS_DIR / "5M").save_pretrained(folder)
    return folder


NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
# How it was quantised -> the precision of ours that is the same, None where none is.
STORED: dict[str, tuple[dict[str, Any], str | None]] = {
    "NF4": ({**NF4, "bnb_4bit_compute_dtype": torch.bfloat16}, "4bit"),
    "NF4, scales quantised too": (
        {**NF4, "bnb_4bit_compute_dtype": torch.bfloat16, "bnb_4bit_use_double_quant": True},
        None,
    ),
    "NF4, computed in float32": (NF4, None),
    "FP4": ({**NF4, "bnb_4bit_quant_type": "fp4"}, None),
    "int8": ({"load_in_8bit": True}, "8bit"),
    "int8, no outliers": ({"load_in_8bit": True, "llm_int8_threshold": 0.0}, "8bit-t0"),
}


# What engine graph has no exact product for -> what it says.
LEFT_TO_EAGER = {
    "NF4, scales quantised too": "no product for",
    "NF4, computed in float32": "4-bit weights computed in float32, the rest in bfloat16",
    "FP4": "4-bit weights computed in float32, the rest in bfloat16",
}


@pytest.mark.parametrize("kind", STORED)
def test_a_quantised_folder_runs_as_it_is(kind: str, tmp_path: Path) -> None:
    options, same_as = STORED[kind]
    folder = quantised(tmp_path / "model", BitsAndBytesConfig(**options), torch.bfloat16)
    texts, sizes = [], []
    for name in ("eager", "graph"):
        loaded = engine.load(request_for(folder, "as-is", name))
        assert loaded.report.dtype == "bfloat16"
        if name == "graph":
            left = why_left({**loaded.report.environment}, 1)
            assert (left is None) == (kind not in LEFT_TO_EAGER)
            assert kind not in LEFT_TO_EAGER or LEFT_TO_EAGER[kind] in (left or "")
        sizes.append(loaded.report.weight_bytes)
        texts.append(engine.generate(loaded, [PROMPT], 30)[0].token_ids)
    assert texts[0] == texts[1]
    assert sizes[0] == sizes[1]
    stored = sum(
        tensor.nbytes
        for name, tensor in load_file(folder / "model.safetensors").items()
        # NF4's sixteen values, and a description of the rest in JSON.
        if "quant_map" not in name and "quant_state" not in name and "weight_format" not in name
    )
    assert sizes[0] == pytest.approx(stored, abs=64 * 5 * 7)
    if same_as is not None:
        wanted = engine.load(request_for(MODELS_DIR / "5M", same_as))
        assert sizes[0] == wanted.report.weight_bytes
        assert engine.generate(wanted, [PROMPT], 30)[0].token_ids == texts[0]


@pytest.mark.parametrize("precision", ["bf16", "fp16", "8bit", "8bit-t0", "4bit"])
def test_and_under_no_other_label(precision: str, tmp_path: Path) -> None:
    folder = quantised(tmp_path / "model", BitsAndBytesConfig(**NF4), torch.bfloat16)
    with pytest.raises(RunError, match=r"bitsandbytes NF4.*--precision as-is"):
        engine.load(request_for(folder, precision))


def test_what_is_not_quantised_has_no_precision_of_its_own() -> None:
    with pytest.raises(RunError, match=r"is not quantised.*--precision bf16"):
        engine.load(request_for(MODELS_DIR / "1M", "as-is"))
    spec = spec_of(json.loads((MODELS_DIR / "1M" / "config.json").read_text()))
    assert spec is not None
    with pytest.raises(RunError, match="Dummy weights"):
        engine.load(LoadRequest("tiny-as-is", "as-is", "cpu", architecture=spec.raw))
    assert PRECISIONS["as-is"].method == "as-is"


def test_a_quantised_folder_is_whole_too(tmp_path: Path) -> None:
    folder = quantised(tmp_path / "model", BitsAndBytesConfig(**NF4), torch.bfloat16)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    lost = "model.layers.1.mlp.up_proj"
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith(lost)}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(RunError, match=rf"missing: {lost}"):
        engine.load(request_for(folder, "as-is"))


UNREADABLE: dict[str, dict[str, Any]] = {
    "a size in words": {"hidden_size": "wide"},
    "layers of two counts": {"num_hidden_layers": 3},
    "an unknown architecture": {"model_type": "no-such-thing"},
    "no causal language model": {"model_type": "vit"},
    "an activation that does not exist": {"hidden_act": "no-such-thing"},
    "heads that do not divide": {"num_attention_heads": 3},
    "a quantiser that does not exist": {"quantization_config": {"quant_method": "no-such-thing"}},
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_a_config_that_makes_no_model_is_an_error_of_one_line(kind: str, tmp_path: Path) -> None:
    folder = demo_folder(tmp_path / "model", config=UNREADABLE[kind])
    precision = "as-is" if "quantiser" in kind else "bf16"
    with pytest.raises(RunError) as raised:
        engine.load(request_for(folder, precision))
    assert "\n" not in str(raised.value)


def test_checking_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from vibecore.engine import integrity

    seconds: list[float] = []
    check = integrity._require_complete

    def timed(*arguments: Any) -> None:
        started = time.perf_counter()
        check(*arguments)
        seconds.append(time.perf_counter() - started)

    monkeypatch.setattr(integrity, "_require_complete", timed)
    engine.load(request_for(MODELS_DIR / "5M"))
    # What is compared is names: as many for a model a thousand times as large.
    assert len(seconds) == 1
    assert seconds[0] < 0.2
