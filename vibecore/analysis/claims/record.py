"""What a finding is: a claim, its verdict on one study, and the evidence behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from vibecore.analysis.claims.evidence import EvidenceRow

SUPPORTED = "supported"
NOT_RESOLVED = "not resolved"
CONTRADICTED = "contradicted"
NOT_TESTABLE = "cannot be tested here"
VERDICTS = (SUPPORTED, NOT_RESOLVED, CONTRADICTED, NOT_TESTABLE)

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """What a check finds in a study: a verdict, the sentence it rests on, its evidence."""

    verdict: str
    reason: str
    evidence: tuple[EvidenceRow, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One claim on one study. `chart` is the kind of evidence that is drawn, a key of
    charts.findings.KINDS; empty for what is not drawn."""

    id: str
    statement: str
    needs: str
    verdict: str
    reason: str
    evidence: tuple[EvidenceRow, ...]
    chart: str


class NotTestable(Exception):
    """A study lacks the data that a check takes; the message says which, where the check's
    `needs` does not."""


def need(value: T | None, why: str = "") -> T:
    """A value that a check cannot do without. Raises NotTestable where it is empty or None."""
    if not value:
        raise NotTestable(why)
    return value


def decide(*, supported: bool, contradicted: bool) -> str:
    """A verdict from what the intervals show; what shows neither is not resolved."""
    if contradicted:
        return CONTRADICTED
    return SUPPORTED if supported else NOT_RESOLVED
