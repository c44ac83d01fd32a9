"""A fidelity measurement's progress in the terminal: one bar a config."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rich.progress import Progress, TaskID

from vibecore.core import formats
from vibecore.core.fidelity import FidelityTokens
from vibecore.runtime.device_queue import describe_wait
from vibecore.studies.fidelity import (
    FidelityEvent,
    FidelityPlan,
    estimate_measurement,
    measure_fidelity,
)
from vibecore.studies.fidelity.pair import PairPlan, measure_pair
from vibecore.views.failures import Failures
from vibecore.views.fidelity_estimate import estimate_lines
from vibecore.views.progress import bars
from vibecore.views.terminal import SafeConsole

T = TypeVar("T")
Show = Callable[[FidelityEvent], None]


def follow_fidelity(plan: FidelityPlan) -> dict[str, str]:
    """Measure a plan with progress on stderr. Returns status by comparison, as measure_fidelity
    does."""
    text = "" if plan.text is None else " and a running text"
    heading = (
        f"Fidelity of study {plan.study}: {formats.counted(len(plan.comparisons), 'comparison')} "
        f"over the 16-bit outputs{text}."
    )
    expected = estimate_lines(estimate_measurement(plan), plan.device)
    lines = [heading, *plan.left_out, *expected]
    return _follow(lines, lambda show: measure_fidelity(plan, show))


def follow_pair(plan: PairPlan) -> list[FidelityTokens]:
    """Hold two models against each other with progress on stderr, as measure_pair does."""
    text = "" if plan.text is None else ", and over a running text"
    heading = (
        f"{plan.config.id} against {plan.against.id}: over what the latter answers to "
        f"{formats.counted(len(plan.suite.prompts), 'prompt')}{text}."
    )
    return _follow([heading], lambda show: measure_pair(plan, show))


def _follow(lines: list[str], measure: Callable[[Show], T]) -> T:
    """Print lines, then show the progress of what `measure` tells its argument; both on stderr."""
    console = SafeConsole(stderr=True)
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    with bars(console) as progress:
        return measure(_View(progress).show)


class _View:
    """Updates one bar a comparison from the events."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}
        self.failures = Failures()

    def show(self, event: FidelityEvent) -> None:
        if event.kind in ("waiting", "crowded"):
            return self._show_others(event)
        if event.kind == "planned":
            return
        if event.label not in self.tasks:
            self.tasks[event.label] = self.progress.add_task(event.label, note="")
        self.progress.update(
            self.tasks[event.label],
            completed=event.done,
            total=event.total,
            note=_note(event),
        )
        if event.kind == "failed":
            self._say(self.failures.line(event.label, event.error or ""))
        elif event.kind == "left_out":
            self._say(f"{event.label}: {event.error}.")
        elif event.kind == "complete":
            # Bars are drawn on a terminal only; this line shows in any log how far it is.
            self._say(f"{event.label}: {formats.counted(event.done, 'text')} compared")

    def _show_others(self, event: FidelityEvent) -> None:
        if event.kind == "waiting":
            self._say(f"Waiting for {describe_wait(event.others)}.")
        else:
            names = ", ".join(other.what for other in event.others)
            self._say(f"Still loaded beside this measurement: {names}.")

    def _say(self, line: str) -> None:
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _note(event: FidelityEvent) -> str:
    if event.kind == "measured":
        return f"KLD {formats.divergence(event.mean_kld)}"
    return {"left_out": "", "running": "loaded"}.get(event.kind, event.kind)
