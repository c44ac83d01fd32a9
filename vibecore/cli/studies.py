"""`studies`: list the studies of a database; rename, delete or annotate one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from vibecore.cli.base import Database, Format, OutputFormat, app, print_rows, say
from vibecore.core.errors import InputError
from vibecore.core.paths import DEFAULT_DB

studies_app = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
app.add_typer(studies_app, name="studies")

Name = Annotated[str, typer.Argument(help="A study's name; see `studies`.")]


@studies_app.callback()
def studies(
    context: typer.Context, db: Database = DEFAULT_DB, format: OutputFormat = Format.table
) -> None:
    """List the studies of a database; or rename, delete or annotate one."""
    if context.invoked_subcommand is not None:
        # Else a study of another database would be changed than the one that is named.
        source = context.get_parameter_source("db")
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"Give --db after `{context.invoked_subcommand}`.")
        return
    from vibecore.studies.queries import list_studies
    from vibecore.views.terminal import STUDY_COLUMNS

    rows = [{name: getattr(row, name) for name in STUDY_COLUMNS} for row in list_studies(db)]
    print_rows(rows, format, "Studies")


@studies_app.command()
def rename(
    old: Name,
    new: Annotated[str, typer.Argument(help="Its new name.")],
    db: Database = DEFAULT_DB,
) -> None:
    """Give a study another name."""
    from vibecore.live.launch import manage

    say(f"The study '{old}' is now '{manage.rename(db, old, new)}', in {db}.")


@studies_app.command()
def note(
    name: Name,
    text: Annotated[str, typer.Argument(help="What a reader has to know; '' takes it away.")],
    db: Database = DEFAULT_DB,
) -> None:
    """Set the note that is shown with a study."""
    from vibecore.live.launch import manage

    manage.annotate(db, name, text)
    say(f"The study '{name}' has {'this' if text.strip() else 'no'} note now, in {db}.")


@studies_app.command()
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Delete a study with its outputs and scores; asks first."""
    from vibecore.core.formats import counted
    from vibecore.live.launch import manage

    loss = manage.loss_of(db, name)
    if not yes and not _agreed(loss.sentence()):
        say("Nothing was deleted.")
        return
    manage.delete(db, name)
    outputs = counted(loss.outputs, "output")
    say(f"Deleted the study '{name}': {counted(loss.configs, 'config')}, {outputs}, from {db}.")


def _agreed(sentence: str) -> bool:
    """Whether the user says yes at the terminal. Raises InputError where there is none."""
    if not _at_a_terminal():
        raise InputError(f"{sentence} Add --yes to delete it: there is no terminal to ask at.")
    say(f"{sentence} Delete it? [y/N] ", end="")
    try:
        return input().strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _at_a_terminal() -> bool:
    return sys.stdin.isatty()
