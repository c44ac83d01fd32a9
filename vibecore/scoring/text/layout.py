"""What of an answer's lines is text and what is only Markdown: fences, code, rules, headings."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from vibecore.scoring.text.fences import Fence, find_fences, has_fence, split_lines
from vibecore.scoring.text.words import has_visible, lines

# A thematic break (CommonMark 4.1), the line under a heading (4.3), or the same in other signs.
_RULE = re.compile(r"([-*_=~—–─━═•·#+])(?:[ \t]*+\1){2,}+")
_RULE_SIGNS = frozenset("-*_=~—–─━═•·#+|:")
# What the line under the heads of a table is made of.
_TABLE_RULE = frozenset("|:- \t")
# What ends a line for str.splitlines beside a line feed and a carriage return.
_SEPARATOR = re.compile("[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]")
Kind = Literal["text", "fence", "inside"]


class Line(NamedTuple):
    """A line as it is; whether it is text, a fence, or inside one; and which fence's it is."""

    text: str
    kind: Kind
    fence: Fence | None


@lru_cache(maxsize=8)
def read_lines(text: str) -> tuple[Line, ...]:
    """The lines of the text by kind. A block that is not closed runs to the end."""
    fences = find_fences(text, indented=True).fenced if has_fence(text) else ()
    if not fences:
        return tuple(Line(line, "text", None) for line in text.splitlines())
    rows = split_lines(text)
    if not rows[-1]:
        rows.pop()
    found: list[Line] = []
    at = 0
    for fence in fences:
        _add(found, rows[at : fence.first], "text", None)
        _add(found, [fence.before] if fence.before else [], "text", None)
        opening = fence.opening_prose
        _add(found, [opening or rows[fence.first]], "inside" if opening else "fence", fence)
        at = fence.last + 1
        _add(found, _inside(fence, rows), "inside", fence)
        if fence.closed and fence.last > fence.first and not fence.in_last:
            _add(found, rows[fence.last : at], "fence", fence)
    _add(found, rows[at:], "text", None)
    return tuple(found)


def _inside(fence: Fence, rows: list[str]) -> list[str]:
    """The lines inside a fence, as they are; one of prose in its first line aside."""
    if not fence.closed or fence.last == fence.first:
        return rows[fence.first + 1 : fence.last + 1]
    return rows[fence.first + 1 : fence.last] + ([fence.in_last] if fence.in_last else [])


def _add(found: list[Line], rows: list[str], kind: Kind, fence: Fence | None) -> None:
    """Add lines; a form feed and Unicode's separators end one too, which end no fence's line."""
    if any(map(_SEPARATOR.search, rows)):
        rows = [line for row in rows for line in f"{row}\n".splitlines()]
    found += [Line(row, kind, fence) for row in rows]


def is_rule(line: str) -> bool:
    """Whether a line only draws a rule: "---", "* * *", "=====", "|---|---|"."""
    line = line.strip()
    if line[:1] not in _RULE_SIGNS:
        return False
    if "|" in line and "-" in line and _TABLE_RULE.issuperset(line):
        return True
    return _RULE.fullmatch(line) is not None


@lru_cache(maxsize=8)
def text_lines(text: str) -> tuple[str, ...]:
    """Lines with something visible, stripped; no fence, but what it encloses; no rule."""
    if has_fence(text):
        kept = [line.text for line in read_lines(text) if line.kind != "fence"]
        found = tuple(line.strip() for line in kept if has_visible(line))
    else:
        found = lines(text)
    return tuple(line for line in found if line[0] not in _RULE_SIGNS or not is_rule(line))


def text_paragraphs(text: str) -> list[str]:
    """Runs of lines between blank lines, rules and fences; a heading alone is no paragraph."""
    runs: list[list[str]] = [[]]
    for line, kind, _ in read_lines(text):
        if kind == "fence" or not has_visible(line.lstrip("> \t")) or is_rule(line):
            if line.lstrip().startswith("==") and len(runs[-1]) == 1:
                runs.pop()  # the line above is a heading (CommonMark 4.3)
            runs.append([])
        else:
            runs[-1].append(line)
    return ["\n".join(run) for run in runs if run and not all(map(_HEADING.match, run))]


def without_fences(text: str) -> str:
    """The text without its fence lines; what they enclose stays."""
    if not has_fence(text):
        return text
    return "\n".join(line.text for line in read_lines(text) if line.kind != "fence")


def without_code(text: str, unlabelled: bool = False) -> str:
    """The text with a blank line in place of each block of fenced code; `unlabelled`: what stands
    in a fence that names no language is kept, prose or not."""
    if not has_fence(text):
        return text
    rows = split_lines(text.removesuffix("\n"))
    kept: list[str] = []
    at = 0
    for fence in find_fences(text, indented=True).fenced:
        kept += rows[at : fence.first]
        kept += [fence.before] if fence.before else []
        if fence.is_text or (unlabelled and not fence.label):
            kept += [fence.opening_prose] if fence.opening_prose else []
            kept += _inside(fence, rows)
        else:
            kept.append("")
        at = fence.last + 1
    kept += rows[at:]
    return "\n".join(kept)
