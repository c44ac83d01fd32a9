"""What a finding is: a claim, its verdict on one study, and the evidence behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

SUPPORTED = "supported"
NOT_RESOLVED = "not resolved"
CONTRADICTED = "contradicted"
NOT_TESTABLE = "cannot be tested here"
VERDICTS = (SUPPORTED, NOT_RESOLVED, CONTRADICTED, NOT_TESTABLE)


@dataclass(frozen=True)
class Outcome:
    """What a check says of a study: a verdict, the sentence that carries it, its evidence rows
    (see `evidence.py`)."""

    verdict: str
    reason: str
    evidence: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One claim on one study. `chart` names how its evidence is drawn: a key of
    charts.findings.KINDS."""

    id: str
    statement: str
    needs: str
    verdict: str
    reason: str
    evidence: tuple[Row, ...]
    chart: str


def not_testable(why: str) -> Outcome:
    """The outcome of a check whose data are not there."""
    return Outcome(NOT_TESTABLE, why)


def decide(*, supported: bool, contradicted: bool) -> str:
    """A verdict from what the intervals show; what shows neither is not resolved."""
    if contradicted:
        return CONTRADICTED
    return SUPPORTED if supported else NOT_RESOLVED
