"""What a fidelity measurement would take, in sentences, before it begins."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.core.formats import duration
from vibecore.core.machine import likely_device
from vibecore.studies.fidelity import FidelityEstimate, fidelity_fit


def fidelity_time(estimates: Sequence[FidelityEstimate]) -> str:
    """How long it takes at most, as far as that is known."""
    known = [one.seconds for one in estimates if one.seconds is not None]
    unknown = len(estimates) - len(known)
    if not known:
        return "How long measuring fidelity takes is not known yet."
    if unknown:
        return (
            f"Measuring fidelity takes {duration(sum(known))} at most for {len(known)} of "
            f"{len(estimates)} comparisons; how long for the rest is not known yet."
        )
    return f"Measuring fidelity takes {duration(sum(known))} at most."


def estimate_lines(estimates: Sequence[FidelityEstimate], device: str) -> list[str]:
    """The time, and the memory of the comparison that needs most, or of each that has no room
    now. `device` may be `auto`; nothing is said where nothing is left to measure."""
    if not estimates:
        return []
    fits = {one: fidelity_fit(one, likely_device(device)) for one in estimates}
    lacking = [reason for fit, reason in fits.values() if fit not in ("yes", "unknown")]
    largest = max(estimates, key=lambda one: one.needed_bytes or 0)
    return [fidelity_time(estimates), *(lacking or [fits[largest][1]])]
