"""Fenced blocks of a text, as CommonMark 0.31 reads them (section 4.5), and some that models mean.

The one reader of fences, for code, JSON, lines, sentences and reasoning. A fence is three or more `
or ~, indented by at most three spaces within its quotation or list item; it is closed by one of the
same kind, at least as long, with nothing behind it. Read beyond CommonMark, because answers have
it: a fence that opens after words on its line ("Here: ```python") or closes at the end of a line
of code ("return x```"), the first line of code, JSON or prose in place of the info string, a fence
with an info string inside another (the first was left open), an end token behind a closing fence,
and a fence cut off at the end of the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from vibecore.scoring.text.python_literals import Literals

MARKDOWN = frozenset({"md", "markdown"})
# Labels of fences that hold text to be read; any other names a language of code or data.
_TEXT = "md markdown text txt plain plaintext prose poem story quote"
TEXT_LABELS = frozenset(_TEXT.split())
# Languages whose name no prose follows: "```python my solution".
_LANGUAGES = """
python py python3 ipython pycon json js javascript ts typescript jsx tsx java c cpp csharp go rust
ruby php perl swift kotlin scala r sql html css xml yaml yml toml bash sh shell zsh console
powershell lua haskell julia matlab latex tex diff ini make dockerfile
"""
_NAMED = TEXT_LABELS.union(_LANGUAGES.split())
# The backtick or tilde fence that a line may hold, and what is behind it.
_FENCE = re.compile(r"(?<![`~])(`{3,}+|~{3,}+)([^\n]*+)\Z")
# A model's end token may be left behind a closing fence.
_ONLY_FENCE = re.compile(r"[ \t]*(`{3,}+|~{3,}+)[ \t]*(?:<[|/][^\n]*)?\Z")
_LAST_FENCE = re.compile(r"[^`~\n](`{3,}+|~{3,}+)[ \t]*\Z")
_QUOTATION = re.compile(r" {0,3}>")
_ITEM = re.compile(r"( {0,3}(?:[-*+]|\d{1,9}[.)]))(?:[ \t]+|\Z)")
_BEGINS_ITEM = frozenset("-*+0123456789")
# A code line where the info string would be: "```def f(x):".
_CODE = re.compile(r"(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[:(]|from[ \t]|import[ \t]")
# JSON there: "```json {"; not a language's attributes: "```{.python}", "```js {1,3}".
_JSON = re.compile(r"((?:(?i:json)\w*+)?)[ \t]*([{\[](?=\s*(?:[\"'{}\[\]]|\Z)).*)")
# How a line of prose there ends: "```Dear John,"; and what it does not have: "```python title=x".
_PROSE_ENDS = frozenset(".!?,;:…")
_ATTRIBUTES = frozenset("={}")
_LABEL = re.compile(r"(?:[A-Za-z][\w+#.-]*)?")
_LABEL_IN_INFO = re.compile(r"[{.=\s]*([\w+#.-]*)")
_INFO = re.compile(r"[ \t]*[A-Za-z{.]")
# A line of code or data, and one of prose: what an unlabelled fence holds.
_CODE_LINE = re.compile(r"[{}=;<>\\|$_]|\w\(|^(?:\s{4}|\t|#|//|import |from |def |class |return\b)")
_TWO_WORDS = re.compile(r"[^\W\d_]+[,'’]?[ \t]+[^\W\d_]{2}|[^\W\d_][.!?。！？]")
# Nothing indented so far is a fence (section 4.4: it is indented code).
_DEEP = 4
# How often a fence's lines are read for an open string.
_MOST_TRIES = 8


@dataclass
class Fence:
    """A fenced block: its info string, its lines, and whether a fence closed it.

    One that was `left_open` is followed by text all the same: by another fence, or by what stands
    behind its quotation. `first` and `last` are the numbers, from 0, of the line that opens it and
    of its last one, which closes it if it is `closed`. `before` is what of the first line is text:
    words before the fence, or a list item's marker and the fence; `in_last` is what of the last
    line is code.
    """

    info: str
    lines: list[str] = field(default_factory=list)
    closed: bool = False
    left_open: bool = False
    first: int = 0
    last: int = 0
    before: str = ""
    in_last: str = ""

    @cached_property
    def label(self) -> str:
        """The language that the info string names, in lower case; "" where it names none."""
        named = _LABEL_IN_INFO.match(self.info)
        return "" if named is None or self.opening_prose else named[1].lower()

    @cached_property
    def opening_prose(self) -> str:
        """The info string, where it is a line of prose ("```Roses are red")."""
        words = self.info.split()
        if not words or not _ATTRIBUTES.isdisjoint(self.info):
            return ""
        if not words[0][0].isalpha() or words[0].lower() in _NAMED:
            return ""
        written = sum(word[0].isalpha() for word in words) > 1
        is_prose = written and (len(words) > 2 or self.info[-1] in _PROSE_ENDS)
        return self.info if is_prose or not self.info.isascii() else ""

    @cached_property
    def is_text(self) -> bool:
        """Whether it holds text to be read, by its label; without one, if most lines are prose."""
        if self.label or self.opening_prose:
            return not self.label or self.label in TEXT_LABELS
        inside = [line for line in self.lines if line.strip()]
        prose = sum(1 for one in inside if _TWO_WORDS.search(one) and not _CODE_LINE.search(one))
        return 2 * prose > len(inside)


@dataclass
class Fences:
    """A text parted into fenced blocks and runs of other lines, both in order, to be read only."""

    fenced: list[Fence] = field(default_factory=list)
    outside: list[list[str]] = field(default_factory=lambda: [[]])
    # Whether a line is no fence only because it is indented too far.
    has_deep: bool = False


@dataclass
class _Open:
    """The fence that is open: its mark, its indentation, and the container that it stands in."""

    mark: str
    indent: int
    container: int
    quotations: int
    fence: Fence
    tries: int = 0

    def in_string(self, *more: str) -> bool:
        """Whether the code so far, and a line more, ends inside a triple-quoted string."""
        self.tries += 1
        code = "\n".join((*self.fence.lines, *more))
        return self.tries > _MOST_TRIES or Literals(code).ends_in_string


def has_fence(text: str) -> bool:
    """Whether the text may have a fenced block."""
    return "```" in text or "~~~" in text


@lru_cache(maxsize=16)
def find_fences(text: str, indented: bool = False) -> Fences:
    """The fenced blocks of a text; `indented`: at any indentation.

    Nothing indented by four spaces or more is a fence to CommonMark. Models indent them so under an
    item; but code that stands bare has such fences in its docstrings.
    """
    if indented and not find_fences(text).has_deep:
        return find_fences(text)
    return read_fences(split_lines(text), indented)


def split_lines(text: str) -> list[str]:
    """The lines of a text: only line feeds and carriage returns end one (CommonMark 2.1)."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def read_fences(lines: list[str], indented: bool = False) -> Fences:
    """Part lines into fenced blocks and others; `indented`: at any indentation."""
    found = Fences()
    open_: _Open | None = None
    items: list[int] = []
    for number, line in enumerate(lines):
        if open_ is not None:
            fence = open_.fence
            if open_.mark[:3] not in line and not open_.quotations:
                fence.lines.append(_dedented(line, open_.indent) if open_.indent else line)
                fence.last = number
                continue
            if _takes(open_, line):
                fence.last = number
                continue
            fence.left_open = not fence.closed
            open_ = None
            found.outside.append([])
            if fence.closed:
                fence.last = number
                continue
        if "```" in line or "~~~" in line:
            open_ = _opening(found, line, items, indented)
        else:
            _enter(line, items)
        if open_ is None:
            found.outside[-1].append(line)
            continue
        open_.fence.first = open_.fence.last = number
        if open_.fence.before:
            found.outside[-1].append(open_.fence.before)
        found.fenced.append(open_.fence)
    if open_ is not None:
        found.outside.append([])
    if open_ is not None and open_.fence.lines:
        # The text may have been cut off within the closing fence.
        ending = open_.fence.lines[-1].strip()
        if ending and ending != open_.mark and open_.mark.startswith(ending):
            open_.fence.lines.pop()
            open_.fence.closed = True
    return found


def _takes(open_: _Open, line: str) -> bool:
    """Whether a line is the fence's; where it is not, `closed` says whether it closes it."""
    fence = open_.fence
    if open_.quotations:
        inside, quotations = _unquoted(line, open_.quotations)
        if quotations < open_.quotations:
            if fence.lines:
                return False  # the quotation is over
            open_.quotations = 0
        line = inside
    has_mark = open_.mark[0] * 3 in line
    if has_mark:
        only = _ONLY_FENCE.match(line)
        if only and only[1].startswith(open_.mark):
            if _indent(line) - open_.container < _DEEP:
                fence.closed = True
                return False
        elif not only and _closes_at_the_end(open_, line):
            fence.closed = True
            return False
        elif _begins_another(open_, line):
            return False
    fence.lines.append(_dedented(line, open_.indent))
    return True


def _closes_at_the_end(open_: _Open, line: str) -> bool:
    """Whether a line of code ends with the closing fence; what is before it is kept."""
    last = _LAST_FENCE.search(line)
    if not last or line.count(open_.mark) != 1 or not last[1].startswith(open_.mark):
        return False
    code = _dedented(line[: last.start(1)].rstrip(), open_.indent)
    if open_.in_string(code):
        return False
    open_.fence.lines.append(code)
    open_.fence.in_last = line[: last.start(1)]
    return True


def _begins_another(open_: _Open, line: str) -> bool:
    """Whether a fence with an info string begins here, because the open one was left open."""
    mark = _FENCE.search(line)
    if not mark or line[: mark.start()].strip() or not _INFO.match(mark[2]) or "`" in mark[2]:
        return False
    if _indent(line) - open_.container >= _DEEP:
        return False
    return not open_.in_string()


def _opening(found: Fences, line: str, items: list[int], indented: bool) -> _Open | None:
    """The fence that a line opens; None where it opens none."""
    rest, quotations = _unquoted(line, _DEEP)
    mark = _FENCE.search(rest)
    if mark is None:
        _enter(line, items)
        return None
    before, info = rest[: mark.start()], mark[2].strip()
    if mark[1][0] == "`" and "`" in info:
        return None  # code between backticks within a line
    if before.strip():
        # The fence of a list item ("- ```python"), or one after words ("Here: ```python").
        _enter(line, items)
        item = _ITEM.match(before)
        bare = item and not before[item.end() :].strip()
        if not bare and (mark[1] in before or not _LABEL.fullmatch(info)):
            return None
        container = indent = len(before) if bare else 0
        before = rest[: mark.end(1)] if bare else before
    else:
        indent = _indent(rest)
        while items and indent < items[-1]:
            items.pop()
        container = items[-1] if items else 0
        if indent - container >= _DEEP:
            if not indented:
                found.has_deep = True
                return None
            container = indent
    fence = Fence(info, before=before.rstrip())
    if _CODE.match(info):
        fence.info, fence.lines = "", [info]
    elif json := _JSON.match(info):
        fence.info, fence.lines = json[1], [json[2]]
    return _Open(mark[1], indent, container, quotations, fence)


def _enter(line: str, items: list[int]) -> None:
    """Keep the columns at which the content of the open list items begins."""
    rest = _unquoted(line, _DEEP)[0] if ">" in line[:4] else line
    bare = rest.lstrip()
    if not bare or (not items and bare[0] not in _BEGINS_ITEM):
        return
    indent = _indent(rest)
    while items and indent < items[-1]:
        items.pop()
    column = items[-1] if items else 0
    if bare[0] not in _BEGINS_ITEM:
        return
    while (item := _ITEM.match(rest, column)) and len(items) < 8:
        width = item.end() - item.start()
        # Five spaces or more behind the marker begin indented code (section 5.2).
        column += width if width - len(item[1]) < 5 else len(item[1]) + 1
        items.append(column)


def _unquoted(line: str, most: int) -> tuple[str, int]:
    """A line without the marks of its quotations, at most so many, and how many it had."""
    count = 0
    while count < most and (mark := _QUOTATION.match(line)):
        line = line[mark.end() :].removeprefix(" ")
        count += 1
    return line, count


def _indent(line: str) -> int:
    """The column of the first character that is not white space; tabs go to the next fourth."""
    blank = line[: len(line) - len(line.lstrip(" \t"))]
    return len(blank.expandtabs(4))


def _dedented(line: str, columns: int) -> str:
    """A line without its first columns of white space, or as many of them as it has."""
    if not columns:
        return line
    blank = line[: len(line) - len(line.lstrip(" \t"))]
    kept = blank if "\t" not in blank else blank.expandtabs(4)
    return kept[columns:] + line[len(blank) :]
