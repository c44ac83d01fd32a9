"""Whether what somebody wants to try fits, in sentences, with what would fit in its place."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.catalog.fit import PLACES
from vibecore.catalog.memory import ONE_PROMPT, Workload, needed_bytes
from vibecore.catalog.models import Config, listed_configs
from vibecore.core.errors import RunError
from vibecore.core.formats import memory
from vibecore.core.machine import gpu_name

MOST_OFFERS = 3


def preview(
    configs: Sequence[Config],
    device: str,
    weights: str,
    available: int,
    workload: Workload = ONE_PROMPT,
    engine: str = "eager",
) -> tuple[str, list[str]]:
    """What is shown before loading: one line on all configs, and a sentence for each that does
    not fit. `available` bytes are free or can be freed by unloading idle models."""
    gpu = gpu_name(device)
    needs = {
        config: needed_bytes(config, device, workload, engine=engine, weights=weights, gpu=gpu)
        for config in configs
    }
    known = [needed for needed in needs.values() if needed is not None]
    line = f"{memory(available)} available {PLACES[device]}."
    if known:
        largest = "it needs" if len(configs) == 1 else "the largest of these needs"
        line = f"{line[:-1]}; {largest} about {memory(max(known))}, loaded."
    if len(known) < len(configs):
        line += " The size of one is not known before its files are."
    refusals = [
        str(does_not_fit(config, device, needed, available))
        for config, needed in needs.items()
        if needed is not None and needed > available
    ]
    return line, refusals


def does_not_fit(config: Config, device: str, needed: int, available: int) -> RunError:
    """The error for a config that is too large, with what would fit in its place."""
    offers = _offers(config, device, available)
    advice = f"{' or '.join(offers)} would fit." if offers else "No config known here would fit."
    return RunError(
        f"{config.id} needs about {memory(needed)} {PLACES[device]}, and {memory(available)} is "
        f"available. {advice}"
    )


def _offers(config: Config, device: str, available: int) -> list[str]:
    """Listed configs that fit: of the same model first, then of its kind, the largest first."""
    gpu = gpu_name(device)
    sized = {
        other: needed
        for other in listed_configs().values()
        if other.model.weights == config.model.weights
        and (needed := needed_bytes(other, device, gpu=gpu)) is not None
        and needed <= available
    }
    ordered = sorted(sized, key=lambda other: (other.model != config.model, -sized[other]))
    return [other.id for other in ordered if other != config][:MOST_OFFERS]
