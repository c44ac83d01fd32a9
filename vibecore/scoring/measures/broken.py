"""Why an output is of no use to anybody."""

from __future__ import annotations

from vibecore.core.rows import FEW_WORDS, MOST_COMPRESSIBLE


def broken_reasons(
    *,
    empty: bool,
    repetitive: bool,
    loops: bool,
    garbage: bool,
    words: int,
    compressed: float | None,
) -> tuple[str, ...]:
    """The reasons that hold, by their names in `broken_by`; none where the output is of use.

    Of few words, word pairs say too little: there compression decides.
    """
    reasons = {
        "empty": empty,
        "repetitive": repetitive,
        "loop": loops,
        "one_thing": words < FEW_WORDS and (compressed or 0) > MOST_COMPRESSIBLE,
        "garbage": garbage,
    }
    return tuple(name for name, holds in reasons.items() if holds)
