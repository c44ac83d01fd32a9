"""Constraints are validated by the table of checks when a suite is loaded."""

from __future__ import annotations

import pytest

from vibecore.catalog.suites import Constraint, SuiteError
from vibecore.scoring import CHECKS, constraint_defect, load_suite
from vibecore.scoring.arguments import schema_of
from vibecore.scoring.checks import KINDS
from vibecore.scoring.text.patterns import PATTERN_LIMIT, pattern_defect

SUITE = """\
name: small
title: A small suite
description: One prompt.
prompts:
  - id: only_one
    category: code
    prompt: Write a function.
    constraints:
      - check: code_parses
      - {CONSTRAINT}
"""


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        ("check: wrod_count", r'key "check": "wrod_count" is unknown; allowed: word_count, sent'),
        ("check: word_count, count: 3", r'\(word_count\) key "relation" is missing; the arguments'),
        ("check: word_count, relation: le", 'key "count" is missing'),
        ("check: code_parses, strict: true", 'key "strict" is not an argument .* arguments: none'),
        (
            "check: line_count, x: 2",
            '"x" is not an argument of line_count; its arguments: rel',
        ),
        ("check: word_count, relation: max, count: 3", "'max'; allowed: eq, lt, le, gt, ge"),
        ("check: word_count, relation: [eq], count: 3", r"\['eq'\]; allowed: eq"),
        ("check: word_count, relation: le, count: '3'", "\"count\" is '3', wanted a whole number"),
        ("check: word_count, relation: le, count: 3.0", "is 3.0, wanted a whole number"),
        ("check: word_count, relation: le, count: true", "is True, wanted a whole number"),
        ("check: word_count, relation: le, count: -1", "is -1, wanted a whole number, 0 or more"),
        ("check: word_count, relation: ge, count: 0", 'key "count" ge 0 is always met'),
        ("check: word_count, relation: lt, count: 0", 'key "count" lt 0 is never met'),
        ("check: contains_all, phrases: storm", "is 'storm', wanted a list of texts"),
        ("check: contains_all, phrases: []", "wanted a list of texts, none empty"),
        ("check: contains_all, phrases: [a, '']", "wanted a list of texts, none empty"),
        ("check: contains_all, phrases: [a, a]", "none twice"),
        ("check: one_of, options: [yes, no]", r"\[True, False\], wanted a list of texts"),
        ("check: starts_with, prefix: ''", "is '', wanted text, not empty"),
        ("check: final_answer, answer: 42", "is 42, wanted text, .* in quotes"),
        ("check: letter_case, case: title", "'title'; allowed: upper, lower"),
        ("check: matches_regex, what: x, pattern: '('", 'key "pattern" "\\(" is not a regular exp'),
        ("check: matches_regex, what: x, pattern: 'a*'", "matches the empty text"),
        ("check: matches_regex, what: x, pattern: '(a+)+b'", "inside an unbounded repeat"),
        ("check: mentions_in_code, what: x, patterns: [a, '[']", '"\\[" is not a regular exp'),
    ],
)
def test_each_defect_names_file_prompt_and_key(tmp_path, constraint, message):
    path = tmp_path / "small.yaml"
    path.write_text(SUITE.replace("CONSTRAINT", "check: word_count, relation: eq, count: 0"))
    assert len(load_suite(path).prompts[0].constraints) == 2
    path.write_text(SUITE.replace("CONSTRAINT", constraint), encoding="utf-8")
    with pytest.raises(SuiteError, match=message) as caught:
        load_suite(path)
    assert str(path) in str(caught.value)
    assert 'prompt "only_one", constraint 2' in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "fit"),
    [
        ("a+b", True),
        (r"(?i)\bpacks?\b[^\n]{0,40}\bsix\b", True),
        ("(ab)+", True),
        ("(a|b)+", True),  # read as [ab]
        ("(a{2})+", True),
        ("(a*)*b", False),
        ("(a+){2,}b", False),
        ("(a?)+b", False),
        ("(ab|abc)+d", False),
        ("(?:x(?:a+))*b", False),
        ("^", False),
        ("a{99999999999999}", False),
        ("a" * PATTERN_LIMIT, True),
        ("a" * (PATTERN_LIMIT + 1), False),
    ],
)
def test_patterns(pattern, fit):
    assert (pattern_defect(pattern) is None) is fit


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_of_the_form(name):
    check = CHECKS[name]
    assert check.sentence.endswith(".")
    assert check.kind in KINDS
    defect = constraint_defect(Constraint(name, {"no such argument": 1}))
    assert "no such argument" in defect


def test_a_check_with_a_default_is_refused():
    def lax(text: str, *, count: int = 3):
        return count

    with pytest.raises(TypeError, match="required keyword arguments"):
        schema_of(lax)
