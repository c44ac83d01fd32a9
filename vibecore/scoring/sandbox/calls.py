"""Calls into the code and its replies: plain data both ways.

A reply comes from code that is not trusted. It is read as data, and holds only what a call
returned or raised; whether that is right is decided by the caller.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Keys chosen to collide make a mapping slow to build; up to this many do no harm.
MOST_KEYS = 1_000


@dataclass(frozen=True)
class Call:
    """A call of a function of the code; `then` calls methods of what it returned, in order.

    `then` holds `[method, *arguments]` lists; the value of the last one is what counts. All
    arguments are JSON values.
    """

    function: str
    arguments: Sequence[Any] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    then: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True)
class Foreign:
    """A value that is not plain data, described in words; it equals nothing a suite can ask for."""

    words: str

    def __repr__(self) -> str:
        return "".join(c if c.isprintable() else " " for c in self.words)


@dataclass(frozen=True)
class Reply:
    """The outcome of one call: it returned `value`, or raised (`raised`: the names of the
    error's class and its bases), or there was no such function (`missing`).

    A tuple comes back as a list, because JSON, in which it travels, has one kind of sequence.
    """

    value: Any = None
    raised: tuple[str, ...] = ()
    message: str = ""
    missing: bool = False


def call_as_json(call: Call) -> dict[str, Any]:
    """A call in the form that `inside.py` reads."""
    return {
        "function": call.function,
        "arguments": list(call.arguments),
        "keywords": dict(call.keywords),
        "then": [list(step) for step in call.then],
    }


def read_reply(line: bytes) -> Reply | None:
    """The reply in a line; None where the line is not one, which only tampering can cause."""
    try:
        row = json.loads(line)
        if "raised" in row:
            names = tuple(str(name)[:100] for name in row["raised"][:50])
            return Reply(raised=names or ("Exception",), message=str(row["message"])[:200])
        if "missing" in row:
            return Reply(missing=True)
        return Reply(value=_decode(row["value"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    items: Any = value.get("dict", value.get("set", ()))
    if len(items) > MOST_KEYS:
        return Foreign("a mapping or set too large to read")
    if "dict" in value:
        return {_frozen(_decode(key)): _decode(item) for key, item in value["dict"]}
    if "set" in value:
        return frozenset(_frozen(_decode(item)) for item in value["set"])
    return Foreign(str(value["other"])[:200])


def _frozen(value: Any) -> Any:
    """A key or a member in a form that can be hashed: what came as a list was a tuple."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
