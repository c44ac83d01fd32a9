"""`rescore`: today's scorers on stored outputs."""

from __future__ import annotations

from vibecore.cli.base import (
    Database,
    ExecuteCode,
    Format,
    OutputFormat,
    StudyName,
    app,
    print_rows,
    say,
)
from vibecore.paths import DEFAULT_DB


@app.command()
def rescore(
    study: StudyName,
    execute_code: ExecuteCode = False,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """Score a study's stored outputs anew, without a model."""
    from vibecore.rescore import rescore as score_again

    rows = score_again(db, study, execute_code=execute_code)
    if not rows:
        say(f"'{study}' holds no output that can be scored.")
    print_rows(rows, format, f"Scores of {study}")
