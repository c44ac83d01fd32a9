"""What a database holds: `summary`, `sweet-spot`, `outputs`, `export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from vibecore.core.paths import DEFAULT_DB

if TYPE_CHECKING:
    from vibecore.analysis import Rule


@app.command()
def summary(
    study: StudyName,
    vram_gb: MemoryCap = None,
    speed_floor: SpeedFloor = 0.85,
    alpha: Alpha = 0.05,
    kld_cap: KldCap = None,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """The metrics of every config of a study, with the sweet spot marked."""
    from vibecore.analysis import Rule
    from vibecore.studies.queries import read_summary

    rule = Rule(vram_gb, speed_floor, alpha, kld_cap)
    found = read_summary(db, study, rule)
    say_loss(db, study)
    if format is Format.table:
        from vibecore.views.headline import headline
        from vibecore.views.models_asked import study_sentences
        from vibecore.views.tables.hardware import CAPTION, hardware_rows
        from vibecore.views.terminal import metrics_table

        show(headline(found.study, found.rows, found.sweet_spot, rule).text(), end="\n\n")
        print_rows(metrics_table(found.rows), format, found.study.title)
        if by_kind := hardware_rows(found.rows):
            print_rows(by_kind, format, CAPTION)
        for sentence in study_sentences(found.study, found.rows):
            say(sentence)
    else:
        print_rows(found.rows, format)


@app.command("sweet-spot")
def sweet_spot(
    study: StudyName,
    vram_gb: MemoryCap = None,
    speed_floor: SpeedFloor = 0.85,
    alpha: Alpha = 0.05,
    kld_cap: KldCap = None,
    code: Annotated[
        bool, typer.Option("--code", help="Print only Python code that runs the config.")
    ] = False,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """The config to run, by the rule: why, how stable that is, and what would change it."""
    from vibecore.analysis import Rule, decide, decision_record, switch_sentences
    from vibecore.core.formats import to_json
    from vibecore.studies.queries import read_evidence, read_summary
    from vibecore.views.headline import headline
    from vibecore.views.terminal import choice_rows, pair_rows

    rule = Rule(vram_gb, speed_floor, alpha, kld_cap)
    say_loss(db, study)
    if code:
        _print_code(db, study, rule)
        return
    decision = decide(read_evidence(db, study), rule)
    if format is Format.json:
        show(to_json(decision_record(decision)))
        return
    if format is not Format.table:
        print_rows(choice_rows(decision), format)
        return
    found, choice = read_summary(db, study, rule), decision.sweet_spot
    show(headline(found.study, found.rows, choice, rule, decision.stability).text())
    if choice.excluded:
        print_rows([{"config": c, "why not": why} for c, why in choice.excluded.items()], format)
    show("\nHow this was decided")
    for sentence in filter(None, (choice.reason, choice.how)):
        show(sentence)
    if decision.stability is not None:
        show(decision.stability.sentence())
        for sentence in switch_sentences(decision.switches, decision.rule):
            show(sentence)
    if decision.pairs:
        print_rows(pair_rows(decision), format, "Each config against the one that did best")


def _print_code(db: Path, study: str, rule: Rule) -> None:
    """Print code that runs a study's choice, or the best of what fits, and say what of it is not
    as the study had it. Raises InputError where there is nothing to run."""
    from vibecore.core.errors import InputError
    from vibecore.studies.queries import read_prompts, read_runs, read_summary
    from vibecore.views.snippet import snippet_of

    found = read_summary(db, study, rule)
    config = found.sweet_spot.config or found.sweet_spot.best_that_fits
    runs = [run for run in read_runs(db, study) if run.config == config]
    prompts = [prompt.text for prompt in read_prompts(db, study, 1)]
    made = snippet_of(runs[0], found.study.protocol, *prompts) if runs else None
    if made is None:
        raise InputError(f"There is no config to run. {found.sweet_spot.reason}")
    show(made.code, end="")
    for note in made.notes:
        say(note)


@app.command()
def outputs(
    study: StudyName,
    prompt: Annotated[str | None, typer.Option(help="One prompt's id.")] = None,
    config: Annotated[str | None, typer.Option(help="One config's id.")] = None,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """Outputs with their scores and every constraint's verdict."""
    from vibecore.studies.queries import read_outputs

    rows = read_outputs(db, study, prompt, config)
    say_loss(db, study)
    if format is Format.table:
        from vibecore.views.terminal import print_outputs

        print_outputs(rows)
    else:
        print_rows(rows, format)


@app.command()
def export(
    study: StudyName,
    out: Annotated[Path, typer.Option(help="A folder, made if it is not there.")],
    parquet: Annotated[
        bool,
        typer.Option(
            "--parquet",
            help="Write Parquet files in parts instead, for `import` on another machine or other "
            "programs.",
        ),
    ] = False,
    db: Database = DEFAULT_DB,
) -> None:
    """Write a study's tables to a folder as CSV, JSON and Markdown, and the study as a database."""
    say_loss(db, study)
    if parquet:
        from vibecore.studies.exchange import export_parquet

        for path in export_parquet(db, study, out):
            show(path)
        return
    from vibecore.views.export import export_study

    for path in export_study(db, study, out):
        show(path)
