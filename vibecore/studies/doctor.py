"""What this machine can run, and why not: packages, memory, GPUs, and the fit of each config."""

from __future__ import annotations

import socket
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from vibecore.catalog.memory import needed_bytes
from vibecore.catalog.models import FAMILIES, Config, family_configs
from vibecore.core.formats import counted, memory
from vibecore.core.machine import GIB, likely_device, read_machine, torch_is_cpu_build
from vibecore.scoring.sandbox import find_isolation

Row = dict[str, str]

PACKAGES = ("torch", "transformers", "bitsandbytes", "accelerate", "duckdb", "streamlit")
NATIVE_BF16 = (8, 0)
HUB_SECONDS = 4.0


def examine() -> list[Row]:
    """One row a finding: what, its state (`ok`, `note`, `missing`), and what it means."""
    machine = read_machine()
    rows = [_package(name) for name in PACKAGES]
    rows.append(
        {
            "what": "processor",
            "state": "ok",
            "detail": f"{machine['cpu']}, {counted(machine['cores'], 'core')}, "
            f"{machine['memory_bytes'] / GIB:.1f} GiB",
        }
    )
    rows += _gpus(machine)
    rows += [_hub(), _isolation()]
    rows += [_fit(config, machine) for family in FAMILIES for config in family_configs(family)]
    return rows


def _package(name: str) -> Row:
    try:
        return {"what": name, "state": "ok", "detail": version(name)}
    except PackageNotFoundError:
        detail = "not installed: pip install -r requirements.txt"
        return {"what": name, "state": "missing", "detail": detail}


def _gpus(machine: dict[str, Any]) -> list[Row]:
    if not machine["gpus"]:
        detail = "no NVIDIA GPU or driver found; runs use the CPU"
        return [{"what": "GPU", "state": "missing", "detail": detail}]
    rows = []
    for gpu in machine["gpus"]:
        capability = tuple(int(part) for part in gpu["compute_capability"].split("."))
        native = capability >= NATIVE_BF16
        advice = "" if native else "; no native bfloat16, so prefer fp16 to bf16"
        rows.append(
            {
                "what": gpu["name"],
                "state": "ok" if native else "note",
                "detail": f"{gpu['free_bytes'] / GIB:.1f} of {gpu['total_bytes'] / GIB:.1f} GiB "
                f"free, compute capability {gpu['compute_capability']}, driver "
                f"{machine['driver']}{advice}",
            }
        )
    if torch_is_cpu_build():
        detail = "torch is a CPU build and will not see the GPU: reinstall requirements.txt"
        rows.append({"what": "CUDA", "state": "missing", "detail": detail})
    return rows


def _hub() -> Row:
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname or ""
    try:
        socket.create_connection((host, 443), timeout=HUB_SECONDS).close()
    except OSError:
        detail = (
            "not reachable: models not yet on this machine cannot be fetched; use --family demo, a "
            "local folder or, for models of the catalogue, --weights dummy"
        )
        return {"what": "model hub", "state": "missing", "detail": detail}
    return {"what": "model hub", "state": "ok", "detail": "reachable"}


def _isolation() -> Row:
    isolation = find_isolation()
    if isolation.way is None:
        detail = f"none, so --execute-code is refused: {isolation.reason}"
        return {"what": "isolation", "state": "missing", "detail": detail}
    return {"what": "isolation", "state": "ok", "detail": f"code can be run: {isolation.way}"}


def _fit(config: Config, machine: dict[str, Any]) -> Row:
    device = likely_device("auto", machine["gpus"])
    gpu = machine["gpus"][0]["name"] if device == "cuda" else None
    if why := config.precision.why_not_here(device):
        return {"what": config.id, "state": "missing", "detail": why}
    needed = needed_bytes(config, device, gpu=gpu)
    if needed is None:
        return {"what": config.id, "state": "note", "detail": "its size is not known"}
    on_gpu = device == "cuda"
    available = machine["gpus"][0]["free_bytes"] if on_gpu else machine["memory_bytes"]
    place = "the GPU" if on_gpu else "memory"
    fits = needed <= available
    detail = f"needs about {memory(needed)}: " + (
        f"fits in {place}" if fits else f"too large for {place}"
    )
    return {"what": config.id, "state": "ok" if fits else "missing", "detail": detail}
