"""A published report's aggregates as a file: JSON with its figures, one row a config.

Apart from the checks, so that importing them does not import pydantic.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from vibecore.analysis.claims.study_data import (
    COUNTS,
    MOST,
    Report,
    is_count,
    is_size,
    nearest_count,
)
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.gpus import find_gpu
from vibecore.catalog.models import MODELS
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core.checked import checked
from vibecore.core.errors import InputError
from vibecore.core.machine import GIB
from vibecore.core.text_files import no_character, read_text

MOST_PROMPTS = 100_000
Name = Annotated[str, Field(min_length=1)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
# A factor, or a lowest and a highest one.
Factors = Annotated[
    list[Positive],
    Field(min_length=2, max_length=2),
    BeforeValidator(lambda value: value if isinstance(value, list) else [value, value]),
]


class Strict(BaseModel):
    """Numbers are numbers, not text; keys that are not known are left alone."""

    model_config = ConfigDict(strict=True)


class ReportRow(Strict):
    """One config's figures: counts of outputs, or percentages of the prompts in their place."""

    model: Name
    precision: Name
    tokens_per_second: Number | None = None
    memory_gib: Number | None = None
    repetitive_outputs: Number | None = None
    empty_outputs: Number | None = None
    adherent_prompts: Number | None = None
    repetitive_percent: Number | None = None
    empty_percent: Number | None = None
    adherent_percent: Number | None = None


class Hardware(Strict):
    """The GPU; its memory in GiB and its bandwidth in 10⁹ bytes a second are looked up by its name
    where they are not given."""

    gpu: str | None = None
    vram_gb: Positive | None = None
    bandwidth_gb_s: Positive | None = None


class ReportFile(Strict):
    """The file. A row is an object, or a list in the order of `columns`; `models` gives hub ids by
    model, `captions` what the report says of a column."""

    prompts: Annotated[int, Field(ge=1, le=MOST_PROMPTS)]
    rows: Annotated[list[ReportRow], Field(min_length=1)]
    hardware: Hardware = Hardware()
    models: dict[str, str] = {}
    captions: dict[str, str] = {}
    claims: dict[Literal["repetition_drop", "adherence_gain", "memory_fall"], Factors] = {}

    @model_validator(mode="before")
    @classmethod
    def name_cells(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """What is null as not given, and rows that are lists as objects."""
        given = {key: value for key, value in raw.items() if value is not None}
        rows, columns = given.get("rows"), given.get("columns")
        if isinstance(rows, list):
            given["rows"] = list(rows)
            for place, row in enumerate(rows):
                if isinstance(row, list):
                    if not isinstance(columns, list) or len(columns) != len(row):
                        raise ValueError(
                            f"row {place + 1} must have one value for each of `columns`"
                        )
                    given["rows"][place] = dict(zip(map(str, columns), row, strict=True))
        return given

    @field_validator("rows")
    @classmethod
    def no_config_twice(cls, rows: list[ReportRow]) -> list[ReportRow]:
        """Each model once at each precision."""
        if len({(row.model, row.precision) for row in rows}) < len(rows):
            raise ValueError("a model is at the same precision twice; keep one row of them")
        return rows


def read_report(path: Path) -> Report:
    """Read a report's file. Raises InputError, with what is wrong and where, for anything else."""
    try:
        raw = json.loads(read_text(path))
    except (ValueError, RecursionError):
        raise InputError(
            f"{path} is not JSON. An audit reads a report's figures as JSON."
        ) from None
    if (defect := no_character(raw)) is not None:
        raise InputError(f"{path}: {defect}.")
    if not isinstance(raw, dict):
        raise InputError(f"{path} must hold one JSON object with `prompts`, `columns` and `rows`.")
    file = checked(ReportFile, raw, path)
    hardware = file.hardware
    gpu = find_gpu(hardware.gpu) if hardware.gpu else None
    architectures = {row.model: _architecture(row.model, file.models) for row in file.rows}
    rows = [_metrics(row, file.prompts, architectures[row.model]) for row in file.rows]
    return Report(
        rows=tuple(rows),
        prompts=file.prompts,
        stated={
            row.config: stated.model_dump(exclude={"model", "precision"})
            for row, stated in zip(rows, file.rows, strict=True)
        },
        vram_gib=hardware.vram_gb or (gpu and gpu.memory),
        bandwidth=hardware.bandwidth_gb_s or (gpu and gpu.bandwidth),
        captions=file.captions,
        claims={name: (min(ends), max(ends)) for name, ends in file.claims.items()},
        hardware=hardware.gpu,
        architectures={name: found for name, found in architectures.items() if found},
    )


def _architecture(name: str, models: dict[str, str]) -> ModelSpec | None:
    """By the hub id given for a model, else by its name in the catalogue."""
    known = {one.source if name in models else one.name: one for one in MODELS.values()}
    model = known.get(models.get(name, name))
    return model.spec if model else None


def _metrics(row: ReportRow, prompts: int, architecture: ModelSpec | None) -> ConfigMetrics:
    """A config's metrics as far as the file gives them; memory from the architecture otherwise."""
    counts: dict[str, Any] = {}
    for column, (percent_column, name) in COUNTS.items():
        count, percent = getattr(row, column), getattr(row, percent_column)
        if count is None and percent is not None:
            count = nearest_count(percent, prompts)
        counts[name] = int(count) if is_count(count, prompts) else None
    size, source, basis = None, None, None
    if row.memory_gib is not None and is_size(row.memory_gib):
        size, source, basis = int(row.memory_gib * GIB), "reported", "as reported"
    elif architecture and row.precision in PRECISIONS:
        size = PRECISIONS[row.precision].weight_bytes(architecture)
        source, basis = "estimated", "weights from the architecture"
    return ConfigMetrics(
        config=f"{row.model}-{row.precision}",
        model=row.model,
        precision=row.precision,
        prompts=prompts,
        tokens_per_second=row.tokens_per_second if is_size(row.tokens_per_second) else None,
        repetition_judged=prompts,
        empty_judged=prompts,
        adherence_judged=prompts,
        memory_bytes=size,
        memory_source=source,
        memory_basis=basis,
        **counts,
    )
