"""What needs no study: `score` and `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vibecore.cli.base import ExecuteCode, Format, OutputFormat, app, print_rows, say
from vibecore.core.errors import InputError


@app.command()
def score(
    suite: Annotated[str, typer.Option(help="Suite name, YAML file or IFEval JSONL.")],
    responses: Annotated[Path, typer.Option(help="JSONL with prompt_id and text a row.")],
    format: Annotated[str, typer.Option("--format", help="jsonl, json, csv or md.")] = "jsonl",
    execute_code: ExecuteCode = False,
) -> None:
    """Score outputs made elsewhere."""
    from vibecore.studies.responses import (
        SCORE_FORMATS,
        IfevalCounts,
        Repeats,
        score_responses,
        write_scores,
    )

    if format not in SCORE_FORMATS:
        raise InputError(f"--format must be one of {', '.join(SCORE_FORMATS)}, not '{format}'.")
    rows = score_responses(suite, responses, execute_code=execute_code)
    counts = IfevalCounts()
    repeats = Repeats()
    write_scores(repeats.passing(counts.passing(rows)), format)
    if again := repeats.sentence():
        say(again)
    if accuracies := counts.sentence():
        say(accuracies)


@app.command()
def doctor(format: OutputFormat = Format.table) -> None:
    """What this machine can run, and why not."""
    from vibecore.studies.doctor import examine

    print_rows(examine(), format, "This machine")
