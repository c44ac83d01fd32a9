"""The runs of text of an answer in Markdown, in which sentences are looked for.

What is left out is what nobody reads as a sentence: code in fences, displayed mathematics, rules.
What is marked as a label (a heading, a title, a cell of a table) may be none either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from vibecore.scoring.text.fences import Fence, has_fence
from vibecore.scoring.text.layout import Line, is_rule, read_lines
from vibecore.scoring.text.line_marks import BULLETS, DASHES, quoted

# HTML's tags that break a line.
_BREAK = re.compile(
    r"</?(?:br|p|li|ul|ol|div|h[1-6]|blockquote|t[rdh])\s{0,3}(?:\s[^<>\n]{0,80})?/?>",
    re.IGNORECASE,
)
_MARKER = re.compile(
    rf"""(?:
        [{DASHES}{BULLETS}]\ufe0f?(?:[ \t]++\[[ xX]\])?   # a bullet, of a task too
      | [*_]{{0,2}}+ (?: (?P<number>\d{{1,3}})[.)]{{1,2}} | \((?P<inside>\d{{1,3}})\)
                     | (?P<keycap>\d)\ufe0f?\u20e3 ) [*_]{{0,2}}+
      | \(?[A-Za-z]\) | [a-z]\. | \(?[ivx]{{1,4}}[.)] | [IVX]{{2,4}}\)
    )(?:[ \t]++|(?<=\u20e3))""",
    re.VERBOSE,
)
_BARE_MARKER = re.compile(r"[*_]{0,2}(?:[-+•●*]|\d{1,3}[.)])[*_]{0,2}")
_HEADING = re.compile(r"#{1,6}[ \t]++")
_DISPLAY = re.compile(
    r"\\\[|\$\$|\\begin\{(?:equation|align|gather|multline|eqnarray|displaymath|array|cases"
    r"|[bpv]?matrix|tabular|verbatim|lstlisting)"
)
_DISPLAY_ENDS = {
    opening: re.compile(closing)
    for opening, closing in (("\\[", r"\\\]"), ("$$", r"\$\$"), ("\\b", r"\\end\{\w+\*?\}"))
}
# A line that is bold as a whole.
_BOLD_LINE = re.compile(r"(\*\*|__)(?=\S)(?:(?!\1).)+\1:?")
_TITLE_FIELD = re.compile(r"[*_]{0,2}(?:title|subject)[*_]{0,2}:", re.IGNORECASE)
_SENTENCE_ENDS = frozenset(".!?…。！？।؟۔")
# Words that end no sentence: a line that ends in one goes on in the next.
_UNENDING = "a an the and or nor of my your our their its whose than"
_DANGLING = frozenset(_UNENDING.split())
# Words that a title writes in lower case.
_SMALL = frozenset(f"{_UNENDING} in on at to for with by from as into vs".split())
_WRAPPED = "\"'“”‘’«»*_`()[] \t"


class Block(NamedTuple):
    """A run of text without a line break.

    `label` says that it heads or labels something: without an end mark it is no sentence. `number`
    is that of its list marker, 0 where it has none.
    """

    text: str
    label: bool = False
    number: int = 0


class _Found:
    """The blocks found so far."""

    def __init__(self) -> None:
        self.blocks: list[list[str]] = []
        self.numbers: list[int] = []
        # Number of a block -> whether a whole sentence has to follow for it to be a label.
        self.labels: dict[int, bool] = {}
        # Whether the last block may go on; in the next line; after what is no text.
        self.open = self.adjacent = self.interrupted = False

    def add(self, text: str, number: int = 0, label: bool = False, title: bool = False) -> None:
        if label or title:
            self.labels[len(self.blocks)] = title
        self.blocks.append([text])
        self.numbers.append(number)
        self.open, self.adjacent, self.interrupted = not (label or title), True, False

    def append(self, line: str) -> None:
        """Go on with the last block."""
        self.blocks[-1].append(line)
        self.adjacent, self.interrupted = True, False

    def runs_on(self, line: str) -> bool:
        """Whether the line is part of the last block."""
        if not self.open:
            return False
        last = self.blocks[-1][-1]
        if last[-1] in ",;，、；":
            return True
        if last[-1] in _SENTENCE_ENDS:
            return False
        if self.adjacent and last.rsplit(None, 1)[-1] in _DANGLING:
            return True
        return (self.adjacent or self.interrupted) and _first_letter(line).islower()

    def result(self) -> list[Block]:
        texts = [" ".join(lines) for lines in self.blocks]
        labels = {
            at
            for at, title in self.labels.items()
            if at + 1 < len(texts)
            and (not title or texts[at + 1].rstrip(_WRAPPED)[-1:] in _SENTENCE_ENDS)
        }
        return [
            Block(text, at in labels, number)
            for at, (text, number) in enumerate(zip(texts, self.numbers, strict=True))
        ]


def blocks(text: str) -> list[Block]:
    """The blocks of a text, in order. A line break ends a block, unless

    - the line ends in a comma or semicolon (blank lines may follow), or in a word that ends no
      sentence ("the", "and", "of");
    - it has no end mark and the next line begins in lower case, displayed mathematics or not
      between them.
    List markers, marks of headings and of quotations are dropped.

    Labels are: Markdown's headings; a line that is bold as a whole; a line of two words or more
    in title case with a blank line and a sentence after it; one that begins with "Title:" or
    "Subject:"; the cells of a table. The last block of a text is none, for it heads nothing.
    """
    if "<" in text:
        text = _BREAK.sub("\n", text)
    found = _Found()
    lines = text.splitlines()
    fenced: dict[int, tuple[int, Fence]] = {}
    if has_fence(text):
        rows = read_lines(text)
        lines = [row.text for row in rows]
        fenced = _fenced(rows)
    at = 0
    while at < len(lines):
        if at in fenced:
            end, fence = fenced[at]
            if fence.is_text:
                found.open = False
                for inside in (fence.opening_prose, *fence.lines):
                    _read_line(found, inside.strip(), "")
                found.open = False
            found.interrupted = True
            at = end
            continue
        line = lines[at].strip()
        at += 1
        if not line:
            found.adjacent = False
            continue
        first = line[0]
        if first in "\\$" and (after := _displayed(lines, at - 1)) is not None:
            found.interrupted = True
            at = after
            continue
        if first == ">":
            line = line[quoted(line) :].strip()
            if not line:
                found.adjacent = False
                continue
        _read_line(found, line, lines[at].strip() if at < len(lines) else None)
    return found.result()


def _read_line(found: _Found, line: str, next_line: str | None) -> None:
    """One line without its white space; `next_line` is None at the end of the text."""
    if not line:
        found.adjacent = False
        return None
    if not line.isascii() or "\t" in line:
        line = " ".join(line.split())
    if line[-1] == "\\":
        line = line[:-1].rstrip() or "\\"
    first = line[0]
    if first.isalpha():
        if len(line) > 1 and line[1] in ".)":
            return _read_item(found, line)
        if _is_title(line, next_line) and not found.runs_on(line):
            return found.add(line, title=True)
        if found.runs_on(line):
            return found.append(line)
        return found.add(line)
    if first == "#" and (heading := _HEADING.match(line)):
        return _read_item(found, line[heading.end() :].rstrip("# "), label=True)
    if first == "|" and line.count("|") > 1:
        for cell in filter(None, map(str.strip, line.split("|"))):
            found.add(cell, label=True)
        return None
    if is_rule(line):
        if first == "=" and found.open and found.adjacent:
            # Markdown's other heading: the line above it.
            found.labels[len(found.blocks) - 1] = False
        found.open = False
        return None
    if first in "*_" and line[-1] in "*_:" and _BOLD_LINE.fullmatch(line):
        return _read_item(found, line, label=True)
    if first in '"“«*_' and _is_title(line.strip(_WRAPPED), next_line):
        return found.add(line, title=True)
    return _read_item(found, line)


def _read_item(found: _Found, line: str, label: bool = False) -> None:
    """A line that may begin with list markers."""
    number = 0
    marked = label
    bulleted = line[:2] == "• "
    start = 0
    while marker := _MARKER.match(line, start):
        number = int(marker["number"] or marker["inside"] or marker["keycap"] or 0)
        start = marker.end()
        marked = True
    line = line[start:]
    if not line or (found.blocks and _BARE_MARKER.fullmatch(line)):
        found.open = False
    elif not marked and found.runs_on(line):
        found.append(line)
    else:
        for item in line.split(" • ") if bulleted else (line,):
            if item.strip():
                _add_inline_items(found, item.strip(), number, label)


def _add_inline_items(found: _Found, line: str, number: int, label: bool) -> None:
    """A block, or several where a numbered list goes on in the line: "1) Boil 2) Pour"."""
    while number:
        follower = f" {number + 1}) "
        at = line.find(follower)
        if at < 0:
            break
        found.add(line[:at].rstrip(), number, label)
        line = line[at + len(follower) :].lstrip() or follower
        number += 1
    found.add(line, number, label)


def _first_letter(line: str) -> str:
    return line.lstrip(_WRAPPED)[:1]


def _is_title(line: str, next_line: str | None) -> bool:
    """A line alone, in title case or named as a title, with text after the blank line."""
    if not line or next_line is None or line[-1] in ".!?…:,;。！？，；：" or len(line) > 80:
        return False
    if next_line:
        return line[0] in "TtSs*_" and _TITLE_FIELD.match(line) is not None
    words = line.split()
    if len(words) > 1 and _is_capital(words[-1]):
        return all(_is_capital(word) or word in _SMALL for word in words)
    return _TITLE_FIELD.match(line) is not None


def _is_capital(word: str) -> bool:
    return word[0].isupper() or not word[0].isalpha()


def _fenced(rows: Sequence[Line]) -> dict[int, tuple[int, Fence]]:
    """Number of a line in a fenced block -> the number after the block's last, and the block."""
    found: dict[int, tuple[int, Fence]] = {}
    for at in range(len(rows) - 1, -1, -1):
        fence = rows[at].fence
        if fence is not None:
            after = found.get(at + 1)
            found[at] = (after[0] if after and after[1] is fence else at + 1, fence)
    return found


def _displayed(lines: list[str], at: int) -> int | None:
    """The line after displayed mathematics that begins in this line; None where none does.

    It ends at a blank line at the latest, as in LaTeX.
    """
    line = lines[at].strip()
    opening = _DISPLAY.match(line)
    if not opening:
        return None
    closing = _DISPLAY_ENDS[line[:2]]
    rest = line[opening.end() :]
    while not (end := closing.search(rest)):
        at += 1
        if at >= len(lines) or not lines[at].strip():
            return at
        rest = lines[at]
    # What stands after it in the line is read as a line.
    lines[at] = rest[end.end() :].lstrip(" .,")
    return at if lines[at] else at + 1
