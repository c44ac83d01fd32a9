"""Checks on the Python in an answer, which is parsed and never executed.

`vibecore.scoring.text.code` finds it. Definitions are looked for in all the code of an answer, as
far as it parses; whether the code parses is judged on the main block. Of an answer that the token
limit ended, a fail is open while the code goes on, or has not come: code that ended before the
answer did is judged as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from vibecore.core.formats import counted
from vibecore.scoring.arguments import Patterns
from vibecore.scoring.checks import Check
from vibecore.scoring.text.code import NO_CODE, Block, find_code, is_over, missing_from
from vibecore.scoring.text.python_calls import calls_itself
from vibecore.scoring.text.python_definitions import FunctionDefinition
from vibecore.scoring.text.python_mentions import find_mention
from vibecore.scoring.verdict import Relation, Verdict, compare, quote


def code_parses(text: str) -> Verdict:
    """The answer has Python code, and its main block parses.

    Code stands in a fence of ``` or ~~~ that says Python or nothing (also in a quotation or a list
    item, opened after words, or closed at the end of a line of code), or bare: a definition, loop
    or print, or all of the answer; prose ends it, and a fence that nobody closed. Of an interactive
    session the code of the prompts counts. The main block is the one that defines something, then
    one that parses, then the longest. The grammar is Python 3.14's, whatever Python scores; lines
    for a shell or for IPython are none. Of an answer cut off by the token limit, the last
    statement of a block that was left open is not judged where enough stands before it.

    Source: CommonMark 0.31, sections 4.5, 5.1 and 5.2; Python 3.14, full grammar specification.
    """
    blocks = find_code(text)
    if not blocks:
        return Verdict(False, f"{NO_CODE}, wanted code that parses", open=True)
    main = blocks[0]
    if main.error:
        return Verdict(False, f"the code does not parse ({main.error})", open=main.may_go_on)
    return Verdict(True, _lines_parse(main), open=main.ends_in_statement and main.complete is None)


def complete_code_parses(text: str) -> Verdict:
    """`code_parses` for an answer that the token limit cut off."""
    blocks = find_code(text)
    if blocks and blocks[0].error and not blocks[0].closed and blocks[0].complete:
        said = f"{_lines_parse(blocks[0].complete)}; the rest was cut off"
        return Verdict(True, said, open=False)
    return code_parses(text)


def defines_function(text: str, *, name: str, parameters: int) -> Verdict:
    """The code defines a function of this name that accepts this many arguments.

    A method counts without `self` or `cls`, and a lambda that is given the name. Where the code
    defines it twice in the same place, the later one counts.
    """
    wanted = f"wanted {name} with {_arguments(parameters)}"
    return _judge_functions(text, wanted, parameters, name)


def defines_any_function(text: str, *, parameters: int) -> Verdict:
    """The code defines a function, of any name, that accepts this many arguments.

    A method counts without `self` or `cls`.
    """
    return _judge_functions(
        text, f"wanted a function of {_arguments(parameters)}", parameters, None
    )


def defines_class(text: str, *, name: str, methods: list[str]) -> Verdict:
    """The code defines a class of this name with at least these methods.

    Methods may be assigned (`pop = remove`) or come from a base class that the code defines or
    Python has built in; a property is read, not called, and is none.
    """
    blocks = find_code(text)
    wanted = f"wanted class {name} with {', '.join(methods)}"
    missing: list[str] | None = None
    for block in blocks:
        for found in block.definitions.classes:
            if found.name == name:
                has = block.definitions.methods(found)
                missing = [method for method in methods if method not in has]
                if not missing:
                    return Verdict(True, f"found class {name} with {', '.join(methods)}")
    if missing is not None:
        return _lacking(blocks, f"class {name} lacks {', '.join(missing)}, {wanted}")
    return _absent(blocks, "class", wanted)


def is_recursive(text: str, *, name: str) -> Verdict:
    """The code defines a function of this name that calls itself.

    The call is looked for in its body, functions defined inside included, and the name means what
    Python's scopes make of it: not a parameter, a variable or an inner function of the same name,
    nor `math.f()` or `stack.f()`. A method calls itself by `self.f()`, `cls.f()`, `ClassName.f()`
    or `f` on an object made of the class; its bare name is another function. To be handed its own
    name (`map(f, items)`) counts; two functions that call each other do not.

    Source: Python 3.14, reference 4.2 (naming and binding).
    """
    blocks = find_code(text)
    found = False
    for block in blocks:
        for function in block.definitions.functions:
            # Inside a function of that name, another one is not what the answer gave the name to.
            if function.name == name and name not in function.within and block.tree is not None:
                if calls_itself(function, block.tree):
                    return Verdict(True, f"{name} calls itself")
                found = True
    if found:
        return _lacking(blocks, f"{name} does not call itself, wanted it to")
    return _absent(blocks, f"function {name}", "wanted one that calls itself")


def has_docstring(text: str) -> Verdict:
    """A function in the code has a docstring that is not blank.

    An f-string is none.
    """
    blocks = find_code(text)
    functions = [f.node for f in _functions(blocks) if not isinstance(f.node, ast.Lambda)]
    return _judge_docstrings(functions, blocks, "function")


def class_has_docstring(text: str, *, name: str) -> Verdict:
    """The code defines a class of this name whose own docstring is not blank."""
    blocks = find_code(text)
    classes = [c for block in blocks for c in block.definitions.classes if c.name == name]
    return _judge_docstrings(classes, blocks, f"class {name}")


def has_type_hints(text: str) -> Verdict:
    """A function in the code has type hints on its parameters and its return value.

    `*args` and `**kwargs` need one too; `self` and `cls` do not, nor does what `__init__` returns
    where it has a parameter with one. Lambdas do not count.

    Source: PEP 484.
    """
    blocks = find_code(text)
    unhinted = None
    for function in _functions(blocks):
        if isinstance(function.node, ast.Lambda):
            continue
        parameters = _parameters(function)
        missing = [p.arg for p in parameters if p.annotation is None]
        is_set_up = function.name == "__init__" and any(p.annotation for p in parameters)
        missing += [] if function.node.returns or is_set_up else ["its return value"]
        if not missing:
            return Verdict(True, f"{quote(function.name)} has type hints throughout")
        unhinted = unhinted or (function.name, missing[-1])
    if unhinted:
        name, missing_hint = quote(unhinted[0], 25), quote(unhinted[1], 25)
        return _lacking(blocks, f"{name} has no type hint for {missing_hint}, wanted all")
    return _absent(blocks, "function", "wanted one with type hints")


def comment_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of # comments in the code that are not blank.

    A `#` inside a string begins none; a `#!` line and an encoding line at the top are none.

    Source: Python 3.14, reference 2.1.3; PEP 263.
    """
    blocks = find_code(text)
    if not blocks:
        return Verdict(False, f"{NO_CODE}, wanted comments in it", open=True)
    comments = (comment for block in blocks for comment in block.literals.comments)
    verdict = compare(
        sum(bool(comment.strip("# \t")) for comment in comments), relation, count, "comment"
    )
    return replace(verdict, open=False) if is_over(blocks) else verdict


def mentions_in_code(text: str, *, what: str, patterns: Patterns) -> Verdict:
    """One of the patterns matches in the code, outside comments and docstrings.

    `what` says in words what they look for ("handles the empty string"). In a string a match
    counts where the string is data (`"AEIOU"`), not where it only says something: printed, raised,
    logged, three words or more, or Python (`"raise ValueError"`). An f-string's expressions are
    code, and so is a string that is run.
    """
    blocks = find_code(text)
    match = find_mention([block.literals for block in blocks], patterns)
    if match is not None:
        return Verdict(True, f"{what}: found {quote(match)}", open=False)
    said = f"nothing in the code {what}" if blocks else f"{NO_CODE} that {what}"
    return _lacking(blocks, said)


def forbidden_in_code(text: str, *, what: str, patterns: Patterns) -> Verdict:
    """There is code, and none of the patterns matches in it, outside comments and docstrings.

    `what` says in words what they look for ("import"). Strings as in mentions_in_code.
    """
    blocks = find_code(text)
    if not blocks:
        return Verdict(False, f"{NO_CODE}, wanted code without {what}", open=True)
    match = find_mention([block.literals for block in blocks], patterns)
    if match is not None:
        return Verdict(False, f"found {quote(match)}, wanted no {what}", open=False)
    return Verdict(True, f"found no {what}", open=False)


def _lines_parse(block: Block) -> str:
    count = len(block.source.rstrip().split("\n"))
    return f"{counted(count, 'line')} of code {'parses' if count == 1 else 'parse'}"


def _lacking(blocks: Sequence[Block], said: str) -> Verdict:
    """A fail for want of something, which more text mends while the code goes on."""
    return Verdict(False, said, open=not is_over(blocks))


def _absent(blocks: Sequence[Block], what: str, wanted: str) -> Verdict:
    """A fail because a definition is not there; another block may bring it."""
    return Verdict(False, f"{missing_from(blocks, what)}, {wanted}", open=True)


def _judge_docstrings(
    defined: Sequence[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef],
    blocks: Sequence[Block],
    kind: str,
) -> Verdict:
    for node in defined:
        docstring = ast.get_docstring(node)
        if docstring and docstring.strip():
            return Verdict(True, f"{quote(node.name, 20)} has the docstring {quote(docstring, 30)}")
    if defined:
        return _lacking(blocks, f"{quote(defined[0].name)} has no docstring, wanted one")
    return _absent(blocks, kind, "wanted one with a docstring")


def _judge_functions(text: str, wanted: str, parameters: int, name: str | None) -> Verdict:
    blocks = find_code(text)
    nearest = None
    named = False
    for function in _functions(blocks):
        signature = _signature(function)
        if name is None or function.name == name:
            if _accepts(function, parameters):
                return Verdict(True, f"found {signature}")
            nearest, named = signature, True
        nearest = nearest or signature
    said = f"found {nearest}" if nearest else missing_from(blocks, "function")
    return Verdict(False, f"{said}, {wanted}", open=not (named and is_over(blocks)))


def _functions(blocks: Sequence[Block]) -> Iterator[FunctionDefinition]:
    return (function for block in blocks for function in block.definitions.functions)


def _parameters(function: FunctionDefinition) -> list[ast.arg]:
    arguments = function.node.args
    collecting = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*function.positional, *arguments.kwonlyargs, *collecting]


def _accepts(function: FunctionDefinition, count: int) -> bool:
    """Whether a call with this many positional arguments would bind."""
    arguments = function.node.args
    positional = len(function.positional)
    required = positional - min(len(arguments.defaults), positional)
    needs_keyword = any(default is None for default in arguments.kw_defaults)
    fits = required <= count and (count <= positional or arguments.vararg is not None)
    return fits and not needs_keyword


def _signature(function: FunctionDefinition) -> str:
    names = [p.arg for p in (*function.positional, *function.node.args.kwonlyargs)]
    return quote(f"{function.name}({', '.join(names)})", 50)


def _arguments(count: int) -> str:
    return counted(count, "argument")


_READ: Final = "code, never executed"
# Every verdict says itself whether it is open.
CHECKS = (
    Check(code_parses, _READ, when_cut=complete_code_parses),
    Check(defines_function, _READ, longer="mends"),
    Check(defines_any_function, _READ, longer="mends"),
    Check(defines_class, _READ, longer="mends"),
    Check(is_recursive, _READ, longer="mends"),
    Check(has_docstring, _READ, longer="mends"),
    Check(class_has_docstring, _READ, longer="mends"),
    Check(has_type_hints, _READ, longer="mends"),
    Check(comment_count, _READ),
    Check(mentions_in_code, _READ),
    Check(forbidden_in_code, _READ),
)
