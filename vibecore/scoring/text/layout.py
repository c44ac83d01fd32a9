"""What of an answer's lines is text and what is only Markdown: fences, code, rules, headings."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from vibecore.scoring.text.words import has_visible, lines

# CommonMark 4.5, but for an info string that is prose ("```Roses are red"): that line is text.
_FENCE = re.compile(
    r"(?P<quote>(?:[ \t]{0,3}>)*+)(?P<indent>[ \t]*+)(?P<mark>`{3,}+|~{3,}+)[ \t]*+"
    r"(?P<label>[\w+#.-]*+)[ \t]*+(?:\{[^`]*|[\w-]++=[^`]*)?"
)
# A thematic break (CommonMark 4.1), the line under a heading (4.3), or the same in other signs.
_RULE = re.compile(r"([-*_=~—–─━═•·#+])(?:[ \t]*+\1){2,}+")
_RULE_SIGNS = frozenset("-*_=~—–─━═•·#+|:")
# What the line under the heads of a table is made of.
_TABLE_RULE = frozenset("|:- \t")
_HEADING = re.compile(r"[ \t]{0,3}#{1,6}[ \t]")
# Fences with these labels hold text, not code; those without a label may hold either.
LABELLED_TEXT = frozenset(
    {"markdown", "md", "text", "txt", "plain", "plaintext", "prose", "poem", "story", "quote"}
)
TEXT = LABELLED_TEXT | {""}

Kind = Literal["text", "fence", "code"]


class Line(NamedTuple):
    """A line as it is, and whether it is text, a fence, or in a block fenced with this label."""

    text: str
    kind: Kind
    label: str


def has_fence(text: str) -> bool:
    """Whether the text may have a fenced block."""
    return "```" in text or "~~~" in text


@lru_cache(maxsize=8)
def read_lines(text: str) -> tuple[Line, ...]:
    """The lines of the text by kind. A block that is not closed runs to the end."""
    if not has_fence(text):
        return tuple(Line(line, "text", "") for line in text.splitlines())
    found = []
    opening: re.Match[str] | None = None
    for line in text.splitlines():
        fence = _FENCE.fullmatch(line) if "```" in line or "~~~" in line else None
        label = opening["label"].lower() if opening else ""
        if opening is None:
            opening = fence
            found.append(Line(line, "fence" if fence else "text", ""))
        elif fence and _closes(opening, fence):
            opening = None
            found.append(Line(line, "fence", label))
        else:
            found.append(Line(line, "code", label))
    return tuple(found)


def _closes(opening: re.Match[str], fence: re.Match[str]) -> bool:
    return (
        fence["mark"].startswith(opening["mark"])
        and not fence["label"]
        and len(fence["indent"]) <= len(opening["indent"]) + 3
    )


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
        if kind == "fence" or not has_visible(line) or is_rule(line):
            runs.append([])
        else:
            runs[-1].append(line)
    return ["\n".join(run) for run in runs if run and not all(map(_HEADING.match, run))]


def without_fences(text: str) -> str:
    """The text without its fence lines; what they enclose stays."""
    if not has_fence(text):
        return text
    return "\n".join(line.text for line in read_lines(text) if line.kind != "fence")


def without_code(text: str, kept: frozenset[str] = LABELLED_TEXT) -> str:
    """The text without its fenced blocks, but those with a label that is `kept`."""
    if not has_fence(text):
        return text
    return "\n".join(
        line.text
        for line in read_lines(text)
        if line.kind == "text" or (line.kind == "code" and line.label in kept)
    )
