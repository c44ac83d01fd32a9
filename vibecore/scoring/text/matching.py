"""Whether a text has a word or phrase: where it is looked for, and what bounds a word.

It is looked for in the folded text (`characters`) without Markdown's marks of emphasis and code
and without code fences, and in the folded text with those marks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import regex

from vibecore.scoring.text.characters import fold
from vibecore.scoring.text.inflection import inflected_forms
from vibecore.scoring.text.layout import without_fences

# A phrase that ends in this also takes the inflected forms of its last word.
FORMS = "~"
_ESCAPED = re.compile(r"\\([*_~`])")
# Emphasis around a part of a word: "un*believ*able", "**S**torm". (Patterns that begin with a
# literal are quick to look for.)
_PART = re.compile(r"\*(\*{0,2}+)([^\W\d_]++)\*\1(?!\*)")
_MARKS = re.compile(r"[*_`][*_`]*+")

# Scripts that put no spaces between words.
_SPACELESS = "".join(
    rf"\p{{scx={script}}}"
    for script in ("Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar")
)
_UNSPACED = regex.compile(rf"[{_SPACELESS}]")
_IN_WORD = regex.compile(r"[\p{L}\p{M}\p{N}_]")
_SPACED = rf"[[\p{{L}}\p{{M}}\p{{N}}_]--[{_SPACELESS}]]"
_HANGUL = regex.compile(r"\p{Hangul}")
# Case particles, topic markers, the plural and forms of the copula, written onto a Korean noun.
_PARTICLES = (
    "에게서|한테서|으로서|으로써|에서|에게|께서|한테|으로|로서|로써|하고|이랑|부터|까지|마저|조차|밖에|처럼"
    "|같이|보다|마다|이나|이라도|라도|입니다|이에요|예요|이었다|였다|이다|이고|이며|이라고|라고|이지만"
    "|은|는|이|가|을|를|의|에|께|로|와|과|랑|도|만|들|인"
)


def without_emphasis(text: str) -> str:
    """The text without the marks of emphasis and code around and inside its words.

    A mark between two letters or digits stays ("snake_case", "5*3"), unless it is one of a pair.
    """
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", text)
    if "~~" in text:
        text = text.replace("~~", "")
    if "*" in text:
        text = _PART.sub(r"\2", text)
    if "*" in text or "_" in text or "`" in text:
        text = _MARKS.sub(_kept, text)
    return text


def _kept(marks: re.Match[str]) -> str:
    """A run of marks where it stands between two letters or digits; else nothing."""
    text, start, end = marks.string, marks.start(), marks.end()
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if not before.isalnum() or not after.isalnum():
        return ""
    bold = before.isalpha() and after.isalpha() and marks[0] in ("**", "***")
    return "" if bold else marks[0]


# Large enough for the lines of a text beside the text.
@lru_cache(maxsize=64)
def forms(text: str) -> tuple[str, ...]:
    """What to look in: the folded text without its markup, and with it where that differs."""
    folded = fold(without_fences(text))
    plain = without_emphasis(folded)
    return (plain,) if plain == folded else (plain, folded)


def plain(text: str) -> str:
    """The folded text without its markup."""
    return forms(text)[0]


@dataclass(frozen=True)
class Phrase:
    """A word or phrase to look for; in a text that has it stands one of the `needles`."""

    needles: tuple[str, ...]
    last_words: tuple[str, ...]
    pattern: Any

    def count(self, text: str) -> int:
        """How often it occurs in the text, without overlaps."""
        return max(
            sum(1 for _ in self.pattern.finditer(form)) if self._may_be_in(form) else 0
            for form in forms(text)
        )

    def occurs(self, text: str) -> bool:
        """Whether it occurs in the text."""
        return any(
            self._may_be_in(form) and self.pattern.search(form) is not None for form in forms(text)
        )

    def only_unfinished(self, text: str) -> bool:
        """Whether it occurs only as the last piece of the text, which may be a longer word's
        beginning: "light" where the text was cut off inside "lighthouse"."""
        if not text[-1:].isalnum():
            return False
        form = plain(text)
        ending = next((word for word in self.last_words if form.endswith(word)), None)
        return ending is not None and self.pattern.search(form[: -len(ending)]) is None

    def _may_be_in(self, form: str) -> bool:
        # Much quicker than the pattern, and most forbidden words are not there.
        return any(needle in form for needle in self.needles)


@lru_cache(maxsize=512)
def phrase(written: str) -> Phrase:
    """A phrase of a suite; "storm~" stands for "storm" and its inflected forms."""
    if written.endswith(FORMS):
        *before, last = written[: -len(FORMS)].split()
        alternatives = [" ".join((*before, form)) for form in inflected_forms(last)]
    else:
        alternatives = [written]
    folded = sorted({fold(one) for one in alternatives}, key=len, reverse=True)
    patterns = [bounded(one, before=True, after=True) for one in folded]
    needles = {(one.split() or [""])[0] for one in folded}
    # Of several forms only the shortest beginnings need to be looked for.
    needles = {one for one in needles if not any(one != o and one.startswith(o) for o in needles)}
    last_words = tuple(dict.fromkeys((one.split() or [" "])[-1] for one in folded))
    return Phrase(tuple(needles), last_words, regex.compile("|".join(patterns), regex.V1))


def phrase_defect(written: str) -> str | None:
    """What is wrong with a phrase of a suite; None when it is fit."""
    if not fold(written).strip():
        return f"has {written!r}, in which nothing can be seen"
    if written.endswith(FORMS):
        words = written[: -len(FORMS)].split()
        if written[: -len(FORMS)] != written[: -len(FORMS)].rstrip() or not words:
            return f'has "{written}": {FORMS} stands right after a word'
        if not (words[-1].isascii() and words[-1].isalpha()):
            return f'has "{written}": {FORMS} stands after an English word, of letters only'
    return None


def phrases_defect(written: list[str]) -> str | None:
    """The first defect of several phrases; None when all are fit."""
    return next(filter(None, map(phrase_defect, written)), None)


@lru_cache(maxsize=1024)
def bounded(folded: str, *, before: bool = False, after: bool = False) -> str:
    """A pattern (of `regex`, V1) for a folded phrase that does not begin or end inside a word.

    Any run of white space matches a space. A word is bounded by what is no letter, mark, digit or
    underscore; scripts without spaces have no bounds to ask for, and a Korean noun may carry
    particles. "3" is not in "3.5" or "1,300", "won" not in "won't", "C" not in "C++".
    """
    words = folded.split()
    if not words:
        return r"(?!)"
    pattern = r"\s+".join(regex.escape(word) for word in words)
    first, last = words[0][0], words[-1][-1]
    if before and _IN_WORD.match(first) and not _UNSPACED.match(first):
        pattern = rf"(?<!{_SPACED})" + (r"(?<!\d[.,])" if first.isdigit() else "") + pattern
    if after and _IN_WORD.match(last):
        pattern += _bound_after(last, alone=len(folded) == 1)
    return pattern


def _bound_after(last: str, alone: bool) -> str:
    # A mark belongs to the letter before it, in every script.
    if _UNSPACED.match(last):
        return r"(?!\p{M})"
    if _HANGUL.match(last):
        return rf"(?:{_PARTICLES}){{0,3}}+(?!{_SPACED})"
    bound = rf"(?!{_SPACED})"
    if last.isdigit():
        return bound + r"(?![.,]\d)"
    return bound + rf"(?!'t(?!{_SPACED}))" + (r"(?![+#])" if alone else "")
