"""Folders that are quantised already, written by hand in their formats' layouts: each runs as it is
where its package is installed, and computes what its numbers say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM
from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

import vibecore.engine as engine
from tests.support.folders import request_for
from tests.support.quantised_folders import KINDS, quantised_folder, read_back
from vibecore.catalog.checkpoint import stored_precision
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.catalog.engines import why_left
from vibecore.catalog.precisions import PRECISIONS
from vibecore.catalog.stored_formats import TRANSFORMERS_METHODS
from vibecore.core.errors import RunError
from vibecore.engine.weight_size import weight_bytes

LABELS = {
    "gptq": "gptq-int4",
    "awq": "awq-int4",
    "compressed int4": "compressed-int4",
    "compressed int8": "compressed-int8",
    "compressed float8": "compressed-float8",
    "fp8": "fp8",
}
# Bits per weight of a row of 192 numbers as the format's definition has them, where they are not
# unpacked: 4-bit numbers, a 16-bit scale and a 4-bit zero point a group of 32.
GROUPED = 4 + (16 + 4) / 32
TOKENS = torch.tensor([[5, 9, 100, 33, 7, 64, 2, 11]])


def needs(kind: str) -> str | None:
    """The package of a format that is not installed."""
    requirement = PRECISIONS[LABELS[kind]].requirement
    return None if requirement is None or requirement.is_met else requirement.package


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "fp8"])
def test_a_folder_computes_what_its_numbers_say(kind: str, tmp_path: Path) -> None:
    folder = quantised_folder(tmp_path / "model", kind)
    label = LABELS[kind]
    assert stored_precision(folder) is PRECISIONS[label]
    if package := needs(kind):
        with pytest.raises(RunError, match=rf"{label} needs {package}.*Install it: pip install"):
            engine.load(request_for(folder, label))
        return
    loaded = engine.load(request_for(folder, label, "graph"))
    bits = loaded.report.environment["bits_per_weight"]
    if PRECISIONS[label].unpacked:
        assert bits["layers"] >= 16, "in 16 bit, and its scales beside it"
    else:
        # GPTQ also says which group each column is of.
        assert bits["layers"] == pytest.approx(GROUPED, abs=0.3)
    assert why_left({**loaded.report.environment}, 1) is not None, "eager decodes it"
    plain = AutoModelForCausalLM.from_pretrained(MODELS_DIR / "1M", dtype=torch.float32)
    wanted = {name: tensor.float() for name, tensor in read_back(kind).items()}
    plain.load_state_dict(wanted, strict=False)
    before = loaded.report.weight_bytes
    with torch.inference_mode():
        logits = loaded.model(TOKENS).logits.float()
        reference = plain(TOKENS).logits
    # Computed in bfloat16, and of two kinds activations are in 8 bit.
    alike = torch.corrcoef(torch.stack([logits.flatten(), reference.flatten()]))[0, 1]
    assert alike > 0.99
    if PRECISIONS[label].unpacked:
        assert weight_bytes(loaded.model) == before
    assert engine.generate(loaded, ["Write"], 4)[0].token_ids


def test_a_packed_folder_that_lacks_a_layer_is_named(tmp_path: Path) -> None:
    if needs("compressed int4"):
        pytest.skip("compressed-tensors is not installed")
    from safetensors.torch import load_file, save_file

    folder = quantised_folder(tmp_path / "model", "compressed int4")
    file = folder / "model.safetensors"
    lost = "model.layers.1.mlp.up_proj"
    kept = {name: one for name, one in load_file(file).items() if not name.startswith(lost)}
    save_file(kept, file, metadata={"format": "pt"})
    with pytest.raises(RunError, match=rf"missing: {lost}"):
        engine.load(request_for(folder, "as-is"))


def test_what_needs_a_gpu_is_not_run_dequantised_under_its_label(tmp_path: Path) -> None:
    folder = quantised_folder(tmp_path / "model", "fp8")
    for precision in ("fp8", "as-is"):
        with pytest.raises(RunError, match=r"fp8 cannot run here.*8\.9.*take the original weights"):
            engine.load(request_for(folder, precision))


def test_the_methods_are_those_of_transformers() -> None:
    ours: Any = {
        name.removesuffix("_4bit").removesuffix("_8bit") for name in AUTO_QUANTIZER_MAPPING
    }
    assert set(TRANSFORMERS_METHODS) == ours
