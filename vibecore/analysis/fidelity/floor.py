"""The noise floor: how far a parent is from itself, and which of its measured ways that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vibecore.core.fidelity import Way

Interval = tuple[float, float]


@dataclass(frozen=True)
class NoiseFloor:
    """The parent against itself in one of the FLOOR_WAYS, over so many `prompts`: its mean KLD in
    nats with its 95 % interval, None where there are too few prompts for one."""

    way: Way
    mean_kld: float
    mean_kld_interval: Interval | None
    prompts: int

    @property
    def upper(self) -> float:
        """Where the floor ends: the interval's upper bound, or the mean where it has none."""
        return self.mean_kld_interval[1] if self.mean_kld_interval else self.mean_kld


def choose_floor(measured: Iterable[NoiseFloor]) -> NoiseFloor | None:
    """The floor of one parent along one reference: of the ways that were measured on the most
    prompts, the one with the largest mean KLD; None where none was.

    Not the largest upper end: that would prefer the way that is known least. Nor a way that was
    interrupted, however large its mean over a few prompts: a config is told from the floor over the
    prompts that both have.
    """
    return max(measured, key=lambda one: (one.prompts, one.mean_kld), default=None)
