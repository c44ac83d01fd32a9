"""What the Speed page shows, without widgets: the tables of a bench, and the profiles in it.

`results` are what vibecore.read_bench gives: a bench's JSON (studies/bench/report.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vibecore.catalog.precisions import LLAMA_CPP_PACKAGE
from vibecore.core.rows import StudyRow
from vibecore.studies.bench.figures import READINGS
from vibecore.studies.bench.report import model_rows, models_caption, speed_rows
from vibecore.views.short_names import Names

Json = Mapping[str, Any]

# Those whose version decides how fast a config decodes.
PACKAGES = ("torch", "transformers", "bitsandbytes", LLAMA_CPP_PACKAGE.package)
# The columns that are words, aligned left.
WORDS = ("config", "engine", "bottleneck")


def measured_where(study: StudyRow, results: Sequence[Json]) -> str:
    """The machine, the date, and the versions of what decides its speed, in one line."""
    parts = [study.hardware or "Hardware not known"]
    if study.created_at is not None:
        parts.append(f"measured on {study.created_at:%Y-%m-%d}")
    versions: dict[str, set[str]] = {}
    for result in results:
        packages = result["environment"].get("packages") or {}
        for name in PACKAGES:
            if version := packages.get(name):
                versions.setdefault(name, set()).add(version)
    parts += [f"{name} {' and '.join(sorted(found))}" for name, found in versions.items()]
    return ", ".join(parts)


def speed_table(results: Sequence[Json], names: Names) -> dict[str, Any]:
    """Answers and decoding, a row a config, engine and batch size."""
    return _table("Answers and decoding", speed_rows({"results": results}), names)


def model_table(results: Sequence[Json], names: Names) -> dict[str, Any]:
    """Loading, memory and llama-bench's rates, a row a config and engine."""
    return _table(models_caption(results), model_rows({"results": results}), names)


def bottlenecks_met(results: Sequence[Json]) -> list[str]:
    """What each bottleneck in the table means."""
    met = {speed["reading"] for result in results for speed in result["speeds"]}
    return [f"{name}: {meaning}" for name, meaning in READINGS.items() if name in met]


def profiles(results: Sequence[Json]) -> dict[str, list[Json]]:
    """The profiles that were measured, by config and engine."""
    return {
        f"{result['config']} {result['engine']}": result["profile"]
        for result in results
        if result["profile"]
    }


def _table(caption: str, rows: Sequence[Mapping[str, str]], names: Names) -> dict[str, Any]:
    columns = list(rows[0]) if rows else []
    return {
        "caption": caption,
        "look": "plain",
        "sortable": False,
        "columns": [{"label": column, "numeric": column not in WORDS} for column in columns],
        "rows": [
            {
                "id": str(number),
                "cells": [
                    {"text": names.short(row[column]), "full": names.full(row[column])}
                    for column in columns
                ],
            }
            for number, row in enumerate(rows)
        ],
    }
