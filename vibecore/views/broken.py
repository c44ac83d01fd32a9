"""Why an output is broken, in words, the same in cards, grid, terminal and report."""

from __future__ import annotations

from typing import Protocol

from vibecore.core.rows import FEW_WORDS, MOST_COMPRESSIBLE

# Why an output has no repetition ratio, and why the published cuts say nothing of it.
NO_WORDS = "no spaces between words"
NOT_MEASURED = f"not measured: {NO_WORDS}"
LITTLE_PROSE = "too little prose for the published cuts"


class Judged(Protocol):
    """What says of an output whether it is broken; None is not known."""

    empty: bool | None
    repetitive: bool | None
    loop_onset: int | None
    zlib_ratio: float | None
    words: int | None
    garbage: bool | None
    finish_reason: str | None
    broken_by: list[str] | None


def broken_because(row: Judged, loop: str = "ends in a loop") -> str | None:
    """`broken: repetitive, ends in a loop`; None where the output is not broken.

    `loop` is what that reason is called.
    """
    by = _by_older_scorers(row) if row.broken_by is None else row.broken_by
    words = {
        "empty": "empty",
        "repetitive": "repetitive",
        "loop": loop,
        "one_thing": "says one thing over",
        "garbage": "not made of words",
    }
    reasons = [words[name] for name in words if name in by]
    if row.finish_reason == "non_finite":
        reasons.append("logits not finite, so not scored")
    return f"broken: {', '.join(reasons)}" if reasons else None


def _by_older_scorers(row: Judged) -> list[str]:
    """The reasons of a score that does not have them: made before version 4."""
    short = row.words is not None and row.words < FEW_WORDS
    reasons = {
        "empty": row.empty,
        "repetitive": row.repetitive,
        "loop": row.loop_onset is not None,
        "one_thing": short and (row.zlib_ratio or 0) > MOST_COMPRESSIBLE,
        "garbage": row.garbage,
    }
    return [name for name, holds in reasons.items() if holds]
