"""The metrics table: one row a config, from the store's sums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vibecore.catalog.configs import decoded_by
from vibecore.core.rows import Row, RunRow

BASELINE_PRECISION = "bf16"
PEAK_MEMORY = "peak allocated on the GPU"


@dataclass(frozen=True)
class ConfigMetrics(Row):
    """One config's metrics. Rates are fractions; what is not known is None; quality is None
    throughout where weights are dummy. `vs_bf16` is -0.09 for 9 % slower than the same model at
    bf16, None for that baseline itself."""

    config: str
    model: str
    precision: str
    prompts: int
    tokens_per_second: float | None
    vs_bf16: float | None
    mean_new_tokens: float | None
    repetitive: int | None
    repetition_judged: int | None
    repetition_rate: float | None
    degenerate: int | None
    degenerate_judged: int | None
    empty: int | None
    garbage: int | None
    adherent_prompts: int | None
    adherence_judged: int | None
    prompt_adherence: float | None
    constraint_adherence: float | None
    constraints_met: int | None
    constraints_judged: int | None
    adherent_prompts_loose: int | None
    adherence_judged_loose: int | None
    constraints_met_loose: int | None
    constraints_judged_loose: int | None
    memory_bytes: int | None
    memory_source: str | None
    memory_basis: str | None
    weight_bytes: int | None
    batch_size: int | None
    engine: str | None
    decoded_by: str | None
    weights: str
    dtype: str | None
    status: str
    error: str | None
    sweet_spot: bool = False


def summarise(configs: Sequence[RunRow]) -> list[ConfigMetrics]:
    """The metrics of every config of a study, without the sweet spot.

    `configs` are rows of store.read_configs. Rates are fractions of the prompts scored; what is
    not known is None, and quality is None throughout where weights are dummy. `vs_bf16` compares
    with the same model at bf16 (-0.09 for 9 % slower) and is None for that baseline itself.
    """
    rows = [_config_row(config) for config in configs]
    baselines = {
        row.model: row.tokens_per_second for row in rows if row.precision == BASELINE_PRECISION
    }
    return [replace(row, vs_bf16=_versus(row, baselines.get(row.model))) for row in rows]


def _versus(row: ConfigMetrics, baseline: float | None) -> float | None:
    if row.precision == BASELINE_PRECISION or not baseline or not row.tokens_per_second:
        return None
    return row.tokens_per_second / baseline - 1


def _config_row(config: RunRow) -> ConfigMetrics:
    memory_bytes, memory_source, memory_basis = _memory(config)
    scored = config.published_prompts or config.scored
    repetitive = _either(config, "repetitive")
    adherent = _either(config, "adherent_prompts")
    published = config.published_prompts is not None
    judged = config.published_prompts or config.adherence_judged
    return ConfigMetrics(
        config=config.config,
        model=config.model,
        precision=config.precision,
        prompts=config.published_prompts or config.generations or 0,
        tokens_per_second=_speed(config),
        vs_bf16=None,
        mean_new_tokens=None if published else _share(config.new_tokens, config.generations),
        repetitive=repetitive,
        repetition_judged=scored,
        repetition_rate=_share(repetitive, scored),
        degenerate=config.degenerate if config.degenerate_judged else None,
        degenerate_judged=config.degenerate_judged or None,
        empty=_either(config, "empty"),
        garbage=None if published else config.garbage,
        adherent_prompts=adherent,
        adherence_judged=judged,
        prompt_adherence=_share(adherent, judged),
        constraint_adherence=None
        if published
        else _share(config.constraints_met, config.constraints_judged),
        constraints_met=None if published else config.constraints_met,
        constraints_judged=None if published else config.constraints_judged,
        **_loose(config),
        memory_bytes=memory_bytes,
        memory_source=memory_source,
        memory_basis=memory_basis,
        weight_bytes=config.weight_bytes,
        batch_size=config.batch_size,
        engine=config.environment.get("engine"),
        decoded_by=decoded_by(config.environment, config.batch_size or 1),
        weights=config.weights,
        dtype=config.dtype,
        status=config.status,
        error=config.error,
    )


def _loose(config: RunRow) -> dict[str, Any]:
    """Adherence with IFEval's instructions in their loose reading, None where there are none."""
    known = bool(config.adherence_judged_loose)
    return {
        name: getattr(config, name) if known else None
        for name in (
            "adherent_prompts_loose",
            "adherence_judged_loose",
            "constraints_met_loose",
            "constraints_judged_loose",
        )
    }


def _either(config: RunRow, column: str) -> int | None:
    """A published count where one was published, else the count over stored outputs."""
    if config.published_prompts is not None:
        return getattr(config, f"published_{column}")
    return getattr(config, column)


def _share(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _speed(config: RunRow) -> float | None:
    if config.published_tokens_per_second is not None:
        return config.published_tokens_per_second
    return _share(config.new_tokens, config.total_seconds)


def _memory(config: RunRow) -> tuple[int | None, str | None, str | None]:
    """(bytes, source, what they are).

    On a GPU the peak the allocator reached; on a CPU the weights as loaded, because a process's
    resident memory cannot be told apart from Python's own.
    """
    if config.environment.get("device") == "cuda" and config.peak_memory_bytes:
        return config.peak_memory_bytes, "measured", PEAK_MEMORY
    if config.weight_bytes:
        return config.weight_bytes, "measured", "weights as loaded"
    if config.estimated_weight_bytes:
        return config.estimated_weight_bytes, "estimated", "weights from the architecture"
    return None, None, None
