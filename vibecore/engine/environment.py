"""Where a run happened: enough to tell whether two runs may be compared."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from vibecore.catalog.architectures import read_spec
from vibecore.catalog.gguf import is_gguf, read_gguf
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.machine import node_name, read_machine
from vibecore.core.records import LoadRequest
from vibecore.engine.sampling import SAMPLER

PACKAGES = ("torch", "transformers", "bitsandbytes", "accelerate", "tokenizers", "safetensors")

# Those of scaled_dot_product_attention that a GPU may choose from.
ATTENTION_BACKENDS: Mapping[str, Callable[[], bool]] = {
    "flash": torch.backends.cuda.flash_sdp_enabled,
    "efficient": torch.backends.cuda.mem_efficient_sdp_enabled,
    "math": torch.backends.cuda.math_sdp_enabled,
    "cudnn": torch.backends.cuda.cudnn_sdp_enabled,
}


def read_environment(
    request: LoadRequest,
    device: torch.device,
    stop_tokens: Sequence[int],
    decoding: Mapping[str, Any],
    attention: str,
) -> dict[str, Any]:
    """Versions, device, threads, and the arguments a run was really made with.

    `decoding` is what transformers' `generate`, or llama.cpp, is given, whatever the protocol;
    `attention` says by whom attention is computed; `sampler` how tokens are chosen where the
    protocol samples.
    """
    environment: dict[str, Any] = {
        "device": device.type,
        "machine": read_machine(),
        "node": node_name(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *_own(request.precision))},
        "threads": torch.get_num_threads(),
        "revision": request.revision,
        "engine": request.engine,
        "precision": request.precision,
        "architecture": _architecture(request),
        "attention": attention,
        "decoding": dict(decoding),
        "sampler": SAMPLER,
        "stop_tokens": list(stop_tokens),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        environment["attention_backends"] = [
            name for name, enabled in ATTENTION_BACKENDS.items() if enabled()
        ]
        environment["gpu"] = {
            "name": properties.name,
            "total_bytes": properties.total_memory,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "cuda": torch.version.cuda,
            "native_bf16": torch.cuda.is_bf16_supported(including_emulation=False),
        }
    return environment


def _architecture(request: LoadRequest) -> dict[str, Any] | None:
    """What the files' own description says that the model is, whatever it is quantised to; None for
    random weights, and where the architecture is not known."""
    if request.folder is None:
        return None
    path = Path(request.folder)
    spec = read_gguf(path).spec if is_gguf(path) else read_spec(path)
    if spec is None:
        return None
    return {"model_type": spec.model_type, "parameters": spec.parameters}


def _own(precision: str) -> list[str]:
    """The package that a precision takes besides."""
    needed = PRECISIONS[precision].requirement
    return [needed.package] if needed else []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
