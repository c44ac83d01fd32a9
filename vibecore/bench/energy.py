"""The GPU's own energy counter, by NVML, where there is one."""

from __future__ import annotations

import os

MILLIJOULE = 0.001


def read_joules() -> float | None:
    """Joules the GPU has used since its driver was loaded; None without such a counter.

    The counter is the whole GPU's, idle power and other users included. It exists from Volta on.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(_index())
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) * MILLIJOULE
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()


def _index() -> int:
    """The GPU that torch calls number 0, where the user chose one by its number."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0]
    return int(chosen) if chosen.isdigit() else 0
