"""A published report's aggregates as a file: JSON with its figures, one row a config.

Required: `prompts` (how many), `columns` and `rows` (or `rows` as objects), of which `model` and
`precision`. Known columns besides: `tokens_per_second`; counts of outputs `repetitive_outputs`,
`empty_outputs`, `adherent_prompts`; percentages `repetitive_percent`, `empty_percent`,
`adherent_percent` in their place; `memory_gib`. Optional: `study`, `hardware` (`gpu`, `vram_gb`,
`bandwidth_gb_s`), `models` (name -> hub id), `captions` (column -> what the report says of it),
`claims` (see CLAIMED).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vibecore.analysis.claims.study_data import StudyData
from vibecore.catalog.configs import GIB, MODELS, PRECISIONS, Architecture
from vibecore.catalog.gpus import find_gpu
from vibecore.core.errors import InputError

Row = dict[str, Any]

# count column -> (percentage column, the summary's name of the count)
COUNTS = {
    "repetitive_outputs": ("repetitive_percent", "repetitive"),
    "empty_outputs": ("empty_percent", "empty"),
    "adherent_prompts": ("adherent_percent", "adherent_prompts"),
}
# What the Qwen2.5 report claims, held against a file that names no `claims` of its own: a factor
# or a (low, high) range of factors.
CLAIMED: dict[str, tuple[float, float]] = {
    "repetition_drop": (3, 4),
    "adherence_gain": (2, 2),
    "memory_fall": (4, 4),
}
MOST_PROMPTS = 100_000
NUMBERS = ("tokens_per_second", "memory_gib", *COUNTS, *(percent for percent, _ in COUNTS.values()))


@dataclass(frozen=True)
class ReportFile:
    """What a report's file says; a figure that it does not give is None."""

    title: str
    prompts: int
    rows: tuple[Row, ...]
    gpu: str | None = None
    vram_gib: float | None = None
    bandwidth: float | None = None
    captions: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    architectures: Mapping[str, Architecture] = field(default_factory=dict)

    def claimed(self, name: str) -> tuple[float, float]:
        """The factor, or the range of factors, that is claimed for a key of CLAIMED."""
        return self.claims.get(name, CLAIMED[name])

    def study(self) -> StudyData:
        """The report as the findings' comparisons take a study: counts alone."""
        return StudyData("report", self.title, self.gpu, self.rows)


def read_report(path: Path) -> ReportFile:
    """Read a report's file. Raises InputError, with what is wrong, for anything else."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        raise InputError(
            f"{path} is not JSON. An audit reads a report's figures as JSON."
        ) from None
    if not isinstance(raw, dict):
        raise InputError(f"{path} must hold one JSON object with `prompts`, `columns` and `rows`.")
    prompts = raw.get("prompts")
    if not isinstance(prompts, int) or isinstance(prompts, bool) or not 0 < prompts <= MOST_PROMPTS:
        raise InputError(f"{path}: `prompts` must be a whole number, 1 to {MOST_PROMPTS:,}.")
    hardware = _mapping(path, raw, "hardware")
    models = _mapping(path, raw, "models")
    rows = tuple(_summary_row(path, row, prompts) for row in _raw_rows(path, raw))
    gpu = hardware.get("gpu")
    known = find_gpu(gpu) if isinstance(gpu, str) else None
    architectures = {
        model: found
        for model in dict.fromkeys(row["model"] for row in rows)
        if (found := _architecture(model, models.get(model)))
    }
    for row in rows:
        _add_memory(row, architectures.get(row["model"]))
    return ReportFile(
        title=str(raw.get("study") or path.stem),
        prompts=prompts,
        rows=rows,
        gpu=gpu if isinstance(gpu, str) else None,
        vram_gib=_positive(path, hardware, "vram_gb") or (known and known[1]),
        bandwidth=_positive(path, hardware, "bandwidth_gb_s") or (known and known[0]),
        captions={k: str(v) for k, v in _mapping(path, raw, "captions").items()},
        claims=_claims(path, _mapping(path, raw, "claims")),
        architectures=architectures,
    )


def _mapping(path: Path, raw: Row, key: str) -> Row:
    value = raw.get(key) or {}
    if not isinstance(value, dict):
        raise InputError(f"{path}: `{key}` must be an object.")
    return value


def _positive(path: Path, raw: Row, key: str) -> float | None:
    value = raw.get(key)
    if value is None:
        return None
    if not _is_number(value) or value <= 0:
        raise InputError(f"{path}: `hardware.{key}` must be a number above 0, not {value!r}.")
    return value


def _claims(path: Path, raw: Row) -> dict[str, tuple[float, float]]:
    found = {}
    for name, value in raw.items():
        if name not in CLAIMED:
            raise InputError(f"{path}: no claim '{name}'. Claims: {', '.join(CLAIMED)}.")
        ends = value if isinstance(value, list) else [value, value]
        if len(ends) != 2 or not all(_is_number(end) and end > 0 for end in ends):
            raise InputError(f"{path}: claim '{name}' must be a factor, or a list of two.")
        found[name] = (min(ends), max(ends))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def _raw_rows(path: Path, raw: Row) -> list[Row]:
    rows, columns = raw.get("rows"), raw.get("columns")
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: `rows` must be a list with one row a config.")
    found = []
    for number, row in enumerate(rows, start=1):
        if isinstance(row, list):
            if not isinstance(columns, list) or len(columns) != len(row):
                raise InputError(f"{path}: row {number} does not have one value a column.")
            row = dict(zip(map(str, columns), row, strict=True))
        if not isinstance(row, dict):
            raise InputError(f"{path}: row {number} is neither a list nor an object.")
        for key in ("model", "precision"):
            if not isinstance(row.get(key), str) or not row[key]:
                raise InputError(f"{path}: row {number} has no `{key}`.")
        for key in NUMBERS:
            value = row.get(key)
            if value is not None and (not _is_number(value) or abs(value) == float("inf")):
                raise InputError(f"{path}: row {number}: `{key}` must be a number, not {value!r}.")
        found.append(row)
    ids = [(row["model"], row["precision"]) for row in found]
    if len(set(ids)) != len(ids):
        raise InputError(f"{path}: a model stands at the same precision twice.")
    return found


def _summary_row(path: Path, raw: Row, prompts: int) -> Row:
    """A row with the keys of analysis.summarise; `stated` keeps what the file says."""
    row: Row = {
        "config": f"{raw['model']}-{raw['precision']}",
        "model": raw["model"],
        "precision": raw["precision"],
        "status": "complete",
        "tokens_per_second": raw.get("tokens_per_second"),
        "batch_size": None,
        "repetition_judged": prompts,
        "adherence_judged": prompts,
        "stated": raw,
    }
    for count, (percent, name) in COUNTS.items():
        value = raw.get(count)
        if value is None and raw.get(percent) is not None:
            value = nearest_count(raw[percent], prompts)
        row[name] = int(value) if is_count(value, prompts) else None
    return row


def is_count(value: Any, prompts: int) -> bool:
    """Whether a figure can be a count out of the prompts."""
    return value is not None and value == int(value) and 0 <= value <= prompts


def nearest_count(percent: float, prompts: int) -> int | None:
    """The count whose percentage rounds to the one given; None where there is none."""
    count = round(percent * prompts / 100)
    text = f"{percent}"
    decimals = len(text.partition(".")[2]) if "." in text and not text.endswith(".0") else 0
    # Half a unit of the last digit given, and a little for the binary form of decimals.
    tolerance = 0.5 * 10**-decimals + 1e-9
    return count if abs(100 * count / prompts - percent) <= tolerance else None


def _architecture(name: str, source: Any) -> Architecture | None:
    for model in MODELS.values():
        if source == model.source or (source is None and name == model.name):
            return model.architecture
    return None


def _add_memory(row: Row, architecture: Architecture | None) -> None:
    stated = row["stated"].get("memory_gib")
    precision = PRECISIONS.get(row["precision"])
    row.update(memory_bytes=None, memory_source=None, memory_basis=None)
    if stated:
        row.update(
            memory_bytes=int(stated * GIB), memory_source="reported", memory_basis="as reported"
        )
    elif architecture and precision:
        row.update(
            memory_bytes=architecture.weight_bytes(precision),
            memory_source="estimated",
            memory_basis="weights from the architecture",
        )
