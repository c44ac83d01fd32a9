"""Finds the Python code in an answer, and whether it parses. Nothing is executed here.

Code is looked for in fences (see `text.fences`): those that say Python, else those that say
nothing. Where none of them defines anything, it is looked for outside of them too: a line that
begins with def, class, import, from … import, @ or >>> opens a block, which ends where an
unindented line no longer parses. A loop, `with`, `try` or print(…) opens one that parses. An answer
that is a program as a whole is one. Of an interactive session the code of the prompts is the code.
Lines for a shell or for IPython (`!pip install x`, `%matplotlib inline`) are no Python.
"""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from vibecore.scoring.text.fences import (
    MARKDOWN,
    TEXT_LABELS,
    Fence,
    Fences,
    find_fences,
    has_fence,
    read_fences,
    split_lines,
)
from vibecore.scoring.text.python_definitions import Definitions, read_definitions
from vibecore.scoring.text.python_grammar import may_go_on, parse
from vibecore.scoring.text.python_literals import Literals
from vibecore.scoring.text.python_sessions import PROMPT, code_of_session

# An output of 200 tokens is far below these; they bound the time for any text.
MAXIMUM_CHARACTERS = 50_000
MAXIMUM_BLOCKS = 8
NO_CODE = "found no Python code"
# A byte-order mark, and what else is not seen before the first word.
UNSEEN = "\ufeff\u200b\u2060"
# Bounds of the search for the part that parses: characters parsed, and tries.
PARSE_BUDGET = 30_000
MINIMUM_TRIES, MAXIMUM_TRIES = 2, 12

# `python`, `Py`, `Python 3`, `{.python}`, `language-python`, `python title="x"`, `main.py`.
_PYTHON = re.compile(
    r"[{.=\s]*(?:lang(?:uage)?-)?(?:(?:i?python|py|pycon|pyi|doctest)[\d.]*(?![A-Za-z_])|\S*\.py\b)",
    re.IGNORECASE,
)
_NO_LABEL = re.compile(r"(?:code)?\Z", re.IGNORECASE)
# Labels under which a program stands beside its output, or in place of a label.
_ANY_TEXT = TEXT_LABELS | {"output", "console", "none"}

# The label on the line below its fence.
_LABEL_BELOW = re.compile(r"\A(?:python3?|py)[ \t]*\n", re.IGNORECASE)
# Headings of Markdown that follow bare code, which Python takes for comments.
_HEADINGS = re.compile(r"(?:\n[ \t]*+){2,}#{1,6} [^\n]*\Z")

# Possessive repeats throughout: a line of any length is read once.
_NAMES = r"\w++(?:[ \t]++as[ \t]++\w++)?+"
_OPENING = re.compile(
    # After a prose "def f(x)" come words.
    r"(?P<def>(?:async[ \t]++)?+def[ \t]++\w++[ \t]*+(?:\[[^\]\n]*+\])?+[ \t]*+\("
    r"(?![^()\n]*+\)[ \t]++[A-Za-z]++[ \t]++[A-Za-z]))"
    # "class is over: go home" is prose.
    r"|(?P<class>class[ \t]++\w++[ \t]*+(?:\[[^\]\n]*+\])?+[ \t]*+"
    r"(?:(?:\([^\n()]*+\))?+[ \t]*+:[ \t]*+(?:$|#|pass\b|\.\.\.|[\"']|\w++[ \t]*+=)"
    r"|\([^\n()]*+\)?+[ \t]*+$))"
    # "import tax is high" is prose.
    r"|(?P<import>import[ \t]++[\w.]++(?:[ \t]++as[ \t]++\w++)?+"
    r"(?:[ \t]*+,[ \t]*+[\w.]++(?:[ \t]++as[ \t]++\w++)?+)*+[ \t]*+(?:$|[#;])"
    rf"|from[ \t]++[\w.]++[ \t]++import[ \t]++(?:\*|\(|{_NAMES}"
    rf"(?:[ \t]*+,[ \t]*+{_NAMES})*+[ \t]*+,?+[ \t]*+(?:$|[#;\\])))"
    r"|(?P<lambda>\w++ = lambda\b[^\n:]*+:)"
    r"|(?P<decorator>@[\w.]++(?:\([^\n]*+)?+[ \t]*+(?:$|#))"
)
_DECORATED = re.compile(r"[ \t]*(?:@|def\b|class\b|async\b)")
# What may follow code once there is some: an example call after a line of prose.
_CONTINUING = re.compile(r"print\(|assert\b|if __name__\b|for \w+ in\b|\w+ = \S")
# What opens code that parses: words of prose begin so too ("for those in need:").
_STATEMENT = re.compile(
    r"(?:(?:async[ \t]++)?+(?:for|with)|while|if|match)\b[^\n]*:[ \t]*(?:$|#)|try:"
    r"|print\((?:[^\n]*\))?[ \t]*(?:$|#)|assert\b"
)
# Where a program may stand that defines nothing: an assignment, a print, such a statement.
_PROGRAM_START = re.compile(
    r"^(?:[A-Za-z_][\w.]*+(?:[\[(,: \t+*/%-][^=\n]*+)?=(?!=)|print\("
    r"|(?:for|while|with|if|try|match)\b)",
    re.MULTILINE,
)
# Code of which a line does not parse, not prose after it: a statement without its colon, one of
# Python 2.
_HEADER = re.compile(r"(?:for|while|if|elif|else|try|except|finally|with|class|async|def)\b")
_PAIR = re.compile(r"(?<!\w)([A-Za-z]\w*+)[ \t]++(?=([A-Za-z]\w*+))")
_OLD_PRINT = re.compile(r"print[ \t]+(?:[\"']|\w++\()")
# A line of prose below code whose fence nobody closed.
_PROSE = re.compile(
    r"(?:#{1,6}[ \t]+|[-*+][ \t]+|\d{1,3}[.)][ \t]+)?[*_\"'`]{0,3}[A-Z][\w'’-]*+[*_:,`]{0,4}"
    r"(?:[ \t]+[\w'’`\"(*-]+[,:.`)*]*){2}"
)
# What belongs to the code below it: a comment, a constant, a docstring.
_BEFORE_CODE = re.compile(r"#(?!#)|[A-Za-z_]\w*+(?:: [^=\n]++)? = \S|\"\"\"[^\n]*\"\"\"[ \t]*$")
# Without one of these nothing opens, which most texts show at once.
_OPENING_WORDS = ("def", "class", "import", "lambda", "@", PROMPT, "(", ":")
_BARE_START = re.compile(
    r"^[ \t]*+(?:(?:async[ \t]++)?+(?:def|for|with)[ \t]++\w|class[ \t]++\w|import[ \t]|from[ \t]"
    r"|@\w|>>> |\w++ = lambda\b|(?:while|if|match)\b[^\n]*:|try:|print\(|assert\b)",
    re.MULTILINE,
)
# A line of a quotation; a prompt is none.
_QUOTATION = re.compile(r"^ {0,3}>(?!>) ?", re.MULTILINE)
_DEFINITION_START = re.compile(r"(?:async[ \t]+)?def\b|class\b|@")


@dataclass(frozen=True)
class Block:
    """One piece of code: its source, and its tree or the reason why there is none.

    Where the whole does not parse, `tree` is that of the longest run of lines from the top that
    does (None if there is none), and `error` says where the rest goes wrong. `closed` says whether
    a fence or other text ended it; the end of the answer ends all others. `needs` is the Python
    that runs it, where that is newer than the one at hand, and `place` its place in the answer.
    """

    source: str
    tree: ast.Module | None
    error: str | None
    closed: bool = True
    needs: tuple[int, int] | None = None
    place: int = 0

    @property
    def parses(self) -> bool:
        """Whether the whole block parses, as more than bare names and constants."""
        return self.error is None

    @property
    def defines(self) -> bool:
        """Whether the part that parses defines a function or class."""
        return self.tree is not None and any(
            isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            for node in self.tree.body
        )

    @cached_property
    def definitions(self) -> Definitions:
        """The functions and classes of the part that parses."""
        return read_definitions(self.tree)

    @cached_property
    def literals(self) -> Literals:
        """The source read by its strings and comments."""
        return Literals(self.source)

    @cached_property
    def complete(self) -> Block | None:
        """The block without its last statement, where enough is left to be judged: a definition,
        or anything but imports where the last statement is no definition.
        """
        before = self._before_the_last
        if before is None or before.error:
            return None
        if before.defines:
            return before
        last = self.source[len(before.source) :].lstrip("\n")
        said = ast.Import | ast.ImportFrom | ast.Expr
        others = [n for n in (before.tree.body if before.tree else ()) if not isinstance(n, said)]
        return None if _DEFINITION_START.match(last) or not others else before

    @property
    def ends_in_statement(self) -> bool:
        """Whether the answer ends in a statement of this code, not after it nor in a comment."""
        last = self.source[self.source.rfind("\n") + 1 :]
        return not self.closed and not last.lstrip().startswith("#")

    @cached_property
    def may_go_on(self) -> bool:
        """Whether more text could make this code that parses: its last line may be cut off."""
        if self.closed:
            return False
        before = self._before_the_last
        if before is not None and before.error and before.tree is not None:
            return False
        return may_go_on(self.source.rpartition("\n")[0])

    @cached_property
    def _before_the_last(self) -> Block | None:
        """What stands before the last statement at the margin; None where nothing does."""
        lines, starts = self.source.split("\n"), list(self.literals.statements)
        last = starts.pop() if starts else 0
        while starts and lines[starts[-1]].startswith("@"):
            last = starts.pop()
        source = "\n".join(lines[:last]).rstrip()
        return _parse(source) if source else None


@lru_cache(maxsize=8)
def find_code(text: str) -> tuple[Block, ...]:
    """All blocks of Python in an answer, the main one first; empty when there is none.

    The main block is the one that defines something, then one that parses, then the longest.
    """
    text = text[:MAXIMUM_CHARACTERS].lstrip(UNSEEN)
    fenced = has_fence(text)
    may_open = may_have_bare_code(text)
    if not fenced and not may_open and ">" in text:
        text = _QUOTATION.sub("", text)
        may_open = bool(_BARE_START.search(text))
    if not fenced:
        program = _program(text)
        if program is not None:
            return (program,)
        blocks = _bare(split_lines(text), last=True) if may_open else []
    else:
        blocks = _read(find_fences(text), may_open)
        if not blocks:
            blocks = _read(find_fences(text, indented=True), may_open)
    blocks.sort(key=lambda block: (block.defines, block.parses, len(block.source)), reverse=True)
    return tuple(blocks)


def may_have_bare_code(text: str) -> bool:
    """Whether a line begins as code does, so that it is worth looking for some outside fences."""
    return any(map(text.__contains__, _OPENING_WORDS)) and _BARE_START.search(text) is not None


def missing_from(blocks: Sequence[Block], what: str) -> str:
    """Why a definition was not found, for an explanation: no code, or none that parses so far."""
    if not blocks:
        return NO_CODE
    error = f" (the code does not parse, {blocks[0].error})" if blocks[0].error else ""
    return f"found no {what}{error}"


def is_over(blocks: Sequence[Block]) -> bool:
    """Whether the answer has code that ended before the answer did."""
    return bool(blocks) and all(block.closed for block in blocks)


def _program(text: str) -> Block | None:
    """All of a text without fences as one block, where it is a program; None where it is not."""
    if not _PROGRAM_START.search(text):
        return None
    source = "\n".join(split_lines(text)).strip("\n")
    parsed = parse(source)
    if parsed.tree is None or not any(_does(node, source) for node in parsed.tree.body):
        return None
    return Block(source, parsed.tree, None, False, parsed.needs)


def _does(node: ast.stmt, source: str) -> bool:
    """Whether a statement is one that no words of prose are, as "raise money" is."""
    if isinstance(node, ast.Expr):
        is_call = isinstance(node.value, ast.Call)
        return is_call and (ast.get_source_segment(source, node) or "").startswith("print(")
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    # "with love: Anna"
    does = not _only_names(getattr(node, "body", ()))
    return does or isinstance(node, ast.Assign | ast.AugAssign | ast.Match)


def _only_names(body: Sequence[ast.stmt]) -> bool:
    """Whether statements are nothing but names and constants."""
    return all(
        isinstance(n, ast.Expr) and isinstance(n.value, ast.Name | ast.Constant) for n in body
    )


def _read(fences: Fences, may_open: bool) -> list[Block]:
    """The blocks in fences and, where those define nothing, beside them."""
    blocks, labelled = _fenced(fences.fenced)
    if not may_open or any(block.defines for block in blocks):
        return blocks
    bare: list[Block] = []
    for number, lines in enumerate(fences.outside):
        if len(bare) < MAXIMUM_BLOCKS and any(line.strip() for line in lines):
            is_last = number == len(fences.outside) - 1
            bare += _bare(lines, last=is_last, place=2 * number * MAXIMUM_BLOCKS)
    if not labelled and bare:
        # What stands in fences without a label may be output, or what a stray fence cut out.
        blocks = [block for block in blocks if block.parses]
    elif labelled:
        bare = [block for block in bare if block.parses and block.defines]
    return (blocks + bare)[:MAXIMUM_BLOCKS]


def _fenced(fences: Sequence[Fence]) -> tuple[list[Block], bool]:
    """The blocks of Python in fences, and whether a label says that they are."""
    flat = [inner for fence in fences for inner in _within(fence)]
    labelled = [(n, fence) for n, fence in enumerate(flat) if _PYTHON.match(fence.info)]
    blocks = _blocks(labelled)
    unlabelled = [(n, fence) for n, fence in enumerate(flat) if _NO_LABEL.match(fence.info)]
    if not blocks:
        blocks = _blocks(unlabelled) or [
            block
            for block in _blocks([(n, f) for n, f in enumerate(flat) if f.label in _ANY_TEXT])
            if block.parses and block.defines
        ]
        return blocks, bool(labelled)
    may_define = [(n, f) for n, f in unlabelled if any(map(_DEFINITION_START.match, f.lines))]
    blocks += [block for block in _blocks(may_define) if block.parses and block.defines]
    return blocks[:MAXIMUM_BLOCKS], True


def _within(fence: Fence) -> Iterator[Fence]:
    """A fence, or those inside it where it holds Markdown."""
    if fence.label in MARKDOWN:
        yield from read_fences(fence.lines).fenced
    else:
        yield fence


def _blocks(fences: Sequence[tuple[int, Fence]]) -> list[Block]:
    blocks = []
    for number, fence in fences[:MAXIMUM_BLOCKS]:
        source = "\n".join(fence.lines).strip("\n").lstrip(UNSEEN)
        if not fence.info:
            source = _LABEL_BELOW.sub("", source)
        if not source.strip():
            continue
        if source[0] in " \t":
            source = textwrap.dedent(source)
        place, closed = (2 * number + 1) * MAXIMUM_BLOCKS, fence.closed or fence.left_open
        blocks.append(_parse(source, closed=closed, place=place))
        if fence.left_open and blocks[-1].error:
            # Nobody closed it, so it is read as bare code is: prose may follow.
            blocks[-1] = _bare_block(source.split("\n"), False, place)[1]
        elif not closed and blocks[-1].error:
            blocks[-1] = _before_prose(source.split("\n"), place) or blocks[-1]
        if PROMPT not in source:
            continue
        session = _session(source.split("\n"), blocks[-1])
        if session is not None:
            blocks[-1] = session
    return blocks


def _before_prose(lines: list[str], place: int) -> Block | None:
    """The code before the prose that ends a fence which nobody closed; None where there is none."""
    taken, block = _bare_block(lines, True, place)
    after = next((line for line in lines[taken:] if line.strip()), "")
    return block if block.parses and _PROSE.match(after) else None


def _session(lines: Sequence[str], block: Block) -> Block | None:
    """The code of a session, where the lines are one or end with one."""
    if block.parses:
        return None
    if not any(line.startswith(PROMPT) for line in lines):
        return None
    code = code_of_session(lines)
    if code is None:
        return None
    session = _parse("\n".join(code), closed=block.closed, place=block.place)
    return session if session.parses else None


def _bare(lines: list[str], last: bool, place: int = 0) -> list[Block]:
    """The blocks among lines that stand in no fence; `last`: the answer ends with these lines."""
    blocks: list[Block] = []
    index = free = 0
    tried = False
    tries = 0
    while index < len(lines) and len(blocks) < MAXIMUM_BLOCKS and tries < MAXIMUM_TRIES:
        line = lines[index].lstrip()
        if line.startswith(PROMPT) and not tried:
            tried = True
            taken, session = _bare_session(lines[index:], place + len(blocks))
            if session is not None:
                blocks.append(session)
                index = free = index + taken
                continue
        opens = _opens(lines, index)
        if not opens and not (
            _STATEMENT.match(lines[index]) or (blocks and _CONTINUING.match(line))
        ):
            index += 1
            continue
        tries += 1
        start = _start(lines, index, free) if opens else index
        taken, block = _bare_block(lines[start:], last, place + len(blocks))
        if start < index and not block.parses:
            start = index
            taken, block = _bare_block(lines[index:], last, place + len(blocks))
        if (opens or block.parses) and not _in_prose(block, lines, start):
            blocks.append(block)
        index = free = start + taken
    return blocks


def _opens(lines: Sequence[str], index: int) -> bool:
    """Whether a block of code begins with this line."""
    opening = _OPENING.match(lines[index].lstrip())
    if opening is None:
        return False
    if opening.lastgroup != "decorator":
        return True
    after = lines[index + 1] if index + 1 < len(lines) else ""
    return bool(_DECORATED.match(after)) or lines[index].rstrip().endswith(("(", ","))


def _start(lines: Sequence[str], index: int, free: int) -> int:
    """Where the block begins that opens here: comments and constants stand right above it."""
    start = above = index
    margin = lines[index][: len(lines[index]) - len(lines[index].lstrip())]
    while above > free:
        above -= 1
        line = lines[above]
        found = line.startswith(margin) and _BEFORE_CODE.match(line, len(margin))
        if found and (found[0][0] != "#" or above == start - 1):
            start = above
        elif line.strip() or start - above > 2:
            break
    return start


def _in_prose(block: Block, lines: Sequence[str], start: int) -> bool:
    """Whether the block is only an import, and in the middle of other text."""
    if block.tree is None or not all(
        isinstance(node, ast.Import | ast.ImportFrom) for node in block.tree.body
    ):
        return False
    end = start + block.source.rstrip().count("\n") + 1
    before, after = lines[max(start - 1, 0) : start], lines[end : end + 1]
    return any(line.strip() for line in (*before, *after)) and not _OPENING.match(
        next(iter(after), "").lstrip()
    )


def _bare_session(lines: list[str], place: int) -> tuple[int, Block | None]:
    """The session that begins at the first line, up to its last prompt."""
    end = max(n for n, line in enumerate(lines) if line.lstrip().startswith((PROMPT, "...")))
    code = code_of_session(lines[: end + 1])
    block = _parse("\n".join(code or ()), closed=any(map(str.strip, lines[end + 1 :])), place=place)
    return end + 1, block if block.parses else None


def _bare_block(lines: list[str], last: bool, place: int) -> tuple[int, Block]:
    """The block that begins at the first line, and how many lines it takes."""
    margin = len(lines[0]) - len(lines[0].lstrip())
    source = "\n".join(line[margin:] if not line[:margin].strip() else line for line in lines)
    block = _parse(source, closed=not last, place=place)
    if block.error is None:
        return len(lines), block
    good = _prefix_length(source)
    rest = [line for line in lines[good:] if line.strip()][:2]
    goes_on = _is_broken(rest) and not (last and may_go_on(source))
    if good and not goes_on and not _is_inside(rest[0] if rest else "", margin):
        # Prose, or another block, begins where the code stopped parsing: what is before is whole.
        prefix = "\n".join(source.split("\n")[:good]).rstrip()
        prefix = _HEADINGS.sub("", prefix)
        return good, Block(prefix, block.tree, None, True, block.needs, place)
    # Broken code: it runs to the first line at the margin below its first line that is broken.
    end = max(good, 1)
    while 0 < good < len(lines) and end < len(lines) and not lines[end - 1].strip():
        end += 1
    while end < len(lines) and (not lines[end].strip() or _is_inside(lines[end], margin)):
        end += 1
    broken = "\n".join(source.split("\n")[:end]).rstrip()
    closed = not last or end < len(lines)
    return end, Block(broken, block.tree, block.error, closed, block.needs, place)


def _is_inside(line: str, margin: int) -> bool:
    """Whether a line is indented by more than the margin."""
    return bool(line) and not line[: margin + 1].strip()


def _is_broken(lines: Sequence[str]) -> bool:
    """Whether the lines at which code stops parsing are code, and no prose after it."""
    if not lines:
        return False
    line = lines[0].lstrip()
    opening = _OPENING.match(line)
    if opening is not None and opening.lastgroup in ("def", "class"):
        return True
    deeper = len(lines) > 1 and _is_inside(lines[1], len(lines[0]) - len(line))
    return bool(_OLD_PRINT.match(line) or (deeper and _HEADER.match(line) and not _prose_in(line)))


def _prose_in(line: str) -> bool:
    """Whether two words stand side by side, as they never do in Python."""
    return any(
        not keyword.iskeyword(m[1]) and not keyword.iskeyword(m[2]) for m in _PAIR.finditer(line)
    )


def _parse(source: str, closed: bool = True, place: int = 0) -> Block:
    parsed = parse(source)
    tree, needs = parsed.tree, parsed.needs
    if tree is None:
        good = _prefix_length(source)
        if good:
            prefix = parse("\n".join(source.split("\n")[:good]))
            tree, needs = prefix.tree, prefix.needs
        return Block(source, tree, parsed.error, closed, needs, place)
    if _only_names(tree.body):
        return Block(source, None, "there is no statement in it", closed, None, place)
    return Block(source, tree, None, closed, needs, place)


@lru_cache(maxsize=32)
def _prefix_length(source: str) -> int:
    """How many lines from the top parse as they are; 0 when none do.

    Nothing before the line of a syntax error is at fault for it, so each try ends just before
    the last error: a few tries, not one for each line.
    """
    lines = source.split("\n")
    length = len(lines)
    tries = max(MINIMUM_TRIES, min(MAXIMUM_TRIES, PARSE_BUDGET // (len(source) + 1)))
    for _ in range(tries):
        if not length:
            break
        parsed = parse("\n".join(lines[:length]))
        if parsed.error is None:
            return length if any(text.strip() for text in lines[:length]) else 0
        length = min(parsed.line, length) - 1
    return 0
