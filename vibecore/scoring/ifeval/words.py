"""Words as the reference counts them: runs of letters and digits, and words in capitals.

`regex` is the engine that nltk 3.10.4 uses, and its \\w includes the vowel signs of Indic
scripts, which Python's own does not; only contractions are matched by `re` there.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

from vibecore.scoring.ifeval.punkt import split_sentences

_WORD = regex.compile(r"\w+")
# The rules of the Penn treebank tokeniser as nltk widened them (`nltk/tokenize/destructive.py`),
# in their order: each separates what it matches from its neighbours by a space.
_PARTS = tuple(
    (regex.compile(pattern, flags), replacement)
    for pattern, replacement, flags in (
        (r"[«“‘„]|`+", r" \g<0> ", 0),
        (r'^"', "``", 0),
        (r"``", r" \g<0> ", 0),
        (r"([ (\[{<])(?:\"|'{2})", r"\1 `` ", 0),
        (r"(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' ", regex.IGNORECASE),
        (r"([^.])\.([\])}>\"' »”’]*+)\s*$", r"\1 . \2 ", 0),
        (r"([:,])([^\d])", r" \1 \2", 0),
        (r"[:,]$", r" \g<0> ", 0),
        (r"\.{2,}", r" \g<0> ", 0),
        (r"[;@#$%&\u2012-\u2015]", r" \g<0> ", 0),
        (r"([^.])\.([\])}>\"']*)\s*$", r"\1 .\2 ", 0),
        (r"[?!]", r" \g<0> ", 0),
        (r"([^'])' ", r"\1 ' ", 0),
        (r"[*\]\[(){}<>]", r" \g<0> ", 0),
        (r"--", " -- ", 0),
        (r"\A|\Z", " ", 0),
        (r"[»”’]|''", r" \g<0> ", 0),
        (r'"', " '' ", 0),
        (r"\s+", " ", 0),
        (r"([^' ])('[sSmMdD]|') ", r"\1 \2 ", 0),
        (r"([^' ])('(?:ll|LL|re|RE|ve|VE)|n't|N'T) ", r"\1 \2 ", 0),
    )
)
_CONTRACTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(can)(not)\b",
        r"\b(d)('ye)\b",
        r"\b(gim)(me)\b",
        r"\b(gon)(na)\b",
        r"\b(got)(ta)\b",
        r"\b(lem)(me)\b",
        r"\b(more)('n)\b",
        r"\b(wan)(na)(?=\s)",
        r" ('t)(is)\b",
        r" ('t)(was)\b",
    )
)
# A word in capitals ends in a capital that no small letter follows, unless a contraction is split
# between two letters.
_MAY_HOLD_CAPITALS = re.compile(
    r"[A-Z](?![a-z])|(?i:n't|cannot|gimme|gonna|gotta|lemme|wanna|'tis|'twas)"
)
# What may be split inside a piece between white space; a stop or comma at its end does not
# change its capitals.
_PARTED_INSIDE = re.compile(
    r"[^\w\s.,:?!-]|[.,:?!](?=\S)|--|(?i:cannot|gimme|gonna|gotta|lemme|wanna)"
)


def count_words(text: str) -> int:
    """Runs of letters, digits, marks and underscores."""
    return len(_WORD.findall(text))


def count_capital_words(text: str) -> int:
    """Tokens of the text's sentences that have a letter and no small one."""
    return sum(map(_capital_words_in, split_sentences(text)))


# The texts of the loose reading share most of their sentences.
@lru_cache(maxsize=256)
def _capital_words_in(sentence: str) -> int:
    if sentence.isascii():
        if not _MAY_HOLD_CAPITALS.search(sentence):
            return 0
        if not _PARTED_INSIDE.search(sentence):
            return sum(map(str.isupper, sentence.split()))
    return sum(map(str.isupper, tokens(sentence)))


def tokens(sentence: str) -> list[str]:
    """The words of a sentence, with punctuation and contractions separated from them."""
    for pattern, replacement in _PARTS:
        sentence = pattern.sub(replacement, sentence)
    for contraction in _CONTRACTIONS:
        sentence = contraction.sub(r" \1 \2 ", sentence)
    return sentence.split()
