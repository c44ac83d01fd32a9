"""Which outputs are read beside a config's own."""

from __future__ import annotations

from collections.abc import Sequence

from vibecore.analysis.metrics import BASELINE_PRECISION, ConfigMetrics


def read_beside(config: str, rows: Sequence[ConfigMetrics], sweet_spot: str | None) -> list[str]:
    """The configs to open for one of them: its baseline and itself.

    The baseline is the same model at bf16. Where `config` is its own baseline, or the study has
    none, it is opened beside `sweet_spot` (or the best that fits, if the caller has no sweet spot);
    alone where that is itself or does not exist.
    """
    model = next(row.model for row in rows if row.config == config)
    baseline = [
        row.config for row in rows if row.precision == BASELINE_PRECISION and row.model == model
    ]
    if baseline and config not in baseline:
        return [*baseline, config]
    if sweet_spot is not None and sweet_spot != config:
        return [config, sweet_spot]
    return [config]
