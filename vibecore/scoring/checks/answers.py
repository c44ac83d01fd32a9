"""Checks on the final answer of a piece of reasoning."""

from __future__ import annotations

from vibecore.scoring.arguments import Margin
from vibecore.scoring.checks import Check
from vibecore.scoring.text.answers import judge_final_answer, judge_number
from vibecore.scoring.verdict import Verdict


def final_answer(text: str, *, answer: str) -> Verdict:
    """The final answer that the text gives is this one.

    The last statement of the first answer counts: "Answer: 36", "the answer is 36", a heading
    "Answer", \\boxed{36}, <answer>36</answer>, "#### 36". The answer ends where another question
    begins ("Question:", "Q:", "Problem 2", "Human:", a line that asks one), at a chat template's
    token, and after "#### 36". Without a statement: the last number, or the last words; for yes and
    no also the first word. Numbers are compared exactly, in any spelling (1,200 = 1.2e3 = twelve
    hundred, 1/2 = 0.5 = one half, 50% = 50 = 0.5), their unit left out. A range, choice, list or
    bound, root, a time span of two units and what is denied or supposed are no single number; one
    given twice (1/6 ≈ 0.167, 1.5 hours or 90 minutes) counts as either. Words are compared ignoring
    case, article, Markdown and a reason after them ("Ben, because …", "Ben is the …", "The oldest
    is Ben").

    Source: lm-evaluation-harness, task gsm8k: the first "####", and the end at the next question.
    """
    return judge_final_answer(text, answer)


def numeric_answer(text: str, *, answer: float, tolerance: Margin) -> Verdict:
    """The number that the text gives as its answer is within `tolerance` of this one.

    Found and read as by `final_answer`; a percentage is also its hundredth.

    Source: lm-evaluation-harness, task gsm8k: the first "####", and the end at the next question.
    """
    return judge_number(text, answer, tolerance)


CHECKS = (
    Check(final_answer, "reasoning"),
    Check(numeric_answer, "reasoning"),
)
