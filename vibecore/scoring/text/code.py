"""Finds the Python code in an answer, and whether it parses. Nothing is executed here.

Code is looked for in fences first (``` or ~~~, the last one possibly cut off by the token
limit), else bare: a line that begins with def, class, import, from … import or @ opens a block,
which ends where an unindented line no longer parses.
"""

from __future__ import annotations

import ast
import re
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

# An output of 200 tokens is far below these; they bound the time for any text.
MAXIMUM_CHARACTERS = 50_000
MAXIMUM_BLOCKS = 8
NO_CODE = "found no Python code"
# Bounds of the search for the part that parses: characters parsed, and tries.
PARSE_BUDGET = 30_000
MINIMUM_TRIES, MAXIMUM_TRIES = 2, 12

# Possessive repeats throughout: a line of any length is read once.
_FENCE = re.compile(r"(?<![`~])(`{3,}+|~{3,}+)[ \t]*+([\w+#.-]*+)[^\n`~]*+$")
_PYTHON_LABELS = frozenset({"python", "python3", "py", "python2", "pycon"})
_OPENING = re.compile(
    r"(?:(?:async[ \t]+)?def[ \t]+\w+[ \t]*\(|class[ \t]+\w+[ \t]*[:(]|import[ \t]+[\w.]+"
    r"|from[ \t]+[\w.]+[ \t]+import\b|@\w+)"
)
# What may follow code once there is some: an example call after a line of prose.
_CONTINUING = re.compile(r"print\(|assert\b|if __name__\b|for \w+ in\b|\w+ = \S")
# Without one of these nothing opens, which most texts show at once.
_OPENING_WORDS = ("def", "class", "import", "@")
_BARE_START = re.compile(r"^[ \t]*" + _OPENING.pattern, re.MULTILINE)
_STRING_OR_COMMENT = re.compile(
    r'(?P<docstring>"""[\s\S]*?(?:"""|\Z)|' + r"'''[\s\S]*?(?:'''|\Z))"
    r'|(?P<string>"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*')"
    r"|(?P<comment>#[^\n]*)"
)


@dataclass(frozen=True)
class Block:
    """One piece of code: its source, and its tree or the reason why there is none.

    Where the whole does not parse, `tree` is that of the longest run of lines from the top that
    does (None if there is none), and `error` says where the rest goes wrong.
    """

    source: str
    tree: ast.Module | None
    error: str | None

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
    def nodes(self) -> tuple[ast.AST, ...]:
        """Every node of the part that parses, walked once for all checks."""
        return () if self.tree is None else tuple(ast.walk(self.tree))

    @cached_property
    def instructions(self) -> str:
        """The source without comments and triple-quoted strings."""
        return _STRING_OR_COMMENT.sub(lambda found: found["string"] or "", self.source)

    @cached_property
    def comments(self) -> list[str]:
        """The comments, each from its # to the end of the line."""
        matches = _STRING_OR_COMMENT.finditer(self.source)
        return [found["comment"] for found in matches if found["comment"]]


@lru_cache(maxsize=8)
def find_code(text: str) -> tuple[Block, ...]:
    """All blocks of Python in an answer, the main one first; empty when there is none.

    The main block is the one that defines something, then one that parses, then the longest.
    """
    text = text[:MAXIMUM_CHARACTERS]
    blocks = _fenced(text) if "```" in text or "~~~" in text else []
    if not blocks and any(map(text.__contains__, _OPENING_WORDS)) and _BARE_START.search(text):
        blocks = _bare(text)
    blocks.sort(key=lambda block: (block.defines, block.parses, len(block.source)), reverse=True)
    return tuple(blocks)


def missing_from(blocks: Sequence[Block], what: str) -> str:
    """Why a definition was not found, for an explanation: no code, or none that parses so far."""
    if not blocks:
        return NO_CODE
    error = f" (the code does not parse, {blocks[0].error})" if blocks[0].error else ""
    return f"found no {what}{error}"


def _fenced(text: str) -> list[Block]:
    labelled: list[tuple[str, list[str]]] = []
    fence = ""
    for line in text.splitlines():
        if fence:
            stripped = line.strip()
            if stripped.startswith(fence):
                fence = ""
            else:
                labelled[-1][1].append(line)
        elif (opening := _FENCE.search(line)) and line.count(opening[1]) == 1:
            fence = opening[1]
            labelled.append((opening[2].lower(), []))
    chosen = [body for label, body in labelled if label in _PYTHON_LABELS]
    chosen = chosen or [body for label, body in labelled if not label]
    sources = (textwrap.dedent("\n".join(body)).strip("\n") for body in chosen[:MAXIMUM_BLOCKS])
    return [_parse(source) for source in sources if source.strip()]


def _bare(text: str) -> list[Block]:
    blocks: list[Block] = []
    lines = text.splitlines()
    index = 0
    while index < len(lines) and len(blocks) < MAXIMUM_BLOCKS:
        line = lines[index].lstrip()
        opens = _OPENING.match(line)
        if not opens and not (blocks and _CONTINUING.match(line)):
            index += 1
            continue
        taken, block = _bare_block(lines[index:])
        if opens or block.parses:
            blocks.append(block)
        index += taken
    return blocks


def _bare_block(lines: list[str]) -> tuple[int, Block]:
    """The block that begins at the first line, and how many lines it takes."""
    margin = len(lines[0]) - len(lines[0].lstrip())
    source = "\n".join(line[margin:] if not line[:margin].strip() else line for line in lines)
    block = _parse(source)
    if block.error is None:
        return len(lines), block
    good = _prefix_length(source)
    after = next((line for line in lines[good:] if line.strip()), "")
    if good and not after[margin : margin + 1].isspace():
        # Prose, or another block, begins where the code stopped parsing: what is before is whole.
        prefix = "\n".join(source.splitlines()[:good]).rstrip()
        return good, Block(prefix, block.tree, None)
    # Broken code: it runs to the first line at the margin.
    end = max(good, 1)
    while end < len(lines) and (
        not lines[end].strip() or lines[end][margin : margin + 1].isspace()
    ):
        end += 1
    broken = "\n".join(source.splitlines()[:end]).rstrip()
    return end, Block(broken, block.tree, block.error)


def _parse(source: str) -> Block:
    tree, error, _ = _try_parse(source)
    if tree is None:
        good = _prefix_length(source)
        if good:
            tree, _, _ = _try_parse("\n".join(source.splitlines()[:good]))
        return Block(source, tree, error)
    if all(
        isinstance(n, ast.Expr) and isinstance(n.value, ast.Name | ast.Constant) for n in tree.body
    ):
        return Block(source, None, "there is no statement in it")
    return Block(source, tree, None)


@lru_cache(maxsize=32)
def _prefix_length(source: str) -> int:
    """How many lines from the top parse as they are; 0 when none do.

    Nothing before the line of a syntax error is at fault for it, so each try ends just before
    the last error: a few tries, not one for each line.
    """
    lines = source.splitlines()
    length = len(lines)
    tries = max(MINIMUM_TRIES, min(MAXIMUM_TRIES, PARSE_BUDGET // (len(source) + 1)))
    for _ in range(tries):
        if not length:
            break
        _, error, line = _try_parse("\n".join(lines[:length]))
        if error is None:
            return length if any(text.strip() for text in lines[:length]) else 0
        length = min(line, length) - 1
    return 0


@lru_cache(maxsize=32)
def _try_parse(source: str) -> tuple[ast.Module | None, str | None, int]:
    """The tree, or what is wrong and in which line (from 1)."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source), None, 0
    except SyntaxError as error:
        line = max(error.lineno or 1, 1)
        return None, f"line {line}: {str(error.msg)[:70]}", line
    except (RecursionError, MemoryError):
        return None, "line 1: nested too deeply", 1
    except ValueError:  # null bytes, lone surrogates
        return None, "line 1: a character that no source file may hold", 1
