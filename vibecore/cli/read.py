"""What a database holds: `summary`, `sweet-spot`, `outputs`, `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    from vibecore.studies.queries import read_summary

    found = read_summary(db, study, Rule(vram_gb, speed_floor, alpha))
    if format is Format.table:
        from vibecore.views.models_asked import study_sentences
        from vibecore.views.terminal import metrics_table

        print_rows(metrics_table(found.rows), format, found.study.title)
        say(found.sweet_spot.reason)
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
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """The config to run, by the rule: why, how stable that is, and what would change it."""
    from vibecore.analysis import Rule, decide, decision_record, switch_sentences
    from vibecore.core.formats import to_json
    from vibecore.studies.queries import read_evidence
    from vibecore.views.terminal import choice_rows, pair_rows

    decision = decide(read_evidence(db, study), Rule(vram_gb, speed_floor, alpha))
    if format is Format.json:
        print(to_json(decision_record(decision)))
        return
    if format is not Format.table:
        print_rows(choice_rows(decision), format)
        return
    choice = decision.sweet_spot
    print(choice.config or "none")
    print(choice.reason)
    if decision.stability is not None:
        print(decision.stability.sentence())
        for sentence in switch_sentences(decision.switches, decision.rule):
            print(sentence)
    print_rows([{"config": c, "why not": why} for c, why in choice.excluded.items()], format)
    if decision.pairs:
        print_rows(pair_rows(decision), format, "Each config against the one that did best")


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
    if format is Format.table:
        from vibecore.views.terminal import print_outputs

        print_outputs(rows)
    else:
        print_rows(rows, format)


@app.command()
def export(
    study: StudyName,
    out: Annotated[Path, typer.Option(help="A folder, made if it is not there.")],
    db: Database = DEFAULT_DB,
) -> None:
    """Write a study's tables to a folder as CSV, JSON and Markdown, and the study as a database."""
    from vibecore.views.export import export_study

    for path in export_study(db, study, out):
        print(path)
