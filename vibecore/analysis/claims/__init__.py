"""Claims checked on data: those of the published report on any study, and those of any report on
its own aggregates."""

from vibecore.analysis.claims.record import VERDICTS, Finding
from vibecore.analysis.claims.rules import AUDIT, CLAIMS, REPORTED, find_findings
from vibecore.analysis.claims.study_data import Report, StudyData

__all__ = [
    "AUDIT",
    "CLAIMS",
    "REPORTED",
    "VERDICTS",
    "Finding",
    "Report",
    "StudyData",
    "find_findings",
]
