"""The 1M demo model copied into a test's folder and altered there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.records import LoadRequest

Tensors = dict[str, torch.Tensor]


def demo_folder(
    target: Path,
    *,
    name: str = "1M",
    config: Mapping[str, Any] | None = None,
    generation_config: Mapping[str, Any] | str | None = None,
    tensors: Callable[[Tensors], Tensors] | None = None,
) -> Path:
    """A copy with keys of config.json set (None takes one out), its generation_config.json
    replaced by an object or by text, and its tensors changed."""
    shutil.copytree(MODELS_DIR / name, target)
    if config is not None:
        raw = json.loads((target / "config.json").read_text()) | dict(config)
        kept = {key: value for key, value in raw.items() if value is not None}
        (target / "config.json").write_text(json.dumps(kept))
    if isinstance(generation_config, str):
        (target / "generation_config.json").write_text(generation_config)
    elif generation_config is not None:
        (target / "generation_config.json").write_text(json.dumps(generation_config))
    if tensors is not None:
        file = target / "model.safetensors"
        changed = {name: tensor.contiguous() for name, tensor in tensors(load_file(file)).items()}
        save_file(changed, file, metadata={"format": "pt"})
    return target


def other_tokenizer(folder: Path) -> Path:
    """A model folder, two tokens of which have changed places."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    first, second = list(vocabulary)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(content), encoding="utf-8")
    return folder


def request_for(folder: Path, precision: str = "bf16", engine: str = "eager") -> LoadRequest:
    """What a worker is sent for a folder."""
    return LoadRequest(f"own-{precision}", precision, "cpu", engine, folder=str(folder))
