"""The cases of `tests/data/check_cases.yaml`: what every check must say of a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).resolve().parents[1] / "data" / "check_cases.yaml"


@dataclass(frozen=True)
class Case:
    """What a check must say of a text; `only_cut` is None where the case does not say."""

    check: str
    text: str
    arguments: Mapping[str, Any]
    verdict: str
    why: str
    says: str
    cut: bool
    only_cut: bool | None
    real: bool


@dataclass(frozen=True)
class FlagCase:
    """The flags that scoring must give a text, by their names in scoring.Score."""

    text: str
    flags: Mapping[str, Any]
    why: str
    real: bool


@cache
def _read() -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(FILE.read_text(encoding="utf-8"), Loader=loader)


def _text(row: Mapping[str, Any]) -> tuple[str, bool]:
    """A row's text, and whether the token limit ended it."""
    if "output" in row:
        row = _read()["outputs"][row["output"]]
    return row["text"], row.get("cut", False)


def _case(check: str, row: Mapping[str, Any]) -> Case:
    text, cut = _text(row)
    return Case(
        check=check,
        text=text,
        arguments=row.get("arguments", {}),
        verdict=row["verdict"],
        why=row["why"],
        says=row.get("says", ""),
        cut=cut,
        only_cut=row.get("only_cut"),
        real="output" in row,
    )


@cache
def read_cases() -> tuple[Case, ...]:
    """All cases, in the order of the file."""
    return tuple(_case(check, row) for check, rows in _read()["cases"].items() for row in rows)


@cache
def read_flag_cases() -> tuple[FlagCase, ...]:
    """All cases of flags, in the order of the file."""
    return tuple(
        FlagCase(_text(row)[0], row["flags"], row["why"], "output" in row)
        for row in _read()["flags"]
    )
