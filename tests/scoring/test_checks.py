"""Every check, by the cases of `tests/data/check_cases.yaml`, and what arguments it takes."""

from __future__ import annotations

import pytest

from tests.support.check_cases import read_cases, read_flag_cases
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.scoring import CHECKS, RELATIONS, constraint_defect, judge, score_output
from vibecore.scoring.judge import EXECUTING

CASES = read_cases()
PASS, FAIL = "pass", "fail"


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{number}-{case.check}" for number, case in enumerate(CASES)]
)
def test_check(case):
    constraint = Constraint(case.check, case.arguments)
    assert constraint_defect(constraint) is None
    result = judge(case.text, constraint, cut=case.cut)
    assert (result.check, result.arguments) == (case.check, case.arguments)
    assert result.status == case.verdict, f"{result.explanation}; {case.why}"
    assert case.says in result.explanation
    if case.only_cut is not None:
        assert result.cut is case.only_cut, f"{result.explanation}; {case.why}"


@pytest.mark.parametrize("case", read_flag_cases())
def test_flags(case):
    score = score_output(Prompt("any", "creative", "", ()), case.text)
    assert {name: getattr(score, name) for name in case.flags} == case.flags, case.why


def test_every_case_says_why():
    assert all(len(case.why) > 1 for case in (*CASES, *read_flag_cases()))


def test_a_third_of_the_cases_are_real_outputs():
    assert sum(case.real for case in CASES) >= len(CASES) / 3


def test_every_check_has_cases_of_both_kinds():
    for status in (PASS, FAIL):
        assert {c.check for c in CASES if c.verdict == status} == set(CHECKS) - EXECUTING


@pytest.mark.parametrize(
    ("relation", "verdicts"),
    [("eq", "010"), ("lt", "100"), ("le", "110"), ("gt", "001"), ("ge", "011")],
)
def test_relations(relation, verdicts):
    statuses = [
        judge("word " * words, Constraint("word_count", {"relation": relation, "count": 2})).status
        for words in (1, 2, 3)
    ]
    assert statuses == [PASS if verdict == "1" else FAIL for verdict in verdicts]
    assert relation in RELATIONS


@pytest.mark.parametrize(
    ("check", "arguments", "text", "explanation"),
    [
        ("no_such_check", {}, "text", 'no check named "no_such_check"'),
        ("word_count", {}, "text", "the check failed: TypeError"),
        ("word_count", {"relation": "about", "count": 3}, "text", "the check failed: KeyError"),
        ("word_count", {"relation": "eq", "count": 3, "more": 1}, "text", "failed: TypeError"),
        ("response_language", {"language": "en"}, "12 34 !", "too few letters"),
        ("matches_regex", {"what": "it", "pattern": "(a|aa)+$b"}, "a" * 5000, "takes too long"),
        ("ifeval", {"instruction_id": "x", "kwargs": {}}, "text", "the check failed: KeyError"),
    ],
)
def test_what_has_no_verdict_is_an_error_with_its_reason(check, arguments, text, explanation):
    result = judge(text, Constraint(check, arguments))
    assert result.status == "error"
    assert explanation in result.explanation


@pytest.mark.parametrize(
    ("check", "arguments", "defect"),
    [
        ("response_language", {"language": "tlh"}, "'tlh'; allowed: af, ar"),
        ("letter_count", {"letter": "ab", "relation": "ge", "count": 1}, "wanted one character"),
        ("nth_paragraph_starts_with", {"number": 0, "prefix": "a"}, "the first is 1"),
        ("numeric_answer", {"answer": 1, "tolerance": -1}, "wanted 0 or more"),
        ("json_schema", {"schema": {}}, "is empty"),
        ("json_schema", {"schema": {"type": "strin"}}, "is not a JSON Schema"),
        ("json_schema", {"schema": {"$ref": "file:///x"}}, "nothing outside the schema"),
        ("ifeval", {"instruction_id": "x", "kwargs": {}}, "'x' is unknown; allowed: keywords:"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(check, arguments, defect):
    assert defect in (constraint_defect(Constraint(check, arguments)) or "")
