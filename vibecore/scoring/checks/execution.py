"""The check that runs code: what a function returns is compared with what each case wants.

The code runs isolated, in `vibecore.scoring.sandbox`; the comparison is made here, on plain data,
out of the code's reach. As in HumanEval (Chen et al. 2021, arXiv 2107.03374, section 2.2) an
answer is right when all its cases pass. It runs only where that was asked for; see `judge`.
"""

from __future__ import annotations

import ast
import math
import re
import reprlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from vibecore.core.formats import counted
from vibecore.scoring.checks import Check
from vibecore.scoring.sandbox import Call, Execution, Reply, run_calls
from vibecore.scoring.text.code import Block, find_code, missing_from
from vibecore.scoring.verdict import Undecided, Verdict

ANY_FUNCTION = "*"
# Where the prompt names no function, an answer has one, and seldom a helper or two.
MOST_CANDIDATES = 4

_WORD = re.compile(r"\w+")
_CASE_KEYS = ("args", "kwargs", "then", "expect", "expect_any", "raises", "tolerance")
_WANTED_KEYS = ("expect", "expect_any", "raises")

_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxdict, _SHORT.maxset = 3, 6, 4, 6
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 40


def entry_point_defect(name: str) -> str | None:
    """What is wrong with an entry point: it must be a name, or "*" for any function."""
    if name == ANY_FUNCTION or name.isidentifier():
        return None
    return f'"{name}" is not the name of a function or class; "*" means any function'


def cases_defect(cases: list[dict[str, Any]]) -> str | None:
    """The first defect of the cases, with the case's number; None when all are valid."""
    for number, case in enumerate(cases, 1):
        defect = _case_defect(case)
        if defect:
            return f"case {number}: {defect}"
    return None


def _case_defect(case: dict[str, Any]) -> str | None:
    for key in case:
        if key not in _CASE_KEYS:
            return f'the key "{key}" is unknown; allowed: {", ".join(_CASE_KEYS)}'
    if not isinstance(case.get("args"), list):
        return '"args" must be a list: the arguments of the call'
    if not isinstance(case.get("kwargs", {}), dict):
        return '"kwargs" must be a mapping of names to arguments'
    then = case.get("then", [])
    if not isinstance(then, list) or not all(
        isinstance(step, list) and step and isinstance(step[0], str) for step in then
    ):
        return '"then" must be a list of lists, each a method\'s name and its arguments'
    wanted = [key for key in _WANTED_KEYS if key in case]
    if len(wanted) != 1:
        return f"give one of {', '.join(_WANTED_KEYS)}"
    if not isinstance(case.get("expect_any", [0]), list) or case.get("expect_any") == []:
        return '"expect_any" must be a list of the values that are right'
    if wanted == ["raises"] and not str(case["raises"]).isidentifier():
        return '"raises" must be the name of an exception'
    tolerance = case.get("tolerance", 0.0)
    number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    if not number or not 0 <= tolerance < math.inf or (tolerance and wanted == ["raises"]):
        return '"tolerance" must be a number, 0 or more, beside "expect" or "expect_any"'
    return None


EntryPoint = Annotated[str, entry_point_defect]
Cases = Annotated[list[dict], cases_defect]


def code_cases(text: str, *, entry_point: EntryPoint, cases: Cases) -> Verdict:
    """The code's function (or class), called with each case's arguments, gives what is wanted.

    The block of code that defines `entry_point` is run, as far as it parses. A case has `args`,
    and may have `kwargs` and `then` (methods to call on the returned object: `[[push, 1], [pop]]`;
    the last one's value counts). It wants one of `expect` (equal by Python's ==, but a tuple
    counts as the list it would be in a suite file), `expect_any` (equal to one of several) or
    `raises` (an exception of this class, by name). Numbers may differ by `tolerance`. With entry
    point `*`, one of the functions that the code defines must pass all cases. Imports and
    definitions that the block uses and lacks are taken from the answer's other blocks. Code that
    parses but needs a newer Python than the one at hand has no verdict. Of an answer cut off by the
    token limit, an unfinished statement at the end is not run where the entry point stands before
    it. Raises SandboxError where code cannot be isolated; whatever the code does once it runs is a
    verdict.
    """
    return _judge_cases(text, entry_point, cases, cut=False)


def complete_code_cases(text: str, *, entry_point: EntryPoint, cases: Cases) -> Verdict:
    """`code_cases` for an answer that the token limit cut off."""
    return _judge_cases(text, entry_point, cases, cut=True)


def _judge_cases(text: str, entry_point: str, cases: list[dict[str, Any]], cut: bool) -> Verdict:
    blocks = find_code(text)
    block, names = _find(blocks, entry_point)
    if block is None:
        what = "function" if entry_point == ANY_FUNCTION else entry_point
        wanted = f"wanted it to pass {len(cases)} cases"
        return Verdict(False, f"{missing_from(blocks, what)}, {wanted}", open=True)
    finished = block.closed
    if cut and not finished and block.complete and names[0] in _defined(block.complete):
        names = [name for name in names if name in _defined(block.complete)]
        block, finished = replace(block.complete, place=block.place), True
    if block.needs is not None:
        needs, here = (".".join(map(str, v)) for v in (block.needs, sys.version_info[:2]))
        raise Undecided(f"the code needs Python {needs} or newer to run, and this is Python {here}")
    calls = [
        Call(name, case["args"], case.get("kwargs", {}), case.get("then", ()))
        for name in names
        for case in cases
    ]
    execution = run_calls(_context(blocks, block) + _runnable(block), calls)
    outcomes = []
    for number, name in enumerate(names):
        replies = execution.replies[number * len(cases) : (number + 1) * len(cases)]
        outcomes.append(_judge(name, cases, replies, execution))
    return replace(max(outcomes, key=lambda outcome: outcome[0])[1], open=not finished)


def _find(blocks: Sequence[Block], entry_point: str) -> tuple[Block | None, list[str]]:
    """The first block that defines the entry point, and the names to try in it."""
    for block in blocks:
        names = _defined(block)
        if entry_point == ANY_FUNCTION:
            names = {name: kind for name, kind in names.items() if kind is ast.FunctionDef}
            if names:
                return block, list(names)[:MOST_CANDIDATES]
        elif entry_point in names:
            return block, [entry_point]
    return None, []


def _defined(block: Block) -> dict[str, type]:
    """The names that a block binds at its top level, in order, each with how."""
    names: dict[str, type] = {}
    for node in block.tree.body if block.tree else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names[node.name] = type(node)
        elif isinstance(node, ast.Assign):
            names |= {t.id: ast.Assign for t in node.targets if isinstance(t, ast.Name)}
    return names


def _runnable(block: Block) -> str:
    """The lines of a block that parse: an answer may be cut off in the middle of a line."""
    if block.parses:
        return block.source
    end = block.tree.body[-1].end_lineno  # type: ignore[union-attr]
    return "\n".join(block.source.split("\n")[:end])


def _context(blocks: Sequence[Block], block: Block) -> str:
    """The imports and definitions that this block uses and lacks, and the other blocks have.

    Those of the blocks before it come first: what stands after it fills what is still missing.
    """
    there, used = set(_defined(block)), set(_WORD.findall(block.source))
    parts: list[str] = []
    for other in sorted(blocks, key=lambda each: (each.place > block.place, each.place)):
        if other.place == block.place or not other.parses or other.needs:
            continue
        lines = other.source.split("\n")
        for node in other.tree.body if other.tree else ():
            names = _bound(node)
            if not names & used or names & there:
                continue
            decorators = getattr(node, "decorator_list", ())
            first = min([node.lineno, *(d.lineno for d in decorators)])
            parts.append("\n".join(lines[first - 1 : node.end_lineno]) + "\n")
            there |= names
            used |= set(_WORD.findall(parts[-1]))
    return "".join(parts)


def _bound(node: ast.stmt) -> set[str]:
    """The names that an import, a definition or a constant binds."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign) and not any(isinstance(n, ast.Call) for n in ast.walk(node)):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return set()


def _judge(
    name: str, cases: list[dict[str, Any]], replies: Sequence[Reply], execution: Execution
) -> tuple[int, Verdict]:
    """How many cases pass before the first that does not, and the verdict."""
    for number, case in enumerate(cases):
        said = _describe_call(name, case)
        if number >= len(replies):
            ending = execution.ending or "gave no answer"
            return number, Verdict(False, f"case {number + 1} of {len(cases)}, {said}: it {ending}")
        reply = replies[number]
        if reply.missing:
            error = execution.loading_error
            first = f": it raises {_raised(error)} first" if error else ""
            return -1, Verdict(False, f"the code defines no {name} when it is run{first}")
        if not _fits(reply, case):
            where = f"case {number + 1} of {len(cases)}, {said}"
            return number, Verdict(False, f"{where}: {_came(reply)}, wanted {_wanted(case)}")
    if execution.ending and len(replies) == len(execution.replies):
        return len(cases) - 1, Verdict(False, f"after its last case it {execution.ending}")
    passes = "passes" if len(cases) == 1 else "pass"
    return len(cases), Verdict(True, f"{name}: {counted(len(cases), 'case')} {passes}")


def _fits(reply: Reply, case: Mapping[str, Any]) -> bool:
    if "raises" in case:
        return case["raises"] in reply.raised
    if reply.raised:
        return False
    tolerance = case.get("tolerance", 0.0)
    wanted = case["expect_any"] if "expect_any" in case else [case["expect"]]
    return any(_equal(reply.value, value, tolerance) for value in wanted)


def _equal(value: Any, wanted: Any, tolerance: float) -> bool:
    if isinstance(wanted, list):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_equal(a, b, tolerance) for a, b in zip(value, wanted, strict=True))
        )
    if isinstance(wanted, dict):
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(_equal(value[key], wanted[key], tolerance) for key in wanted)
        )
    if isinstance(wanted, int | float) and isinstance(value, int | float) and tolerance:
        try:
            return abs(value - wanted) <= tolerance
        except OverflowError:  # a whole number too large for a float
            return False
    return value == wanted


def _describe_call(name: str, case: Mapping[str, Any]) -> str:
    words = [f"{name}({_arguments(case['args'], case.get('kwargs', {}))})"]
    words += [f"{step[0]}({_arguments(step[1:], {})})" for step in case.get("then", ())]
    return ".".join(words[:1] + words[1:2]) + "".join(f", .{word}" for word in words[2:])


def _arguments(values: Sequence[Any], keywords: Mapping[str, Any]) -> str:
    parts = [_SHORT.repr(value) for value in values]
    return ", ".join(parts + [f"{key}={_SHORT.repr(value)}" for key, value in keywords.items()])


def _came(reply: Reply) -> str:
    return f"raised {_raised(reply)}" if reply.raised else f"returned {_SHORT.repr(reply.value)}"


def _raised(reply: Reply) -> str:
    message = " ".join("".join(c if c.isprintable() else " " for c in reply.message).split())
    name = "".join(c if c.isprintable() else " " for c in reply.raised[0])[:40]
    return f"{name} ({message[:60]})" if message else name


def _wanted(case: Mapping[str, Any]) -> str:
    if "raises" in case:
        return f"{case['raises']} to be raised"
    values = case["expect_any"] if "expect_any" in case else [case["expect"]]
    return " or ".join(map(_SHORT.repr, values))


CHECKS = (
    Check(
        code_cases,
        "code, run in isolation when asked to",
        runs_code=True,
        longer="mends",
        when_cut=complete_code_cases,
    ),
)
