"""`rescore`: the current scorers on stored outputs."""

from __future__ import annotations

from vibecore.cli.base import (
    Database,
    ExecuteCode,
    Format,
    OutputFormat,
    StudyName,
    app,
    message_when_stopped,
    print_rows,
    say,
)
from vibecore.core.paths import DEFAULT_DB

STOPPED = (
    "Stopped. Some outputs may have been rescored and others not; run it again to score them all "
    "alike."
)


@app.command()
def rescore(
    study: StudyName,
    execute_code: ExecuteCode = False,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """Score a study's stored outputs again, without a model."""
    from vibecore.studies.rescore import rescore as score_again

    with message_when_stopped(lambda: STOPPED):
        rows = score_again(db, study, execute_code=execute_code)
    if not rows:
        say(f"'{study}' has no output that can be scored.")
    print_rows(rows, format, f"Scores of {study}")
