"""What this machine is: processor, memory, GPUs and their driver. Needs no torch."""

from __future__ import annotations

import contextlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from vibecore.core.formats import counted

GIB = 1024**3
CGROUP = Path("/sys/fs/cgroup")


def read_machine() -> dict[str, Any]:
    """Processor name, usable cores, memory in bytes, operating system and NVIDIA GPUs."""
    gpus, driver = read_gpus()
    return {
        "cpu": cpu_name(),
        "cores": usable_cores(),
        "memory_bytes": _memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "gpus": gpus,
        "driver": driver,
    }


def hardware(device: str) -> str:
    """The name of this machine's `cpu` or `cuda` hardware, as a study records it."""
    machine = read_machine()
    if device == "cuda" and machine["gpus"]:
        return machine["gpus"][0]["name"]
    return f"{machine['cpu']}, {counted(machine['cores'], 'core')}"


def gpu_name(device: str) -> str | None:
    """The name of the first GPU where `device` is `cuda` and there is one."""
    gpus = read_gpus()[0] if device == "cuda" else []
    return gpus[0]["name"] if gpus else None


def gpu_capability() -> tuple[int, int] | None:
    """The CUDA compute capability of the first GPU, which torch uses; None where there is none."""
    gpus, _ = read_gpus()
    if not gpus:
        return None
    major, minor = gpus[0]["compute_capability"].split(".")
    return int(major), int(minor)


def usable_cores() -> int:
    """Cores this process may use, which a container can make fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_name() -> str:
    """The processor's brand name, as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def read_gpus() -> tuple[list[dict[str, Any]], str | None]:
    """The NVIDIA GPUs that torch may use, by NVML, and the driver's version; an empty list where
    there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return [], None
    try:
        gpus = []
        for handle in visible_gpus():
            # A GPU that shares the machine's memory, or a part of one, does not tell all of this.
            with contextlib.suppress(pynvml.NVMLError):
                gpus.append(_gpu(handle))
        return gpus, pynvml.nvmlSystemGetDriverVersion()
    except pynvml.NVMLError:
        return [], None
    finally:
        pynvml.nvmlShutdown()


def gpu_uuids() -> list[str]:
    """The UUIDs of the GPUs that torch may use, its number 0 first; empty where there is no driver.

    As CUDA_VISIBLE_DEVICES each names one GPU, whatever order CUDA has them in.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [pynvml.nvmlDeviceGetUUID(handle) for handle in visible_gpus()]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def node_name() -> str:
    """The name of this machine in its network."""
    return platform.node() or "localhost"


def visible_gpus() -> list[Any]:
    """NVML handles of the GPUs that CUDA_VISIBLE_DEVICES leaves, torch's number 0 first.

    By number or UUID; like CUDA, it ends at the first that is not there. NVML must be initialised.
    Numbers are those of the PCI bus, as CUDA's are for like GPUs or CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    import pynvml

    handles = [
        pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())
    ]
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    # The name of a slice (MIG) does not tell whose it is.
    if wanted is None or "MIG" in wanted:
        return handles
    visible = []
    for name in (part.strip() for part in wanted.split(",")):
        if name.isdigit() and int(name) < len(handles):
            visible.append(handles[int(name)])
            continue
        named = [handle for handle in handles if pynvml.nvmlDeviceGetUUID(handle).startswith(name)]
        if not name or not named:
            break
        visible.append(named[0])
    return visible


def _gpu(handle: Any) -> dict[str, Any]:
    """One GPU by its NVML handle."""
    import pynvml

    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return {
        "name": pynvml.nvmlDeviceGetName(handle),
        "total_bytes": memory.total,
        "free_bytes": memory.free,
        "compute_capability": f"{major}.{minor}",
    }


def likely_device(asked: str, gpus: list[dict[str, Any]] | None = None) -> str:
    """`cpu` or `cuda` for `auto`, without loading torch, which alone knows for certain: CUDA where
    there is a GPU (of `gpus`, read_gpus' own where they are not given) and torch is built for it.
    """
    if asked != "auto":
        return asked
    found = read_gpus()[0] if gpus is None else gpus
    return "cuda" if found and not torch_is_cpu_build() else "cpu"


def torch_is_cpu_build() -> bool:
    """Whether the installed torch has no CUDA in it."""
    try:
        return version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


def total_bytes(device: str) -> int:
    """All memory of the first GPU, 0 where there is none, or of this machine."""
    if device == "cuda":
        gpus, _ = read_gpus()
        return gpus[0]["total_bytes"] if gpus else 0
    return _memory().total


def free_bytes(device: str) -> int:
    """Memory that a worker could take now: of the first GPU, or of this machine or container."""
    if device == "cuda":
        gpus, _ = read_gpus()
        return gpus[0]["free_bytes"] if gpus else 0
    return min(_memory().available, _container_free(CGROUP))


def _memory() -> Any:
    # Not read by most that import this file.
    import psutil

    return psutil.virtual_memory()


def _container_free(folder: Path) -> int:
    """What a container's memory limit (cgroup v2) leaves; more than any machine has without one."""
    try:
        limit = (folder / "memory.max").read_text(encoding="ascii").strip()
        used = int((folder / "memory.current").read_text(encoding="ascii"))
        stat = (folder / "memory.stat").read_text(encoding="ascii")
    except (OSError, ValueError):
        return 2**63
    if limit == "max":
        return 2**63
    # The page cache counts as used, and gives way.
    cache = next((int(n) for k, n in map(str.split, stat.splitlines()) if k == "inactive_file"), 0)
    return max(0, int(limit) - used + cache)
