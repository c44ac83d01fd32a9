"""Regular expressions from suites, bounded in time.

A pattern without an unbounded repeat goes through Python's own engine. Any other could take
quadratic time or worse, so it goes through `regex`, which can be stopped: after `SECONDS` of a
second try (the first may have met a busy machine) the check has no verdict but an error.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as codes
from re import _parser as parser
from typing import Any

import regex

from vibecore.scoring.verdict import Undecided

SECONDS = 0.02

_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
_SINGLE = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)


def search(pattern: str, text: str, flags: int = 0) -> Any:
    """The first match (of `re`'s form) or None. Raises Undecided where it takes too long."""
    return _call(pattern, flags, "search", text)


def find_all(pattern: str, text: str, flags: int = 0) -> list[Any]:
    """All matches that do not overlap, in order. Raises Undecided where it takes too long."""
    return _call(pattern, flags, "finditer", text)


def parts_of(operand: Any) -> list[Any]:
    """The parsed patterns inside an operand of a parsed pattern."""
    if isinstance(operand, parser.SubPattern):
        return [operand]
    if isinstance(operand, tuple | list):
        return [part for item in operand for part in parts_of(item)]
    return []


def _call(pattern: str, flags: int, method: str, text: str) -> Any:
    compiled, bounded = _compiled(pattern, flags)
    if bounded:
        found = getattr(compiled, method)(text)
        return list(found) if method == "finditer" else found
    for _ in range(2):
        try:
            found = getattr(compiled, method)(text, timeout=SECONDS)
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
            if any(map(_repeats, parts_of(operand))):
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
        (code in _REPEATS and operand[1] > 1) or any(map(_repeats, parts_of(operand)))
        for code, operand in parsed
    )
