"""A study's progress in the terminal: one bar a config, with its speed and the time left."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from vibecore.study import Event, Plan, run_study


def follow(plan: Plan, *, resume: bool) -> dict[str, str]:
    """Run a plan with progress on stderr. Returns status by config, as run_study does."""
    console = Console(stderr=True)
    console.print(
        f"Study {plan.name}: {len(plan.configs)} configs × {len(plan.suite.prompts)} prompts, "
        f"at most {plan.protocol.max_new_tokens} new tokens, batch {plan.protocol.batch_size}.",
        markup=False,
        highlight=False,
    )
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        whole = progress.add_task(
            "study", total=len(plan.configs) * len(plan.suite.prompts), note=""
        )
        view = _View(plan, progress, whole)
        statuses = run_study(plan, view.show, resume=resume)
    complete = sum(status == "complete" for status in statuses.values())
    console.print(
        f"{complete} of {len(statuses)} configs complete in study {plan.name}, in {plan.db}.\n"
        f"Read it: python -m vibecore summary --study {plan.name} --db {plan.db}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return statuses


class _View:
    """Keeps one bar a config up to date with the study's events."""

    def __init__(self, plan: Plan, progress: Progress, whole: TaskID) -> None:
        self.progress = progress
        self.whole = whole
        self.tasks: dict[str, TaskID] = {}
        self.done: dict[str, int] = {}

    def show(self, event: Event) -> None:
        self.done[event.config] = event.done
        self.progress.update(self.whole, completed=sum(self.done.values()))
        if event.kind == "planned":
            return
        if event.kind == "loading":
            self.tasks[event.config] = self.progress.add_task(
                event.config, total=event.total, completed=event.done, note="loading"
            )
        task = self.tasks[event.config]
        self.progress.update(task, completed=event.done, note=_note(event))
        if event.kind == "failed":
            self.progress.console.print(
                f"{event.config} failed: {event.error}", markup=False, highlight=False
            )


def _note(event: Event) -> str:
    if event.kind == "generated":
        tokens = sum(generation.new_tokens for generation in event.generations)
        return f"{tokens / event.generations[0].total_seconds:.1f} tok/s"
    if event.kind == "running":
        return "warm"
    return event.kind
