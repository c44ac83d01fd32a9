"""`fidelity`: how far configs are from their model at 16 bit, or one model from another."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vibecore.cli.base import (
    Database,
    Format,
    OutputFormat,
    app,
    listed,
    message_when_stopped,
    print_rows,
    say,
    say_loss,
)
from vibecore.core.errors import InputError
from vibecore.core.paths import DEFAULT_DB, tracked_note

if TYPE_CHECKING:
    from vibecore.analysis.fidelity.summary import FidelitySummary


@app.command()
def fidelity(
    study: Annotated[
        str | None, typer.Option(help="A study, whose configs to hold against their parents.")
    ] = None,
    config: Annotated[
        list[str] | None, typer.Option(help="One of its configs [all]; repeatable.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="The folder that the weights are in now [where they were].")
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Print what is stored of it; measure nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Measure anew what is stored of it.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="In place of a study, a model: folder, GGUF file or hub id.")
    ] = None,
    against: Annotated[str | None, typer.Option(help="The model to hold --model against.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="The precision of --model [bf16, or as-is].")
    ] = None,
    against_precision: Annotated[
        str | None, typer.Option(help="The precision of --against [bf16, or as-is].")
    ] = None,
    suite: Annotated[
        str | None, typer.Option(help="With --model, whose prompts --against answers [vibe30].")
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option(help="With --model, tokens per output [200].")
    ] = None,
    chat: Annotated[
        str | None, typer.Option(help="With --model, the chat template: auto, on or off [auto].")
    ] = None,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Leave out the running text that ships.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="auto, cpu or cuda [the study's, else auto].")
    ] = None,
    db: Database = DEFAULT_DB,
    format: OutputFormat = Format.table,
) -> None:
    """How far each config of a study moves from its model at 16 bit, next token by next token: what
    is missing is measured and stored. Or how far one model is from another: measured and printed.
    """
    of_study: dict[str, Any] = {
        "--config": config,
        "--weights": weights,
        "--stored": stored,
        "--again": again,
    }
    of_pair: dict[str, Any] = {
        "--precision": precision,
        "--against-precision": against_precision,
        "--suite": suite,
        "--max-new-tokens": max_new_tokens,
        "--chat": chat,
    }
    if (study is None) == (model is None and against is None):
        raise InputError("Give --study NAME, or else --model A and --against B.")
    if study is not None:
        _refuse(of_pair, "--model")
        if stored and again:
            raise InputError("--stored measures nothing and --again measures anew: give one.")
        if stored:
            _refuse({"--weights": weights, "--device": device}, "measuring, not with --stored")
        say_loss(db, study)
        failed = not stored and not measure_study(
            db,
            study,
            configs=listed(config),
            with_text=not no_text,
            device=device,
            weights=weights,
            again=again,
        )
        printed = _print_study(db, study, listed(config), format, with_text=not no_text)
        if not printed and not failed:
            say(
                f"Nothing is stored of the study '{study}'. Measure it with python -m vibecore "
                f"fidelity --study {shlex.quote(study)}."
            )
        if failed:
            raise typer.Exit(1)
        return
    _refuse(of_study, "--study")
    if model is None or against is None:
        raise InputError("--model A goes with --against B: give both.")
    from vibecore.analysis.fidelity.summary import summarise_fidelity
    from vibecore.studies.fidelity.pair import pair_plan
    from vibecore.views.fidelity_progress import follow_pair

    plan = pair_plan(
        model,
        against,
        precision=precision,
        against_precision=against_precision,
        suite=suite,
        max_new_tokens=200 if max_new_tokens is None else max_new_tokens,
        device=device or "auto",
        chat=chat or "auto",
        with_text=not no_text,
    )
    with message_when_stopped(lambda: "Stopped: nothing was stored."):
        tokens = follow_pair(plan)
    categories = {prompt.id: prompt.category for prompt in plan.suite.prompts}
    _print(
        summarise_fidelity(tokens, categories),
        format,
        f"{plan.config.id} against {plan.against.id}",
    )


def measure_study(db: Path, study: str, *, configs: Sequence[str] = (), **options: Any) -> bool:
    """Measure what is missing of a study with progress on stderr; whether all of it succeeded.

    `options` are those of studies.fidelity.fidelity_plan.
    """
    from vibecore.studies.fidelity import fidelity_plan
    from vibecore.views.fidelity_progress import follow_fidelity

    plan = fidelity_plan(db, study, configs, **options)
    if note := tracked_note(db):
        say(note)
    with message_when_stopped(
        lambda: (
            "Stopped. What was measured is stored; go on with fidelity --study "
            f"{shlex.quote(study)}."
        )
    ):
        statuses = follow_fidelity(plan)
    return all(status == "complete" for status in statuses.values())


def _refuse(options: dict[str, Any], other: str) -> None:
    """Raise InputError where an option is given that goes with another one."""
    if given := [name for name, value in options.items() if value not in (None, False)]:
        raise InputError(f"{given[0]} goes with {other}. Leave it out.")


def _print_study(
    db: Path, study: str, configs: Sequence[str], format: Format, *, with_text: bool
) -> bool:
    """Print what is stored of a study; whether anything was, as a table."""
    from vibecore.studies.fidelity import refuse_unknown_configs
    from vibecore.studies.queries import read_fidelity_summaries, read_runs

    refuse_unknown_configs(study, [run.config for run in read_runs(db, study)], configs)
    rows = [
        row for row in read_fidelity_summaries(db, study) if with_text or row.reference != "text"
    ]
    if configs:
        # The noise floor of their parents belongs to them.
        parents = {row.against for row in rows if row.config in configs}
        rows = [
            row for row in rows if row.config in configs or {row.config, row.against} <= parents
        ]
    if not rows and format is Format.table:
        return False
    _print(rows, format, f"Fidelity of study {study}")
    return True


def _print(rows: Sequence[FidelitySummary], format: Format, title: str) -> None:
    from vibecore.views.fidelity_rows import flat_rows, terminal_rows

    if format is Format.table:
        print_rows(terminal_rows(rows), format, title)
        say(
            "KLD(against ‖ config) of next-token distributions, in nats; intervals are 95 %, over "
            "prompts. It says how much a model changed, not how good it is."
        )
    else:
        print_rows(rows if format is Format.json else flat_rows(rows), format)
