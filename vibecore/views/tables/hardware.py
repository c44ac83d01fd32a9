"""Speeds by kind of hardware, of a study that was made on several: a row a config, a column a kind.

Empty for a study of one kind, whose speeds are in the metrics table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vibecore.analysis.asked import ModelAsked
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core.formats import counted
from vibecore.core.rows import DeviceSpeed
from vibecore.views.short_names import names_of
from vibecore.views.tables.metrics import config_cell

CAPTION = "Speed by kind of hardware"
UNIT = "tok/s"
NOTE = (
    "A config's speed on one kind does not compare with another's on another kind: read down a "
    "column."
)
NOT_THERE = "–"


def hardware_kinds(rows: Sequence[ModelAsked]) -> list[str]:
    """The kinds that made a study, by name; none where there is only one."""
    return sorted({device for row in rows for device in row.devices})


def hardware_rows(rows: Sequence[ModelAsked]) -> list[dict[str, str]]:
    """The table as text, for a terminal and for reports."""
    kinds = hardware_kinds(rows)
    made = []
    for row in rows if kinds else ():
        speeds = {speed.device: speed for speed in row.device_speeds}
        cells = {f"{kind}, {UNIT}": " · ".join(_words(speeds.get(kind))) for kind in kinds}
        made.append({"config": row.config, **cells})
    return made


def hardware_table(
    rows: Sequence[ConfigMetrics], some: Sequence[ConfigMetrics] | None = None
) -> dict[str, Any]:
    """The table for the table component, of all configs or of `some` (see tables.metrics)."""
    kinds, names = hardware_kinds(rows), names_of(rows)
    return {
        "caption": f"{CAPTION}, {UNIT}",
        "columns": [
            {"label": "config", "unit": "", "numeric": False},
            *({"label": kind, "unit": UNIT, "numeric": True} for kind in kinds),
        ],
        "rows": [
            {
                "id": row.config,
                "cells": [
                    config_cell(row.config, row.precision, names),
                    *(_cell(row, kind) for kind in kinds),
                ],
            }
            for row in (rows if some is None else some)
        ],
    }


def _cell(row: ModelAsked, kind: str) -> dict[str, Any]:
    speed = next((speed for speed in row.device_speeds if speed.device == kind), None)
    text, *notes = _words(speed)
    return {
        "text": text,
        "note": " ".join(notes),
        "sort": speed.tokens_per_second if speed is not None else None,
    }


def _words(speed: DeviceSpeed | None) -> list[str]:
    """The figure, and over how many outputs it is."""
    if speed is None:
        return [NOT_THERE]
    figure = speed.tokens_per_second
    return [NOT_THERE if figure is None else f"{figure:.1f}", counted(speed.outputs, "output")]
