"""A request being run: one pane a config, written by one thread and read by any."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any
from uuid import uuid4

from vibecore.catalog.models import Config
from vibecore.core.records import Generation, Kind, LoadReport, TextPiece
from vibecore.core.rows import VerdictRow
from vibecore.live.playground.request import Request
from vibecore.scoring import Score

# A session that no browser has asked about for this long is stopped.
ABANDONED_SECONDS = 30.0

ACTIVE = ("queued", "resolving", "loading", "running")
ENDED = ("done", "stopped", "failed")


def answer_of(generation: Generation) -> str | None:
    """What can be scored of a generation: None of one that was cut or stopped while it reasoned,
    of one that is numerically broken, and of random weights."""
    cut_while_reasoning = generation.finish_reason == "thinking" or (
        generation.finish_reason == "stopped" and generation.reasoning and not generation.answer
    )
    return None if cut_while_reasoning else generation.answer


@dataclass
class Pane:
    """One config's part of a session. `status` is one of ACTIVE or ENDED; times are of
    time.monotonic(). `kind` is what its checkpoint is and `stored_as` how that is stored where it
    is not plain 16 bit, once they are known. Of a model that was not warm, `startup_seconds` is
    from the start of its process to when it could load, with asking which device there is, and
    `warm_up_seconds` of the untimed tokens after loading, and of what is recorded for the prompt.

    `ahead` names who is before it in the device's queue, the holder first. `error` is why it
    failed, `bad_input` whether the request was at fault; text written before that is kept.
    """

    config: Config
    status: str = "queued"
    ahead: tuple[str, ...] = ()
    was_warm: bool = False
    kind: Kind | None = None
    stored_as: str | None = None
    report: LoadReport | None = None
    startup_seconds: float | None = None
    warm_up_seconds: float | None = None
    began_at: float | None = None
    first_text_at: float | None = None
    # Of the answer, and of the reasoning before it.
    pieces: list[str] = field(default_factory=list)
    reasoning_pieces: list[str] = field(default_factory=list)
    generation: Generation | None = None
    score: Score | None = None
    # Results of constraints added after the end, by constraint (see cards.verdict_table).
    verdicts: dict[str, VerdictRow] = field(default_factory=dict)
    error: str | None = None
    bad_input: bool = False
    # The worker that loads or generates, which a stop must reach.
    worker: Any = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen in it."""
        return self.status in ENDED

    @property
    def text(self) -> str | None:
        """The answer so far; None where random weights make no text."""
        if self.generation is not None:
            return self.generation.text
        return "".join(self.pieces)

    @property
    def reasoning(self) -> str | None:
        """The reasoning so far; None where there is none."""
        if self.generation is not None:
            return self.generation.reasoning
        return "".join(self.reasoning_pieces) or None

    @property
    def has_answer(self) -> bool:
        """Whether it has ended with an answer that can be scored."""
        return self.generation is not None and answer_of(self.generation) is not None

    def add_text(self, _: int, piece: TextPiece) -> None:
        """Append a token's text."""
        if self.first_text_at is None:
            self.first_text_at = time.monotonic()
        (self.reasoning_pieces if piece.reasoning else self.pieces).append(piece.text)


@dataclass
class Session:
    """A request and its panes. `is_watched` says whether its viewer is still connected. `spare` is
    a worker that was asked for the device, and has loaded nothing yet."""

    request: Request
    panes: list[Pane]
    id: str = field(default_factory=lambda: uuid4().hex)
    is_watched: Callable[[], bool] | None = None
    cancelled: Event = field(default_factory=Event)
    finished: Event = field(default_factory=Event)
    seen_at: float = field(default_factory=time.monotonic)
    spare: Any = None

    @property
    def current(self) -> Pane | None:
        """The first pane that has not ended."""
        return next((pane for pane in self.panes if not pane.ended), None)

    def seen(self) -> None:
        """Record that it is being shown."""
        self.seen_at = time.monotonic()

    def is_abandoned(self) -> bool:
        """Whether nobody has been watching for ABANDONED_SECONDS."""
        if self.is_watched is not None and self.is_watched():
            self.seen()
        return time.monotonic() - self.seen_at > ABANDONED_SECONDS
