"""Measures of a text that need no prompt: repetition, diversity, compressibility, garbage.

Words here are `str.split()` pieces with case kept, as in the published study, unless a measure
says otherwise.
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache

from vibecore.scoring.text.words import n_grams, pieces

GARBAGE_MINIMUM_WORDS = 50
GARBAGE_LETTER_SHARE = 0.8
GARBAGE_WORD_LENGTH = (3.0, 10.0)
# A number, or a piece of a formula: digits with their signs, operators, brackets, LaTeX's `\\[`.
FORMULA = re.compile(r"[\d.,:;%$€£°^_+\-−–*/×·÷=≈≠<>≤≥|&()\[\]{}\\]+")


@lru_cache(maxsize=8)
def _distinct_grams(text: str, n: int) -> int:
    return len(set(n_grams(pieces(text), n)))


def repetition_ratio(text: str) -> float:
    """1 − distinct / total word bigrams, in [0, 1); fewer than two words give 0.0.

    The published study's measure: 0.726 and 0.173 on its two samples (published: 0.73, 0.17).
    """
    words = pieces(text)
    if len(words) < 2:
        return 0.0
    return 1 - _distinct_grams(text, 2) / (len(words) - 1)


def distinct(text: str, n: int) -> float | None:
    """Distinct word n-grams over total words, in [0, 1]; None without words.

    Li et al. 2016, "A Diversity-Promoting Objective Function for Neural Conversation Models":
    distinct-1 and distinct-2 are "scaled by total number of generated tokens", so distinct-2
    of an n-word text without repeats is (n − 1) / n.
    """
    words = pieces(text)
    return _distinct_grams(text, n) / len(words) if words else None


def zlib_ratio(text: str) -> float | None:
    """UTF-8 bytes over their zlib-compressed length; None for an empty text.

    Radford et al. 2022 (Whisper, `whisper/utils.py: compression_ratio`), where more than 2.4
    marks a failed, repeating decode. Short texts fall below 1: zlib adds a header.
    """
    encoded = text.encode("utf-8", errors="surrogatepass")
    return len(encoded) / len(zlib.compress(encoded)) if encoded else None


def is_garbage(text: str) -> bool | None:
    """Whether a text of 50 words or more is not made of words; None for anything shorter.

    Garbage: less than 80 % of words have a letter, or the mean word length is outside 3–10, or
    there is a replacement character (U+FFFD). The first two are quality filters of Rae et al.
    2021 (Gopher, table A1), which also starts at 50 words. Numbers and the signs of formulas are
    no words here, because an answer in algebra is full of them.
    """
    words = [word for word in pieces(text) if not FORMULA.fullmatch(word)]
    if len(words) < GARBAGE_MINIMUM_WORDS:
        return None
    with_letter = sum(1 for word in words if word[0].isalpha() or any(map(str.isalpha, word)))
    shortest, longest = GARBAGE_WORD_LENGTH
    return (
        with_letter / len(words) < GARBAGE_LETTER_SHARE
        or not shortest <= sum(map(len, words)) / len(words) <= longest
        or "\ufffd" in text
    )
