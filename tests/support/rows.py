"""Rows of data with what a test is about, and None for all else."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")


def row_of(kind: type[T], **known: Any) -> T:
    """A row of a dataclass; what is not given is None."""
    return kind(**{**dict.fromkeys(field.name for field in fields(kind)), **known})
