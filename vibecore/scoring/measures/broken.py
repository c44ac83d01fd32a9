"""Why an output is of no use to anybody: the one place that decides."""

from __future__ import annotations

from vibecore.scoring.measures.characters import character_repetition
from vibecore.scoring.measures.repetition import zlib_ratio
from vibecore.scoring.text.spacing import count_letters, is_ideographic
from vibecore.scoring.text.words import pieces

# A phrase of two words four times, as the labelled set's rule has it; "no, no, no!" is an answer.
FEWEST_REPETITIVE_WORDS = 8
# Word pairs that come again in a grid (a truth table, a board, a matrix) come in runs of characters
# that do not. Between the least of the labelled loops, 0.46, and the most of its grids, 0.32.
LEAST_REPEATED_CHARACTERS = 0.4
# Two of three runs of characters occurred before: above all honest texts of the labelled set
# (a cumulative rhyme has 0.63), below all but a few of its loops.
MOST_REPEATED_CHARACTERS = 2 / 3
# As few as a loop of characters has letters (measures.loops); an ideograph counts as three.
# Of digits and marks alone it takes more: a googol is a number.
FEWEST_CHARACTERS, FEWEST_IDEOGRAPHS, FEWEST_MARKS = 64, 21, 160
LEAST_COMPRESSED = 2.0


def broken_reasons(
    text: str, *, empty: bool, repetitive: bool | None, loops: bool, garbage: bool | None
) -> tuple[str, ...]:
    """The reasons that hold, by their names in `broken_by`; none where the output is of use.

    - `empty`: no visible character.
    - `repetitive`: the published study's flag, on 8 words or more (160 characters where it has no
      letters: a small matrix is none) of which the characters do not say otherwise: 40 % of their
      runs (`measures.characters`) occurred before.
    - `loop`: it ends in a loop of tokens or of characters.
    - `one_thing`: where neither says anything, as in scripts without spaces, two of three runs of
      characters occurred before, in a text of 64 characters, 21 ideographs or 160 marks.
    - `garbage`: prose that is not made of words.
    """
    flagged = bool(repetitive) and len(pieces(text)) >= FEWEST_REPETITIVE_WORDS
    shortest = FEWEST_IDEOGRAPHS if is_ideographic(text) else FEWEST_CHARACTERS
    if len(text) < FEWEST_MARKS and not count_letters(text):
        shortest = FEWEST_MARKS
        flagged = False
    long_enough = len(text) >= shortest
    # What hardly compresses has hardly a run of characters twice; compressing is far quicker.
    worth = flagged or (long_enough and (zlib_ratio(text) or 0) > LEAST_COMPRESSED)
    share = LEAST_REPEATED_CHARACTERS if flagged else MOST_REPEATED_CHARACTERS
    repeats = worth and not loops and character_repetition(text, share) >= share
    reasons = {
        "empty": empty,
        "repetitive": flagged and (loops or repeats),
        "loop": loops,
        "one_thing": not flagged and repeats,
        "garbage": bool(garbage),
    }
    return tuple(name for name, holds in reasons.items() if holds)
