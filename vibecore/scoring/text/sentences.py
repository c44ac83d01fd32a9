"""Sentences: one rule, for the scores and the checks."""

from __future__ import annotations

import re
from functools import lru_cache

from vibecore.scoring.text.words import FILLERS

_MARK = re.compile("[.!?…。！？]")
_LETTER_OR_DIGIT = re.compile(rf"[^\W_{FILLERS}]")
_STOP = re.compile(
    r"""(?<![.!?…])([.!?…]++)(["'”’»)\]*_`]*+)(?=\s|$)|[。！？]+["”’」』）]*"""
    r"""|(?<=[^\W\d_])[!?]+(?=[A-Z])|(?<=[a-z])\.(?=[A-Z][a-z]*[ ,'’])"""
)
_LIST_MARKER = re.compile(r"(?:[-*+•>]|#{1,6}|\d{1,3}[.)])\s+")
_FOLLOWING = re.compile(r"\s*+(\S?)")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_OPENERS = "([{\"'“‘«*_`"
# Always followed by what they belong to.
_TITLES = (
    "mr mrs ms mx dr prof st mt gen col sgt capt lt rev hon sen rep gov pres messrs "
    "vs cf e.g i.e eg ie viz approx"
)
# Abbreviations only before a number: "No. 5", but "No. I will not."
_REFERENCES = "no nos fig figs vol p pp ch sec eq art"
# May end a sentence: they do so before a capital.
_ENDINGS = "etc inc ltd co corp jr sr al dept est ave"
_NEVER_LAST, _BEFORE_NUMBER, _MAYBE_LAST = (
    frozenset(text.split()) for text in (_TITLES, _REFERENCES, _ENDINGS)
)


@lru_cache(maxsize=8)
def sentences(text: str) -> tuple[str, ...]:
    """Split into sentences, by rule.

    A sentence ends at a run of . ! ? … (closing quotes, brackets and emphasis after it belong
    to it) that is followed by white space or the end, and at 。！？ anywhere. It does not end:
    - after a title or the like ("Dr.", "e.g.", "vs."), nor after "No." or "p." before a digit;
    - after "etc.", "a.m.", "U.S." before a word in lower case;
    - after a single capital before another capital, an initial ("J. Smith"), except "I.";
    - at an ellipsis, or at a stop inside closing quotes or brackets, before lower case.
    A stop with no white space after it ("3.5", "setup.py") ends nothing, unless a space was left
    out ("home.The door", "home!The door"). A line break ends a sentence, with or without a stop,
    unless the line ends in a comma or semicolon, or has no stop and the next line begins in lower
    case. List markers and fence lines are dropped, and a piece with no letter or digit is not a
    sentence.
    """
    found = []
    for unit in _units(text):
        start = 0
        at = 0
        # Every stop begins with a mark, which is far quicker to look for than a stop.
        while mark := _MARK.search(unit, at):
            stop = _STOP.match(unit, mark.start())
            at = stop.end() if stop else mark.end()
            if stop and _ends_sentence(unit, stop):
                found.append(unit[start : stop.end()])
                start = stop.end()
        found.append(unit[start:])
    return tuple(piece.strip() for piece in found if _LETTER_OR_DIGIT.search(piece))


def _units(text: str) -> list[str]:
    """Lines without list markers, joined where a sentence runs across them."""
    units: list[list[str]] = []
    goes_on = False
    for line in map(str.strip, text.splitlines()):
        if not line or line.startswith(("```", "~~~")):
            goes_on = False
            continue
        marker = _LIST_MARKER.match(line)
        if marker:
            line = line[marker.end() :]
        last = units[-1][-1][-1:] if units else ""
        if (
            goes_on
            and not marker
            and (last in ",;" or (last not in ".!?…。！？" and line[0].islower()))
        ):
            units[-1].append(line)
        elif line:
            units.append([line])
        goes_on = bool(line)
    return [" ".join(unit) for unit in units]


def _ends_sentence(unit: str, stop: re.Match[str]) -> bool:
    if stop[1] is None:
        return True
    following = _FOLLOWING.match(unit, stop.end())[1]  # type: ignore[index]  # it always matches
    if not following:
        return True
    if following.islower() and (stop[2].strip("*_`") or stop[1] != stop[1][0] or stop[1] == "…"):
        return False
    if stop[1] != "." or stop[2]:
        return True
    begin = max(unit.rfind(" ", 0, stop.start()), unit.rfind("\t", 0, stop.start())) + 1
    word = unit[begin : stop.start()].lstrip(_OPENERS)
    return not _is_abbreviation(word, following)


def _is_abbreviation(word: str, following: str) -> bool:
    """Whether a full stop after this word belongs to the word; `following` is what comes next."""
    lower = word.lower()
    if lower in _NEVER_LAST:
        return True
    if lower in _BEFORE_NUMBER:
        return following.isdigit()
    if lower in _MAYBE_LAST or _DOTTED.fullmatch(word):
        return not following.isupper()
    return len(word) == 1 and word.isupper() and word != "I" and following.isupper()
