"""Why an output is broken, in words, the same in cards, grid, terminal and report."""

from __future__ import annotations

from typing import Protocol

from vibecore.core.rows import FEW_WORDS


class Judged(Protocol):
    """What says of an output whether it is broken; None is not known."""

    empty: bool | None
    repetitive: bool | None
    loop_onset: int | None
    degenerate: bool | None
    words: int | None
    garbage: bool | None
    finish_reason: str | None


def broken_because(
    row: Judged, degenerate: str = "degenerate", loop: str = "ends in a loop"
) -> str | None:
    """`broken: repetitive, ends in a loop`; None where the output is not broken.

    `degenerate` and `loop` are what those reasons are called.
    """
    reasons = {
        "empty": row.empty,
        "repetitive": row.repetitive,
        loop: row.loop_onset is not None,
        degenerate: row.degenerate and row.words is not None and row.words < FEW_WORDS,
        "not made of words": row.garbage,
        "logits not finite, so not scored": row.finish_reason == "non_finite",
    }
    named = ", ".join(word for word, holds in reasons.items() if holds)
    return f"broken: {named}" if named else None
