"""`rescore`: the current scorers on stored outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

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
    say_loss,
)
from vibecore.core.formats import counted
from vibecore.core.paths import DEFAULT_DB

if TYPE_CHECKING:
    from vibecore.studies.score_changes import Change

STOPPED = (
    "Stopped. Some outputs may have been rescored and others not; run it again to score them all "
    "alike."
)


@app.command()
def rescore(
    study: StudyName,
    changes: Annotated[
        bool, typer.Option("--changes", help="List every verdict and flag that changed.")
    ] = False,
    execute_code: ExecuteCode = False,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """Score a study's stored outputs again, without a model."""
    from vibecore.studies.rescore import rescore as score_again

    # Its checksum is made anew.
    say_loss(db, study)
    found: list[Change] = []
    try:
        with message_when_stopped(lambda: STOPPED):
            rows = score_again(
                db, study, execute_code=execute_code, changes=found if changes else None
            )
    except typer.Exit:
        # What was rescored before it was stopped is not a change to the next rescoring.
        if found:
            print_rows(_listed(found, format), format, f"Changed in {study}")
        raise
    if not rows:
        say(f"'{study}' has no output that can be scored.")
    if not changes:
        print_rows(rows, format, f"Scores of {study}")
        return
    verdicts = sum(one.kind == "verdict" for one in found)
    say(
        f"{counted(verdicts, 'verdict')} and {counted(len(found) - verdicts, 'flag')} of "
        f"'{study}' changed."
    )
    if found or format in (Format.json, Format.csv):
        print_rows(_listed(found, format), format, f"Changed in {study}")


def _listed(changes: list[Change], format: Format) -> list[Any]:
    """Every field for programs; for people what fits a table."""
    if format in (Format.json, Format.csv):
        return list(changes)
    several = any(one.sample for one in changes)
    return [
        {
            "config": one.config,
            "prompt": f"{one.prompt_id}, sample {one.sample}" if several else one.prompt_id,
            "check or flag": one.check,
            "before": one.before,
            "after": f"{one.after}, cut off" if one.cut else one.after,
            "because": one.explanation or one.explanation_before,
        }
        for one in changes
    ]
