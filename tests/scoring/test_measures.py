"""Measures of repetition, diversity and garbage; the score of an output; how checks are judged."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecore.catalog.suites import Constraint, Prompt
from vibecore.core.rows import VerdictRow
from vibecore.scoring import CHECKS, Verdict, judge, load_suite, score_output
from vibecore.scoring.measures.characters import character_repetition
from vibecore.scoring.measures.garbage import is_garbage
from vibecore.scoring.measures.loops import LOOP_MINIMUM_TOKENS, find_loop, rep_n
from vibecore.scoring.measures.repetition import distinct, repetition_ratio, zlib_ratio

# The two samples that the published report shows, with its repetition figures 0.73 and 0.17.
PUBLISHED_05B_BF16 = (
    "Additionally, the function should be able to handle strings with special characters and "
    "numbers. The function should also be able to handle strings with mixed case letters and "
    "numbers. "
    + " ".join(
        f"The function should be able to handle strings with a maximum length of {10**power} "
        "characters."
        for power in range(2, 9)
    )
    + " The function should be able to handle strings with a maximum length of"
)
PUBLISHED_15B_4BIT = '''\
Certainly! Here's a Python function that checks if a string is a palindrome, along with a \
docstring and an example of how to use it:
```python
def is_palindrome(s):
"""
Check if a string is a palindrome.
Parameters:
s (str): The string to check.
Returns:
bool: True if the string is a palindrome, False otherwise.
"""
# Remove any leading or trailing whitespace
s = s.strip()
# Check if the string is empty
if len(s) == 0:
return True
# Reverse the string
reversed_s = s[::-1]
# Check if the string is equal to its reverse
if s == reversed_s:
return True
else:
return False
```'''
PALINDROME = load_suite("vibe30").prompts[0]
PLAIN = Prompt("plain", "creative", "Write.", ())


def test_published_samples():
    looping = score_output(PALINDROME, PUBLISHED_05B_BF16)
    assert round(looping.repetition_ratio, 3) == 0.726
    assert (looping.repetitive, looping.constraints_met, looping.constraints_total) == (True, 0, 5)
    assert looping.constraints_judged == 4
    assert looping.adherent is False
    fine = score_output(PALINDROME, PUBLISHED_15B_4BIT)
    assert round(fine.repetition_ratio, 3) == 0.173
    assert fine.repetitive is False
    # Its indentation was lost in publication: it does not parse, but it tests for "".
    statuses = [result.status for result in fine.constraints]
    assert statuses == ["fail", "fail", "fail", "pass", "skipped"]
    assert "expected an indented block" in fine.constraints[0].explanation


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        ("", 0.0),
        ("word", 0.0),
        ("a b", 0.0),
        ("a a a", 0.5),
        ("a A a A", pytest.approx(1 / 3)),
        ("a b\n\ta   b", pytest.approx(1 / 3)),
        ("a " * 101, 0.99),
    ],
)
def test_repetition_ratio(text, ratio):
    assert repetition_ratio(text) == ratio


def test_repetitive_cut_is_an_argument():
    assert score_output(PLAIN, "a a a").repetitive is True
    assert score_output(PLAIN, "a a a", repetitive_at=0.51).repetitive is False


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [("", None, None), ("a", 1.0, 0.0), ("a b a b", 0.5, 0.5), ("a b c d", 1.0, 0.75)],
)
def test_distinct_is_over_total_words(text, first, second):
    assert (distinct(text, 1), distinct(text, 2)) == (first, second)


def test_zlib_ratio():
    assert zlib_ratio("") is None
    assert zlib_ratio("a") < 1
    assert zlib_ratio(PUBLISHED_05B_BF16) > 2.4
    assert zlib_ratio(PUBLISHED_15B_4BIT) < 2.4
    assert zlib_ratio("\ud800") > 0


@pytest.mark.parametrize(
    ("text", "garbage"),
    [
        ("word " * 49, None),
        ("word " * 50, False),
        ("word " * 40 + "?! " * 10, False),
        ("word " * 39 + "?! " * 11, True),
        # A solution in algebra is not garbage, nor is a table of numbers.
        ("word " * 50 + r"\( 26 = 2 \times (8 + x) \) " * 3, False),
        ("word " * 50 + "12 3.5 % " * 50, False),
        ("12 3.5 % " * 50, None),
        ("ab " * 50, True),
        ("abc " * 50, False),
        ("abcdefghij " * 50, False),
        ("abcdefghijk " * 50, True),
        ("word " * 50 + "\ufffd", True),
        ("§§§§ " * 60, True),
    ],
)
def test_garbage(text, garbage):
    assert is_garbage(text) is garbage
    assert score_output(PLAIN, text).garbage is garbage


def test_code_is_never_garbage():
    code = "```python\n" + "x = 1\n" * 60 + "```"
    assert is_garbage(code) is True
    assert score_output(PLAIN, code).garbage is None


@pytest.mark.parametrize(
    ("token_ids", "rep"),
    [([], None), ([1, 2, 3], None), ([1, 2, 3, 4], 0.0), ([1] * 7, 0.75), ([1, 2] * 4, 0.6)],
)
def test_rep_4(token_ids, rep):
    assert rep_n(token_ids) == (rep if rep is None else pytest.approx(rep))


START = list(range(100, 150))


@pytest.mark.parametrize(
    ("token_ids", "onset", "period"),
    [
        ([], None, None),
        (START, None, None),
        ([7] * (LOOP_MINIMUM_TOKENS - 1), None, None),
        ([7] * LOOP_MINIMUM_TOKENS, 0, 1),
        ([*START, *[7] * 16], 50, 1),
        ([*START, *[7] * 15], None, None),
        ([*START, *[1, 2, 3, 4, 5] * 4], 50, 5),
        ([*START, *[1, 2, 3, 4, 5] * 3], None, None),  # three turns, but 15 tokens
        ([*START, *list(range(6)) * 3], 50, 6),
        ([*START, *list(range(6)) * 3, 0, 1], 50, 6),  # the last turn cut short
        ([*START, *list(range(6)) * 2, *range(5)], None, None),  # not quite three turns
        ([*START, *list(range(40)) * 3], 50, 40),
        ([*START, 9, *[8, 9] * 10], 50, 2),  # the token before is part of the period
        ([*[7] * 40, *START], None, None),  # a loop that ended
    ],
)
def test_find_loop(token_ids, onset, period):
    score = score_output(PLAIN, "x", token_ids)
    assert (score.loop_onset, score.loop_period) == (onset, period)


def loop_by_definition(token_ids):
    """The same by trying every start and period."""
    length = len(token_ids)
    for onset in range(length):
        for period in range(1, (length - onset) // 3 + 1):
            tail = token_ids[onset:]
            if len(tail) >= LOOP_MINIMUM_TOKENS and tail[period:] == tail[:-period]:
                return onset, period
    return None


TOKENS = st.lists(st.integers(0, 2), max_size=12)


@given(TOKENS, st.lists(st.tuples(TOKENS, st.integers(0, 8), st.integers(0, 12)), max_size=3))
def test_find_loop_agrees_with_its_definition(token_ids, tails):
    for turn, turns, rest in tails:
        # Loops of loops too: all that stands there so far comes again.
        turn = turn or token_ids[-20:]
        token_ids = token_ids + turn * turns + turn[:rest]
    loop = find_loop(token_ids)
    assert (loop and (loop.onset, loop.period)) == loop_by_definition(token_ids)


@given(st.text("ab", max_size=9), st.text("abc 1", max_size=60), st.floats(0, 1))
def test_repeated_runs_of_characters_agree_with_their_definition(turn, text, at_least):
    text = turn * 4 + text
    read = "".join(text.split())
    runs = [read[start : start + 8] for start in range(len(read) - 7)]
    found = character_repetition(text, at_least)
    # Numbers that count are read as one.
    share = 1 - len(set(runs)) / len(runs) if runs and "1" not in text else found
    assert found == pytest.approx(share) or (found < at_least and share < at_least)


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b", "\ufeff\u2060", "\x00\x07", "\u3164", "\u2800 \ufe0f", "\u00ad"]
)
def test_invisible_answers_are_empty_and_fail_everything(text):
    score = score_output(PALINDROME, text)
    assert (score.empty, score.words, score.lines, score.constraints_met) == (True, 0, 0, 0)
    lenient = Constraint("forbidden_words", {"words": ["x"]})
    assert judge(text, lenient).explanation == "the answer is empty"


@pytest.mark.parametrize("text", [".", "é", "中", "🙂", "\u200bx"])
def test_visible_answers_are_not_empty(text):
    assert score_output(PLAIN, text).empty is False


def test_an_exception_in_a_check_is_an_error_not_a_verdict(monkeypatch):
    def broken(text: str) -> Verdict:
        raise RuntimeError("the\ncheck broke")

    check = replace(CHECKS["code_parses"], function=broken)
    monkeypatch.setitem(CHECKS, "code_parses", check)
    score = score_output(PALINDROME, "def f(s): return not s")
    assert score.constraints[0].status == "error"
    assert score.constraints[0].explanation == "the check failed: RuntimeError: the check broke"
    assert score.adherent is None
    assert (score.constraints_met, score.constraints_total) == (2, 5)


def test_loose_totals_count_loose_statuses():
    for statuses, met, adherent in (
        ([], None, None),
        ([("pass", None), ("fail", None)], None, None),
        ([("fail", "pass"), ("pass", "pass")], 2, True),
        ([("fail", "pass"), ("fail", "fail")], 1, False),
        # A constraint beside the instructions has one reading only.
        ([("fail", "pass"), ("pass", None)], 2, True),
        ([("fail", "pass"), ("fail", None)], 1, False),
        ([("fail", "pass"), ("error", None)], 1, None),
    ):
        results = [VerdictRow("ifeval", {}, strict, loose, "") for strict, loose in statuses]
        score = replace(score_output(PLAIN, "text"), constraints=tuple(results))
        assert (score.constraints_met_loose, score.adherent_loose) == (met, adherent), statuses


def test_counts_and_what_is_absent_without_token_ids_and_constraints():
    score = score_output(PLAIN, "One two.\n\n- Three -\n")
    assert (score.words, score.characters, score.sentences, score.lines) == (3, 20, 2, 2)
    assert (score.rep_4, score.loop_onset, score.adherent) == (None, None, None)
