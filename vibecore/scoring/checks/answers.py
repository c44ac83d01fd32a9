"""Checks on the final answer of a piece of reasoning."""

from __future__ import annotations

from vibecore.scoring.arguments import Margin
from vibecore.scoring.checks import Check
from vibecore.scoring.text.answers import judge_final_answer, judge_number
from vibecore.scoring.verdict import Verdict


def final_answer(text: str, *, answer: str) -> Verdict:
    """The last answer stated is this one, numbers compared as numbers.

    `vibecore.scoring.text.answers` says how the statement is found and compared.
    """
    return judge_final_answer(text, answer)


def numeric_answer(text: str, *, answer: float, tolerance: Margin) -> Verdict:
    """The last answer stated, or else the last number, is within `tolerance` of this one."""
    return judge_number(text, answer, tolerance)


CHECKS = (
    Check(final_answer, "reasoning"),
    Check(numeric_answer, "reasoning"),
)
