"""Python 3.14's newer syntax said in the words of Python 3.11, so that any `ast` reads it.

libcst parses the grammar of 3.14 on every Python. What is new since 3.11 is lowered: type
parameters are dropped, a type alias becomes an assignment, exceptions after `except` get their
parentheses, and an f-string or t-string that this Python's `ast` refuses becomes the tuple of
its expressions. Names, calls and line numbers stay.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

import libcst as cst

# libcst descends once for each level and each operator: these bound its depth and its time.
MOST_BRACKETS, MOST_OPERATORS = 50, 200

_DEEPENING = re.compile(
    r"(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<over>,|(?<!\\)\n)"
    r"|[^\s\w,()\[\]{}\"'#]|\b(?:lambda|not|if|and|or|await|in|is)\b"
)
_EMPTY = cst.Module([])


class LoweringError(Exception):
    """The source does not parse by the grammar of Python 3.14 either.

    `line` counts from 1; it is None where libcst does not say, or did not try.
    """

    def __init__(self, line: int | None = None) -> None:
        super().__init__(f"line {line}")
        self.line = line


def lower(source: str) -> tuple[str, tuple[int, int]]:
    """The lowered source, with as many lines, and the oldest Python that runs the original.

    Raises LoweringError where it is no Python 3.14, or is nested too deeply to be tried.
    """
    if _too_deep(source):
        raise LoweringError
    try:
        module = cst.parse_module(source)
        lowering = _Lowering()
        return module.visit(lowering).code, lowering.needs
    except cst.ParserSyntaxError as error:
        # The message says where the parser stopped (column 0: at the end of the line before); the
        # line beside it can be a later one.
        stopped = re.search(r"error at (\d+):(\d+)", str(error))
        if stopped is None:  # an error of the tokenizer is without its place
            raise LoweringError from None
        raise LoweringError(max(int(stopped[1]) - (stopped[2] == "0"), 1)) from None
    except (RecursionError, ValueError, cst.CSTLogicError, cst.CSTValidationError):
        raise LoweringError from None


def _too_deep(source: str) -> bool:
    depth = operators = 0
    for found in _DEEPENING.finditer(source):
        kind = found.lastgroup
        if kind == "open":
            depth += 1
            operators += 1
        elif kind == "close":
            depth = max(depth - 1, 0)
            operators += 1
        elif kind == "over":
            # Without brackets a line ends a statement, and so does a comma an operand.
            operators = 0 if found[0] == "," or depth == 0 else operators
        else:
            operators += 1
        if depth > MOST_BRACKETS or operators > MOST_OPERATORS:
            return True
    return False


class _Lowering(cst.CSTTransformer):
    """Replaces what Python 3.11 has no syntax for."""

    def __init__(self) -> None:
        super().__init__()
        self.needs = (3, 12)

    def leave_FunctionDef(  # noqa: N802
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        return self._without_type_parameters(original_node, updated_node)

    def leave_ClassDef(  # noqa: N802
        self, original_node: cst.ClassDef, updated_node: cst.ClassDef
    ) -> cst.ClassDef:
        return self._without_type_parameters(original_node, updated_node)

    def leave_TypeAlias(  # noqa: N802
        self, original_node: cst.TypeAlias, updated_node: cst.TypeAlias
    ) -> Any:
        self._note(original_node.type_parameters)
        value = _in_parentheses(updated_node.value)
        assignment = cst.Assign([cst.AssignTarget(updated_node.name)], value)
        lost = _lines(original_node) - _lines(assignment)
        return cst.Assign(
            [cst.AssignTarget(updated_node.name, whitespace_before_equal=_continued(lost))], value
        )

    def leave_ExceptHandler(  # noqa: N802
        self, original_node: cst.ExceptHandler, updated_node: cst.ExceptHandler
    ) -> cst.ExceptHandler:
        return self._with_parentheses(updated_node)

    def leave_ExceptStarHandler(  # noqa: N802
        self, original_node: cst.ExceptStarHandler, updated_node: cst.ExceptStarHandler
    ) -> cst.ExceptStarHandler:
        return self._with_parentheses(updated_node)

    def visit_FormattedString(self, node: cst.FormattedString) -> bool:  # noqa: N802
        return False

    def visit_TemplatedString(self, node: cst.TemplatedString) -> bool:  # noqa: N802
        return False

    def visit_ConcatenatedString(self, node: cst.ConcatenatedString) -> bool:  # noqa: N802
        return False

    def leave_FormattedString(  # noqa: N802
        self, original_node: cst.FormattedString, updated_node: cst.FormattedString
    ) -> Any:
        return self._lowered(original_node)

    def leave_TemplatedString(  # noqa: N802
        self, original_node: cst.TemplatedString, updated_node: cst.TemplatedString
    ) -> Any:
        return self._lowered(original_node)

    def leave_ConcatenatedString(  # noqa: N802
        self, original_node: cst.ConcatenatedString, updated_node: cst.ConcatenatedString
    ) -> Any:
        return self._lowered(original_node)

    def _lowered(self, node: Any) -> Any:
        """A string as it is where this Python reads it, else the tuple of its expressions."""
        try:
            ast.parse(f"({_EMPTY.code_for_node(node)}\n)", mode="eval")
            return node
        except SyntaxError:
            pass
        parts = list(_parts(node))
        templates = [isinstance(part, cst.TemplatedString) for part in parts]
        if any(templates):
            self.needs = max(self.needs, (3, 14))
            if not all(templates):  # "cannot mix t-string literals with string literals"
                raise LoweringError
        values: list[Any] = []
        for part in parts:
            if isinstance(part, cst.SimpleString):
                values.append(part)
            else:
                for expression in _expressions(part.parts):
                    value = expression.visit(self)
                    starred = isinstance(value, cst.StarredElement)
                    values.append(value if starred else _in_parentheses(value))
        # f"{*x}" parses, though it cannot be compiled.
        elements = [v if isinstance(v, cst.StarredElement) else cst.Element(v) for v in values]
        lost = _lines(node) - _lines(cst.Tuple(elements))
        blank = cst.ParenthesizedWhitespace(empty_lines=[cst.EmptyLine(indent=False)] * (lost - 1))
        opening = cst.LeftParen(whitespace_after=blank) if lost > 0 else cst.LeftParen()
        return cst.Tuple(elements, lpar=[opening], rpar=[cst.RightParen()])

    def _note(self, parameters: cst.TypeParameters | None) -> None:
        if parameters and any(parameter.default for parameter in parameters.params):
            self.needs = max(self.needs, (3, 13))

    def _without_type_parameters(self, original: Any, updated: Any) -> Any:
        if original.type_parameters is None:
            return updated
        self._note(original.type_parameters)
        return updated.with_changes(
            type_parameters=None,
            whitespace_after_type_parameters=cst.SimpleWhitespace(""),
            whitespace_after_name=_continued(_lines(original.type_parameters)),
        )

    def _with_parentheses(self, handler: Any) -> Any:
        if not isinstance(handler.type, cst.Tuple) or handler.type.lpar:
            return handler
        self.needs = max(self.needs, (3, 14))
        return handler.with_changes(type=_in_parentheses(handler.type))


def _parts(node: Any) -> Iterator[Any]:
    """The strings that stand side by side, in order."""
    while isinstance(node, cst.ConcatenatedString):
        yield node.left
        node = node.right
    yield node


def _expressions(parts: Sequence[Any]) -> Iterator[Any]:
    """The expressions of an f-string's or t-string's parts, those of format specs included."""
    for part in parts:
        if hasattr(part, "expression"):
            yield part.expression
            yield from _expressions(part.format_spec or ())


def _in_parentheses(expression: Any) -> Any:
    return expression.with_changes(
        lpar=[cst.LeftParen(), *expression.lpar], rpar=[*expression.rpar, cst.RightParen()]
    )


def _lines(node: cst.CSTNode) -> int:
    return _EMPTY.code_for_node(node).count("\n")


def _continued(lines: int) -> cst.SimpleWhitespace:
    """White space that takes this many line ends within a statement."""
    return cst.SimpleWhitespace(" " + "\\\n" * lines if lines > 0 else "")
