"""GGUF files: what the header says, and which files are refused."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType, LlamaFileType

from tests.support.gguf_files import SHAPES, TEMPLATE, shape_of, write_gguf
from vibecore.catalog.gguf import is_gguf, read_gguf
from vibecore.core.errors import InputError


@pytest.mark.parametrize("architecture", SHAPES)
def test_the_spec_is_that_of_the_original(architecture: str, tmp_path: Path) -> None:
    found = read_gguf(write_gguf(tmp_path / "m.gguf", architecture))
    assert found.spec == shape_of(architecture)
    assert found.architecture == architecture
    assert found.parameters == shape_of(architecture).parameters


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", metadata={"tokenizer.ggml.eot_token_id": 5}, head="own")
    found = read_gguf(path)
    assert (found.name, found.file_type, found.stored_as) == ("Tiny", "Q8_0", "gguf Q8_0")
    assert found.template == TEMPLATE
    assert found.stop_tokens == {
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.eot_token_id": 5,
    }
    assert (found.bos_token_id, found.adds_bos) == (1, False)
    assert found.token_texts == {1: "<|im_start|>", 2: "<|im_end|>", 5: "c"}
    # Seven linear layers a layer, embeddings and head; two norms a layer and the last one.
    assert found.tensor_types == {"Q8_0": 16, "F32": 5}
    # 34 bytes for 32 numbers; the norms are float32.
    matrices = found.parameters - 5 * 64
    assert found.tensor_bytes == matrices * 34 // 32 + 5 * 64 * 4
    assert found.data_start + found.tensor_bytes <= path.stat().st_size
    assert found.spec is not None and not found.spec.tied
    assert found.spec.raw is not None and found.spec.raw["eos_token_id"] == [2, 5]
    assert is_gguf(path)


def test_bits_per_weight_are_those_of_its_types(tmp_path: Path) -> None:
    file = read_gguf(write_gguf(tmp_path / "m.gguf"))
    # Q8_0 has a 16-bit scale for every 32 numbers.
    assert file.bits_per_weight.layers == 8.5
    assert file.bits_per_weight.model == 8 * file.tensor_bytes / file.parameters
    plain = {"type": GGMLQuantizationType.F16, "file_type": LlamaFileType.MOSTLY_F16}
    assert read_gguf(write_gguf(tmp_path / "f.gguf", **plain)).bits_per_weight.layers == 16


def test_a_tied_matrix_that_is_stored_twice_is_one_again(tmp_path: Path) -> None:
    path = write_gguf(
        tmp_path / "m.gguf", type=GGMLQuantizationType.Q4_0, file_type=None, head="tied"
    )
    found = read_gguf(path)
    assert found.head_stored_apart
    # float16 has more bits a number than Q4_0.
    assert found.tie_source == "output.weight"
    assert found.spec is not None and found.spec.tied
    assert found.parameters == found.spec.parameters + 64 * 64
    other = read_gguf(write_gguf(tmp_path / "o.gguf", head="own"))
    assert not other.head_stored_apart and other.tie_source is None


@pytest.mark.parametrize(
    ("said", "type", "label"),
    [
        (LlamaFileType.MOSTLY_Q8_0, GGMLQuantizationType.Q8_0, "Q8_0"),
        (LlamaFileType.MOSTLY_F16, GGMLQuantizationType.F16, "F16"),
        (LlamaFileType.MOSTLY_BF16, GGMLQuantizationType.BF16, "BF16"),
        # Rows of 64 do not divide into K-quants' blocks of 256; llama.cpp takes Q5_0 instead.
        (LlamaFileType.MOSTLY_Q4_K_M, GGMLQuantizationType.Q5_0, "Q4_K_M"),
        # A label that the tensors contradict is not believed.
        (LlamaFileType.MOSTLY_F16, GGMLQuantizationType.Q4_0, "Q4_0"),
        (None, GGMLQuantizationType.Q4_1, "Q4_1"),
        (LlamaFileType.GUESSED, GGMLQuantizationType.Q5_1, "Q5_1"),
    ],
)
def test_the_file_type_is_checked_with_the_tensors(
    said: LlamaFileType | None, type: GGMLQuantizationType, label: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "m.gguf", file_type=said, type=type)
    assert read_gguf(path).file_type == label


def llama3_factors(pairs: int, factor: float) -> np.ndarray:
    """As llama.cpp's convert_hf_to_gguf.py writes them (generate_extra_tensors of LlamaModel)."""
    factors = []
    for pair in range(pairs):
        wavelength = 2 * math.pi * 10_000.0 ** (pair / pairs)
        if wavelength < 8192 / 4:
            factors.append(1.0)
        elif wavelength > 8192:
            factors.append(factor)
        else:
            smooth = (8192 / wavelength - 1) / 3
            factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def test_rope_scaling_is_in_the_config(tmp_path: Path) -> None:
    """transformers' own translation leaves it out: Llama 3.2 would run with another rope."""
    factors = llama3_factors(8, 32.0)
    found = read_gguf(write_gguf(tmp_path / "m.gguf", tensors={"rope_freqs.weight": factors}))
    assert found.spec is not None and found.spec.raw is not None
    assert found.spec.raw["rope_parameters"] == {
        "rope_type": "llama3",
        "rope_theta": 10_000.0,
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    assert found.spec.rope.kind == "llama3"
    assert found.parameters == found.spec.parameters

    scaled = write_gguf(
        tmp_path / "y.gguf",
        "qwen2",
        metadata={"qwen2.rope.scaling.type": "yarn", "qwen2.rope.scaling.factor": 4.0},
    )
    spec = read_gguf(scaled).spec
    assert spec is not None and spec.rope.kind == "yarn"

    odd = write_gguf(tmp_path / "o.gguf", tensors={"rope_freqs.weight": 1 + factors})
    with pytest.raises(InputError, match=r"o\.gguf scales its rotary embedding by a table"):
        read_gguf(odd)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metadata": {"split.count": 3}}, "one of 3 parts of a split model. Join them"),
        ({"metadata": {"general.type": "adapter"}}, "is an adapter, not a model. Merge it"),
        ({"metadata": {"general.type": "mmproj"}}, "holds no language model"),
        ({"metadata": {"llama.expert_count": 8}}, "mixture of experts"),
        ({"metadata": {"llama.rope.scaling.type": "longrope"}}, "rotary embedding by longrope"),
        ({"tensors": {"blk.1.ffn_up.weight": None}}, "it lacks blk.1.ffn_up.weight"),
        ({"tensors": {"blk.0.attn_q.bias": np.ones(64, np.float32)}}, "has besides blk.0.attn_q"),
        (
            {"tensors": {"blk.0.attn_k.weight": np.ones((64, 64), np.float32)}},
            r"another shape blk.0.attn_k.weight \[64, 64\] for \[32, 64\]",
        ),
        ({"tensors": {"token_embd.weight": None}}, "lacks token_embd.weight"),
    ],
)
def test_what_cannot_be_run_is_named(options: Any, message: str, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", **options)
    with pytest.raises(InputError, match=message) as error:
        read_gguf(path)
    assert str(path) in str(error.value)


def cut(data: bytes) -> bytes:
    return data[: len(data) - 1000]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: b"", "is not a GGUF file: it is empty"),
        (lambda data: b"PK\3\4" + data[4:], "is not a GGUF file: it begins with"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (lambda data: data[:4] + (1).to_bytes(4, "little") + data[8:], "of version 1"),
        (lambda data: data[:4] + (3).to_bytes(4, "big") + data[8:], "in big-endian byte order"),
        (lambda data: data[:200], "is damaged or cut off: its header cannot be read"),
        (lambda data: data[:10], "is damaged or cut off"),
        (cut, r"is cut off: it has [\d,]+ bytes of [\d,]+. Download it again"),
        (lambda data: data.replace(b"llama", b"plamo"), "has the architecture plamo"),
        (
            lambda data: data.replace(b"llama.block_count", b"llama.block_kount"),
            "lacks llama.block_count",
        ),
    ],
)
def test_a_damaged_file_is_named(
    damage: Callable[[bytes], bytes], message: str, tmp_path: Path
) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message) as error:
        read_gguf(path)
    assert str(path) in str(error.value)


def test_a_part_and_a_missing_file_are_named(tmp_path: Path) -> None:
    part = write_gguf(tmp_path / "m.gguf").rename(tmp_path / "m-00002-of-00003.gguf")
    with pytest.raises(InputError, match=r"part 2 of 3 .* --merge m-00001-of-00003\.gguf m\.gguf"):
        read_gguf(part)
    with pytest.raises(InputError, match="There is no file"):
        read_gguf(tmp_path / "none.gguf")
    only = write_gguf(tmp_path / "m-00001-of-00001.gguf")
    assert read_gguf(only).name == "Tiny"


def test_the_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(InputError, match=r"pip install -r requirements-gguf\.txt"):
        read_gguf(path)


def test_no_damage_of_the_header_is_a_traceback(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf")
    whole = path.read_bytes()
    header = read_gguf(path).data_start
    dice = random.Random(0)
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(dice.choice((1, 3, 10))):
            data[dice.randrange(4, header)] = dice.randrange(256)
        path.write_bytes(data)
        try:
            read_gguf(path)
        except InputError:
            refused += 1
    assert refused > 20
