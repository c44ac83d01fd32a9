"""What the data support: `findings`, `audit`, `report`, `compare`."""

from __future__ import annotations

import math
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from vibecore.cli.base import (
    Alpha,
    Database,
    Format,
    KldCap,
    MemoryCap,
    OutputFormat,
    SpeedFloor,
    StudyName,
    app,
    print_rows,
    say,
    say_loss,
    show,
)
from vibecore.core.formats import file_stem
from vibecore.core.paths import DEFAULT_DB

# verdict of a finding -> the audit's word in JSON, which programs read, and in a table
AUDIT_VERDICTS = {
    "supported": ("carried by the figures", "supported by the data"),
    "not resolved": ("not carried by the figures", "not supported by the data"),
    "contradicted": ("contradicted", "contradicted"),
    "cannot be tested here": ("not testable from this file", "not testable from this file"),
}


@app.command()
def findings(
    study: StudyName, db: Database = DEFAULT_DB, format: OutputFormat = Format.table
) -> None:
    """The published report's claims, checked on a study."""
    from vibecore.core.formats import to_json
    from vibecore.studies.claims import read_findings
    from vibecore.studies.queries import read_runs
    from vibecore.views.findings import whose

    found = read_findings(db, study)
    say_loss(db, study)
    say(whose(read_runs(db, study)))
    if format is Format.json:
        show(to_json([bounded(asdict(one)) for one in found]))
        return
    rows = [
        {"id": f.id, "claim": f.statement, "verdict": f.verdict, "because": f.reason} for f in found
    ]
    print_rows(rows, format, f"Findings of {study}")


@app.command()
def audit(
    file: Annotated[Path, typer.Argument(help="A report's aggregates as JSON.")],
    format: OutputFormat = Format.table,
) -> None:
    """Which of a published report's claims its own figures support, from its aggregates alone."""
    from vibecore.analysis.claims import AUDIT, find_findings
    from vibecore.analysis.claims.report_file import read_report
    from vibecore.core.formats import to_json

    found = find_findings(read_report(file), AUDIT)
    if format is Format.json:
        records = [
            {
                "rule": finding.id,
                "verdict": AUDIT_VERDICTS[finding.verdict][0],
                "sentence": finding.reason,
                "evidence": [asdict(row) for row in finding.evidence],
            }
            for finding in found
        ]
        show(to_json(bounded(records)))
        return
    rows = [
        {"rule": f.id, "verdict": AUDIT_VERDICTS[f.verdict][1], "finding": f.reason} for f in found
    ]
    print_rows(rows, format, f"Audit of {file.name}")


@app.command()
def report(
    study: StudyName,
    out: Annotated[
        Path | None,
        typer.Option(
            help="An .html or .md file; an older one is replaced. Default: STUDY-report.html."
        ),
    ] = None,
    vram_gb: MemoryCap = None,
    speed_floor: SpeedFloor = 0.85,
    alpha: Alpha = 0.05,
    kld_cap: KldCap = None,
    db: Database = DEFAULT_DB,
) -> None:
    """Write a study as one self-contained page, or as Markdown."""
    from vibecore.analysis import Rule
    from vibecore.views.report import write_report

    out = out or Path(f"{file_stem(study)}-report.html")
    say_loss(db, study)
    write_report(db, study, out, Rule(vram_gb, speed_floor, alpha, kld_cap))
    show(out)


@app.command()
def compare(
    study: Annotated[list[str], typer.Option(help="Given twice: the first, then the second.")],
    db: Database = DEFAULT_DB,
    other_db: Annotated[
        Path | None, typer.Option("--other-db", help="Where the second study is; default: --db.")
    ] = None,
    format: OutputFormat = Format.table,
) -> None:
    """What changed from one study to another, config by config."""
    from vibecore.analysis.claims.wording import evidence_table
    from vibecore.core.errors import InputError
    from vibecore.core.formats import to_json
    from vibecore.studies.claims import compare_studies

    if len(study) != 2:
        raise InputError("Name two studies: --study A --study B.")
    say_loss(db, study[0])
    say_loss(other_db or db, study[1])
    found = compare_studies(db, study[0], study[1], other_db)
    if format is Format.json:
        show(to_json(bounded(found)))
        return
    rows: list[dict[str, Any]] = (
        [asdict(row) for row in found.rows] if format is Format.csv else evidence_table(found.rows)
    )
    print_rows(rows, format, f"{study[1]} against {study[0]}")
    for sentence in (*(f"Differs: {d}." for d in found.differences), *found.left_out):
        say(sentence)


def bounded(value: Any) -> Any:
    """A record for JSON, which has no infinity: an end that is not bounded is None."""
    from vibecore.core.formats import to_record

    if isinstance(value, dict) or is_dataclass(value):
        value = to_record(value)
        return {name: bounded(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [bounded(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
