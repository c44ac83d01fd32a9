"""Stored studies checked against claims and compared with each other.

Apart from `queries`, because claims and their tests take longer to import than a summary does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from vibecore.analysis import Rule, decide
from vibecore.analysis.claims import Finding, StudyData, find_findings
from vibecore.analysis.comparison import Side, StudyComparison, compare
from vibecore.core.errors import InputError
from vibecore.core.rows import OutputRow, Outputs, RunRow
from vibecore.studies.queries import (
    read_all_outputs,
    read_bench,
    read_evidence,
    read_fidelity,
    read_prompts,
    read_runs,
    read_summary,
)


def read_findings(db: Path, study: str) -> list[Finding]:
    """Every claim checked on a stored study. Raises InputError for one that does not exist."""
    return find_findings(read_study_data(db, study))


def compare_studies(
    db: Path, first: str, second: str, other_db: Path | None = None
) -> StudyComparison:
    """Compare study `second` (in `other_db`, else in `db`) with study `first`.

    Raises InputError for an unknown study, for one study with itself,
    and where no config is in both.
    """
    other = other_db or db
    if first == second and other.resolve() == db.resolve():
        raise InputError(f"'{first}' is compared with itself. Name two studies.")
    return compare(_read_side(db, first), _read_side(other, second))


def read_study_data(db: Path, study: str) -> StudyData:
    """A stored study as the claims see it. Raises InputError for one that does not exist."""
    outputs = read_all_outputs(db, study, "Checking claims")
    decision = decide(read_evidence(db, study), Rule())
    spot, stability = decision.sweet_spot, decision.stability
    reason = spot.reason
    if spot.leading:
        reason = f"{spot.config or 'No config'} is leading so far. {' '.join(spot.missing)}"
    summary = read_summary(db, study)
    return StudyData(
        tuple(summary.rows),
        outcomes=_by_config(outputs, read_runs(db, study)),
        choice=spot.config,
        choice_reason=reason,
        shares=stability.shares if stability else {},
        shares_method=(
            f"{stability.resamples:,} resampled studies: {stability.how}" if stability else ""
        ),
        hardware=summary.study.hardware,
        # Of engine `eager`, as the published study ran: where engine `graph` spends its time says
        # nothing about bitsandbytes.
        profiles={
            result["config"]: result["profile"]
            for result in read_bench(db, study)
            if result["engine"] == "eager" and result["profile"]
        },
        fidelity=read_fidelity(db, study),
    )


def _by_config(outputs: Iterable[OutputRow], runs: Iterable[RunRow]) -> Mapping[str, Outputs]:
    """Outputs by config, but of configs whose published counts are over more."""
    counts_only = {run.config for run in runs if run.published_prompts}
    found: dict[str, dict[tuple[str, int], OutputRow]] = {}
    for output in outputs:
        if output.config not in counts_only:
            found.setdefault(output.config, {})[output.prompt_id, output.sample] = output
    return found


def _read_side(db: Path, study: str) -> Side:
    summary, runs = read_summary(db, study), read_runs(db, study)
    return Side(
        summary.study,
        {row.config: row for row in summary.rows if row.status == "complete"},
        {run.config: run for run in runs},
        {prompt.prompt_id: prompt for prompt in read_prompts(db, study)},
        _by_config(read_all_outputs(db, study, "Comparing studies"), runs),
    )
