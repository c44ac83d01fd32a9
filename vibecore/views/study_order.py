"""Which study the dashboard opens with, in which order it lists them, and which two it names
beside each other: the published report and, where it is there, the real study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vibecore.studies.published import STUDY as PUBLISHED

# The study of real instruct checkpoints that ships, measured on a GPU.
REAL = "qwen2.5-coder"
FEATURED = (PUBLISHED, REAL)


def in_order(names: Iterable[str]) -> list[str]:
    """The featured studies first, the others as they come."""
    given = list(names)
    first = [name for name in FEATURED if name in given]
    return [*first, *(name for name in given if name not in first)]


def opens_with(names: Sequence[str]) -> str:
    """The study shown before one is chosen: the real one, because every figure of it can be
    opened; else the first in order."""
    return REAL if REAL in names else in_order(names)[0]


def beside(study: str, names: Iterable[str]) -> str | None:
    """The study that one is shown beside: the published one, and beside that the real one; None
    where it is not there."""
    other = REAL if study == PUBLISHED else PUBLISHED
    return other if other in names else None
