"""What a published report's figures do not carry, found from its aggregates alone."""

from vibecore.analysis.claims.audit.record import VERDICTS, Note
from vibecore.analysis.claims.audit.report_file import ReportFile, read_report
from vibecore.analysis.claims.audit.rules import RULES, audit_file, audit_report

__all__ = [
    "RULES",
    "VERDICTS",
    "Note",
    "ReportFile",
    "audit_file",
    "audit_report",
    "read_report",
]
