"""Words, lines and paragraphs: one definition each, for the scores and the checks."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import TypeVar

Item = TypeVar("Item")

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
# Fillers, the braille blank, the grapheme joiner and the variation selectors: their categories
# are usually visible, but they draw nothing.
_INVISIBLE_CHARACTERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
# Four fillers, which Unicode classes as letters.
FILLERS = "\u115f\u1160\u3164\uffa0"
_PLAIN = re.compile(r"[!-~]")
# From the start of a piece between white space to its first letter or digit.
_WORD_START = re.compile(rf"(?<!\S)(?:(?!\s)[\W_{FILLERS}])*+[^\W_{FILLERS}]")


def is_visible(character: str) -> bool:
    """Whether the character draws something: not white space, control, zero-width or filler."""
    return (
        unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        and character not in _INVISIBLE_CHARACTERS
    )


def has_visible(text: str) -> bool:
    """Whether any character of the text is visible."""
    # Nearly every text has an ASCII one, which is quicker to find than to classify.
    return _PLAIN.search(text) is not None or any(map(is_visible, text))


def n_grams(items: Sequence[Item], n: int) -> Iterator[tuple[Item, ...]]:
    """Every run of n items that follow each other, in order."""
    return zip(*(items[start:] for start in range(n)), strict=False)


@lru_cache(maxsize=8)
def pieces(text: str) -> tuple[str, ...]:
    """The pieces between white space, split once for all measures of a text."""
    return tuple(text.split())


@lru_cache(maxsize=8)
def count_words(text: str) -> int:
    """Words: pieces between white space with a letter or a digit (so a lone dash is not one)."""
    if text.isascii():
        return sum(piece[0].isalnum() or any(map(str.isalnum, piece)) for piece in pieces(text))
    return len(_WORD_START.findall(text))


@lru_cache(maxsize=8)
def lines(text: str) -> tuple[str, ...]:
    """Lines with a visible character, stripped."""
    return tuple(line.strip() for line in text.splitlines() if has_visible(line))


def paragraphs(text: str) -> list[str]:
    """Runs of lines with a visible character between lines without one."""
    runs = groupby(text.splitlines(), key=has_visible)
    return ["\n".join(run) for visible, run in runs if visible]
