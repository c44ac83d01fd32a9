"""A try under way: one pane a config, written by one thread and read by any."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from uuid import uuid4

from vibecore.catalog.configs import Config
from vibecore.core.records import Generation, LoadReport
from vibecore.live.playground.wish import Wish
from vibecore.scoring import ConstraintResult, Score

# A try that nobody has looked at for so long is given up.
ABANDONED_SECONDS = 30.0

# status of a pane -> whether it has ended
STATUSES = {
    "queued": False,
    "resolving": False,
    "loading": False,
    "running": False,
    "done": True,
    "stopped": True,
    "failed": True,
}


@dataclass
class Pane:
    """One config's part of a try. Times are of time.monotonic().

    `ahead` names who has the device before it, the holder first. `error` is the sentence of a
    failed one, `bad_input` whether it was asked for what cannot be; what it had written by then
    stays in `text`.
    """

    config: Config
    status: str = "queued"
    ahead: tuple[str, ...] = ()
    was_warm: bool = False
    report: LoadReport | None = None
    began_at: float | None = None
    first_text_at: float | None = None
    pieces: list[str] = field(default_factory=list)
    generation: Generation | None = None
    score: Score | None = None
    # Verdicts asked for once it had ended, by constraint (see cards.verdict_table).
    verdicts: dict[str, ConstraintResult] = field(default_factory=dict)
    error: str | None = None
    bad_input: bool = False
    # Whoever must hear of a stop now: the worker that loads or generates.
    worker: Any = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in it."""
        return STATUSES[self.status]

    @property
    def text(self) -> str | None:
        """What is written so far; None where random weights make no text."""
        if self.generation is not None:
            return self.generation.text
        return "".join(self.pieces)

    def add_text(self, _: int, text: str) -> None:
        """Take what a token added."""
        if self.first_text_at is None:
            self.first_text_at = time.monotonic()
        self.pieces.append(text)


@dataclass
class Try:
    """A wish and its panes. `is_watched` says whether whoever asked is still there."""

    wish: Wish
    panes: list[Pane]
    id: str = field(default_factory=lambda: uuid4().hex)
    is_watched: Callable[[], bool] | None = None
    cancelled: Event = field(default_factory=Event)
    finished: Event = field(default_factory=Event)
    seen_at: float = field(default_factory=time.monotonic)

    @property
    def current(self) -> Pane | None:
        """The first pane that has not ended."""
        return next((pane for pane in self.panes if not pane.ended), None)

    def seen(self) -> None:
        """Say that somebody looks at it."""
        self.seen_at = time.monotonic()

    def is_abandoned(self) -> bool:
        """Whether nobody has looked at it, or been there, for ABANDONED_SECONDS."""
        if self.is_watched is not None and self.is_watched():
            self.seen()
        return time.monotonic() - self.seen_at > ABANDONED_SECONDS
