"""What the figures carry: `findings`, `audit`, `report`, `compare`."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from vibecore.cli.base import (
    Alpha,
    Database,
    Format,
    MemoryCap,
    OutputFormat,
    SpeedFloor,
    StudyName,
    app,
    print_rows,
    say,
)
from vibecore.core.paths import DEFAULT_DB


@app.command()
def findings(
    study: StudyName, db: Database = DEFAULT_DB, format: OutputFormat = Format.table
) -> None:
    """The published report's claims, checked on a study."""
    from vibecore.core.formats import to_json
    from vibecore.studies.claims import read_findings

    found = read_findings(db, study)
    if format is Format.json:
        print(to_json([bounded(asdict(one)) for one in found]))
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
    """What a published report's figures do not carry, from its aggregates alone."""
    from vibecore.analysis.claims.audit import audit_file
    from vibecore.core.formats import to_json

    notes = audit_file(file)
    if format is Format.json:
        print(to_json([bounded(asdict(note)) for note in notes]))
        return
    rows = [{"rule": n.rule, "verdict": n.verdict, "finding": n.sentence} for n in notes]
    print_rows(rows, format, f"Audit of {file.name}")


@app.command()
def report(
    study: StudyName,
    out: Annotated[Path, typer.Option(help="An .html or .md file; an older one is replaced.")],
    vram_gb: MemoryCap = None,
    speed_floor: SpeedFloor = 0.85,
    alpha: Alpha = 0.05,
    db: Database = DEFAULT_DB,
) -> None:
    """Write a study as one self-contained page, or as Markdown."""
    from vibecore.analysis import Rule
    from vibecore.views.report import write_report

    write_report(db, study, out, Rule(vram_gb, speed_floor, alpha))
    print(out)


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
    found = compare_studies(db, study[0], study[1], other_db)
    if format is Format.json:
        print(to_json(bounded(asdict(found))))
        return
    rows = evidence_table(found.rows) if format is not Format.csv else list(found.rows)
    print_rows(rows, format, f"{study[1]} against {study[0]}")
    for sentence in (*(f"Differs: {d}." for d in found.differences), *found.left_out):
        say(sentence)


def bounded(value: Any) -> Any:
    """A record for JSON, which has no infinity: an end that is not bounded is None."""
    if isinstance(value, dict):
        return {name: bounded(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [bounded(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
