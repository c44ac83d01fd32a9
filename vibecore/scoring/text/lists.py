"""Lists in an answer: lines that begin with a bullet, and numbered items with their nesting."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vibecore.scoring.text.layout import is_rule, without_code
from vibecore.scoring.text.line_marks import BULLETS, DASHES, quoted

_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]+")
_BULLET = re.compile(
    rf"[ \t\u00a0\u3000]*+(?:([{DASHES}])[ \t\u00a0]+"
    rf"|([{BULLETS}])\ufe0f?[ \t\u00a0\u3000]*)\S"
)
# "1.", "1)", "1.)", "1:", "(1)", "**1.**", "1\.", "①", "1️⃣", "１．", "1、"; a space may be left out
# before a capital ("1.Boil"). A longer number ("1984. It was") is none.
_NUMBER = re.compile(
    r"(?P<indent>[ \t]*+)[*_]{0,3}+(?:\\?\(?(?P<digits>\d{1,3})"
    r"(?:(?:\.\)|\\?[.)．）:])[*_]{0,3}+(?:[ \t\u00a0]+\S|(?<!:)(?=[^\W\d_a-z]))|、)"
    r"|(?P<circled>[①-⑳])[ \t]*\S|(?P<boxed>\d)\ufe0f?\u20e3[ \t]*\S)"
)


def bullets(text: str) -> list[str]:
    """The lines that begin with a bullet; none in fenced code, no rule ("* * *").

    A line alone that begins with a long dash says who is quoted, or speaks, and is none.
    """
    found = []
    for line in without_code(text).splitlines():
        bare = line[quoted(line) :]
        mark = _BULLET.match(bare)
        if mark and not is_rule(bare):
            found.append((mark[1] or mark[2], bare))
    dashed = [line for mark, line in found if mark in "—―"]
    return [line for mark, line in found if mark not in "—―" or len(dashed) > 1]


@dataclass
class _List:
    """A list that is being read: how far it is indented, and the numbers of its items so far."""

    indent: int
    numbers: list[int] = field(default_factory=list)
    # Whether text that is no item, and not indented under one, has come since the last item.
    interrupted: bool = False


@dataclass
class NumberedLists:
    """The numbers of each list of the text: the outer ones, and those indented under an item."""

    outer: list[list[int]] = field(default_factory=list)
    inner: list[list[int]] = field(default_factory=list)


def numbered_lists(text: str) -> NumberedLists:
    """The numbered lists of the text, outside fenced code.

    An item that is indented under another, and does not go on with its numbers, begins a list of
    its own; so does a "1." after text that stands between, where two items or more came before. A
    number other than 1 in the middle of a paragraph is no item (CommonMark 5.3). Where no line is
    an item, the items are the headings with a number ("### 1. Boil").
    """
    rows = without_code(text).splitlines()
    found = _read_items(rows)
    if not found.outer and "#" in text:
        found = _read_items([_HEADING.sub("", row) for row in rows if _HEADING.match(row)])
    return found


def _read_items(rows: list[str]) -> NumberedLists:
    found = NumberedLists()
    open_lists: list[_List] = []
    in_paragraph = False
    for line in rows:
        bare = line[quoted(line) :].expandtabs(4)
        item = _NUMBER.match(bare)
        if item is None:
            if bare.strip():
                indent = len(bare) - len(bare.lstrip())
                for one in open_lists:
                    one.interrupted |= indent <= one.indent
            in_paragraph = bool(bare.strip()) and not is_rule(bare)
            continue
        number = _number(item)
        if in_paragraph and not open_lists and number != 1:
            continue
        in_paragraph = False
        _place(found, open_lists, len(item["indent"]), number)
    return found


def _place(found: NumberedLists, open_lists: list[_List], indent: int, number: int) -> None:
    """Put an item into the list that it belongs to, or begin one."""
    while len(open_lists) > 1 and indent <= open_lists[-1].indent - 2:
        open_lists.pop()
    if not open_lists:
        _begin(found.outer, open_lists, indent, number)
        return
    last = open_lists[-1]
    if indent >= last.indent + 2 and number != last.numbers[-1] + 1:
        _begin(found.inner, open_lists, indent, number)
    elif number == 1 and last.interrupted and len(last.numbers) > 1:
        open_lists.pop()
        _begin(found.inner if open_lists else found.outer, open_lists, indent, number)
    else:
        last.numbers.append(number)
        last.interrupted = False


def _begin(lists: list[list[int]], open_lists: list[_List], indent: int, number: int) -> None:
    new = _List(indent, [number])
    open_lists.append(new)
    lists.append(new.numbers)


def _number(item: re.Match[str]) -> int:
    if item["circled"]:
        return ord(item["circled"]) - ord("①") + 1
    return int(item["digits"] or item["boxed"])
