"""The final answer: which one counts, and when two answers are the same."""

from __future__ import annotations

import pytest

from vibecore.scoring.text.answers import judge_final_answer
from vibecore.scoring.text.statements import stated_answer


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("Answer: 5", "5"),
        ("answer : 5 km", "5 km"),
        ("**Answer:** 5", "5"),
        ("**Answer**: 5", "5"),
        ("The answer is 5.", "5."),
        ("The final answer is: 5", "5"),
        ("The correct answer = 5", "5"),
        ("Answer:\n5", "5"),
        ("so \\boxed{5} follows", "5"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{5", "5"),
        ("#### 72", "72"),
        ("Answer: 5\nAnswer: 6", "6"),
        ("Answer: 5, or \\boxed{6}", "6"),
        ("Answer:", ""),
        ("I will answer in 5 minutes", None),
        ("the answers: many", None),
        ("no statement, 5", None),
    ],
)
def test_stated_answer(text, stated):
    assert stated_answer(text) == stated


@pytest.mark.parametrize(
    ("text", "wanted", "passed"),
    [
        ("Answer: 36", "36", True),
        ("Answer: 36.0 apples", "36", True),
        ("Answer: $1,200.50", "1200.5", True),
        ("Answer: about 50%", "50", True),
        ("Answer: 1/2", "0.5", True),
        ("Answer: \\frac{1}{2}", "0.5", True),
        ("Answer: −5 degrees", "-5", True),
        ("Answer: 5", "-5", False),
        ("Answer: x = 4 + 5 = 9", "9", True),
        ("Answer: 36 (3 × 12)", "36", True),
        ("Answer: 2 + 3 = 5 and 7", "5", True),
        ("Answer: a = b, so 4", "4", True),
        ("Answer: 1200", " 1,200 ", True),
        ("Answer: -0.5", "-.5", True),
        ("Answer: 5.0", "$5", True),
        ("Answer: 50.0", "50%", True),
        ("Answer: seven", "7", True),
        ("Answer: 360", "36", False),
        ("Answer: H2O", "2", False),
        ("Answer: <number>", "36", False),
        ("Answer: ", "36", False),
        ("Answer: 36\nBut then the answer is 37", "36", False),
        ("12 × 3 = 36", "36", True),
        ("36, which is 12 × 3", "36", False),
        ("no number", "36", False),
        ("Answer: " + "9" * 5000, "36", False),
        ("Answer: 1/0", "36", False),
        ("Answer: Ben", "Ben", True),
        ("Answer: **ben.**", "Ben", True),
        ("Answer: Ben, because he is taller", "Ben", True),
        ("Answer: Ben because he is taller", "Ben", True),
        ("Answer: Benjamin", "Ben", False),
        ("Answer: Anna or Ben", "Ben", False),
        ("Answer: the oak", "oak", True),
        ("Answer: \\text{no}", "no", True),
        ("Answer: No one", "no", False),
        ("Answer: Dr. Jones", "Dr. Smith", False),
        ("Answer: Dr. Smith", "Dr. Smith", True),
        ("Answer: 3:45", "3:45", True),
        ("It must be Ben.", "Ben", True),
        ("Ben it must be.", "Ben", False),
        ("yes", "yes", True),
    ],
)
def test_final_answer(text, wanted, passed):
    verdict = judge_final_answer(text, wanted)
    assert verdict.passed is passed, verdict.explanation
    assert wanted in verdict.explanation
    assert "\n" not in verdict.explanation


@pytest.mark.parametrize(
    ("text", "wanted", "explanation"),
    [
        ("Answer: 48", "36", 'the stated answer is "48", wanted 36'),
        ("It is 48 now", "36", 'no answer is stated; the last number is "48", wanted 36'),
        ("It is Tom", "Ben", 'no answer is stated; the end is "Tom", wanted Ben'),
        ("nothing", "36", "no answer is stated and there is no number, wanted 36"),
        ("Answer: .", "36", "the stated answer is blank, wanted 36"),
    ],
)
def test_explanations(text, wanted, explanation):
    assert judge_final_answer(text, wanted).explanation == explanation


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("### Answer\n\n**36**", "36**"),
        ("<answer> 36 </answer>", "36"),
        ("#### 13\n#### 3", "13"),
        ("#### Step 1: Find it\nIt is 5.", None),
        ("The answer is found by adding.", None),
        ("x = \\boxed{2} or x = \\boxed{3}", "2 or 3"),
        ("Answer: 1\n\nQuestion: 2?\nAnswer: 3", "1"),
        ("Answer: 1\n\nWhat is the sum of two?\nAnswer: 3", "1"),
        ("Answer: 1\n\nIs that right? No.\nAnswer: 3", "3"),
        ("Answer: 1<|im_end|>Answer: 3", "1"),
        ("Question: 2?\nAnswer: 1\n\nQuestion: 2?\nAnswer: 3", "1"),
        ("Answer: 1. Wait, it should be 2.", "2."),
        ("Answer: 36\nAnswer:", "36"),
        ("The form is 'Answer:' and more", None),
        ('Answer: 36, as "Answer: <number>" asks', '36, as "Answer: <number>" asks'),
        ("To answer the question, what is 5?", None),
        ("The next number in the sequence is 42.", None),
    ],
)
def test_which_statement_counts(text, stated):
    assert stated_answer(text) == stated
