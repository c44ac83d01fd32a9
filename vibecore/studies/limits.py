"""Limits on the options that `run` and `bench` share."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.catalog.models import Config
from vibecore.core.errors import InputError

DEVICES = ("auto", "cpu", "cuda")
MOST_TOKENS = 32_768
MOST_BATCH_SIZE = 4_096


def one_of(option: str, value: str, allowed: Sequence[str]) -> str:
    """The value. Raises InputError where it is not allowed."""
    if value not in allowed:
        raise InputError(f"{option} must be one of {', '.join(allowed)}, not '{value}'.")
    return value


def within(option: str, value: int, least: int, most: int) -> int:
    """The value. Raises InputError where it is out of bounds."""
    if not least <= value <= most:
        raise InputError(f"{option} must be from {least} to {most}, not {value}.")
    return value


def refuse_unused_weights(weights: str, configs: Sequence[Config]) -> None:
    """Raise InputError for a folder of weights that no config would be loaded from."""
    own = all(config.model.weights in ("local", "gguf") for config in configs)
    if own and weights not in ("hub", "dummy"):
        raise InputError(
            "--weights FOLDER is for configs of the catalogue; --model PATH says itself where its "
            "weights are. Leave --weights out."
        )
