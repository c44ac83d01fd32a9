"""Measures of a text that need no prompt: repetition, diversity, compressibility.

Words here are `str.split()` pieces with case kept, as in the published study, unless a measure
says otherwise.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from itertools import count
from operator import add

from vibecore.scoring.text.spacing import has_word_spaces
from vibecore.scoring.text.words import n_grams, pieces, word_codes

# More distinct characters than this take two bytes each.
_ONE_BYTE = 256


@lru_cache(maxsize=8)
def _distinct_grams(text: str, n: int) -> int:
    coded, codes = word_codes(text)
    words = pieces(text)
    if len(coded) < len(words) or n > 2:
        return len(set(n_grams(words, n)))
    return len(codes) if n == 1 else len(set(map(add, coded, coded[1:])))


def repetition_ratio(text: str) -> float | None:
    """1 − distinct / total word bigrams, in [0, 1); fewer than two words give 0.0.

    The published study's measure: 0.726 and 0.173 on its two samples (published: 0.73, 0.17).
    None where it does not apply: white space does not part the text into words
    (`text.spacing.has_word_spaces`), as in Chinese, in Thai and in one endless word.
    """
    if not has_word_spaces(text):
        return None
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


@lru_cache(maxsize=8)
def zlib_ratio(text: str) -> float | None:
    """UTF-8 bytes over their zlib-compressed length; None for an empty text.

    Radford et al. 2022 (Whisper, `whisper/utils.py: compression_ratio`), where more than 2.4
    marks a failed, repeating decode. Short texts fall below 1: zlib adds a header.
    """
    return _compressed(text.encode("utf-8", errors="surrogatepass"))


def even_zlib_ratio(text: str) -> float | None:
    """`zlib_ratio` with all characters coded in equally many bytes; the same for ASCII.

    In UTF-8 the two or three bytes of a letter outside Latin begin alike, so honest Thai and Hindi
    exceed a cut that was set on English.
    """
    if text.isascii():
        return zlib_ratio(text)
    places: dict[str, int] = {}
    codes = list(map(places.setdefault, text, count()))
    order = {code: number for number, code in enumerate(places.values())}
    if len(order) <= _ONE_BYTE:
        return _compressed(bytes(map(order.__getitem__, codes)))
    coded = "".join(map(chr, map(order.__getitem__, codes)))
    return _compressed(coded.encode("utf-16-le", errors="surrogatepass"))


def _compressed(encoded: bytes) -> float | None:
    return len(encoded) / len(zlib.compress(encoded)) if encoded else None
