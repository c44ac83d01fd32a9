"""A study's progress in the terminal: one bar a config, with its speed and the time left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from vibecore.catalog.engines import why_left
from vibecore.core.errors import InputError
from vibecore.core.formats import counted
from vibecore.core.terminal_text import safe_text
from vibecore.runtime.device_queue import describe_wait
from vibecore.studies.batches import AUTO
from vibecore.studies.events import Event
from vibecore.studies.jobs import Plan
from vibecore.studies.run import run_study
from vibecore.views.decoding_facts import tokenizer_differs
from vibecore.views.failures import Failures
from vibecore.views.terminal import SafeConsole

# Characters shown of a config's first output.
SHOWN_CHARACTERS = 60


def follow(plan: Plan, *, resume: bool) -> dict[str, str]:
    """Run a plan with progress on stderr. Returns status by config, as run_study does."""
    console = SafeConsole(stderr=True)
    batch = AUTO if plan.auto_batch else plan.protocol.batch_size
    console.print(
        f"Study {plan.name}: {counted(len(plan.configs), 'config')} × "
        f"{counted(len(plan.suite.prompts), 'prompt')}, "
        f"at most {plan.protocol.max_new_tokens} new tokens, batch {batch}.",
        markup=False,
        highlight=False,
    )
    with bars(console) as progress:
        whole = progress.add_task(
            "study", total=len(plan.configs) * len(plan.suite.prompts), note=""
        )
        view = _View(plan, progress, whole)
        try:
            statuses = run_study(plan, view.show, resume=resume)
        except InputError:
            # Nothing ran: the reason stands alone.
            progress.update(whole, visible=False)
            raise
    complete = sum(status == "complete" for status in statuses.values())
    console.print(
        f"{complete} of {counted(len(statuses), 'config')} complete in study {plan.name}, "
        f"in {plan.db}.\n"
        f"Read it: python -m vibecore summary --study {shlex.quote(plan.name)} "
        f"--db {shlex.quote(str(plan.db))}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
    return statuses


def bars(console: Console) -> Progress:
    """Bars that say how much of what is done; tasks have a field `note`."""
    return Progress(
        SpinnerColumn(),
        _Words("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        _Words("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


class _Words(TextColumn):
    """Words beside a bar, which a terminal shows and does not obey."""

    def render(self, task: Task) -> Text:
        # Before it is a Text, which leaves out some control characters without a word.
        return Text(safe_text(self.text_format.format(task=task)), style="none", no_wrap=True)


class _View:
    """Updates one bar a config from the study's events."""

    def __init__(self, plan: Plan, progress: Progress, whole: TaskID) -> None:
        self.progress = progress
        self.whole = whole
        self.tasks: dict[str, TaskID] = {}
        self.done: dict[str, int] = {}
        self.begun: set[str] = set()
        self.failures = Failures()
        self.places: dict[str, Mapping[str, Any]] = {}

    def show(self, event: Event) -> None:
        if event.kind == "sized":
            return self._say(f"Memory allows batches of {event.batch_size}.")
        if event.kind in ("waiting", "crowded"):
            return self._show_others(event)
        self.done[event.config] = event.done
        # What it waited for, if anything, it has.
        self.progress.update(self.whole, completed=sum(self.done.values()), note="")
        if event.kind == "planned":
            return
        if event.kind == "loading" and event.config not in self.tasks:
            self.tasks[event.config] = self.progress.add_task(
                event.config, total=event.total, completed=event.done, note="loading"
            )
        if event.kind == "loading" and event.place:
            self._say(f"{event.config}: on {event.place}.")
        if event.config not in self.tasks:
            # It failed before it had a place.
            self.tasks[event.config] = self.progress.add_task(
                event.config, total=event.total, completed=event.done, note=""
            )
        task = self.tasks[event.config]
        self.progress.update(task, completed=event.done, note=_note(event))
        if event.report is not None:
            self.places[event.config] = event.report.environment
        if event.kind == "retrying":
            self._say(f"{event.config} is tried again: {event.error}")
        if event.kind == "failed":
            self._say(self.failures.line(event.config, event.error or ""))
        if event.kind == "generated" and event.config not in self.begun:
            # Bars are drawn on a terminal only; this line shows in any log that the config works.
            self.begun.add(event.config)
            self._report_engine(event)
            self._say(f"{event.config}: {_note(event)} on its first output{_opening(event)}")

    def _report_engine(self, event: Event) -> None:
        """Say why where engine `eager` decodes instead of the one requested, and where llama.cpp
        would read texts otherwise."""
        place = self.places.get(event.config, {})
        if reason := why_left(place, event.generations[0].batch_size):
            self._say(
                f"{event.config}: engine eager decodes this instead of {place['engine']}, and the "
                f"speed is eager's: {reason}."
            )
        if words := tokenizer_differs(place):
            self._say(f"{event.config}: {words}.")

    def _show_others(self, event: Event) -> None:
        """The study waits for the device, or runs although other models were not unloaded."""
        if event.kind == "waiting":
            for_whom = event.error or describe_wait(event.others)
            line = f"{f'{event.config} waits' if event.config else 'Waiting'} for {for_whom}."
            self.progress.update(self.whole, note="waiting")
        else:
            line = (
                f"Still loaded beside this study: {', '.join(other.what for other in event.others)}"
                ". Its speeds may suffer."
            )
        self._say(line)

    def _say(self, line: str) -> None:
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _opening(event: Event) -> str:
    """The first words of the first output, safe for a terminal; empty where there is no text."""
    words = " ".join((event.generations[0].text or "").split())
    visible = "".join(character for character in words if character.isprintable())
    return f": {visible[:SHOWN_CHARACTERS]}" if visible else ""


def _note(event: Event) -> str:
    if event.kind == "generated":
        tokens = sum(generation.new_tokens for generation in event.generations)
        return f"{tokens / event.generations[0].total_seconds:.1f} tok/s"
    if event.kind == "running":
        return "warm"
    return event.kind
