"""Checks on the format of an answer: bullets and numbered lists."""

from __future__ import annotations

import re

from vibecore.scoring.checks import Check
from vibecore.scoring.verdict import Relation, Verdict, compare, numbering_defect

_BULLET = re.compile(r"^[ \t]*[-*+•][ \t]+\S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\**(\d{1,3})[.)]\**[ \t]+\S", re.MULTILINE)


def bullet_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with -, *, + or • and a space."""
    return compare(len(_BULLET.findall(text)), relation, count, "bullet")


def numbered_list_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with "1.", "2." … (or "1)"), which must count up from 1."""
    numbers = [int(number) for number in _NUMBERED.findall(text)]
    if misnumbered := numbering_defect(numbers):
        return Verdict(False, f"the list is numbered {misnumbered}, wanted it to count up from 1")
    return compare(len(numbers), relation, count, "numbered item")


CHECKS = (
    Check(bullet_count, "counts"),
    Check(numbered_list_count, "counts"),
)
