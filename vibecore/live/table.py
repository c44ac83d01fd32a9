"""A table as the page's table component takes it (see pages/parts/table.js), in the order given."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Cell = dict[str, Any]


def table(
    caption: str,
    columns: Sequence[str | Cell],
    rows: Iterable[Cell],
    look: str | None = None,
) -> dict[str, Any]:
    """A table without sorting. A column is its label, or a dict with `label`, `unit`, `numeric`;
    `look` is a class of table.css."""
    labelled = [{"label": one} if isinstance(one, str) else one for one in columns]
    return {
        "caption": caption,
        "look": look,
        "sortable": False,
        "columns": labelled,
        "rows": list(rows),
    }


def row(id: str, *cells: Cell | str, **more: Any) -> Cell:
    """A row: each cell is its text, or a dict with `text` and what else the component shows."""
    shown = [{"text": cell} if isinstance(cell, str) else cell for cell in cells]
    return {"id": id, "cells": shown, **more}
