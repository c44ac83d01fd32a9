"""The audit: every rule over a report's file, as a literal table.

A new rule is one function in `quality_rules.py` or `cost_rules.py` and one line here.
"""

from __future__ import annotations

from pathlib import Path

from vibecore.analysis.claims.audit import cost_rules, quality_rules
from vibecore.analysis.claims.audit.record import Note
from vibecore.analysis.claims.audit.report_file import ReportFile, read_report

RULES = (
    quality_rules.possible_figures,
    quality_rules.adherence_level,
    quality_rules.repetition_by_size,
    quality_rules.adherence_by_size,
    quality_rules.precisions_compared,
    quality_rules.empties,
    cost_rules.memory_fall,
    cost_rules.memory_tight,
    cost_rules.bandwidth_ceiling,
    cost_rules.time_per_layer,
    cost_rules.speed_spread,
)


def audit_report(report: ReportFile) -> list[Note]:
    """What every rule says of a report, in the table's order."""
    return [note for rule in RULES for note in rule(report)]


def audit_file(path: Path) -> list[Note]:
    """Audit a report's file. Raises InputError for one that is malformed."""
    return audit_report(read_report(path))
