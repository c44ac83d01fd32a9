"""Scoring: text in, scores out; pure functions.

A *check* is a function that judges a text; a *constraint* is a check's name with its arguments; a
*verdict* is passed or not, with one sentence that says why.

    suite = load_suite("vibe30")
    score = score_output(suite.prompts[0], "def is_palindrome(s): …", token_ids=[…])
    score.repetition_ratio, score.adherent, score.constraints[0].explanation
"""

from vibecore.scoring.judge import CHECKS, constraint_defect, judge, runs_code
from vibecore.scoring.score import SCORER_VERSION, Score, score_output
from vibecore.scoring.suite import load_suite
from vibecore.scoring.verdict import RELATIONS, Verdict

__all__ = [
    "CHECKS",
    "RELATIONS",
    "SCORER_VERSION",
    "Score",
    "Verdict",
    "constraint_defect",
    "judge",
    "load_suite",
    "runs_code",
    "score_output",
]
