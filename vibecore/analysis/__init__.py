"""Pure functions from tables to tables: summary, statistics, sweet spot.

A table is a list of dicts. Nothing here imports pandas or scipy, so that `summary` answers in
under a second; the tests check every statistic against scipy.
"""

from vibecore.analysis.statistics import fisher_exact, holm, mcnemar_exact, wilson_interval
from vibecore.analysis.summary import summarise
from vibecore.analysis.sweet_spot import Rule, SweetSpot, find_sweet_spot

__all__ = [
    "Rule",
    "SweetSpot",
    "find_sweet_spot",
    "fisher_exact",
    "holm",
    "mcnemar_exact",
    "summarise",
    "wilson_interval",
]
