"""The interval of a config's mean KLD where it stands among its other metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stats.clustered_mean import positive_mean_interval


def with_kld_intervals(
    rows: Sequence[ConfigMetrics], sums: Mapping[str, tuple[Sequence[float], Sequence[int]]]
) -> list[ConfigMetrics]:
    """The rows with the 95 % interval of their mean KLD over prompts, that of FidelitySummary.
    `sums` gives configs the KLDs' sum and the number of tokens of each prompt, in one order."""
    return [
        replace(row, mean_kld_interval=positive_mean_interval(*sums[row.config]))
        if row.config in sums
        else row
        for row in rows
    ]
