"""Ctrl-C and DuckDB: an interrupted query raises a RuntimeError of DuckDB's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED_QUERY = "Query interrupted"


@contextmanager
def finished_first() -> Iterator[None]:
    """Delay a KeyboardInterrupt until the block has ended; an error of the block goes first.

    Only the main thread receives one: in other threads, and where Ctrl-C is ignored, this does
    nothing.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(signal.SIGINT, came[0])


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[list[signal.Signals]]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that what it does then is done: gives
    the list of those that came. One that is ignored, as under nohup, stays so."""
    came: list[signal.Signals] = []

    def forward(number: int, frame: FrameType | None) -> None:
        came.append(signal.Signals(number))
        if not callable(signal.getsignal(signal.SIGINT)):
            # A shell's background process ignores Ctrl-C.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.raise_signal(signal.SIGINT)

    before = {}
    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, forward)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt where Ctrl-C has interrupted a query."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == INTERRUPTED_QUERY:
            raise KeyboardInterrupt from None
        raise
