"""One grammar, Python 3.14's, whatever Python scores: `ast` at hand, and libcst for the rest."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import textwrap
import time
import types

import pytest

from vibecore.scoring.checks.execution import code_cases
from vibecore.scoring.text import python_grammar
from vibecore.scoring.text.code import find_code
from vibecore.scoring.text.python_grammar import parse, parse_lowered
from vibecore.scoring.text.python_lowering import LoweringError, lower
from vibecore.scoring.verdict import Undecided

# Source, the oldest Python that runs it, and what must be left: names that are read or called.
NEWER = [
    ('f"{d["a"]}"', (3, 12), {"d"}),
    ('f"{d["a"]:{w["x"]}}" "b" f"{1}"', (3, 12), {"d", "w"}),
    ('x = (\n    f"a"\n    f"{d["b"]}"\n)', (3, 12), {"x", "d"}),
    ("f'{a\n}'", (3, 12), {"a"}),
    ("f'{a # why\n}'", (3, 12), {"a"}),
    ('f"{f"{f"{x["a"]}"}"}"', (3, 12), {"x"}),
    ('f"{(lambda y: y)(b["c"])}"', (3, 12), {"b", "y"}),
    ("type P = int", (3, 12), {"P", "int"}),
    ("type P[\n    T\n] = list[T]\ny = 1", (3, 12), {"P", "T", "list", "y"}),
    ("def first[T: int, *Ts, **Q](xs: T): return xs", (3, 12), {"T", "xs"}),
    ("def f[\n    T,  # note\n](x):\n    return f(x)", (3, 12), {"f", "x"}),
    ("class A[T](B):\n    def f[U](self, u: U) -> T: ...", (3, 12), {"B", "U", "T"}),
    ("class A[T = int]: ...", (3, 13), set()),
    ("try:\n    a()\nexcept B, C:\n    d()", (3, 14), {"a", "B", "C", "d"}),
    ("try:\n    a()\nexcept* B, C:\n    d()", (3, 14), {"a", "B", "C", "d"}),
    ('t"{a} {b()}"', (3, 14), {"a", "b"}),
]
NEVER = [
    'f"{d["a"}"',
    'f"{}" f"{d["a"]}"',
    'f"{a b["c"]}"',
    't"a" "b"',
    "type = ",
    "type 1 = int",
    "def f[T(x): ...",
    "class A[1]: ...",
    "try:\n    a()\nexcept B, C as e:\n    d()",
    'f"{d["a"]}" = 3',
    'print f"{d["a"]}"',
    "1 = x",
    'print "a"',
    "if x:\nprint(x)",
]
PLAIN = [
    textwrap.dedent(inspect.getsource(item))
    for module in (ast, inspect, subprocess, textwrap, types)
    for item in vars(module).values()
    if inspect.isfunction(item) and item.__module__ == module.__name__
]


@pytest.mark.parametrize(("source", "needs", "names"), NEWER)
def test_newer_syntax_parses_and_keeps_names_and_lines(source, needs, names) -> None:
    parsed = parse(source)
    assert parsed.error is None
    assert parsed.needs == (needs if needs > sys.version_info[:2] else None)
    found = {node.id for node in ast.walk(parsed.tree) if isinstance(node, ast.Name)}
    assert names <= found
    assert parsed.tree.body[-1].end_lineno == source.count("\n") + 1


@pytest.mark.parametrize(("source", "needs", "names"), NEWER)
def test_the_lowered_source_is_what_python_3_11_reads(source, needs, names) -> None:
    lowered, oldest = lower(source)
    assert oldest == max(needs, (3, 12))
    assert lowered.count("\n") == source.count("\n")
    tree = ast.parse(lowered, feature_version=(3, 11))
    assert names <= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("source", NEVER)
def test_what_no_python_reads_is_refused_with_its_line(source) -> None:
    parsed = parse(source)
    assert parsed.tree is None
    assert parsed.error.startswith(f"line {parsed.line}: ")
    assert 1 <= parsed.line <= source.count("\n") + 1


def test_both_ways_give_one_tree_of_plain_code() -> None:
    """Plain code read by way of libcst, as if `ast` had refused it."""
    assert len(PLAIN) > 100
    for source in PLAIN:
        forced = parse_lowered(source, "line 1: refused")
        assert ast.dump(forced.tree) == ast.dump(ast.parse(source)), source


@pytest.mark.parametrize("rest", ["This is prose.", 'print("cut', "x = (1\n\ny = )", '"""cut'])
def test_where_the_rest_goes_wrong_newer_syntax_before_it_is_kept(rest) -> None:
    source = f'def f(d):\n    return f"{{d["a"]}}"\n\n{rest}'
    assert parse(source).tree is None
    assert parse(source).line >= 4
    (block,) = find_code(f"```python\n{source}\n```")
    assert block.defines
    assert not block.parses


@pytest.mark.parametrize(
    "source",
    [
        "type X = " + "(" * 5000 + "1" + ")" * 5000,
        "type X = " + "-" * 20_000 + "1",
        "type X = " + "1+" * 20_000 + "1",
        "type X = [" + "1+\n" * 9_000 + "1]",
        "type X = a" + "\\\n.a" * 9_000,
        "type X = a" + "[1]" * 9_000,
        "type X = " + "lambda:" * 7_000 + "1",
        "type X = " + "'a' " * 9_000,
        'f"{' * 9_000,
        "type X = 1\n" * 4_000,
        "type X = 1\n" + "@a\n" * 9_000,
        "type X = 1\nif 1: pass\n" + "elif 1: pass\n" * 3_000,
        "type X = '\x00'",
        "type X = '\ud800'",
    ],
    ids=range(14),
)
def test_hostile_newer_syntax_is_read_or_refused_in_time(source) -> None:
    started = time.process_time()
    parse.cache_clear()
    parse(source)
    assert time.process_time() - started < 2.5


def test_lowering_says_where_it_refuses() -> None:
    with pytest.raises(LoweringError) as refused:
        lower("x = 1\ny = = 2\n")
    assert refused.value.line == 2


def test_code_for_a_newer_python_is_not_failed_for_it(monkeypatch) -> None:
    monkeypatch.setattr("vibecore.scoring.checks.execution.run_calls", None)
    monkeypatch.setattr(python_grammar, "NATIVE", False)
    parse.cache_clear()
    cases = [{"args": [1], "expect": 1}]
    code = "```python\ndef f[T = int](x: T) -> T:\n    return x\n```"
    if sys.version_info >= (3, 13):
        pytest.skip("this Python runs it")
    with pytest.raises(Undecided, match=r"needs Python 3\.13 or newer to run, and this is Python"):
        code_cases(code, entry_point="f", cases=cases)


def test_an_alias_is_an_assignment_on_every_python(monkeypatch):
    """Python 3.12 has a node of its own for it, which reads of assignments would miss."""

    class TypeAlias(ast.stmt):
        _fields = ("name", "type_params", "value")

    native = ast.parse("P = int")
    old = native.body[0]
    alias = ast.copy_location(TypeAlias(), old)
    alias.name, alias.type_params, alias.value = old.targets[0], [], old.value
    native.body = [alias]
    source = "type P = int"
    monkeypatch.setattr(python_grammar.ast, "parse", lambda *_, **__: native)
    parse.cache_clear()
    [read] = parse(source).tree.body
    parse.cache_clear()
    assert ast.dump(read) == ast.dump(old)
    assert read.lineno == 1
