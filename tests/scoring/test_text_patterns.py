"""Patterns of suites: bounded by their form, or stopped."""

from __future__ import annotations

import re
import time

import pytest

from vibecore.scoring.text.patterns import _compiled, find_all, search
from vibecore.scoring.verdict import Undecided


@pytest.mark.parametrize(
    ("pattern", "bounded"),
    [
        ("storm", True),
        (r"\bC++\b", True),
        (r"\s?Section\s?\d+\s?", True),
        (r"[ab]{2,9}c", True),
        ("colou?r|gr[ae]y", True),
        ("a+b", False),
        ("(ab)+", False),
        (r"^\s*x", False),
        ("(?:a{0,40}){0,40}b", False),
        ("(?:a|aa){0,40}b", False),
        ("((x*))y", False),
    ],
)
def test_which_engine_a_pattern_goes_through(pattern, bounded):
    assert _compiled(pattern, 0)[1] is bounded


@pytest.mark.parametrize("pattern", ["a+b", "(?:a|aa)+b", "(?:a{0,40}){0,40}b"])
def test_a_slow_pattern_is_stopped(pattern):
    start = time.process_time()
    try:
        assert search(pattern, "a" * 20_000 + "c") is None
    except Undecided as undecided:
        assert pattern in str(undecided)
    assert time.process_time() - start < 1


def test_matches_are_those_of_re():
    for pattern in ("a+b", r"\w+ing", "st?o.*m", r"(?:ab)+"):
        text = "a storming aab ababab, STORM ing"
        for flags in (0, re.IGNORECASE):
            ours = [match[0] for match in find_all(pattern, text, flags)]
            assert ours == [match[0] for match in re.finditer(pattern, text, flags)]
            assert search(pattern, text, flags)[0] == re.search(pattern, text, flags)[0]
