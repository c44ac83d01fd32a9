"""What the token limit decided, in words, the same in cards, terminal, report and Try."""

from __future__ import annotations

from vibecore.core.formats import counted
from vibecore.core.rows import OutputRow, VerdictRow

# What an output is called whose adherence only the token limit decided; a filter of Outputs.
DECIDED = "decided by the token limit"
_SO_FAR = {"pass": "passes so far", "fail": "fails so far"}


def so_far(verdict: VerdictRow, new_tokens: int | None) -> str:
    """`fails so far: the answer was cut off at 200 tokens`; empty for a verdict that more text
    could not have turned, or of which that is not known."""
    if not verdict.cut or verdict.status not in _SO_FAR:
        return ""
    at = "" if new_tokens is None else f" at {counted(new_tokens, 'token')}"
    return f"{_SO_FAR[verdict.status]}: the answer was cut off{at}"


def explained(verdict: VerdictRow, new_tokens: int | None) -> str:
    """A verdict's explanation, and in brackets that only the token limit decided it."""
    why = so_far(verdict, new_tokens)
    return f"{verdict.explanation} ({why})" if why else verdict.explanation


def whole_decided(row: OutputRow) -> str:
    """`adherence decided by the token limit`; empty where it did not, or that is not known."""
    return f"adherence {DECIDED}" if row.adherent_cut else ""
