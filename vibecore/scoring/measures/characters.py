"""Repetition measured on characters, where words say too little: few words, no spaces, a counter.

A text that repeats itself has few distinct runs of characters for its length, in every script.
Distinct n-grams over all are the diversity measure of Li et al. 2016 and the repetition measure of
Welleck et al. 2020 (seq-rep-n), here with characters for tokens. It is used in place of
compression because a compressed length counts bytes: a script of three bytes a character (Thai,
Hindi, Khmer) compresses as if it repeated itself.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

from vibecore.scoring.text.spacing import count_letters, is_ideographic

# A run is about as long as a word pair: eight letters, or four ideographs or kana.
RUN_LETTERS, RUN_IDEOGRAPHS = 8, 4
NUMBER = re.compile(r"\d+")
# A counter steps from number to number; letters between, so that a list of numbers is none.
_FEWEST_STEPS, _STEADY, _LETTERS_BETWEEN = 3, 0.8, 8
# A line that draws a rule or an empty row; how long it is says nothing.
_RULE = re.compile(r"^[^\w\n]+$", re.MULTILINE)


def character_repetition(text: str, at_least: float = 0.0) -> float:
    """1 − distinct / total runs of eight characters (four ideographs or kana), in [0, 1); where
    that is less than `at_least`, any number that is.

    White space and lines without a letter or digit are left out. A number that only counts up or
    down through the text is read as the same number. 0.0 where there is no such run.
    """
    ideographic = is_ideographic(text)
    n = RUN_IDEOGRAPHS if ideographic else RUN_LETTERS
    squeezed = "".join(_RULE.sub("", text).split())
    if _counts(squeezed, 3 if ideographic else 1):
        squeezed = NUMBER.sub("0", squeezed)
    total = len(squeezed) - n + 1
    if total < 1:
        return 0.0
    return 1 - _distinct_runs(squeezed, n, (1 - at_least) * total) / total


def _distinct_runs(squeezed: str, n: int, most: float) -> int:
    """The number of distinct runs of n characters; any number above `most` where it is."""
    if n != RUN_LETTERS or not squeezed.isascii():
        return len({squeezed[start : start + n] for start in range(len(squeezed) - n + 1)})
    # Eight bytes are one number; those that begin at every eighth place are read at once.
    encoded = memoryview(squeezed.encode())
    found: set[int] = set()
    for start in range(n):
        found.update(encoded[start : start + (len(encoded) - start) // n * n].cast("Q"))
        if len(found) > most + 1:
            break
    return len(found)


def _counts(squeezed: str, weight: int) -> bool:
    """Whether the numbers of the text are one counter among words; `weight` is a letter's."""
    numbers = [int(number) for number in NUMBER.findall(squeezed) if len(number) <= 9]
    if len(numbers) <= _FEWEST_STEPS:
        return False
    steps = [after - before for before, after in pairwise(numbers)]
    often = Counter(step for step in steps if step).most_common(1)
    if not often:
        return False
    step = often[0][0]
    if steps.count(step) + steps.count(0) < _STEADY * len(steps):
        return False
    return weight * count_letters(squeezed) >= _LETTERS_BETWEEN * len(numbers)
