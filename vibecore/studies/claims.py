"""Stored studies held against claims and against each other.

Apart from `queries`, because claims and their tests take longer to import than a summary does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vibecore.analysis import Rule, decide
from vibecore.analysis.claims import Finding, StudyData, find_findings
from vibecore.analysis.comparison import Side, StudyComparison, compare
from vibecore.core.errors import InputError
from vibecore.studies.queries import (
    read_bench,
    read_evidence,
    read_outputs,
    read_prompts,
    read_runs,
    read_summary,
)

Row = Mapping[str, Any]


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
    summary = read_summary(db, study)
    decision = decide(read_evidence(db, study), Rule())
    stability = decision.stability
    outcomes: dict[str, dict[str, Row]] = {}
    runs = read_runs(db, study)
    counts_only = {run["config"] for run in runs if run["published_prompts"]}
    for output in read_outputs(db, study):
        if output["config"] not in counts_only:
            outcomes.setdefault(output["config"], {})[output["prompt_id"]] = output
    return StudyData(
        name=study,
        title=summary.study["title"],
        hardware=summary.study["hardware"],
        rows=tuple(summary.rows),
        outcomes=outcomes,
        choice=decision.sweet_spot.config,
        choice_reason=decision.sweet_spot.reason,
        shares=stability.shares if stability else {},
        shares_method=(
            f"{stability.resamples:,} resampled studies: {stability.how}" if stability else ""
        ),
        profiles=_profiles(read_bench(db, study)),
    )


def _profiles(bench: Sequence[Row]) -> dict[str, Sequence[Row]]:
    """By config the profile of its bench (engine/profile.py) by engine `eager`, as the published
    study ran: where engine `graph` spends its time says nothing of bitsandbytes."""
    return {
        result["config"]: result["profile"]
        for result in bench
        if result["engine"] == "eager" and result["profile"]
    }


def _read_side(db: Path, study: str) -> Side:
    summary = read_summary(db, study)
    runs = {row["config"]: row for row in read_runs(db, study)}
    outputs: dict[str, dict[str, Row]] = {}
    for output in read_outputs(db, study):
        if not runs[output["config"]]["published_prompts"]:
            outputs.setdefault(output["config"], {})[output["prompt_id"]] = output
    return Side(
        summary.study,
        {row["config"]: row for row in summary.rows if row["status"] == "complete"},
        runs,
        {row["prompt_id"]: row for row in read_prompts(db, study)},
        outputs,
    )
