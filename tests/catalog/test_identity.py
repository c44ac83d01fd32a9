"""A checkpoint's identity: the same for the same weights, another for any other."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from tests.support.safetensors_files import read_tensors, write_tensors
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.identity import weights_sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MODELS_DIR / "1M", tmp_path / "my-model"))


def test_a_copy_is_the_same_wherever_it_is(folder: Path) -> None:
    before = weights_sha256(folder)
    assert before == weights_sha256(MODELS_DIR / "1M")
    assert before == weights_sha256(folder.rename(folder.with_name("renamed")))
    assert len(before) == 64
    assert before != weights_sha256(MODELS_DIR / "5M")


def test_the_tokenizer_is_not_part_of_it(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{}")
    assert weights_sha256(folder) == weights_sha256(MODELS_DIR / "1M")


def test_a_fine_tune_of_any_one_tensor_is_another_model(folder: Path) -> None:
    """Same names, sizes and header; only numbers differ."""
    file = folder / "model.safetensors"
    tensors, seen = read_tensors(file), {weights_sha256(folder)}
    for name, (dtype, shape, content) in tensors.items():
        changed = bytes(byte ^ 1 for byte in content)
        write_tensors(file, {**tensors, name: (dtype, shape, changed)})
        seen.add(weights_sha256(folder))
    assert len(seen) == 1 + len(tensors)


def test_a_gguf_file_is_known_by_its_content_not_its_name(tmp_path: Path) -> None:
    file = tmp_path / "a.gguf"
    content = bytearray(range(256)) * 40_000
    file.write_bytes(content)
    before = weights_sha256(file)
    assert before == weights_sha256(file.rename(tmp_path / "b.gguf"))
    # An eighth of its data, towards the end.
    content[8_000_000:9_280_000] = bytes(1_280_000)
    (tmp_path / "b.gguf").write_bytes(content)
    assert before != weights_sha256(tmp_path / "b.gguf")


def test_a_gigabyte_costs_far_less_than_a_second(folder: Path) -> None:
    file = folder / "model.safetensors"
    with file.open("r+b") as opened:
        opened.truncate(1 << 30)
    started = time.perf_counter()
    weights_sha256(folder)
    assert time.perf_counter() - started < 1
