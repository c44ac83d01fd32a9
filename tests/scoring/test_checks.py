"""Every check, by rows: a text, the arguments, the verdict and what the explanation says."""

from __future__ import annotations

import pytest

from tests.support.check_rows import FAIL, PASS, TABLE, count
from vibecore.catalog.suites import Constraint
from vibecore.scoring import CHECKS, RELATIONS, constraint_defect, judge
from vibecore.scoring.judge import EXECUTING

ROWS = [(check, *row) for check, rows in TABLE.items() for row in rows]


@pytest.mark.parametrize(
    ("check", "arguments", "text", "status", "explanation"),
    ROWS,
    ids=[f"{number}-{row[0]}" for number, row in enumerate(ROWS)],
)
def test_check(check, arguments, text, status, explanation):
    constraint = Constraint(check, arguments)
    assert constraint_defect(constraint) is None
    result = judge(text, constraint)
    assert (result.status, result.check, result.arguments) == (status, check, arguments), result
    assert explanation in result.explanation


def test_every_check_has_rows_of_both_kinds():
    for status in (PASS, FAIL):
        assert {row[0] for row in ROWS if row[3] == status} == set(CHECKS) - EXECUTING


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
        ("letter_count", {"letter": "ab", **count("ge", 1)}, "wanted one character"),
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
