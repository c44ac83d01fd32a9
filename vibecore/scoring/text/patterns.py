"""Regular expressions from suites: which are fit to use, and a search bounded in time.

A pattern without an unbounded repeat runs in Python's own engine. Any other could take quadratic
time or worse, so it runs in `regex`, which has a timeout: after two tries of `SECONDS` (the first
may have met a busy machine) the check has no verdict but an error.
"""

from __future__ import annotations

import re
from functools import lru_cache

# Not public and not in mypy's stubs; there is no other way to ask how a pattern repeats.
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import regex

from vibecore.scoring.verdict import Undecided

PATTERN_LIMIT = 200
SECONDS = 0.02

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_SINGLE = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)


def search(pattern: str, text: str, flags: int = 0) -> Any:
    """The first match (an `re.Match`, or `regex`'s of the same form) or None.

    Raises Undecided where it takes too long.
    """
    return _call(pattern, flags, "search", text)


def find_all(pattern: str, text: str, flags: int = 0) -> list[Any]:
    """All matches that do not overlap, in order. Raises Undecided where it takes too long."""
    return _call(pattern, flags, "finditer", text)


def may_match_later(pattern: str, text: str, flags: int = 0) -> bool:
    """Whether more text behind a text without a match could bring one: only what a pattern asks of
    the very beginning of a text can rule that out."""
    if not pattern.startswith(r"\A"):
        return True
    try:
        compiled = regex.compile(pattern, flags)
        return compiled.match(text, partial=True, timeout=SECONDS) is not None
    except (TimeoutError, regex.error):
        return True


def pattern_defect(pattern: str) -> str | None:
    """What makes a regular expression unfit for a suite; None when it is fit.

    It must compile, have at most 200 characters, not match the empty text (it could not fail),
    and repeat nothing inside an unbounded repeat, which is what takes exponential time.
    """
    if len(pattern) > PATTERN_LIMIT:
        return f"the pattern is longer than {PATTERN_LIMIT} characters"
    try:
        matches_nothing = re.compile(pattern).search("") is not None
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f'"{pattern}" is not a regular expression: {error}'
    if matches_nothing:
        return f'"{pattern}" matches the empty text, so it could not fail'
    if _repeats_a_repeat(parsed, False):
        return f'"{pattern}" has a choice or repeat inside an unbounded repeat, which can be slow'
    return None


def _repeats_a_repeat(parsed: Any, inside: bool) -> bool:
    for code, operand in parsed:
        variable = code is codes.BRANCH
        unbounded = False
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            variable = operand[0] != operand[1]
            unbounded = operand[1] is codes.MAXREPEAT
        if inside and variable:
            return True
        if any(_repeats_a_repeat(part, inside or unbounded) for part in _parts(operand)):
            return True
    return False


def _parts(operand: Any) -> list[Any]:
    """The parsed patterns inside an operand of a parsed pattern."""
    if isinstance(operand, parser.SubPattern):
        return [operand]
    if isinstance(operand, tuple | list):
        return [part for item in operand for part in _parts(item)]
    return []


def _call(pattern: str, flags: int, method: str, text: str) -> Any:
    compiled, bounded = _compiled(pattern, flags)
    for _ in range(2):
        try:
            limit = {} if bounded else {"timeout": SECONDS}
            found = getattr(compiled, method)(text, **limit)
            return list(found) if method == "finditer" else found
        except TimeoutError:
            continue
    shown = pattern if len(pattern) <= 60 else pattern[:59] + "…"
    raise Undecided(f'the pattern "{shown}" takes too long on this text')


@lru_cache(maxsize=512)
def _compiled(pattern: str, flags: int) -> tuple[Any, bool]:
    """A compiled pattern, and whether its own form bounds the time it takes."""
    if _may_be_slow(parser.parse(pattern, flags)):
        return regex.compile(pattern, flags), False
    return re.compile(pattern, flags), True


def _may_be_slow(parsed: Any) -> bool:
    """Whether matching may go back over what an unbounded or nested repeat has taken.

    A repeat of one character never goes back at the end of a pattern, where only what may be
    left out follows ("Section \\d+ ?"), nor where it is possessive, as in "C++".
    """
    optional = True
    for code, operand in reversed(list(parsed)):
        if code not in _REPEATS:
            optional = False
            if any(map(_repeats, _parts(operand))):
                return True
            continue
        least, most, inside = operand
        single = len(inside) == 1 and inside[0][0] in _SINGLE
        kept = optional or code is codes.POSSESSIVE_REPEAT
        if most is codes.MAXREPEAT and not (single and kept):
            return True
        if not single and most > 1 and (least != most or _repeats(inside)):
            return True
        optional = optional and (least == 0 or most is codes.MAXREPEAT)
    return False


def _repeats(parsed: Any) -> bool:
    """Whether anything in the pattern repeats more than once."""
    return any(
        (code in _REPEATS and operand[1] > 1) or any(map(_repeats, _parts(operand)))
        for code, operand in parsed
    )
