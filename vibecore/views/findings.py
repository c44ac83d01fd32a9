"""Whose claims the Findings page shows, and which of them a study can test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from vibecore.analysis.asked import DUMMY
from vibecore.analysis.claims import CLAIMS, REPORTED, Finding
from vibecore.analysis.claims.evidence import EvidenceRow
from vibecore.analysis.claims.record import NOT_TESTABLE
from vibecore.catalog.models import family_configs
from vibecore.core import formats
from vibecore.core.rows import RunRow
from vibecore.views.short_names import Names

# The family that the published report is about.
FAMILY = "qwen2.5"
ANOTHER_QUESTION = (
    "The sweet spot's rule asks another question, which config needs the least memory of those "
    "fast enough and not shown to be worse, so a claim about 4bit can be open here while a 4bit "
    "config is the sweet spot."
)
FAMILIES_OF_TESTS = (
    "All comparisons of the two models are Holm-adjusted together, and so are all between "
    "precisions of one model; the rule adjusts over its own comparisons with the best config, so "
    "a difference can be resolved there and open here."
)


def in_short(finding: Finding, names: Names) -> Finding:
    """A finding with the names of configs and models in its sentences and evidence made short."""
    return replace(
        finding,
        statement=names.in_text(finding.statement),
        reason=names.in_text(finding.reason),
        evidence=rows_in_short(finding.evidence, names),
    )


def rows_in_short(rows: Iterable[EvidenceRow], names: Names) -> tuple[EvidenceRow, ...]:
    """The same of evidence alone."""
    return tuple(
        replace(
            row,
            compared=names.in_text(row.compared),
            label=names.in_text(row.label) if row.label else row.label,
            figures=names.in_text(row.figures),
        )
        for row in rows
    )


def is_the_reports(runs: Sequence[RunRow]) -> bool:
    """Whether a study is of the published report's own models: the report itself, or its family
    measured again."""
    return _same_architectures(runs) and not any(run.weights == DUMMY for run in runs)


def _same_architectures(runs: Sequence[RunRow]) -> bool:
    reported = {config.model.source for config in family_configs(FAMILY)}
    return bool(runs) and {run.source for run in runs} <= reported


def whose(runs: Sequence[RunRow]) -> str:
    """A sentence or more on whose claims these are, and what they are checked on here."""
    ours = len(CLAIMS) - REPORTED
    return f"{_reported(runs)} The last {ours}, of how far quantisation moves a model, are ours."


def _reported(runs: Sequence[RunRow]) -> str:
    report = f"These are {REPORTED} claims of the published report about its own six configs"
    if any(run.published_prompts for run in runs):
        return f"{report}, checked on the figures that it gives."
    if is_the_reports(runs):
        return f"{report}, checked on outputs of the same models, measured here."
    if _same_architectures(runs):
        return (
            f"{report}. Here they are asked of the same architectures with random weights, so "
            "those of speed and memory alone."
        )
    models = list(dict.fromkeys(run.model for run in runs))
    return (
        f"{report}, Qwen2.5 at 0.5B and 1.5B. Nobody made them about {formats.listed(models)}: "
        "here the same questions are asked of this study, as far as it can answer them."
    )


def testable(
    findings: Sequence[Finding], runs: Sequence[RunRow]
) -> tuple[list[Finding], list[Finding]]:
    """(shown, folded): on the report's own models every claim is shown, on others only those that
    their study can test."""
    own = is_the_reports(runs)
    shown = [one for one in findings if own or one.verdict != NOT_TESTABLE]
    return shown, [one for one in findings if one not in shown]
