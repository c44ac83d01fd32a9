"""`inspect`: what a checkpoint is, before it is run."""

from __future__ import annotations

from typing import Annotated

import typer

from vibecore.cli.base import Format, app, print_rows, say, show
from vibecore.core.errors import InputError

FORMATS = ("table", "json")


@app.command()
def inspect(
    model: Annotated[
        str, typer.Argument(help="A hub id, a folder, a .gguf file or a model such as 0.5B.")
    ],
    revision: Annotated[
        str | None, typer.Option(help="A branch, tag or commit, of a hub id.")
    ] = None,
    format: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """What a checkpoint is before it is run: what asks it, what stops it, what can run it."""
    from vibecore.core.formats import to_json
    from vibecore.studies.inspect import inspect_model

    if format not in FORMATS:
        raise InputError(f"--format must be one of {', '.join(FORMATS)}, not '{format}'.")
    found = inspect_model(model, revision)
    if format == "json":
        show(to_json(found))
    else:
        from vibecore.views.inspection import fit_heading, fit_rows, inspection_rows, verdict
        from vibecore.views.terminal import print_heading, print_text

        print_rows(inspection_rows(found), Format.table, found.model)
        if found.rendered_prompt is not None:
            print_heading("A prompt as the model reads it")
            print_text(found.rendered_prompt)
        if rows := fit_rows(found):
            print_heading(fit_heading(found))
            print_rows(rows, Format.table)
        say(verdict(found))
    if not found.can_run:
        raise typer.Exit(2)
