"""The command line: `python -m vibecore COMMAND`.

Exit codes: 0 success, 1 a run failed, 2 bad usage or input. Data goes to stdout, messages to
stderr. What a command does not use is not imported: `summary` never loads torch.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from vibecore.errors import InputError, VibeError
from vibecore.paths import DEFAULT_DB

# What a shell reports for a command that Ctrl-C ended (128 + SIGINT).
INTERRUPTED = 130

app = typer.Typer(
    name="vibecore",
    help="Which small language model, at which precision, to run on one GPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """How a table is printed."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


Database = Annotated[Path, typer.Option("--db", help="The database file.")]
OutputFormat = Annotated[Format, typer.Option("--format", help="How to print the rows.")]
StudyName = Annotated[str, typer.Option("--study", help="A study's name; see `studies`.")]
MemoryCap = Annotated[
    float | None, typer.Option("--vram-gb", min=0, help="Memory cap in GiB; default: none.")
]
SpeedFloor = Annotated[
    float, typer.Option("--speed-floor", min=0, max=1, help="Share of the fastest config's speed.")
]
Alpha = Annotated[
    float, typer.Option("--alpha", min=0, max=1, help="Significance level of the quality tests.")
]


@app.command()
def run(
    family: Annotated[str | None, typer.Option(help="A family of configs: qwen2.5, demo.")] = None,
    config: Annotated[
        list[str] | None, typer.Option(help="A config such as 0.5B-4bit; repeatable.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Your own model: hub id or folder.")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="With --model; repeatable.")] = None,
    suite: Annotated[str | None, typer.Option(help="Suite name or YAML file [vibe30].")] = None,
    study: Annotated[str | None, typer.Option(help="Name of the study [what and when].")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Tokens per output [200].")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Prompts decoded together [1].")] = None,
    engine: Annotated[str | None, typer.Option(help="Decoding engine [eager].")] = None,
    weights: Annotated[str | None, typer.Option(help="hub, dummy or a folder [hub].")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda [auto].")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Do what a study lacks.")] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Run configs over a suite, score every output and store it."""
    from vibecore.plan import Options, new_plan, resumed_plan
    from vibecore.progress import follow

    options = Options(
        family=family,
        configs=_listed(config),
        model=model,
        precisions=_listed(precision),
        suite=suite,
        study=study,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        engine=engine,
        weights=weights,
        device=device,
    )
    plan = resumed_plan(options, db) if resume else new_plan(options, db)
    try:
        statuses = follow(plan, resume=resume)
    except KeyboardInterrupt:
        _say(f"Stopped. What was generated is stored; go on with --resume --study {plan.name}.")
        raise typer.Exit(INTERRUPTED) from None
    if any(status != "complete" for status in statuses.values()):
        raise typer.Exit(1)


@app.command()
def studies(db: Database = DEFAULT_DB, format: OutputFormat = Format.table) -> None:
    """List the studies of a database."""
    from vibecore.reading import list_studies
    from vibecore.views import STUDY_COLUMNS

    rows = [{name: row[name] for name in STUDY_COLUMNS} for row in list_studies(db)]
    _print(rows, format, "Studies")


@app.command()
def summary(
    study: StudyName,
    vram_gb: MemoryCap = None,
    speed_floor: SpeedFloor = 0.85,
    alpha: Alpha = 0.05,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """The metrics of every config of a study, with the sweet spot marked."""
    from vibecore.analysis import Rule
    from vibecore.reading import read_summary
    from vibecore.views import metrics_table

    found = read_summary(db, study, Rule(vram_gb, speed_floor, alpha))
    if format is Format.table:
        _print(metrics_table(found.rows), format, found.study["title"])
        _say(found.sweet_spot.reason)
    else:
        _print(found.rows, format, "")


@app.command("sweet-spot")
def sweet_spot(
    study: StudyName,
    vram_gb: MemoryCap = None,
    speed_floor: SpeedFloor = 0.85,
    alpha: Alpha = 0.05,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """The config to run, by the rule, with its reason and what excluded the others."""
    from vibecore.analysis import Rule
    from vibecore.formats import to_json
    from vibecore.reading import read_summary

    choice = read_summary(db, study, Rule(vram_gb, speed_floor, alpha)).sweet_spot
    if format is Format.json:
        print(to_json(choice))
        return
    chosen = [{"config": choice.config, "chosen": True, "why": choice.reason}]
    others = [{"config": c, "chosen": False, "why": why} for c, why in choice.excluded.items()]
    if format is not Format.table:
        _print((chosen if choice.config else []) + others, format, "")
        return
    print(choice.config or "none")
    print(choice.reason)
    _print([{"config": row["config"], "why not": row["why"]} for row in others], format, "")


@app.command()
def outputs(
    study: StudyName,
    prompt: Annotated[str | None, typer.Option(help="One prompt's id.")] = None,
    config: Annotated[str | None, typer.Option(help="One config's id.")] = None,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """Outputs with their scores and every constraint's verdict."""
    from vibecore.reading import read_outputs
    from vibecore.views import print_outputs

    rows = read_outputs(db, study, prompt, config)
    if format is Format.table:
        print_outputs(rows)
    else:
        _print(rows, format, "")


@app.command()
def score(
    suite: Annotated[str, typer.Option(help="Suite name or YAML file.")],
    responses: Annotated[Path, typer.Option(help="JSONL with prompt_id and text a row.")],
    format: Annotated[str, typer.Option("--format", help="jsonl, json, csv or md.")] = "jsonl",
) -> None:
    """Score outputs made elsewhere."""
    from vibecore.responses import SCORE_FORMATS, score_responses, write_scores

    if format not in SCORE_FORMATS:
        raise InputError(f"--format must be one of {', '.join(SCORE_FORMATS)}, not '{format}'.")
    write_scores(score_responses(suite, responses), format)


@app.command()
def export(
    study: StudyName,
    out: Annotated[Path, typer.Option(help="A folder, made if it is not there.")],
    db: Database = DEFAULT_DB,
) -> None:
    """Write a study's tables to a folder as CSV, JSON and Markdown."""
    from vibecore.export import export_study

    for path in export_study(db, study, out):
        print(path)


@app.command()
def doctor(format: OutputFormat = Format.table) -> None:
    """What this machine can run, and why not."""
    from vibecore.doctor import examine

    _print(examine(), format, "This machine")


def _listed(values: list[str] | None) -> tuple[str, ...]:
    """An option given several times, or once with commas."""
    return tuple(
        part.strip() for value in values or () for part in value.split(",") if part.strip()
    )


def _print(rows: list[dict[str, Any]], format: Format, title: str) -> None:
    from vibecore import formats
    from vibecore.views import print_table

    if format is Format.json:
        print(formats.to_json(rows))
    elif format is Format.csv:
        print(formats.to_csv(rows), end="")
    elif format is Format.md:
        print(formats.to_markdown(rows), end="")
    else:
        print_table(rows, title)


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def main() -> None:
    """Run the command line, turning every explained error into a paragraph and an exit code."""
    try:
        app()
    except VibeError as error:
        _say(f"Error: {error}")
        sys.exit(2 if isinstance(error, InputError) else 1)
    except BrokenPipeError:
        # The reader of a pipe (head, say) has gone: nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
