"""`bench`: speed and memory alone; `import`: a bench's report, or another machine's study, into a
database."""

from __future__ import annotations

import os
import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vibecore.cli.base import (
    Database,
    OwnModels,
    Precisions,
    ShortNames,
    app,
    listed,
    message_when_stopped,
    say,
    show,
)
from vibecore.core.errors import InputError, RunError
from vibecore.core.paths import DEFAULT_DB, given_path, write_whole

if TYPE_CHECKING:
    from vibecore.store import Joined


class ReportFormat(StrEnum):
    """How a report is printed."""

    table = "table"
    json = "json"
    md = "md"


@app.command()
def bench(
    family: Annotated[
        list[str] | None, typer.Option(help="A family of configs; repeatable. See docs/configs.md.")
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option(help="A config such as 0.5B-4bit; repeatable.")
    ] = None,
    model: OwnModels = None,
    precision: Precisions = None,
    name: ShortNames = None,
    engine: Annotated[
        list[str] | None, typer.Option(help="eager or graph [eager]; repeatable.")
    ] = None,
    weights: Annotated[str, typer.Option(help="hub, dummy or a folder.")] = "hub",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    prompt_tokens: Annotated[int, typer.Option(help="Length of the synthetic prompt.")] = 64,
    new_tokens: Annotated[int, typer.Option(help="Tokens to decode.")] = 200,
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Sequences decoded together [1]; repeatable.")
    ] = None,
    repetitions: Annotated[int, typer.Option(help="Timed repetitions of everything.")] = 5,
    seconds: Annotated[
        float | None, typer.Option(help="Begin no repetition that would end later than this.")
    ] = None,
    no_llama_bench: Annotated[
        bool, typer.Option("--no-llama-bench", help="Leave out llama-bench's pp512 and tg128.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="Profile one decode step by layer and kernel.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Write the report here, as JSON.")] = None,
    format: Annotated[
        ReportFormat, typer.Option("--format", help="How to print the report.")
    ] = ReportFormat.table,
) -> None:
    """Measure speed and memory of configs, without scoring and without a database."""
    from vibecore.core import formats
    from vibecore.studies.bench import report as tables
    from vibecore.studies.bench.choose import Options, choose
    from vibecore.studies.bench.measure import run_bench
    from vibecore.views.terminal import print_table

    chosen = choose(
        Options(
            families=listed(family),
            configs=listed(config),
            models=tuple(model or ()),
            names=tuple(name or ()),
            precisions=listed(precision),
            engines=listed(engine),
            weights=weights,
            device=device,
            prompt_tokens=prompt_tokens,
            new_tokens=new_tokens,
            batch_sizes=tuple(batch_size or ()),
            repetitions=repetitions,
            seconds=seconds,
            llama=not no_llama_bench,
            profile=profile,
        )
    )
    if out is not None:
        _check_writable(out)

    kept = False

    def keep(report: dict[str, Any]) -> None:
        nonlocal kept
        # What is no regular file cannot be written anew at each step: it gets the whole at the end.
        if out is not None and (out.is_file() or not out.exists()):
            kept = _write(out, report)

    def stopped() -> str:
        return f"Stopped. What was measured so far is in {out}." if kept else "Stopped."

    with message_when_stopped(stopped):
        report = run_bench(chosen, say, keep)
    if out is not None:
        _write(out, report)
    if format is ReportFormat.json:
        show(formats.to_json(report))
    elif format is ReportFormat.md:
        show(tables.to_markdown(report), end="")
    else:
        print_table(tables.speed_rows(report), tables.headline(report))
        print_table(tables.model_rows(report), tables.models_caption(report["results"]))
    failed = [result["config"] for result in report["results"] if result["error"]]
    if failed:
        raise RunError(f"Not measured: {', '.join(dict.fromkeys(failed))}. The reasons are above.")


def _check_writable(out: Path) -> None:
    """Raise InputError, before anything is measured, where the report could not be written."""
    if not given_path(out).parent.is_dir():
        raise InputError(f"The folder {out.parent} does not exist. Make it, or change --out.")
    if out.is_dir():
        raise InputError(f"{out} is a folder. Name a file with --out.")
    is_device = out.exists() and not out.is_file()
    if not is_device and not os.access(out.parent, os.W_OK):
        raise InputError(f"The folder {out.parent} cannot be written. Change --out.")


def _write(out: Path, report: dict[str, Any]) -> bool:
    """Write the report so far, and whether it is written; where that fails, say so and go on: it is
    printed at the end."""
    from vibecore.core import formats

    try:
        write_whole(out, formats.to_json(report) + "\n")
    except OSError as error:
        reason = error.strerror or error
        say(f"{out} cannot be written: {reason}. The report is printed at the end all the same.")
        return False
    return True


@app.command("import")
def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="What `bench --out` or `export --parquet` wrote, or other databases."),
    ],
    study: Annotated[
        str | None,
        typer.Option(
            help="Name of a report's study [hardware, weights, date]; of a Parquet export's, which "
            "joins a study of that name [its own]; of another database, the study to copy [all]."
        ),
    ] = None,
    db: Database = DEFAULT_DB,
) -> None:
    """Bring studies of other databases or machines, or reports of `bench`, into a database."""
    from vibecore import store
    from vibecore.studies.bench.import_report import import_reports
    from vibecore.studies.exchange import import_parquet, is_parquet_export

    files = [given_path(file) for file in files]
    exports = [file for file in files if is_parquet_export(file)]
    databases = [file for file in files if store.is_database(file)]
    reports = [file for file in files if file not in databases and file not in exports]
    names = import_reports(db, reports, study) if reports else []
    for database in databases:
        names += store.copy_studies(database, db, (study,) if study else None)
    for folder in exports:
        name, joined = import_parquet(db, folder, study)
        names.append(name)
        if joined is not None:
            say(_joined_words(joined))
    for name in names:
        say(
            f"Study {name}, in {db}. Read it: python -m vibecore summary "
            f"--study {shlex.quote(name)} --db {shlex.quote(str(db))}"
        )


def _joined_words(joined: Joined) -> str:
    """What a study gained, in a sentence."""
    from vibecore.core.formats import counted
    from vibecore.core.formats import listed as in_words

    gained = f"Added {counted(joined.outputs, 'output')}"
    if joined.configs:
        gained += f", {in_words(joined.configs)} among the configs"
    stayed = f"; {counted(joined.known, 'output')} were here already and stayed"
    return f"{gained}{stayed if joined.known else ''}."
