"""Why an output is broken, in words, the same in cards, grid, terminal and report."""

from __future__ import annotations

from typing import Protocol

from vibecore.core.rows import FEW_WORDS, MOST_COMPRESSIBLE


class Judged(Protocol):
    """What says of an output whether it is broken; None is not known."""

    empty: bool | None
    repetitive: bool | None
    loop_onset: int | None
    zlib_ratio: float | None
    words: int | None
    garbage: bool | None
    finish_reason: str | None


def broken_because(row: Judged, loop: str = "ends in a loop") -> str | None:
    """`broken: repetitive, ends in a loop`; None where the output is not broken.

    `loop` is what that reason is called.
    """
    short = row.words is not None and row.words < FEW_WORDS
    reasons = {
        "empty": row.empty,
        "repetitive": row.repetitive,
        loop: row.loop_onset is not None,
        "says one thing over": short and (row.zlib_ratio or 0) > MOST_COMPRESSIBLE,
        "not made of words": row.garbage,
        "logits not finite, so not scored": row.finish_reason == "non_finite",
    }
    named = ", ".join(word for word, holds in reasons.items() if holds)
    return f"broken: {named}" if named else None
