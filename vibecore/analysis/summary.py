"""From runs to metrics: one row a config, by the table of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vibecore.analysis.asked import asked_fields
from vibecore.analysis.metrics import BASELINE_PRECISION, METRICS, ConfigMetrics, memory_of
from vibecore.analysis.need import need_of
from vibecore.catalog.engines import decoded_by
from vibecore.core.fidelity import PARENT_PRECISIONS
from vibecore.core.rows import RunRow


def summarise(runs: Sequence[RunRow]) -> list[ConfigMetrics]:
    """The metrics of every config of a study, without the sweet spot.

    `runs` are those of store.read_configs with metrics.AGGREGATES. `vs_bf16` compares with the
    same model at bf16 (-0.09 for 9 % slower) and is None for that baseline itself.
    """
    baselines = {run.model: run for run in runs if run.precision == BASELINE_PRECISION}
    parents = {
        run.model: run.config
        for precision in reversed(PARENT_PRECISIONS)
        for run in runs
        if run.precision == precision
    }
    return [
        _config_metrics(
            run,
            None if run.precision == BASELINE_PRECISION else baselines.get(run.model),
            parents.get(run.model),
        )
        for run in runs
    ]


def _config_metrics(run: RunRow, baseline: RunRow | None, parent: str | None) -> ConfigMetrics:
    if baseline is not None and _devices(baseline) != _devices(run):
        # A speed on other hardware is no speed to compare with.
        baseline = None
    measured: dict[str, Any] = {}
    for metric in METRICS:
        fields = metric.fields(run, baseline)
        # Over several kinds of hardware it would be the speed of none; see `device_speeds`.
        mixed = metric.timed and len(run.device_speeds) > 1
        measured |= dict.fromkeys(fields) if mixed else fields
    _, source, basis = memory_of(run)
    need, need_basis = need_of(run)
    return ConfigMetrics(
        **asked_fields(run),
        prompts=run.published_prompts or run.generations or 0,
        memory_source=source,
        memory_basis=basis,
        need_bytes=need,
        need_basis=need_basis,
        weight_bytes=run.weight_bytes,
        batch_size=run.batch_size,
        engine=run.environment.get("engine"),
        decoded_by=decoded_by(run.environment, run.batch_size or 1),
        dtype=run.dtype,
        status=run.status,
        error=run.error,
        parent=parent,
        **measured,
    )


def _devices(run: RunRow) -> list[str]:
    """The kinds of hardware that made a run's outputs."""
    return [speed.device for speed in run.device_speeds]
