"""What a config's mean KLD stands beside among its other metrics: its interval and noise floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vibecore.analysis.fidelity.floor import NoiseFloor, choose_floor
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stats.clustered_mean import positive_mean_interval
from vibecore.core.fidelity import FLOOR_WAYS, Way

# Of each prompt that a config was compared on: the sum of its KLDs, and how many tokens it has.
Sums = tuple[Sequence[float], Sequence[int]]


def with_kld_intervals(
    rows: Sequence[ConfigMetrics], sums: Mapping[tuple[str, Way], Sums]
) -> list[ConfigMetrics]:
    """The rows with the 95 % interval of their mean KLD over prompts and the mean KLD of their
    parent's noise floor, both those of FidelitySummary along outputs. `sums` gives a config and a
    way those of its prompts, in one order."""
    floors = {
        parent: choose_floor(
            _floor(way, sums[parent, way]) for way in FLOOR_WAYS if (parent, way) in sums
        )
        for parent in {row.parent for row in rows if row.parent is not None}
    }
    found = []
    for row in rows:
        own, floor = sums.get((row.config, "alone")), floors.get(row.parent or "")
        found.append(
            replace(
                row,
                mean_kld_interval=None if own is None else positive_mean_interval(*own),
                kld_floor=None if floor is None else floor.mean_kld,
            )
        )
    return found


def _floor(way: Way, sums: Sums) -> NoiseFloor:
    klds, tokens = sums
    return NoiseFloor(
        way, sum(klds) / sum(tokens), positive_mean_interval(klds, tokens), len(tokens)
    )
