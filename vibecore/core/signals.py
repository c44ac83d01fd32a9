"""Ctrl-C and DuckDB: an interrupted query raises a RuntimeError of DuckDB's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED_QUERY = "Query interrupted"
# Whether this process was told to end by another signal than Ctrl-C.
_told_to_end = threading.Event()


@contextmanager
def finished_first() -> Iterator[None]:
    """Delay a KeyboardInterrupt until the block has ended; an error of the block goes first.

    Only the main thread receives one: in others this does nothing. Where Ctrl-C is ignored, as in a
    shell's background process, it stays so, and a signal that ends the process is delayed.
    """
    before = signal.getsignal(signal.SIGINT)
    delays = callable(before) or before == signal.SIG_IGN
    if threading.current_thread() is not threading.main_thread() or not delays:
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came and callable(before):
        before(signal.SIGINT, came[0])
    elif came and _told_to_end.is_set():
        _as_by_ctrl_c()


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[list[signal.Signals]]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does, so that what it does then is done: gives
    the list of those that came. One that is ignored, as under nohup, stays so."""
    came: list[signal.Signals] = []

    def forward(number: int, frame: FrameType | None) -> None:
        came.append(signal.Signals(number))
        _told_to_end.set()
        _as_by_ctrl_c()

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
        _told_to_end.clear()


def _as_by_ctrl_c() -> None:
    if not callable(signal.getsignal(signal.SIGINT)):
        # A shell's background process ignores Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


@contextmanager
def as_keyboard_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt where Ctrl-C has interrupted a query."""
    try:
        yield
    except RuntimeError as error:
        if str(error) == INTERRUPTED_QUERY:
            raise KeyboardInterrupt from None
        raise
