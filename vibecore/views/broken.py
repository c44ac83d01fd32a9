"""Why an output is broken, in words, the same in cards, grid, terminal and report."""

from __future__ import annotations

from typing import Protocol


class Judged(Protocol):
    """What says of an output whether it is broken; None is not known."""

    empty: bool | None
    repetitive: bool | None
    degenerate: bool | None
    garbage: bool | None
    finish_reason: str | None


def broken_because(row: Judged, degenerate: str = "degenerate") -> str | None:
    """`broken: repetitive, degenerate`; None where the output is not broken.

    `degenerate` is what that reason is called.
    """
    reasons = {
        "empty": row.empty,
        "repetitive": row.repetitive,
        degenerate: row.degenerate,
        "not made of words": row.garbage,
        "logits not finite, so not scored": row.finish_reason == "non_finite",
    }
    named = ", ".join(word for word, holds in reasons.items() if holds)
    return f"broken: {named}" if named else None
