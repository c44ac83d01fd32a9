"""The memory model: what a config needs, and how large a batch fits, before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.memory import (
    RUNTIME_BYTES,
    Workload,
    cache_bytes,
    largest_batch,
    needed_bytes,
    sequence_bytes,
)
from vibecore.catalog.models import MODELS, Config, Model, find_configs
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB

[LARGE] = find_configs(["1.5B-4bit"])
UNKNOWN = Config(Model("x", "a/x", "hub", None), PRECISIONS["bf16"])


def spec_of(config: Config) -> ModelSpec:
    assert config.model.spec is not None
    return config.model.spec


def weights_of(config: Config) -> int:
    assert config.estimated_weight_bytes is not None
    return config.estimated_weight_bytes


def test_the_cache_of_a_token_is_what_qwen_really_takes() -> None:
    # 2 (keys and values) × 28 layers × 2 heads × 128 × 2 bytes.
    assert cache_bytes(spec_of(LARGE), 1) == 28_672
    assert cache_bytes(spec_of(LARGE), 300) == 300 * 28_672
    assert sequence_bytes(spec_of(LARGE), 100, 200) > 300 * 28_672 + 10 * 151_936


def test_a_layer_with_a_window_keeps_its_window_and_heads_have_their_own_size() -> None:
    spec = replace(spec_of(LARGE), windows=(None,) * 7 + (512,) * 21)
    assert cache_bytes(spec, 512) == 512 * 28_672
    assert cache_bytes(spec, 2048) == (7 * 2048 + 21 * 512) * 28_672 // 28
    assert cache_bytes(replace(spec, head_size=256), 512) == 2 * cache_bytes(spec, 512)


def test_a_prompt_is_cut_at_the_context() -> None:
    spec = spec_of(LARGE)
    assert sequence_bytes(spec, 10 * spec.context, 0) == sequence_bytes(spec, spec.context, 0)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_is_needed_is_weights_sequences_and_the_runtime(device: str) -> None:
    four = Workload(100, 200, batch_size=4)
    sequences = 4 * sequence_bytes(spec_of(LARGE), 100, 200)
    assert needed_bytes(LARGE, device, four) == (
        weights_of(LARGE) + sequences + RUNTIME_BYTES[device]
    )


def test_dummy_weights_are_made_in_16_bit_in_main_memory() -> None:
    usual = needed_bytes(LARGE, "cpu")
    made = needed_bytes(LARGE, "cpu", weights="dummy")
    [plain] = find_configs(["1.5B-bf16"])
    assert made == weights_of(LARGE) + weights_of(plain) + RUNTIME_BYTES["cpu"]
    assert usual is not None
    assert made > usual
    assert needed_bytes(LARGE, "cuda", weights="dummy") == needed_bytes(LARGE, "cuda")
    # Before any output is decoded they are gone, so a large batch is what counts.
    batch = Workload(batch_size=1000)
    assert needed_bytes(LARGE, "cpu", batch, weights="dummy") == needed_bytes(LARGE, "cpu", batch)


def test_an_unknown_architecture_needs_what_its_files_have(tmp_path: Path) -> None:
    assert needed_bytes(UNKNOWN, "cpu") is None
    (tmp_path / "model.safetensors").write_bytes(b"x" * 1000)
    assert needed_bytes(UNKNOWN, "cpu", folder=tmp_path) == 1000 + RUNTIME_BYTES["cpu"]


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("free_gib", [3, 4, 6, 8])
def test_the_largest_batch_fits_with_its_reserve_and_one_more_would_not(
    free_gib: int, device: str
) -> None:
    size = largest_batch([LARGE], device, 300, 200, free_gib * GIB)
    needed = sequence_bytes(spec_of(LARGE), 300, 200)
    room = 0.9 * free_gib * GIB - RUNTIME_BYTES[device] - weights_of(LARGE)
    assert size * needed <= room < (size + 1) * needed
    fits = needed_bytes(LARGE, device, Workload(300, 200, size))
    assert fits is not None
    assert fits <= free_gib * GIB


def test_the_largest_config_decides_and_one_sequence_is_always_tried() -> None:
    six = find_configs(["0.5B-4bit", "1.5B-bf16"])
    tight = largest_batch(six, "cuda", 300, 2000, 5 * GIB)
    assert 1 < tight < largest_batch(six[:1], "cuda", 300, 2000, 5 * GIB)
    assert largest_batch(six, "cuda", 300, 200, GIB) == 1


def test_an_unknown_architecture_needs_a_number() -> None:
    with pytest.raises(InputError, match="Give a number"):
        largest_batch([UNKNOWN], "cpu", 300, 200, GIB)


def test_every_model_of_the_catalogue_has_a_spec() -> None:
    assert all(model.spec is not None for model in MODELS.values())
