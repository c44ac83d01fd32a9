"""Whether a text parts its words by white space, so that measures of such words say something.

Thai, Lao, Khmer, Burmese, Han, kana and some others write a sentence, or more, without a space.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

from vibecore.scoring.text.words import pieces

# Line breaking classes of UAX #14: ideographs and kana (ID, CJ), scripts that need a dictionary to
# be parted (SA: Thai, Lao, Khmer, Burmese and others) and aksaras (AK: Javanese, Balinese). Tibetan
# parts syllables, not words. One alternative each: how long its words are differs.
_IDEOGRAPH = regex.compile(r"(?V1)[\p{L}&&[\p{lb=ID}\p{lb=CJ}]]")
_UNSPACED = regex.compile(r"(?V1)[[\p{L}\p{M}]&&[\p{lb=SA}\p{lb=AK}\p{Tibetan}]]")
_NO_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_LETTER = regex.compile(r"[\p{L}\p{M}]")
# From the first letter of such a script on; below it there is none.
_MAYBE_UNSPACED = re.compile(
    "[\u0e00-\u109f\u1780-\u1aff\u1b00-\u1b7f\u2e80-\ua4cf\ua980-\uffff]|[^\0-\uffff]"
)
# The longest mean of pieces that can be words: an ideographic word has about two characters, a
# Thai or Khmer one about five with its marks.
_LONGEST_IDEOGRAPHIC, _LONGEST_UNSPACED = 4, 10
# An endless word: a mean that no language's words reach, in a text that is no short answer.
_LONGEST_MEAN, _FEWEST_CHARACTERS = 20, 100
_UNIT = re.compile(r"\w+|[^\w\s]+")


def count_letters(text: str) -> int:
    """Letters, and the marks that belong to them: a vowel sign of Burmese is one as well."""
    if text.isascii():
        return len(text.encode().translate(None, _NO_LETTERS))
    return len(_LETTER.findall(text))


def is_ideographic(text: str) -> bool:
    """Whether most letters are ideographs or kana, which say about as much as a syllable each."""
    return _share(text)[0] > 0.5


@lru_cache(maxsize=8)
def has_word_spaces(text: str) -> bool:
    """Whether white space parts the text into words.

    Not where most letters are of a script written without spaces and the pieces are too long for
    words (4 characters on average for ideographs and kana, 10 for the others), and not where a
    text of 100 characters or more has runs of letters, or of marks, of more than 20 on average:
    one endless word. Code and addresses have marks between their words, so they have spaces here.
    """
    found = pieces(text)
    if text.isascii() and len(text) <= _LONGEST_MEAN * len(found):
        return True
    if not found:
        return True
    characters = sum(map(len, found))
    mean = characters / len(found)
    if mean > _LONGEST_MEAN and characters >= _FEWEST_CHARACTERS:
        units = sum(1 for _ in _UNIT.finditer(text))
        if characters / units > _LONGEST_MEAN:
            return False
    ideographic, unspaced = _share(text)
    if ideographic + unspaced <= 0.5:
        return True
    return mean <= (_LONGEST_IDEOGRAPHIC if ideographic > unspaced else _LONGEST_UNSPACED)


@lru_cache(maxsize=8)
def _share(text: str) -> tuple[float, float]:
    """Shares of the letters that are ideographs or kana, and of other scripts without spaces."""
    if text.isascii() or not _MAYBE_UNSPACED.search(text):
        return 0.0, 0.0
    letters = len(_LETTER.findall(text)) or 1
    return len(_IDEOGRAPH.findall(text)) / letters, len(_UNSPACED.findall(text)) / letters
