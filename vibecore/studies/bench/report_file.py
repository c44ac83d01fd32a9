"""Reading a bench's report back: the fields that an import and the tables use, checked."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from vibecore.core.checked import checked
from vibecore.core.errors import InputError
from vibecore.core.paths import given_path
from vibecore.core.text_files import no_character, read_text
from vibecore.studies.bench.report import FORMAT, VERSION

Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """Numbers are numbers, not text; other keys are left alone."""

    model_config = ConfigDict(strict=True)


class Spread(Strict):
    """Over the repetitions."""

    median: float
    least: float
    most: float


class Repetition(Strict):
    """One timed repetition."""

    first_token_seconds: Seconds
    total_seconds: Seconds


class Speed(Strict):
    """One batch size."""

    batch_size: Positive
    repetitions: Positive
    new_tokens: Positive
    first_token_seconds: Spread
    decode_tokens_per_second: Spread
    step_p50_seconds: float
    step_p99_seconds: float
    by_repetition: Annotated[list[Repetition], Field(min_length=1)]
    host_seconds: float | None
    gpu_seconds: float | None
    peak_allocated_bytes: int | None
    peak_reserved_bytes: int | None
    joules_per_token: float | None
    achieved_bytes_per_second: float
    ceiling_share: float
    reading: str


class Result(Strict):
    """One config with one engine."""

    config: str
    model: str
    precision: str
    engine: str
    source: str
    weights: str
    revision: str | None
    estimated_weight_bytes: int | None
    error: str | None
    load_seconds: float | None
    weight_bytes: int | None
    dtype: str | None
    environment: dict[str, Any]
    speeds: list[Speed]


class Settings(Strict):
    """The settings of the bench."""

    prompt_tokens: Positive
    new_tokens: Positive
    batch_sizes: Annotated[list[Positive], Field(min_length=1)]
    engines: Annotated[list[str], Field(min_length=1)]


class ReportFile(Strict):
    """The file (all its fields: report.py)."""

    created_at: str
    hardware: str
    device: str
    interleaved: bool
    settings: Settings
    results: Annotated[list[Result], Field(min_length=1)]

    @field_validator("created_at")
    @classmethod
    def _is_a_time(cls, value: str) -> str:
        datetime.fromisoformat(value)
        return value

    @model_validator(mode="after")
    def _has_the_smallest_batch(self) -> ReportFile:
        least = min(self.settings.batch_sizes)
        for result in self.results:
            if result.error is None and least not in {one.batch_size for one in result.speeds}:
                raise ValueError(f"{result.config} has no speed at batch size {least}")
        return self


def read_report(path: Path) -> dict[str, Any]:
    """A report from its file, as it was written. Raises InputError for anything else, with the
    first field that is wrong."""
    if given_path(path).is_dir():
        raise InputError(
            f"{path} is a folder, and not one that `export --parquet` wrote. Give such a folder, a "
            "file that `bench --out` wrote, or a database; an export of another kind cannot come "
            "back."
        )
    try:
        report = json.loads(read_text(path))
    except (ValueError, RecursionError):
        raise InputError(
            f"{path} is not JSON. `bench --out FILE` writes what is read here."
        ) from None
    if (defect := no_character(report)) is not None:
        raise InputError(f"{path}: {defect}.")
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise InputError(
            f'{path} is not a bench report: it has no "format": "{FORMAT}". '
            "`python -m vibecore bench … --out FILE` writes one."
        )
    if report.get("version") != VERSION:
        raise InputError(
            f"{path} has version {report.get('version')} of the report, this Vibe check reads "
            f"{VERSION}. Measure again, or update Vibe check."
        )
    checked(ReportFile, report, f"{path} is not a whole bench report")
    return report
