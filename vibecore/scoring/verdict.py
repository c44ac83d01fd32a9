"""A check's verdict: passed or not, and why, in one sentence.

`compare` is the one place where a found count is compared with a wanted one, so that every
explanation of a count reads the same: "found 5 sentences, wanted exactly 3".
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from vibecore.core.formats import counted

Relation = Literal["eq", "lt", "le", "gt", "ge"]

RELATIONS: dict[str, tuple[Callable[[int, int], bool], str]] = {
    "eq": (operator.eq, "exactly"),
    "lt": (operator.lt, "fewer than"),
    "le": (operator.le, "at most"),
    "gt": (operator.gt, "more than"),
    "ge": (operator.ge, "at least"),
}

QUOTE_LIMIT = 40


@dataclass(frozen=True)
class Verdict:
    """Whether a constraint is met, and one sentence that says what was found and wanted.

    `passed_loose` is the verdict of IFEval's loose reading, and None for every other check. `open`
    says whether a longer text could have the other verdict, which is asked only of an answer that
    the token limit cut off; None leaves it to the check's row (`Check.longer`).
    """

    passed: bool
    explanation: str
    passed_loose: bool | None = None
    open: bool | None = None


class Undecided(Exception):
    """A check cannot reach a verdict; the message says why. Judged as "error", never a pass."""


def compare(found: int, relation: Relation, wanted: int, noun: str) -> Verdict:
    """Compare a count with the wanted one; `noun` is singular and takes a plain "s".

    A longer text has more: what is too few may still be enough, and what is few enough too many.
    """
    holds, words = RELATIONS[relation]
    passed = holds(found, wanted)
    if passed:
        may_turn = relation in ("eq", "le", "lt")
    else:
        may_turn = relation in ("ge", "gt") or (relation == "eq" and found < wanted)
    explanation = f"found {counted(found, noun)}, wanted {words} {wanted}"
    return Verdict(passed, explanation, open=may_turn)


def numbering_defect(numbers: Sequence[int]) -> str | None:
    """The first eight numbers of a list that does not count up from 1; None when it does."""
    if list(numbers) == list(range(1, len(numbers) + 1)):
        return None
    return ", ".join(map(str, numbers[:8])) + ("…" if len(numbers) > 8 else "")


def quote(text: str, limit: int = QUOTE_LIMIT) -> str:
    """Model text for an explanation: on one line, in quotes, at most `limit` characters."""
    # Only the start can be shown, so only the start is tidied.
    start = text.strip()[: 2 * limit]
    if not start.isprintable():
        start = "".join(c if c.isprintable() else " " for c in start)
    line = " ".join(start.split())
    if len(line) <= limit and len(text.strip()) <= 2 * limit:
        return f'"{line}"'
    return f'"{line[: limit - 1]}…"'


def listed(items: Iterable[str]) -> str:
    """Arguments of a check for an explanation: `"storm", "light"`."""
    return ", ".join(f'"{item}"' for item in items)
