"""The check code_cases: what is compared how, what is said, and which cases are refused."""

from __future__ import annotations

import pytest

from tests.scoring.test_sandbox import needs_isolation
from vibecore.catalog.suites import Constraint
from vibecore.scoring.checks.execution import code_cases, complete_code_cases
from vibecore.scoring.judge import constraint_defect


def case(*args: object, **wanted: object) -> dict:
    return {"args": list(args), **wanted}


GOOD = case(expect=1)


def verdict(code: str, *cases: dict, entry_point: str = "f"):
    return code_cases(f"```python\n{code}\n```", entry_point=entry_point, cases=list(cases))


@needs_isolation
@pytest.mark.parametrize(
    ("returned", "wanted", "passes"),
    [
        ("(0, 1)", {"expect": [0, 1]}, True),
        ("[(0,), [1]]", {"expect": [[0], [1]]}, True),
        ("[0]", {"expect": [0, 1]}, False),
        ("True", {"expect": True}, True),
        ("1", {"expect": True}, True),
        ("'True'", {"expect": True}, False),
        ("None", {"expect": None}, True),
        ("0", {"expect": None}, False),
        ("2.0", {"expect": 2}, True),
        ("0.1 + 0.2", {"expect": 0.3}, False),
        ("0.1 + 0.2", {"expect": 0.3, "tolerance": 1e-9}, True),
        ("[0.1 + 0.2]", {"expect": [0.3], "tolerance": 1e-9}, True),
        ("10 ** 400", {"expect": 0.5, "tolerance": 1.0}, False),
        ("float('nan')", {"expect": 0, "tolerance": 1.0}, False),
        ("{'b': 2, 'a': 1}", {"expect": {"a": 1, "b": 2}}, True),
        ("{'a': 1, 'b': 2}", {"expect": {"a": 1}}, False),
        ("[1, 0]", {"expect_any": [[0, 1], [1, 0]]}, True),
        ("[1, 1]", {"expect_any": [[0, 1], [1, 0]]}, False),
        ("{0, 1}", {"expect": [0, 1]}, False),
        ("f", {"expect": "f"}, False),
        ("'x' * 200_000", {"expect": "x"}, False),
        ("[][1]", {"raises": "IndexError"}, True),
        ("[][1]", {"raises": "LookupError"}, True),
        ("[][1]", {"raises": "ValueError"}, False),
        ("[][1]", {"expect": None}, False),
        ("7", {"raises": "IndexError"}, False),
    ],
)
def test_what_came_is_held_against_what_was_wanted(returned, wanted, passes) -> None:
    found = verdict(f"def f():\n    return {returned}", {"args": [], **wanted})
    assert found.passed is passes, found.explanation
    assert len(found.explanation) < 300


@needs_isolation
@pytest.mark.parametrize(
    ("code", "cases", "explanation"),
    [
        (
            "def f(x): return x",
            [case(1, expect=1), case(2, expect=3)],
            "case 2 of 2, f(2): returned 2, wanted 3",
        ),
        (
            "def f(x, k): return x / k",
            [case(1, kwargs={"k": 0}, expect=3)],
            "case 1 of 1, f(1, k=0): raised ZeroDivisionError (division by zero), wanted 3",
        ),
        ("def f(x): return x", [case("a" * 90, raises="E")], "wanted E to be raised"),
        (
            "class f:\n    def push(self, x): pass\n    def pop(self): return 1",
            [case(then=[["push", 2], ["pop"]], expect=2)],
            "case 1 of 1, f().push(2), .pop(): returned 1, wanted 2",
        ),
        (
            "import os\ndef f(x):\n    if x: os._exit(3)",
            [case(0, expect=None), case(1, expect=None)],
            "case 2 of 2, f(1): it ended its process (exit status 3)",
        ),
        (
            "import no_such_module\ndef f(): return 1",
            [GOOD],
            "the code defines no f when it is run: it raises ModuleNotFoundError",
        ),
        ("def f(): return 1\ndel f", [GOOD], "the code defines no f when"),
        ("def g(): return 1", [GOOD], "found no f, wanted it to pass 1 case"),
        ("def f(:\n  x", [GOOD], "found no f (the code does not parse"),
    ],
)
def test_a_fail_says_which_case_what_came_and_what_was_wanted(code, cases, explanation) -> None:
    found = verdict(code, *cases)
    assert not found.passed
    assert explanation in found.explanation


@needs_isolation
def test_text_of_the_code_is_shown_on_one_line_without_control_characters() -> None:
    code = "class E\u0301(Exception): pass\ndef f(): raise E\u0301('a\\n\\x1b[31mb\u202ec')"
    assert verdict(code, GOOD).explanation.isprintable()


def test_an_answer_without_code_fails_and_nothing_is_run(monkeypatch) -> None:
    monkeypatch.setattr("vibecore.scoring.checks.execution.run_calls", None)
    found = code_cases("No code.", entry_point="f", cases=[GOOD])
    assert (found.passed, found.explanation.split(",")[0]) == (False, "found no Python code")


@needs_isolation
@pytest.mark.parametrize(
    "code",
    [
        # An answer that was cut off: what parses of it is run.
        "def f(x):\n    return (\n        x\n    )\n\ndef g(:\n    retu",
        "f = lambda x: x",
    ],
)
def test_what_defines_the_function_is_run(code) -> None:
    assert verdict(code, case(1, expect=1)).passed


@needs_isolation
def test_any_function_may_be_the_one() -> None:
    helper = "def clean(text): return text.strip()\n"
    right = "def is_long(text): return len(clean(text)) > 3"
    cases = case("  a  ", expect=False), case("abcd", expect=True)
    found = verdict(helper + right, *cases, entry_point="*")
    assert (found.passed, found.explanation) == (True, "is_long: 2 cases pass")
    wrong = verdict(helper + right.replace(">", "<"), *cases, entry_point="*")
    assert not wrong.passed
    assert not verdict("x = 1\nprint(x)", *cases, entry_point="*").passed


HALF = "def f(x):\n    return x // 2"


@needs_isolation
@pytest.mark.parametrize(
    "answer",
    [
        "import math\n\nHere it is:\n\ndef f(x):\n    return math.isqrt(x)",
        "```python\ndef f(x):\n    return g(x)\n```\nand\n```python\ndef g(x): return x // 2\n```",
        "LIMIT = 2\n\ndef f(x):\n    return x // LIMIT\n\nThat is all.",
        ">>> def f(x):\n...     return x // 2\n>>> f(8)\n4",
        f"{HALF}\n```\n\nIt halves x.",
        "```python\ndef f(x): ...\n\n" + HALF + "\n```",
    ],
)
def test_what_the_function_uses_is_found_in_the_answer(answer) -> None:
    found = code_cases(answer, entry_point="f", cases=[case(4, expect=2)])
    assert found.passed, found.explanation


@needs_isolation
@pytest.mark.parametrize(
    ("rest", "passes", "is_open"),
    [
        ("", True, True),  # its last line may go on
        ("\n\nprint(f(", True, False),
        ("\n\ndef f(x):\n    y = 1", True, False),  # the second one is not finished
        ("\n\ndef g(x):\n    return (", True, False),
        (" + 1", False, True),
        (" + 1\n\nprint(f(", False, False),  # it was finished, and is wrong
    ],
)
def test_of_an_answer_that_was_cut_off_what_is_complete_is_run(rest, passes, is_open) -> None:
    found = complete_code_cases(
        f"```python\n{HALF}{rest}", entry_point="f", cases=[case(4, expect=2)]
    )
    assert (found.passed, found.open) == (passes, is_open), found.explanation


@needs_isolation
def test_a_helper_that_ends_the_process_is_blamed_by_name() -> None:
    code = "import os\ndef a(x): os._exit(0)\ndef b(x): return x"
    found = verdict(code, case(1, expect=1), entry_point="*")
    assert (found.passed, "a(1): it ended its process" in found.explanation) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "defect"),
    [
        ({"entry_point": "f", "cases": [GOOD]}, None),
        ({"entry_point": "*", "cases": [GOOD]}, None),
        ({"entry_point": "f", "cases": [case(expect=None)]}, None),
        ({"entry_point": "f", "cases": [{**GOOD, "then": [["m", 1]]}]}, None),
        ({"entry_point": "f(x)", "cases": [GOOD]}, "not the name of a function"),
        ({"entry_point": "f", "cases": []}, "a list of mappings, not empty"),
        ({"entry_point": "f", "cases": [GOOD, {"args": []}]}, "case 2: give one of expect"),
        ({"entry_point": "f", "cases": [{"expect": 1}]}, '"args" must be a list'),
        ({"entry_point": "f", "cases": [{**GOOD, "raises": "E"}]}, "give one of"),
        ({"entry_point": "f", "cases": [{**GOOD, "arg": 1}]}, 'the key "arg" is unknown'),
        ({"entry_point": "f", "cases": [{**GOOD, "kwargs": [1]}]}, "mapping of names"),
        ({"entry_point": "f", "cases": [{**GOOD, "then": ["pop"]}]}, "a list of lists"),
        ({"entry_point": "f", "cases": [{"args": [], "expect_any": []}]}, "values that are right"),
        ({"entry_point": "f", "cases": [{"args": [], "raises": "a b"}]}, "name of an exception"),
        ({"entry_point": "f", "cases": [{**GOOD, "tolerance": -1}]}, '"tolerance" must be'),
        ({"entry_point": "f", "cases": [{**GOOD, "tolerance": True}]}, '"tolerance" must be'),
        ({"cases": [GOOD]}, "is missing"),
    ],
)
def test_a_suite_with_bad_cases_is_refused(arguments, defect) -> None:
    found = constraint_defect(Constraint("code_cases", arguments))
    assert (found is None) if defect is None else (defect in found), found
