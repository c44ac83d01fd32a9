"""The published report's claims, checked on any study: what holds, and what its data carry."""

from vibecore.analysis.claims.claims import CLAIMS, find_findings
from vibecore.analysis.claims.record import VERDICTS, Finding
from vibecore.analysis.claims.study_data import StudyData

__all__ = [
    "CLAIMS",
    "VERDICTS",
    "Finding",
    "StudyData",
    "find_findings",
]
