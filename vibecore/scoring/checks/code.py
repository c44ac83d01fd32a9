"""Checks on the Python in an answer, which is parsed and never executed.

`vibecore.scoring.text.code` finds it. Definitions are looked for in all the code of an answer, as
far as it parses; whether the code parses is judged on the main block.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from vibecore.core.formats import counted
from vibecore.scoring.arguments import Patterns
from vibecore.scoring.checks import Check
from vibecore.scoring.text.code import NO_CODE, Block, find_code, missing_from
from vibecore.scoring.text.patterns import search
from vibecore.scoring.verdict import Relation, Verdict, compare, quote

Function = ast.FunctionDef | ast.AsyncFunctionDef


def code_parses(text: str) -> Verdict:
    """The answer has Python code, and its main block parses."""
    blocks = find_code(text)
    if not blocks:
        return Verdict(False, f"{NO_CODE}, wanted code that parses")
    if blocks[0].error:
        return Verdict(False, f"the code does not parse ({blocks[0].error})")
    count = len(blocks[0].source.splitlines())
    return Verdict(True, f"{counted(count, 'line')} of code {'parses' if count == 1 else 'parse'}")


def defines_function(text: str, *, name: str, parameters: int) -> Verdict:
    """The code defines a function of this name that accepts this many arguments."""
    wanted = f"wanted {name} with {_arguments(parameters)}"
    return _judge_functions(text, wanted, parameters, name)


def defines_any_function(text: str, *, parameters: int) -> Verdict:
    """The code defines a function, of any name, that accepts this many arguments."""
    return _judge_functions(
        text, f"wanted a function of {_arguments(parameters)}", parameters, None
    )


def defines_class(text: str, *, name: str, methods: list[str]) -> Verdict:
    """The code defines a class of this name with at least these methods."""
    blocks = find_code(text)
    wanted = f"wanted class {name} with {', '.join(methods)}"
    missing: list[str] | None = None
    for found in _classes(blocks, name):
        own = {node.name for node in found.body if isinstance(node, Function)}
        missing = [method for method in methods if method not in own]
        if not missing:
            return Verdict(True, f"found class {name} with {', '.join(methods)}")
    if missing is not None:
        return Verdict(False, f"class {name} lacks {', '.join(missing)}, {wanted}")
    return Verdict(False, f"{missing_from(blocks, 'class')}, {wanted}")


def is_recursive(text: str, *, name: str) -> Verdict:
    """The code defines a function of this name that calls itself."""
    blocks = find_code(text)
    named = [function for function, _ in _functions(blocks) if function.name == name]
    for function in named:
        calls = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
        if any(name == getattr(call, "id", getattr(call, "attr", None)) for call in calls):
            return Verdict(True, f"{name} calls itself")
    if named:
        return Verdict(False, f"{name} does not call itself, wanted it to")
    return Verdict(
        False, f"{missing_from(blocks, f'function {name}')}, wanted one that calls itself"
    )


def has_docstring(text: str) -> Verdict:
    """A function in the code has a docstring that is not blank."""
    blocks = find_code(text)
    return _judge_docstrings([function for function, _ in _functions(blocks)], blocks, "function")


def class_has_docstring(text: str, *, name: str) -> Verdict:
    """The code defines a class of this name whose own docstring is not blank."""
    blocks = find_code(text)
    return _judge_docstrings(_classes(blocks, name), blocks, f"class {name}")


def has_type_hints(text: str) -> Verdict:
    """A function in the code has type hints on its parameters and its return value."""
    blocks = find_code(text)
    unhinted = None
    for function, in_class in _functions(blocks):
        missing = [p.arg for p in _parameters(function, in_class) if p.annotation is None]
        missing += [] if function.returns else ["its return value"]
        if not missing:
            return Verdict(True, f"{quote(function.name)} has type hints throughout")
        unhinted = unhinted or (function.name, missing[-1])
    if unhinted:
        name, missing_hint = quote(unhinted[0], 25), quote(unhinted[1], 25)
        return Verdict(False, f"{name} has no type hint for {missing_hint}, wanted all")
    return Verdict(False, f"{missing_from(blocks, 'function')}, wanted one with type hints")


def comment_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of # comments in the code that are not blank."""
    blocks = find_code(text)
    if not blocks:
        return Verdict(False, f"{NO_CODE}, wanted comments in it")
    comments = (comment for block in blocks for comment in block.comments)
    return compare(
        sum(bool(comment.strip("# \t")) for comment in comments), relation, count, "comment"
    )


def mentions_in_code(text: str, *, what: str, patterns: Patterns) -> Verdict:
    """One of the patterns matches in the code, outside comments and docstrings.

    `what` says in words what they look for ("handles the empty string").
    """
    blocks = find_code(text)
    match = _search(blocks, patterns)
    if match:
        return Verdict(True, f"{what}: found {quote(match[0])}")
    return Verdict(False, f"nothing in the code {what}" if blocks else f"{NO_CODE} that {what}")


def forbidden_in_code(text: str, *, what: str, patterns: Patterns) -> Verdict:
    """There is code, and none of the patterns matches in it, outside comments and docstrings."""
    blocks = find_code(text)
    if not blocks:
        return Verdict(False, f"{NO_CODE}, wanted code without {what}")
    match = _search(blocks, patterns)
    if match:
        return Verdict(False, f"found {quote(match[0])}, wanted no {what}")
    return Verdict(True, f"found no {what}")


def _search(blocks: tuple[Block, ...], patterns: list[str]) -> re.Match[str] | None:
    for block in blocks:
        for pattern in patterns:
            if match := search(pattern, block.instructions, re.MULTILINE):
                return match
    return None


def _judge_docstrings(
    defined: list[Function] | list[ast.ClassDef], blocks: tuple[Block, ...], kind: str
) -> Verdict:
    for node in defined:
        docstring = ast.get_docstring(node)
        if docstring and docstring.strip():
            return Verdict(True, f"{quote(node.name, 20)} has the docstring {quote(docstring, 30)}")
    if defined:
        return Verdict(False, f"{quote(defined[0].name)} has no docstring, wanted one")
    return Verdict(False, f"{missing_from(blocks, kind)}, wanted one with a docstring")


def _judge_functions(text: str, wanted: str, parameters: int, name: str | None) -> Verdict:
    blocks = find_code(text)
    nearest = None
    for function, in_class in _functions(blocks):
        signature = _signature(function, in_class)
        if name is None or function.name == name:
            if _accepts(function, in_class, parameters):
                return Verdict(True, f"found {signature}")
            nearest = signature
        nearest = nearest or signature
    return Verdict(
        False, f"{f'found {nearest}' if nearest else missing_from(blocks, 'function')}, {wanted}"
    )


def _classes(blocks: tuple[Block, ...], name: str) -> list[ast.ClassDef]:
    nodes = (node for block in blocks for node in block.nodes if isinstance(node, ast.ClassDef))
    return [node for node in nodes if node.name == name]


def _functions(blocks: tuple[Block, ...]) -> Iterator[tuple[Function, bool]]:
    """Every function, and whether it is a method (which takes self or cls first)."""
    methods: set[int] = set()
    for node in (node for block in blocks for node in block.nodes):
        if isinstance(node, ast.ClassDef):
            methods.update(id(child) for child in node.body)
        elif isinstance(node, Function):
            bound = not any(
                isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list
            )
            yield node, id(node) in methods and bound


def _positional(function: Function, in_class: bool) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args][in_class:]


def _parameters(function: Function, in_class: bool) -> list[ast.arg]:
    return _positional(function, in_class) + function.args.kwonlyargs


def _accepts(function: Function, in_class: bool, count: int) -> bool:
    """Whether a call with this many positional arguments would bind."""
    arguments = function.args
    positional = len(_positional(function, in_class))
    required = positional - min(len(arguments.defaults), positional)
    needs_keyword = any(default is None for default in arguments.kw_defaults)
    fits = required <= count and (count <= positional or arguments.vararg is not None)
    return fits and not needs_keyword


def _signature(function: Function, in_class: bool) -> str:
    names = [parameter.arg for parameter in _parameters(function, in_class)]
    return quote(f"{function.name}({', '.join(names)})", 50)


def _arguments(count: int) -> str:
    return counted(count, "argument")


CHECKS = (
    Check(code_parses, "code, never executed"),
    Check(defines_function, "code, never executed"),
    Check(defines_any_function, "code, never executed"),
    Check(defines_class, "code, never executed"),
    Check(is_recursive, "code, never executed"),
    Check(has_docstring, "code, never executed"),
    Check(class_has_docstring, "code, never executed"),
    Check(has_type_hints, "code, never executed"),
    Check(comment_count, "code, never executed"),
    Check(mentions_in_code, "code, never executed"),
    Check(forbidden_in_code, "code, never executed"),
)
