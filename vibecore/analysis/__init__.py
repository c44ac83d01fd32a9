"""Pure functions from tables to tables: summary, statistics, sweet spot.

Nothing here imports pandas. NumPy, and the files that are made of it (stability, stats/bootstrap,
stats/equivalence, stats/permutation), are imported only inside functions, so that commands that
need no statistics start without it; the tests check every statistic against scipy.
"""

from vibecore.analysis.decision import (
    Decision,
    Evidence,
    answer,
    decide,
    decision_record,
    gather,
    with_pairs,
)
from vibecore.analysis.outcomes import to_outcomes
from vibecore.analysis.rule import Rule
from vibecore.analysis.stats.exact import wilson_interval
from vibecore.analysis.summary import summarise
from vibecore.analysis.sweet_spot import SweetSpot, find_sweet_spot
from vibecore.analysis.switches import switch_sentences

__all__ = [
    "Decision",
    "Evidence",
    "Rule",
    "SweetSpot",
    "answer",
    "decide",
    "decision_record",
    "find_sweet_spot",
    "gather",
    "summarise",
    "switch_sentences",
    "to_outcomes",
    "wilson_interval",
    "with_pairs",
]
