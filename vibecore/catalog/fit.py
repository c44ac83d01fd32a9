"""Whether what is known to be needed fits a device, in a sentence. Asks the device, no torch."""

from __future__ import annotations

from typing import Literal

from vibecore.core.formats import memory
from vibecore.core.machine import free_bytes, total_bytes

Fit = Literal["yes", "not now", "never", "unknown"]
# Where a device's memory is, in a sentence.
PLACES = {"cpu": "in memory", "cuda": "on the GPU"}


def judge_fit(what: str, needed: int | None, device: str, advice: str) -> tuple[Fit, str]:
    """(Whether `what`, a config's id or several in words, fits `device`, the sentence on it);
    `advice` is what to do, a sentence, where the device is too small whatever is free. `needed` is
    None where it is not known.
    """
    total = total_bytes(device)
    if not total:
        return "never", f"{what} cannot run on a GPU: none was found here. Choose the CPU."
    if needed is None:
        return "unknown", f"{what}: its size is not known before it is loaded."
    needs = f"{what} needs about {memory(needed)} {PLACES[device]}"
    if needed > total:
        return "never", f"{needs}, which has {memory(total)} in all. {advice}"
    free = free_bytes(device)
    if needed > free:
        return "not now", f"{needs}, of which {memory(free)} is free now."
    return "yes", f"{needs}; {memory(free)} is free."
