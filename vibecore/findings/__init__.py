"""The published report's claims, checked on any study: what holds, and what its data carry."""

from vibecore.findings.claims import CLAIMS, find_findings, read_findings
from vibecore.findings.record import VERDICTS, Finding
from vibecore.findings.study_data import StudyData, read_study_data

__all__ = [
    "CLAIMS",
    "VERDICTS",
    "Finding",
    "StudyData",
    "find_findings",
    "read_findings",
    "read_study_data",
]
