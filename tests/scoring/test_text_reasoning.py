"""Reasoning before an answer is told apart by the text alone, and is not scored."""

from __future__ import annotations

import time

import pytest

from vibecore.catalog.chat import WRITTEN_MARKERS
from vibecore.catalog.suites import Constraint, Prompt
from vibecore.scoring import judge, score_output
from vibecore.scoring.text.reasoning import answer_of, split_reasoning

ANSWERS = [
    ("<think>It is three.</think>Three.", "Three."),
    ("<think>\nIt is three.\n</think>\n\nThree.", "Three."),
    ("\n <think>It is.</think> Three.", "Three."),
    ("\ufeff<think>It is.</think>Three.", "Three."),
    ("<think>\n\n</think>\n\nThree.", "Three."),
    ("<think></think>\n<think>Again.</think>\nThree.", "Three."),
    ("<think>A.</think>\n\n    indented()\nx", "    indented()\nx"),
    ("<think>A.</think>", ""),
    ("<think>It is", ""),
    ("<think>", ""),
    ("<thinking>It is.</thinking>\nThree.", "Three."),
    ("<thought>It is.</thought>\nThree.", "Three."),
    ("[THINK]It is.[/THINK]Three.", "Three."),
    ("◁think▷It is.◁/think▷Three.", "Three."),
    ("<|begin_of_thought|>\n\nIt is.\n\n<|end_of_thought|>\n\nThree.", "Three."),
    # The template had written the opening marker.
    ("It is three.\n</think>\n\nThree.", "Three."),
    ("It is three.</think>Three.", "Three."),
    ("It is three. </think> Three.", "Three."),
    ("So it is 3 </think>\n\nThree.", "Three."),
    ("</think>\n\nThree.", "Three."),
    ("</think>Three.", "Three."),
    ("Of `</think>` later.\n</think>\nThree.", "Three."),
    ("Code:\n```\nx\n```\n</think>\nThree.", "Three."),
    # No reasoning: text about the marker, code, a pair in the middle.
    ("Three.", "Three."),
    ("", ""),
    ("Models write <think> first.", None),
    ("Models end with `</think>` when they reason.", None),
    ("The marker </think> ends reasoning.", None),
    ('{"end": "</think>"}', None),
    ("'<think>' is a marker.", None),
    ("First three. <think>No.</think> Four.", None),
    ("Three.\n<think>\nNo.\n</think>\nFour.", None),
    ("```\n</think>\n```", None),
    ("```xml\n<think>\nA.\n</think>\n```", None),
    ("<thinks>It is.</thinks>", None),
    ("<b>bold</b> text.", None),
]


@pytest.mark.parametrize(("text", "answer"), ANSWERS)
def test_answer(text, answer):
    assert answer_of(text) == (text if answer is None else answer)


@pytest.mark.parametrize("markers", WRITTEN_MARKERS)
def test_every_marker_that_models_write(markers):
    text = f"{markers.opening}Sure, sure.{markers.closing}\n\nThree."
    reasoning, answer = split_reasoning(text)
    assert answer == "Three."
    assert "Sure, sure." in (reasoning or "")


LOUD = "<think>Sure, sure, sure. One. Two! {1}\n\n```python\nx = (\n```\n</think>\n\n"


@pytest.mark.parametrize(
    ("check", "arguments", "answer"),
    [
        ("starts_with", {"prefix": "Three"}, "Three it is."),
        ("sentence_count", {"relation": "eq", "count": 1}, "Three it is."),
        ("word_count", {"relation": "eq", "count": 3}, "Three it is."),
        ("line_count", {"relation": "eq", "count": 1}, "Three it is."),
        ("valid_json_with_keys", {"keys": ["a"]}, '{"a": 3}'),
        ("forbidden_words", {"words": ["sure"]}, "Three it is."),
        ("no_commas", {}, "Three it is."),
        ("ifeval", {"instruction_id": "punctuation:no_comma", "kwargs": {}}, "Three it is."),
    ],
)
def test_no_check_sees_reasoning(check, arguments, answer):
    constraint = Constraint(check, arguments)
    assert judge(answer, constraint).status == "pass"
    assert judge(LOUD + answer, constraint).status == "pass"
    prompt = Prompt("p", "reasoning", "How many?", (constraint,))
    assert score_output(prompt, LOUD + answer).constraints == (judge(answer, constraint),)


def test_no_measure_sees_reasoning():
    prompt = Prompt("p", "reasoning", "How many of these are there in all?", ())
    loud = "<think>How many of these are there in all? " + "On and on. " * 60 + "</think>\n"
    answer = "Three of them, as the list says: a hammer, a saw and a plane."
    assert score_output(prompt, loud + answer) == score_output(prompt, answer)


def test_reasoning_that_never_ends_is_an_empty_answer():
    prompt = Prompt("p", "reasoning", "?", (Constraint("starts_with", {"prefix": "<think>"}),))
    score = score_output(prompt, "<think>" + "On. " * 50, list(range(10)) * 9)
    assert (score.empty, score.words, score.adherent) == (True, 0, False)
    assert score.broken_by == ("empty",)
    assert score.loop_onset is None


def test_token_ids_are_those_of_the_whole_text():
    prompt = Prompt("p", "reasoning", "?", ())
    ids = [1, 2, 3, 4, 5, *[8, 9] * 20]
    score = score_output(prompt, "<think>Abc.</think>" + "on and " * 20, ids)
    assert (score.loop_onset, score.loop_period, score.rep_4) == (5, 2, None)


@pytest.mark.parametrize(
    "text",
    [
        "<think>" * 9000,
        "</think>" * 9000,
        "<think></think>" * 5000,
        "a. </thin" * 9000,
        " " * 50_000 + "</think>",
        "```\n</think>\n" * 5000,
        "<think>" + "\n" * 50_000,
        "`</think>`" * 5000,
        "\ud800</think>\ud800",
    ],
)
def test_bounded_time(text):
    started = time.perf_counter()
    answer_of(text)
    assert time.perf_counter() - started < 1
