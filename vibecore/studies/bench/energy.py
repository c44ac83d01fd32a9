"""The GPU's own energy counter, by NVML, where there is one."""

from __future__ import annotations

from vibecore.core.machine import visible_gpus

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
        first = next(iter(visible_gpus()), None)
        if first is None:
            return None
        return pynvml.nvmlDeviceGetTotalEnergyConsumption(first) * MILLIJOULE
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()
