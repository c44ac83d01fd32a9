"""GGUF files as a source of weights: read to 16 bit, then run at any precision."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("gguf")

import gguf
import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, LlamaFileType
from gguf.quants import dequantize

from tests.support.folders import request_for
from tests.support.gguf_files import SHAPES, shape_of, write_gguf
from vibecore import engine
from vibecore.catalog.gguf import gguf_name
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.errors import RunError
from vibecore.engine.model import LoadedModel

PROMPT = "the hat"
F16: dict[str, Any] = {"type": GGMLQuantizationType.F16, "file_type": LlamaFileType.MOSTLY_F16}


def load(path: Path, precision: str = "bf16", name: str = "graph") -> LoadedModel:
    return engine.load(request_for(path, precision, name))


def in_file(path: Path) -> dict[str, torch.Tensor]:
    """Its tensors, dequantised by the package that llama.cpp's converters use."""
    return {
        tensor.name: torch.from_numpy(np.array(dequantize(tensor.data, tensor.tensor_type)))
        for tensor in GGUFReader(path).tensors
    }


def unpermuted(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows of llama's queries and keys, which llama.cpp keeps in pairs (convert_hf_to_gguf.py)."""
    halves = weight.reshape(heads, -1, 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


@pytest.mark.parametrize("kind", ["F16", "Q8_0"])
@pytest.mark.parametrize("architecture", SHAPES)
def test_the_weights_are_those_of_the_file(architecture: str, kind: str, tmp_path: Path) -> None:
    options: dict[str, Any] = F16 if kind == "F16" else {}
    path = write_gguf(tmp_path / "model.gguf", architecture, **options)
    loaded = load(path, name="eager")
    spec, stored = shape_of(architecture), in_file(path)
    found = dict(loaded.model.state_dict())
    for weight in spec.weights():
        wanted = stored[gguf_name(weight, spec)]
        if architecture == "llama" and weight.name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = spec.heads if "q_proj" in weight.name else spec.kv_heads
            wanted = unpermuted(wanted, heads)
        if architecture == "gemma3" and weight.kind == "norm":
            # llama.cpp stores one plus the weight.
            wanted = wanted - 1
        assert torch.equal(found[weight.name], wanted.to(torch.bfloat16)), weight.name
    assert loaded.report.weight_bytes == PRECISIONS["bf16"].weight_bytes(spec)
    assert loaded.model.num_parameters() == spec.parameters


@pytest.mark.parametrize("precision", ["bf16", "fp16", "8bit", "8bit-t0", "4bit"])
@pytest.mark.parametrize("architecture", SHAPES)
def test_it_runs_at_every_precision_in_both_engines(
    architecture: str, precision: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "model.gguf", architecture)
    made = []
    for name in ("eager", "graph"):
        loaded = load(path, precision, name)
        assert loaded.report.weight_bytes == PRECISIONS[precision].weight_bytes(
            shape_of(architecture)
        )
        if name == "graph":
            assert loaded.decoder is not None, loaded.report.environment
        made.append(engine.generate(loaded, [PROMPT], 12)[0].token_ids)
    assert made[0] == made[1]


# What the embeddings are stored as, beside a head in float16 -> the finer of the two.
STORED_TWICE = {
    GGMLQuantizationType.Q8_0: "output.weight",
    GGMLQuantizationType.F32: "token_embd.weight",
}


@pytest.mark.parametrize("type", STORED_TWICE)
def test_a_matrix_stored_twice_is_tied_to_the_finer(
    type: GGMLQuantizationType, tmp_path: Path
) -> None:
    """llama.cpp quantises embeddings and head apart, also where they are one matrix."""
    path = write_gguf(tmp_path / "model.gguf", "qwen2", head="tied", type=type, file_type=None)
    loaded = load(path)
    model: Any = loaded.model
    assert model.config.tie_word_embeddings
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert torch.equal(model.lm_head.weight, in_file(path)[STORED_TWICE[type]].to(torch.bfloat16))
    assert model.num_parameters() == shape_of("qwen2").parameters
    assert loaded.decoder is not None
    assert len(engine.generate(loaded, [PROMPT], 5)[0].token_ids) > 0


def test_a_head_of_its_own_stays_one(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", "qwen2", head="own", **F16)
    model: Any = load(path).model
    stored = in_file(path)
    assert not model.config.tie_word_embeddings
    assert torch.equal(model.lm_head.weight, stored["output.weight"].to(torch.bfloat16))
    assert torch.equal(
        model.model.embed_tokens.weight, stored["token_embd.weight"].to(torch.bfloat16)
    )


def test_tokenizer_template_and_stop_tokens_are_the_files(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf", "qwen2", metadata={"tokenizer.ggml.eot_token_id": 7})
    loaded = load(path)
    assert loaded.eos_token_ids == (2, 7)
    assert loaded.report.environment["stop_tokens"] == [2, 7]
    described = {"model_type": "qwen2", "parameters": shape_of("qwen2").parameters}
    assert loaded.report.environment["architecture"] == described
    assert loaded.report.environment["chat_template"]
    assert "<|im_start|>user\nthe<|im_end|>" in (
        engine.generate(loaded, ["the"], 2)[0].rendered_prompt or ""
    )


def test_a_files_header_is_parsed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers does so for the tokenizer and for the weights: seconds each."""
    path = write_gguf(tmp_path / "model.gguf", "qwen2")
    made: list[str] = []

    def reader(file: str) -> GGUFReader:
        made.append(str(file))
        return GGUFReader(file)

    monkeypatch.setattr(gguf, "GGUFReader", reader)
    load(path)
    assert made == [str(path)]
    assert gguf.GGUFReader is reader


def test_a_stop_token_that_does_not_exist_is_told_by_its_key(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "model.gguf", "qwen2", metadata={"tokenizer.ggml.eot_token_id": 70_000}
    )
    with pytest.raises(RunError, match=r"model\.gguf: tokenizer\.ggml\.eot_token_id.*70000"):
        load(path)


def test_transformers_does_not_run_it_as_it_is(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "model.gguf")
    with pytest.raises(RunError, match=r"as it is by engine llama\.cpp alone"):
        load(path, "as-is", "eager")


def test_without_the_package_one_line_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_gguf(tmp_path / "model.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(RunError, match=r"needs the package gguf.*pip install"):
        load(path)


DAMAGED: dict[str, bytes] = {
    "empty": b"",
    "another format": b"PK\x03\x04 a zip",
    "cut": b"GGUF\x03",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_what_is_no_such_file_is_told(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(DAMAGED[kind])
    with pytest.raises(RunError, match=str(path)):
        load(path)
