"""The JSON objects that stand at the top level of an answer.

JSON is what RFC 8259 says: no trailing comma, comment, single quote or NaN. Python's decoder reads
it; this file says where a value begins. An object inside a list, or inside a value that is broken
or cut off, is not at the top level. One pass over the text, so that it takes linear time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vibecore.scoring.text.fences import TEXT_LABELS, Fence, find_fences

# Where a piece of the answer stands, the piece, and whether the answer ends in it.
_Piece = tuple[str, str, bool]
# Deeper is refused: how deep Python's own decoder goes differs between its versions.
DEPTH_LIMIT = 200
# Values that do not decode are looked at this often: prose with so many has no JSON to find.
_TRIES = 200
_QUOTED = re.compile(r"^ {0,3}>[ \t]?", re.MULTILINE)
# What JSON begins with, valid or not; other braces and brackets are prose: "{name}", "[note]".
_START = re.compile(
    r"""\{(?=\s*(?:["'“‘{}\[]|//|/\*|\#|[A-Za-z_]\w*["']?\s*:))"""
    r"""|\[(?=\s*(?:[-{\["'\]\d]|(?:true|false|null)\b))"""
)
# Of those with a bracket, what is JSON even if broken; "[1]" and "[0, 1)" are prose unless valid.
_LIST = re.compile(r"""\[\s*[{\["'\]]""")
_INSIDE = re.compile(r'"(?:[^"\\\n]|\\.)*"|(?P<blank>\n[ \t]*\n(?=\{))|[{}\[\]]')
_BEFORE_MEMBER = re.compile(r"""[,\[{]\Z|["']\s*:\Z""")
_AFTER_MEMBER = re.compile(r"\s*[,\]}]")
# Fences with these labels hold JSON as readily as those that hold text.
_ANSWER_LABELS = frozenset({"output", "response", "answer"})


@dataclass(frozen=True)
class Found:
    """The top-level objects of an answer, the likeliest to be meant last.

    `reason` says what was found instead of an object; `unfinished`, whether the text ends inside a
    value, which its rest could make an object.
    """

    objects: tuple[dict[str, Any], ...]
    reason: str
    unfinished: bool

    def meant(self, keys: Iterable[str]) -> dict[str, Any] | None:
        """The object that has most of the keys asked for; of several, the likeliest."""
        wanted = set(keys)
        return max(reversed(self.objects), key=lambda one: len(wanted & one.keys()), default=None)


@lru_cache(maxsize=16)
def find_objects(text: str) -> Found:
    """The top-level objects of an answer.

    A block fenced as JSON is likelier to be meant than one fenced without a language, and that than
    bare text; of several in one of these, the last, because a draft stands before its correction. A
    block of another language counts where all of it is one object and nothing is fenced as JSON.
    """
    tiers: dict[str, list[dict[str, Any]]] = {"other": [], "bare": [], "plain": [], "json": []}
    reason = "found no JSON object"
    unfinished = False
    pieces = _pieces(text)
    in_json = any(tier == "json" for tier, _, _ in pieces)
    for tier, piece, at_end in pieces:
        if tier == "other":
            if in_json:
                continue
            value = _whole(piece)
            tiers[tier] += [value] if isinstance(value, dict) else []
            continue
        reader = _Reader(piece)
        values = list(reader.values())
        tiers[tier] += [value for value in values if isinstance(value, dict)]
        if any(isinstance(value, list) and not _is_citation(value) for value in values):
            reason = "found no JSON object at top level but a list"
        reason = reader.reason or reason
        unfinished |= reader.unfinished and at_end
    return Found(tuple(one for tier in tiers.values() for one in tier), reason, unfinished)


class _Reader:
    """The top-level values of one piece of text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.reason = ""
        self.unfinished = False
        self._tries = 0

    def values(self) -> Iterator[Any]:
        start = _START.search(self.text)
        while start is not None and self._tries < _TRIES:
            end = start.end()
            try:
                value, end = self._decode(start.start())
                yield value
            except RecursionError:
                self.reason = "the JSON object is nested too deeply"
                end = self._end_of_broken(start.start())
            except ValueError as error:  # also NaN, and a number of thousands of digits
                if start[0] == "{" or _LIST.match(self.text, start.start()):
                    self.reason = _explained(error)
                    end = self._end_of_broken(start.start())
            start = _START.search(self.text, end)

    def _decode(self, start: int) -> tuple[Any, int]:
        try:
            value, end = _DECODER.raw_decode(self.text, start)
        except (RecursionError, ValueError):
            self._tries += 1
            raise
        if _too_deep(self.text, start, end):
            raise RecursionError
        return value, end

    def _end_of_broken(self, start: int) -> int:
        """Where a value that does not decode ends; what is inside it is no answer of its own.

        An object that begins at the margin after a blank line ends it too, so that a correction
        after an unclosed draft is found; a member of the broken value has a comma, a bracket or its
        key before it, or a comma or a bracket after it.
        """
        depth = 0
        for token in _INSIDE.finditer(self.text, start):
            if token["blank"] is not None:
                if self._tries < _TRIES and self._is_apart(token.start(), token.end()):
                    return token.end()
            elif token[0] in "{[":
                depth += 1
            elif token[0] in "}]":
                depth -= 1
                if not depth:
                    return token.end()
        self.unfinished = True
        return len(self.text)

    def _is_apart(self, blank: int, start: int) -> bool:
        before = self.text[max(0, blank - 40) : blank].rstrip()
        if _BEFORE_MEMBER.search(before):
            return False
        try:
            _, end = self._decode(start)
        except (RecursionError, ValueError):
            return False
        self._tries += 1
        return _AFTER_MEMBER.match(self.text, end) is None


def _pieces(text: str) -> list[_Piece]:
    """The text outside fenced blocks, and then the blocks."""
    found = find_fences(text, indented=True)
    in_fence = bool(found.fenced) and not (found.fenced[-1].closed or found.fenced[-1].left_open)
    bare = ["\n".join(lines) for lines in found.outside]
    pieces = [("bare", _QUOTED.sub("", piece), False) for piece in bare]
    blocks = [(_tier(fence), "\n".join(fence.lines), False) for fence in found.fenced]
    last = blocks if in_fence else pieces
    last[-1] = (*last[-1][:2], True)
    return pieces + blocks


def _tier(fence: Fence) -> str:
    if fence.label.startswith("json") or fence.label in ("ndjson", "geojson"):
        return "json"
    plain = not fence.label or fence.label in TEXT_LABELS or fence.label in _ANSWER_LABELS
    return "plain" if plain else "other"


def _whole(text: str) -> Any:
    """The value that is all of the text, or None."""
    try:
        value, end = _DECODER.raw_decode(text.strip())
    except (ValueError, RecursionError):
        return None
    return value if end == len(text.strip()) and not _too_deep(text, 0, len(text)) else None


def _is_citation(value: list[Any]) -> bool:
    return all(isinstance(item, int | float) for item in value)


def _too_deep(text: str, start: int, end: int) -> bool:
    if text.count("{", start, end) + text.count("[", start, end) <= DEPTH_LIMIT:
        return False
    depth = deepest = 0
    for token in _INSIDE.finditer(text, start, end):
        depth += 1 if token[0] in "{[" else -1 if token[0] in "}]" else 0
        deepest = max(deepest, depth)
    return deepest > DEPTH_LIMIT


def _explained(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"found no valid JSON object (line {error.lineno}: {error.msg})"
    return f"found no valid JSON object ({str(error)[:40]})"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
