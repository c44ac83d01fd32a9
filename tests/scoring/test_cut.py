"""What the token limit decided: which verdicts, and whether the answer is adherent."""

from __future__ import annotations

import pytest

from vibecore.catalog.suites import Constraint, Prompt
from vibecore.scoring import judge, score_output

TOO_SHORT = Constraint("word_count", {"relation": "ge", "count": 50})
SHORT_ENOUGH = Constraint("word_count", {"relation": "le", "count": 50})
TOO_LONG = Constraint("word_count", {"relation": "le", "count": 2})
LONG_ENOUGH = Constraint("word_count", {"relation": "ge", "count": 2})
TEXT = "The storm came over the hill and"


def score(*constraints, text=TEXT, finish_reason="length", token_ids=None):
    prompt = Prompt("p", "creative", "Write of a storm.", tuple(constraints))
    return score_output(prompt, text, token_ids, finish_reason=finish_reason)


@pytest.mark.parametrize(
    ("constraints", "adherent", "decided"),
    [
        # A fail: decided by the limit where every failing verdict is.
        ([TOO_SHORT], False, True),
        ([TOO_LONG], False, False),
        ([TOO_SHORT, TOO_LONG], False, False),
        ([TOO_SHORT, LONG_ENOUGH], False, True),
        ([TOO_SHORT, SHORT_ENOUGH], False, True),
        ([TOO_LONG, SHORT_ENOUGH], False, False),
        # A pass: where any passing verdict is.
        ([SHORT_ENOUGH], True, True),
        ([LONG_ENOUGH], True, False),
        ([LONG_ENOUGH, SHORT_ENOUGH], True, True),
        # No verdict on the whole.
        ([], None, False),
        ([TOO_SHORT, Constraint("no_such_check", {})], None, False),
    ],
)
def test_adherence(constraints, adherent, decided):
    found = score(*constraints)
    assert (found.adherent, found.adherent_cut) == (adherent, decided)
    assert not score(*constraints, finish_reason="eos").adherent_cut
    assert not score(*constraints, finish_reason=None).adherent_cut


def test_skipped_constraints_decide_nothing():
    cases = Constraint("code_cases", {"function": "f", "cases": [{"in": [1], "out": 1}]})
    found = score(TOO_SHORT, cases)
    assert [one.cut for one in found.constraints] == [True, False]
    assert found.adherent_cut
    assert found.constraints_cut == 1


@pytest.mark.parametrize(
    ("text", "token_ids"),
    [
        ("on and " * 40, None),
        ("no word comes again", [9, *[1, 2] * 20]),
        ("我喜欢猫。" * 40, None),
        ("\n" * 200, [7] * 200),
    ],
)
def test_what_loops_would_have_gone_on_looping(text, token_ids):
    found = score(TOO_SHORT, SHORT_ENOUGH, text=text, token_ids=token_ids)
    assert found.constraints_cut == 0
    assert not found.adherent_cut


def test_what_stands_whole_above_a_loop_is_judged():
    text = "```python\ndef f():\n    return 1\n\nassert f('" + "aeiou" * 40
    found = score(Constraint("code_parses", {}), text=text, token_ids=[9, *[1, 2] * 20])
    assert found.broken_by
    assert (found.constraints[0].status, found.constraints[0].cut) == ("pass", False)
    assert not score(Constraint("code_parses", {}), text=text, finish_reason="eos").adherent


@pytest.mark.parametrize(
    ("text", "finish_reason"),
    [("", "thinking"), ("", "length"), ("<think>The storm, the hill and", "length")],
)
def test_an_answer_that_had_not_begun_is_decided_by_the_limit(text, finish_reason):
    found = score(TOO_SHORT, Constraint("no_commas", {}), text=text, finish_reason=finish_reason)
    assert (found.empty, found.adherent, found.adherent_cut) == (True, False, True)


def test_an_empty_answer_that_ended_by_itself_is_not():
    assert not score(TOO_SHORT, text="", finish_reason="eos").adherent_cut


PARTS = "a\n***\nb\n***\nc"
JSON = "detectable_format:json_format"
IFEVAL = [
    ("keywords:existence", {"keywords": ["storm"]}, "The hill", True),
    ("keywords:existence", {"keywords": ["storm"]}, "The storm", False),
    ("keywords:frequency", {"keyword": "a", "frequency": 2, "relation": "at least"}, "a", True),
    ("keywords:frequency", {"keyword": "a", "frequency": 1, "relation": "at least"}, "a", False),
    ("keywords:frequency", {"keyword": "a", "frequency": 2, "relation": "less than"}, "a", True),
    ("keywords:frequency", {"keyword": "a", "frequency": 1, "relation": "less than"}, "a", False),
    ("keywords:forbidden_words", {"forbidden_words": ["storm"]}, "A storm", False),
    ("keywords:forbidden_words", {"forbidden_words": ["storm"]}, "A hill", False),
    ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "a b", True),
    ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "a b", True),
    ("length_constraints:number_words", {"num_words": 2, "relation": "less than"}, "a b", False),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, PARTS, True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 4}, PARTS, True),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, PARTS, False),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 3}, "a\n***\n***\nc", False),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a] b", True),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Dear", True),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, "Dear P.S. x", False),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a", True),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "* a", True),
    ("detectable_format:number_bullet_lists", {"num_bullets": 1}, "* a\n* b", False),
    ("detectable_format:constrained_response", {}, "My answer is", True),
    ("detectable_format:constrained_response", {}, "My answer is yes.", False),
    ("detectable_format:title", {}, "<<A sto", True),
    ("detectable_format:title", {}, "<<A storm>> it", False),
    (JSON, {}, '{"a": 1, "b": [2', True),
    (JSON, {}, '```json\n{"a": "x', True),
    (JSON, {}, '{"a": tru', True),
    (JSON, {}, '{"a": -', True),
    (JSON, {}, '{"a": "\\u00', True),
    (JSON, {}, '{"a": 1}', True),
    (JSON, {}, 'Here is: {"a": 1', False),
    (JSON, {}, '{"a": 1} and', False),
    (JSON, {}, "{'a': 1", False),
    ("combination:two_responses", {}, "one\n******\n", True),
    ("combination:two_responses", {}, "one\n******\ntwo", True),
    ("combination:two_responses", {}, "a\n******\nb\n******\nc", False),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it again."}, "Say it", True),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it again."}, "I say", False),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say it"}, "Say it again", False),
    ("startend:end_checker", {"end_phrase": "The end."}, "It goes on", True),
    ("startend:end_checker", {"end_phrase": "The end."}, "The end.", True),
    ("startend:quotation", {}, '"It goes', True),
    ("startend:quotation", {}, '"It goes"', True),
    ("startend:quotation", {}, "It goes", False),
    ("change_case:english_lowercase", {}, "It goes", False),
    ("change_case:english_capital", {}, "12 34", True),
    ("punctuation:no_comma", {}, "a, b", False),
    ("punctuation:no_comma", {}, "a b", False),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "storm"},
        "a\n\nsto",
        True,
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 3, "nth_paragraph": 2, "first_word": "storm"},
        "a\n\nhill is",
        False,
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "storm"},
        "a\n\nstorm b\n\nc",
        False,
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 3, "nth_paragraph": 3, "first_word": "storm"},
        "a\n\nb",
        True,
    ),
    ("keywords:existence", {"keywords": ["storm"]}, " ", True),
]


@pytest.mark.parametrize(("name", "kwargs", "text", "decided"), IFEVAL)
def test_instructions_of_ifeval(name, kwargs, text, decided):
    constraint = Constraint("ifeval", {"instruction_id": name, "kwargs": kwargs})
    whole, cut = judge(text, constraint), judge(text, constraint, cut=True)
    assert (whole.cut, cut.cut) == (False, decided), cut
    assert (whole.status, whole.status_loose) == (cut.status, cut.status_loose)
