"""What an audit says of one thing in a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

CONTRADICTED = "contradicted"
NOT_CARRIED = "not carried by the figures"
CARRIED = "carried by the figures"
NOT_TESTABLE = "not testable from this file"
VERDICTS = (CONTRADICTED, NOT_CARRIED, CARRIED, NOT_TESTABLE)


@dataclass(frozen=True)
class Note:
    """One rule's word on one matter: a verdict, a sentence with its figures, evidence rows."""

    rule: str
    verdict: str
    sentence: str
    evidence: tuple[Row, ...] = ()
