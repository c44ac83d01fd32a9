"""What of a source is code, what a comment and what is only said in a string.

Lexical, so that it reads code that does not parse too. Comments are taken out, and so are strings
that are a statement of their own (docstrings). What stands in any other string is said, not done;
the expressions of an f-string are code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

# Stands for a character in a string; no pattern names it, and it is no letter, digit or space.
SAID = "\ue000"
# Deeper f-strings are read as text.
MOST_NESTED = 20

_MARK = re.compile(r"#[^\n]*|\"\"\"|'''|[\"']")
_BRACKET = re.compile(r"[()\[\]{}]")
# A statement that begins a line: an open bracket before it was a mistake.
_STATEMENT = re.compile(r"^[ \t]*(?:def|class|return|raise|import|while|try)\b", re.MULTILINE)
_GOES_ON = re.compile(r"(?:else|elif|except|finally|case)\b|[)\]}#]")
_LINE_ENDS = re.compile(r"[ \t]*(?:[;#\n]|\Z)")
_ONE_LINE_BODY = re.compile(r"[ \t]*(?:async[ \t]+def|def|class)\b.*:[ \t]*")
_FIELD = re.compile(r"\"\"\"|'''|[\"'()\[\]{}:!]")
_NOT_ASKED = re.compile(r"#!|#.*?coding[:=][ \t]*(?:utf|latin|ascii|iso|cp\d)", re.IGNORECASE)


def _body(quote: str) -> re.Pattern[str]:
    if len(quote) == 3:
        return re.compile(rf"(?:[^\\{quote[0]}]|\\[\s\S]|{quote[0]}(?!{quote[1:]}))*+(?:{quote})?")
    return re.compile(rf"(?:[^\\\n{quote}]|\\[\s\S])*+{quote}?")


def _spoken(quote: str) -> re.Pattern[str]:
    """The text of an f-string up to a field or the end."""
    more = rf"|{quote[0]}(?!{quote[1:]})" if len(quote) == 3 else ""
    excluded = rf"\\{{}}{quote[0]}" + ("" if len(quote) == 3 else r"\n")
    return re.compile(rf"(?:[^{excluded}]|\\N\{{[^{{}}\n]*\}}|\\[^{{}}]|\{{\{{|\}}\}}{more})*+")


def _depth(depth: int, code: list[str]) -> int:
    """How many brackets are open behind pieces of code."""
    for piece in code:
        for bracket in _BRACKET.findall(piece):
            depth = max(depth + (1 if bracket in "([{" else -1), 0)
        if depth and _STATEMENT.search(piece):
            depth = 0
    return depth


_QUOTES = ('"', "'", '"""', "'''")
_BODY = {quote: _body(quote) for quote in _QUOTES}
_SPOKEN = {quote: _spoken(quote) for quote in _QUOTES}


@dataclass
class Literals:
    """A source read by its strings and comments.

    `visible` is the source without comments and docstrings; `masked` the same with every character
    inside a string replaced by `SAID`; `said` are the places in both of what strings say.
    """

    source: str
    comments: list[str] = field(default_factory=list)
    _said: list[tuple[int, int]] = field(default_factory=list)
    _cut: list[tuple[int, int]] = field(default_factory=list)
    _open_at_end: bool = False

    def __post_init__(self) -> None:
        self._scan()

    @cached_property
    def visible(self) -> str:
        """The source without comments and docstrings."""
        parts, at = [], 0
        for start, end in self._cut:
            parts.append(self.source[at:start])
            at = end
        return "".join((*parts, self.source[at:]))

    @cached_property
    def said(self) -> list[tuple[int, int]]:
        """Where `visible` has what a string says."""
        cuts, removed, places = iter((*self._cut, (len(self.source) + 1, 0))), 0, []
        start, end = next(cuts)
        for first, last in self._said:
            while start <= first:
                removed += end - start
                start, end = next(cuts)
            places.append((first - removed, last - removed))
        return places

    @cached_property
    def masked(self) -> str:
        """`visible`, with what strings say made unreadable."""
        parts, at = [], 0
        for start, end in self.said:
            parts += [self.visible[at:start], SAID * (end - start)]
            at = end
        return "".join((*parts, self.visible[at:]))

    @property
    def ends_in_string(self) -> bool:
        """Whether the source ends inside a triple-quoted string."""
        return self._open_at_end

    @cached_property
    def statements(self) -> list[int]:
        """The lines (from 0) on which a statement begins at the margin."""
        starts, depth = [], 0
        for number, line in enumerate(self._blanked.split("\n")):
            if depth == 0 and line[:1].strip() and not _GOES_ON.match(line):
                starts.append(number)
            for bracket in _BRACKET.findall(line):
                depth = max(depth + (1 if bracket in "([{" else -1), 0)
        return starts

    @cached_property
    def _blanked(self) -> str:
        """The source in its lines, with comments blank and strings unreadable."""
        parts, at = [], 0
        for start, end in sorted((*self._said, *self._cut)):
            text = re.sub(r"[^\n]", " ", self.source[start:end])
            if self.source[start] != "#":
                # Where a string begins, there is code; where it goes on, a line begins with none.
                text = SAID[: len(text)] + text[1:]
            parts += [self.source[at:start], text]
            at = end
        return "".join((*parts, self.source[at:]))

    def _scan(self) -> None:
        source, at, depth = self.source, 0, 0
        # The code between strings in which brackets are still to be counted: few strings ask.
        gaps: list[str] = []
        while mark := _MARK.search(source, at):
            gaps.append(source[at : mark.start()])
            quote = mark[0]
            if quote[0] == "#":
                if not (_NOT_ASKED.match(quote) and source.count("\n", 0, mark.start()) < 2):
                    self.comments.append(quote)
                self._cut.append(mark.span())
                at = mark.end()
                continue
            start, interpolated = self._prefix(mark.start(), at)
            if interpolated:
                at = self._interpolated(mark.end(), quote, 0)
                continue
            at, closed = self._plain(mark.end(), quote)
            self._open_at_end = not closed and len(quote) == 3
            if self._is_statement(start, at):
                depth, gaps = _depth(depth, gaps), []
                if depth:
                    continue
                if self._said and self._said[-1][0] >= start:
                    self._said.pop()
                self._cut.append((start, at))

    def _prefix(self, quote: int, floor: int) -> tuple[int, bool]:
        """Where a string's prefix begins, and whether the string has fields."""
        start = quote
        while start > max(floor, quote - 2) and self.source[start - 1] in "rRbBuUfFtT":
            start -= 1
        if start > floor and (self.source[start - 1].isalnum() or self.source[start - 1] == "_"):
            return quote, False
        return start, not set(self.source[start:quote]).isdisjoint("fFtT")

    def _plain(self, start: int, quote: str) -> tuple[int, bool]:
        """Where a string without fields ends, and whether it is closed."""
        end = _BODY[quote].match(self.source, start).end()  # type: ignore[union-attr]
        closed = end - start >= len(quote) and self.source.endswith(quote, start, end)
        said = (start, end - len(quote) if closed else end)
        if said[0] < said[1]:
            self._said.append(said)
        return end, closed

    def _interpolated(self, at: int, quote: str, nested: int) -> int:
        """Where an f-string ends."""
        source = self.source
        while True:
            end = _SPOKEN[quote].match(source, at).end()  # type: ignore[union-attr]
            if end > at:
                self._said.append((at, end))
            if source.startswith(quote, end):
                return end + len(quote)
            if end >= len(source) or source[end] == "\n":
                return end
            at = end + 1
            if source[end] == "{":
                at = self._field(at, quote, nested)

    def _field(self, at: int, quote: str, nested: int) -> int:
        """Where a field of an f-string ends: after its closing brace."""
        source, depth = self.source, 0
        while found := _FIELD.search(source, at):
            mark, at = found[0], found.end()
            if mark[0] in "\"'":
                if nested >= MOST_NESTED:
                    return len(source)
                _, interpolated = self._prefix(found.start(), found.start() - 2)
                if interpolated:
                    at = self._interpolated(at, mark, nested + 1)
                else:
                    at, _ = self._plain(at, mark)
            elif mark in "([{":
                depth += 1
            elif mark in ")]" or (mark == "}" and depth):
                depth = max(depth - 1, 0)
            elif mark == "}":
                return at
            elif mark == ":" and not depth:
                return self._format(at, quote, nested)
        return len(source)

    def _format(self, at: int, quote: str, nested: int) -> int:
        """Where the field ends whose format begins here."""
        source = self.source
        while at < len(source):
            mark = source[at]
            if mark == "}":
                return at + 1
            if mark == "{" and nested < MOST_NESTED:
                at = self._field(at + 1, quote, nested + 1)
            elif mark == "\n" or source.startswith(quote, at):
                return at
            else:
                at += 1
        return at

    def _is_statement(self, start: int, end: int) -> bool:
        """Whether a string that stands in no bracket is all there is of its statement."""
        line = self.source.rfind("\n", 0, start) + 1
        before = self.source[line:start]
        if before.strip() and not _ONE_LINE_BODY.fullmatch(before):
            return False
        if self.source[max(line - 2, 0) : line].startswith("\\"):
            return False
        return _LINE_ENDS.match(self.source, end) is not None
