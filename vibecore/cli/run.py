"""`run`: run a study."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vibecore.cli.base import (
    Database,
    ExecuteCode,
    OwnModels,
    Precisions,
    ShortNames,
    SystemMessage,
    app,
    listed,
    message_when_stopped,
    say,
    say_loss,
)
from vibecore.core.errors import InputError
from vibecore.core.paths import DEFAULT_DB, tracked_note

if TYPE_CHECKING:
    from vibecore.studies.jobs import Plan


@app.command()
def run(
    family: Annotated[
        list[str] | None, typer.Option(help="A family of configs; repeatable. See docs/configs.md.")
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option(help="A config such as 0.5B-4bit; repeatable.")
    ] = None,
    model: OwnModels = None,
    precision: Precisions = None,
    name: ShortNames = None,
    suite: Annotated[str | None, typer.Option(help="Suite name or YAML file [vibe30].")] = None,
    study: Annotated[str | None, typer.Option(help="Name of the study [what and when].")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Tokens per output [200].")] = None,
    batch_size: Annotated[
        str | None, typer.Option(help="Prompts decoded together, or auto [1].")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Decoding engine [eager].")] = None,
    weights: Annotated[str | None, typer.Option(help="hub, dummy or a folder [hub].")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda [auto].")] = None,
    chat: Annotated[
        str | None, typer.Option(help="Ask through the chat template: auto, on or off [auto].")
    ] = None,
    system: SystemMessage = None,
    thinking: Annotated[
        str | None, typer.Option(help="Let a thinking model reason: auto, on or off [auto].")
    ] = None,
    note: Annotated[
        str | None, typer.Option(help="What a reader has to know of a new study; shown with it.")
    ] = None,
    execute_code: ExecuteCode = False,
    resume: Annotated[bool, typer.Option("--resume", help="Do what a study is missing.")] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add configs to a study, under its own protocol.")
    ] = False,
    fidelity: Annotated[
        bool,
        typer.Option("--fidelity", help="Then measure how far each config is from 16 bit."),
    ] = False,
    gpus: Annotated[
        str | None,
        typer.Option(help="Run configs side by side, one a GPU: all, or numbers such as 0,1."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Run them on a Ray cluster: auto, or the HOST:PORT of its head."),
    ] = None,
    db: Database = DEFAULT_DB,
) -> None:
    """Run configs over a suite, score every output and store it."""
    from vibecore.live.launch.record import recording_end
    from vibecore.studies.fidelity import estimate_run, refuse_no_fidelity
    from vibecore.studies.plan import Options, extended_plan, new_plan, resumed_plan
    from vibecore.views.fidelity_estimate import estimate_lines
    from vibecore.views.progress import follow

    options = Options(
        family=listed(family) or None,
        configs=listed(config),
        models=tuple(model or ()),
        names=tuple(name or ()),
        precisions=listed(precision),
        suite=suite,
        study=study,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        engine=engine,
        weights=weights,
        device=device,
        chat=chat,
        system=system,
        thinking=thinking,
        execute_code=execute_code,
        note=note,
        fidelity=fidelity,
        gpus=gpus,
        ray=ray,
    )
    with recording_end():
        if resume and extend:
            raise InputError("--extend adds configs and --resume goes on: give one of them.")
        make_plan = extended_plan if extend else resumed_plan if resume else new_plan
        plan = make_plan(options, db)
        if fidelity:
            refuse_no_fidelity(plan, resume=resume or extend)
            expected = estimate_run(plan, resume=resume or extend)
            for line in estimate_lines(expected, plan.protocol.device):
                say(line)
        if resume or extend:
            # Its checksum is made anew.
            say_loss(plan.db, plan.name)
        if note := tracked_note(plan.db):
            say(note)
        with message_when_stopped(lambda: _stopped(plan.db, plan.name)):
            statuses = follow(plan, resume=resume or extend)
        complete = all(status == "complete" for status in statuses.values())
        if fidelity and not _measured(plan, complete=complete):
            complete = False
        if not complete:
            raise typer.Exit(1)


def _measured(plan: Plan, *, complete: bool) -> bool:
    """Measure the fidelity of a study that has just run; whether that succeeded."""
    from vibecore.cli.fidelity import measure_study

    weights = None if plan.weights == "hub" else plan.weights
    try:
        return measure_study(plan.db, plan.name, weights=weights)
    except InputError as error:
        if complete:
            raise
        # What failed in the run has been said.
        say(f"Fidelity was not measured: {error}")
        return False


def _stopped(db: Path, study: str) -> str:
    """What a stopped run has stored, and how to resume it."""
    from vibecore.studies.queries import list_studies

    if not db.exists() or study not in {row.name for row in list_studies(db)}:
        return "Stopped before it began: nothing is stored."
    return (
        "Stopped. What was generated is stored; resume it with --resume --study "
        f"{shlex.quote(study)}."
    )
