"""Whether a source is Python: by the grammar of Python 3.14, whatever Python scores.

A verdict must not depend on the Python that scores, so one grammar is chosen and recorded here.
On 3.14 or newer it is `ast`'s own. On an older one `ast` reads what it can, which 3.14 reads too;
where it stumbles over syntax that is new since 3.11 (PEP 695, 696, 701, 750, 758), libcst parses
the source and `python_lowering` says it in older words. Nothing is executed.
"""

from __future__ import annotations

import ast
import codeop
import re
import sys
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vibecore.scoring.text.python_literals import Literals

GRAMMAR = (3, 14)
# How many statements from the end are looked at for the one that libcst refuses.
MOST_STATEMENTS = 2
NATIVE = sys.version_info >= GRAMMAR

# The flags by which `codeop` tells what is unfinished from what is wrong.
_INCOMPLETE = codeop.PyCF_ALLOW_INCOMPLETE_INPUT | codeop.PyCF_DONT_IMPLY_DEDENT  # type: ignore[attr-defined]

# What is new since Python 3.11, as it looks in a line that an older `ast` refuses.
_NEWER = re.compile(
    r"(?<![\w\"'])(?:[fFtT][rR]?|[rR][fFtT])[\"']"
    r"|^[ \t]*type[ \t]+\w+[ \t]*[\[=]"
    r"|\b(?:def|class)[ \t]+\w+[ \t]*\["
    r"|\bexcept\b[^:\n(]*,"
)

_ALIAS = re.compile(r"^[ \t]*type[ \t]+\w+[ \t]*[\[=]", re.MULTILINE)


@dataclass(frozen=True)
class Parsed:
    """A tree, or what is wrong and in which line (from 1).

    `needs` is the oldest Python that runs the source, where that is newer than the one at hand.
    """

    tree: ast.Module | None
    error: str | None = None
    line: int = 0
    needs: tuple[int, int] | None = None


@lru_cache(maxsize=32)
def parse(source: str) -> Parsed:
    """Parse a module by the grammar of Python 3.14. Raises nothing."""
    parsed = _parse_here(source)
    if parsed.error is None or NATIVE or not _stumbled_over_newer(source, parsed):
        return parsed
    return parse_lowered(source, parsed.error)


def may_go_on(source: str) -> bool:
    """Whether the source is the beginning of Python, as far as the `ast` at hand can tell."""
    if parse(source).error is None:
        return True
    flags = ast.PyCF_ONLY_AST | _INCOMPLETE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source + "\n", "", "exec", flags)
    except SyntaxError as error:
        parsed = Parsed(None, str(error.msg), max(error.lineno or 1, 1))
        newer = not NATIVE and _stumbled_over_newer(source, parsed)
        return newer or "incomplete input" in str(error.msg)
    except (RecursionError, MemoryError, ValueError):
        return False
    return True


def parse_lowered(source: str, error: str) -> Parsed:
    """Parse by libcst and the lowering; `error` is what the `ast` at hand said of the source."""
    # libcst is imported only where it is needed: few answers use the newer syntax.
    from vibecore.scoring.text.python_lowering import LoweringError, lower

    try:
        lowered, needs = lower(source)
    except LoweringError as refused:
        # Within a statement, what `ast` says is nearer.
        stumbled = int(re.findall(r"\d+", error)[0])
        line = refused.line or max(stumbled, _failing_statement(source) or 1)
        # What `ast` says is more telling, where it speaks of the same line.
        here = f"line {line}: "
        said = error if error.startswith(here) else f"{here}invalid syntax"
        return Parsed(None, said, line)
    parsed = _parse_here(lowered)
    if parsed.tree is None:
        return parsed
    return Parsed(parsed.tree, needs=needs if needs > sys.version_info[:2] else None)


def _failing_statement(source: str) -> int | None:
    """The line of the first statement that libcst refuses, of the last few; None if before them."""
    from vibecore.scoring.text.python_lowering import LoweringError, lower

    lines = source.split("\n")
    for start in reversed(Literals(source).statements[-MOST_STATEMENTS:]):
        try:
            lower("\n".join(lines[:start]))
            return start + 1
        except LoweringError:
            continue
    return None


def _parse_here(source: str) -> Parsed:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source, feature_version=GRAMMAR if NATIVE else None)
    except SyntaxError as error:
        line = max(error.lineno or 1, 1)
        return Parsed(None, f"line {line}: {str(error.msg)[:70]}", line)
    except (RecursionError, MemoryError):
        return Parsed(None, "line 1: nested too deeply", 1)
    except ValueError:  # null bytes, lone surrogates
        return Parsed(None, "line 1: a character that no source file may hold", 1)
    # One tree on every Python: an alias is an assignment, as the lowering has it.
    return Parsed(_AliasesAsAssignments().visit(tree) if _ALIAS.search(source) else tree)


class _AliasesAsAssignments(ast.NodeTransformer):
    """`type P = int`, which is a node of its own since Python 3.12, as `P = int`."""

    def visit_TypeAlias(self, node: Any) -> ast.Assign:
        """The same names and lines, as an assignment."""
        return ast.copy_location(ast.Assign([node.name], node.value), node)


def _stumbled_over_newer(source: str, parsed: Parsed) -> bool:
    """Whether the line that `ast` refuses has syntax that is new since Python 3.11."""
    lines = source.split("\n")
    line = lines[min(parsed.line, len(lines)) - 1]
    return bool(_NEWER.search(line)) or ": f-string" in (parsed.error or "")
