"""Whether prose is made of words."""

from __future__ import annotations

import re
import unicodedata

from vibecore.scoring.text.spacing import has_word_spaces
from vibecore.scoring.text.words import pieces

GARBAGE_MINIMUM_WORDS = 50
GARBAGE_LETTER_SHARE = 0.8
GARBAGE_WORD_LENGTH = (3.0, 10.0)
# A number, or a piece of a formula: digits with their signs, operators, brackets; all of TeX's
# within a sentence.
FORMULA = re.compile(r"[\d.,:;%$€£°^_+\-−–*/×·÷=≈≠<>≤≥|&()\[\]{}\\]+|\\\(.*|\$.*\$\S*")


def is_garbage(prose: str) -> bool | None:
    """Whether prose of 50 words or more is not made of words; None for anything shorter, and for
    scripts written without spaces.

    Garbage: less than 80 % of words have a letter, or the mean word length is outside 3–10, or
    there is a replacement character (U+FFFD). The first two are quality filters of Rae et al.
    2021 (Gopher, table A1), which also starts at 50 words. `prose` is the text without code and
    mathematics (see `text.prose`); numbers and the signs of formulas that are left are no words.
    The lengths were set on English: a syllable of Hangul counts as its letters, and the marks of
    other scripts count towards the least length and not towards the greatest.
    """
    begin_with_letter = [word for word in pieces(prose) if word[0].isalpha()]
    # A formula begins with no letter.
    others = [w for w in pieces(prose) if not w[0].isalpha() and not FORMULA.fullmatch(w)]
    words = begin_with_letter + others
    if len(words) < GARBAGE_MINIMUM_WORDS or not has_word_spaces(prose):
        return None
    with_letter = len(begin_with_letter) + sum(any(map(str.isalpha, word)) for word in others)
    shortest, longest = GARBAGE_WORD_LENGTH
    most = least = sum(map(len, words))
    if not prose.isascii():
        decomposed = unicodedata.normalize("NFD", "".join(words))
        most = len(decomposed)
        least = most - sum(unicodedata.category(c)[0] == "M" for c in decomposed)
    return (
        with_letter / len(words) < GARBAGE_LETTER_SHARE
        or most / len(words) < shortest
        or least / len(words) > longest
        or "\ufffd" in prose
    )
