"""Whether a config fits: what it needs, estimated, against what the device has free."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vibecore.catalog.configs import GIB, PRECISIONS, Config, known_configs
from vibecore.core.errors import RunError
from vibecore.core.formats import memory
from vibecore.core.machine import read_gpus
from vibecore.studies.doctor import HEADROOM_BYTES

# What a first worker takes before it has a model: 0.41 GB seen (torch, transformers). Later ones
# share most of it where workers are forked; the estimate leaves that out, to be safe.
PROCESS_BYTES = GIB // 2
MOST_OFFERS = 3


def needed_bytes(
    config: Config, device: str, weights: str = "hub", folder: Path | None = None
) -> int | None:
    """What a worker with the config takes on the device, estimated; None where nothing is known.

    Of a model whose architecture is not known, the files in its `folder` are the measure.
    """
    size = config.estimated_weight_bytes
    if size is None and folder is not None:
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    if size is None:
        return None
    if device == "cuda":
        return size + HEADROOM_BYTES
    if weights == "dummy" and config.model.architecture:
        # The random weights lie there in 16 bit until the quantiser has them.
        size += config.model.architecture.weight_bytes(PRECISIONS["bf16"])
    return size + PROCESS_BYTES


def preview(
    configs: Sequence[Config], device: str, weights: str, can_be_had: int
) -> tuple[str, list[str]]:
    """What is said before loading: one line on all configs, and a sentence for each that does not
    fit. `can_be_had` is what is free and what the panel could free."""
    place = "on the GPU" if device == "cuda" else "in memory"
    needs = {config: needed_bytes(config, device, weights) for config in configs}
    known = [needed for needed in needs.values() if needed is not None]
    line = f"{memory(can_be_had)} can be had {place}."
    if known:
        largest = "it needs" if len(configs) == 1 else "the largest of these needs"
        line = f"{line[:-1]}; {largest} about {memory(max(known))}, loaded."
    if len(known) < len(configs):
        line += " The size of one is not known before its files are."
    refusals = [
        str(does_not_fit(config, device, needed, can_be_had))
        for config, needed in needs.items()
        if needed is not None and needed > can_be_had
    ]
    return line, refusals


def likely_device(asked: str) -> str:
    """`cpu` or `cuda`, as far as the driver tells without loading torch."""
    if asked != "auto":
        return asked
    return "cuda" if read_gpus()[0] else "cpu"


def does_not_fit(config: Config, device: str, needed: int, free: int) -> RunError:
    """The sentence for a config that is too large, with what would fit in its place.

    `free` counts what the panel could free by unloading.
    """
    offers = _offers(config, device, free)
    advice = f"{' or '.join(offers)} would fit." if offers else "No config known here would fit."
    place = "on the GPU" if device == "cuda" else "in memory"
    return RunError(
        f"{config.id} needs about {memory(needed)} {place}, and {memory(free)} can be had. {advice}"
    )


def _offers(config: Config, device: str, free: int) -> list[str]:
    """Known configs that fit: of the same model first, then of its kind, the largest first."""
    sized = {
        other: needed
        for other in known_configs().values()
        if other.model.weights == config.model.weights
        and (needed := needed_bytes(other, device)) is not None
        and needed <= free
    }
    ordered = sorted(sized, key=lambda other: (other.model != config.model, -sized[other]))
    return [other.id for other in ordered if other != config][:MOST_OFFERS]
