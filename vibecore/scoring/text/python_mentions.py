"""Where a pattern matches in code: in what the code does, not in what it says.

Comments and docstrings are out. A match in the code itself counts, and so does one in a string
that is data (`"AEIOU"`). It does not count inside a string that only says something: one that is
printed, raised, logged or asserted with, one of three words or more, or where what matched in the
string is Python (`"raise ValueError"`, `"eval"`). A string that is run (`exec`) is code.
"""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from vibecore.scoring.text.patterns import find_all, search
from vibecore.scoring.text.python_literals import Literals

# How much code before a string is read for what it is given to.
MOST_BEFORE = 2_000

_KNOWN = frozenset((*keyword.kwlist, *dir(builtins), *sys.stdlib_module_names))
_WORD = re.compile(r"[A-Za-z_]\w*")
_CALL_OR_COMPARISON = re.compile(r"\w\(|\w\s*(?:[<>]=?|[=!]=|=)\s*\w")
_DOES = re.compile(r"\w\(|\b(?:raise|return|import|except|yield|assert|lambda|def|class)\s+\w")
_PROSE = re.compile(r"(?:[A-Za-z]{2,}+[^\w\s]*+\s\W*+){2}[A-Za-z]{2,}")
_SAYING = re.compile(
    r"(?:\b(?:print|input|write|fail|skip|warn|exit|error|SystemExit)|(?:Error|Exception|Warning)"
    r"|\blog\w*\.\w+)\Z"
)
_RUNNING = re.compile(r"\b(?:exec|eval|compile|getattr|setattr|__import__|import_module|timeit)\Z")
_ASSERTION = re.compile(r"[ \t]*assert\b[^\n]*,[^\n]*\Z")
_CALLED = re.compile(r"[\w.]+\Z")


def find_mention(literals: Sequence[Literals], patterns: Iterable[str]) -> str | None:
    """What the first pattern that counts matched. Raises Undecided where it takes too long."""
    patterns = list(patterns)
    for read in literals:
        for pattern in patterns:
            found = search(pattern, read.masked, re.MULTILINE)
            if found:
                return read.visible[found.start() : found.end()]
        if not read.said:
            continue
        for pattern in patterns:
            for found in find_all(pattern, read.visible, re.MULTILINE):
                if _counts(found, read, pattern):
                    return found[0]
    return None


def _counts(found: Any, read: Literals, pattern: str) -> bool:
    """Whether a match that has to do with strings is one in the code."""
    start, end = found.span()
    inside = [(max(a, start), min(b, end), a, b) for a, b in read.said if a < end and start < b]
    if len(inside) == 1 and inside[0][:2] == (start, end):
        return _is_data(found[0], read, *inside[0][2:])
    for first, last, a, b in inside:
        asked_for = first == a and last == b and ("'" in pattern or '"' in pattern)
        if not asked_for and _DOES.search(read.visible, first, last):
            return False
    return True


def _is_data(matched: str, read: Literals, start: int, end: int) -> bool:
    """Whether what matched inside one string is data there, not something said."""
    opening = re.compile(r"\w*[\"']+\Z").search(read.masked, max(0, start - 8), start)
    before = read.masked[max(0, start - MOST_BEFORE) : opening.start() if opening else start]
    called = _called(before)
    if called is not None and _RUNNING.search(called):
        return True
    if called is not None and _SAYING.search(called):
        return False
    if _ASSERTION.match(before[before.rfind("\n") + 1 :]):
        return False
    if _PROSE.search(read.visible, start, end) or _CALL_OR_COMPARISON.search(matched):
        return False
    return _KNOWN.isdisjoint(_WORD.findall(matched))


def _called(before: str) -> str | None:
    """The name that is called where the innermost bracket is open; None in no call."""
    depth = 0
    for at in range(len(before) - 1, -1, -1):
        character = before[at]
        if character in ")]}":
            depth += 1
        elif character in "([{":
            if not depth:
                name = _CALLED.search(before, max(0, at - 80), at) if character == "(" else None
                return name[0] if name else None
            depth -= 1
    return None
