"""The suite vibe30: its shape, that every prompt can be met, and that none is met by accident."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.scoring.test_sandbox import needs_isolation
from vibecore.catalog.suites import CATEGORIES
from vibecore.scoring import load_suite, score_output
from vibecore.scoring.judge import EXECUTING
from vibecore.scoring.text.sentences import sentences
from vibecore.scoring.text.words import lines

SUITE = load_suite("vibe30")
PROMPTS = {prompt.id: prompt for prompt in SUITE.prompts}
ANSWERS = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "answers_vibe30.yaml").read_text("utf-8")
)
NEAR_MISSES = [
    pytest.param(prompt_id, miss["text"], miss["fails"], id=f"{prompt_id}-{number}")
    for prompt_id, answers in ANSWERS.items()
    for number, miss in enumerate(answers["near_misses"], 1)
]

SENTENCE = "The function should be able to handle strings of any length."
VERSE = "The storm at night brought light and bread to the ocean, because the rain was sour."


JOINTS = {"space": " ", "line": "\n", "blank line": "\n\n", "nothing": ""}


def accidents(text: str) -> dict[str, str]:
    """Outputs that no prompt should be content with; `text` is the prompt's own."""
    words = text.split()
    found = {
        "empty": "",
        "blank": " \n\t \n",
        "zero-width": "\u200b\u2060\ufeff" * 40,
        "newlines": "\n" * 200,
        "words by line": "\n".join(words),
        "words as bullets": "\n".join(f"- {word}" for word in words),
        "words numbered": "\n".join(f"{number}. {word}" for number, word in enumerate(words, 1)),
        "echo": text,
        "echo upper": text.upper(),
        "echo lower": text.lower(),
        "echo fenced": f"```python\n{text}\n```",
        "echo quoted": f'"{text}"',
        "echo cut": text[: len(text) // 2],
    }
    for name, joint in JOINTS.items():
        found[f"echo twice by {name}"] = text + joint + text
        found[f"echo 20 times by {name}"] = joint.join([text] * 20)
        found |= {f"{word!r} looped by {name}": joint.join([word] * 60) for word in set(words)}
    units = ("the", "Answer:", "- item", "1. step", "!", "yes.", "def f(x):", "```")
    return found | loops((*units, SENTENCE, VERSE))


def loops(units: Iterable[str]) -> dict[str, str]:
    """Each unit, two to eight times and as long as an output can be."""
    return {
        f"{unit!r} × {times} by {name}": joint.join([unit] * times)
        for unit in units
        for times in (2, 3, 4, 5, 6, 7, 8, 60)
        for name, joint in JOINTS.items()
    }


def verdicts(score) -> str:
    return "\n".join(f"{r.check}: {r.status}: {r.explanation}" for r in score.constraints)


def test_suite_has_its_published_shape():
    assert (SUITE.name, len(SUITE.prompts)) == ("vibe30", 30)
    counts = Counter(prompt.category for prompt in SUITE.prompts)
    assert counts == {"code": 8, "creative": 8, "reasoning": 7, "instruction": 7}
    assert sum(len(prompt.constraints) for prompt in SUITE.prompts) >= 90
    for prompt in SUITE.prompts:
        assert 2 <= len(prompt.constraints) <= 6, prompt.id
    for category in CATEGORIES:
        ids = [prompt.id for prompt in SUITE.prompts if prompt.category == category]
        assert ids == [f"{category}_{number:03}" for number in range(1, len(ids) + 1)]


def test_code_is_run_in_the_last_constraint_of_every_code_prompt_and_nowhere_else():
    for prompt in SUITE.prompts:
        running = [constraint.check in EXECUTING for constraint in prompt.constraints]
        assert running[-1] is (prompt.category == "code"), prompt.id
        assert not any(running[:-1]), prompt.id


def test_reasoning_prompts_have_a_checked_answer():
    for prompt in SUITE.prompts:
        if prompt.category == "reasoning":
            assert "final_answer" in {constraint.check for constraint in prompt.constraints}


def test_code_001_is_the_published_prompt():
    assert PROMPTS["code_001"].text == (
        "Write a Python function that checks if a string is a palindrome. "
        "Include a docstring and handle empty strings."
    )


def test_answers_cover_the_suite():
    assert list(ANSWERS) == list(PROMPTS)


@pytest.mark.parametrize("prompt_id", PROMPTS)
def test_good_answer_meets_every_constraint(prompt_id):
    text = ANSWERS[prompt_id]["good"]
    score = score_output(PROMPTS[prompt_id], text)
    assert score.adherent is True, verdicts(score)
    assert not score.repetitive
    assert len(text) <= 700, "too long for 200 tokens"


@pytest.mark.parametrize(("prompt_id", "text", "fails"), NEAR_MISSES)
def test_near_miss_fails_what_is_meant(prompt_id, text, fails):
    score = score_output(PROMPTS[prompt_id], text)
    failed = [result.check for result in score.constraints if result.status == "fail"]
    assert failed == fails, verdicts(score)
    assert score.adherent is False


@pytest.mark.parametrize("prompt_id", PROMPTS)
def test_nothing_passes_by_accident(prompt_id):
    prompt = PROMPTS[prompt_id]
    for name, text in accidents(prompt.text).items():
        score = score_output(prompt, text)
        assert score.adherent is False, f"{name}: {text[:80]!r}\n{verdicts(score)}"
        if score.empty:
            assert score.constraints_met == 0
            judged = {r.explanation for r in score.constraints if r.status != "skipped"}
            assert judged == {"the answer is empty"}


@pytest.mark.parametrize("prompt_id", PROMPTS)
def test_a_piece_of_a_good_answer_in_a_loop_is_no_answer(prompt_id):
    good = ANSWERS[prompt_id]["good"]
    pieces = set(lines(good))
    if PROMPTS[prompt_id].category != "code":
        pieces.update(sentences(good))
    for name, text in loops(pieces).items():
        score = score_output(PROMPTS[prompt_id], text)
        assert score.adherent is False, f"{name}\n{verdicts(score)}"


# A good answer with one piece of it replaced: it reads right, and that it does not work is seen
# only when it is run. The piece, its replacement, and what the explanation says.
WRONG_WHEN_RUN = {
    "code_001": ("text[::-1]", "sorted(text, reverse=True)", "is_palindrome('racecar')"),
    "code_002": (
        "        if target",
        "        seen[number] = index\n        if target",
        "two_sum([3, 2, 4], 6): returned [0, 0], wanted [1, 2] or [2, 1]",
    ),
    "code_003": (
        'text.lower() if letter in "aeiou"',
        '"aeiouAEIOU" if letter in text',
        "count_vowels('Hello World'): returned 2, wanted 3",
    ),
    "code_004": (".pop()", ".pop(0)", "Stack().push(1), .push(2), .pop(): returned 1, wanted 2"),
    "code_005": ("n == 0", "n == 1", "factorial(0): raised ValueError (n must not be negative)"),
    "code_006": (" + 1", "", "is_prime(4): returned True, wanted False"),
    "code_007": ("counts.get(word, 0) + 1", "1", "wanted {'one': 2, 'two': 1}"),
    "code_008": ("a / b", "a // b", "safe_divide(10, 4): returned 2, wanted 2.5"),
}
CODE_PROMPTS = [prompt.id for prompt in SUITE.prompts if prompt.category == "code"]


@needs_isolation
@pytest.mark.parametrize("prompt_id", CODE_PROMPTS)
def test_good_code_passes_when_it_is_run(prompt_id):
    score = score_output(PROMPTS[prompt_id], ANSWERS[prompt_id]["good"], execute_code=True)
    assert score.constraints_met == score.constraints_total, verdicts(score)


@needs_isolation
@pytest.mark.parametrize("prompt_id", CODE_PROMPTS)
def test_wrong_code_is_found_out_only_when_it_is_run(prompt_id):
    piece, replacement, reason = WRONG_WHEN_RUN[prompt_id]
    assert piece in ANSWERS[prompt_id]["good"]
    text = ANSWERS[prompt_id]["good"].replace(piece, replacement)
    read = score_output(PROMPTS[prompt_id], text)
    assert read.adherent is True, verdicts(read)
    assert read.constraints[-1].status == "skipped"
    run = score_output(PROMPTS[prompt_id], text, execute_code=True)
    assert run.adherent is False
    assert [r.check for r in run.constraints if r.status == "fail"] == ["code_cases"]
    assert reason in run.constraints[-1].explanation, run.constraints[-1].explanation
