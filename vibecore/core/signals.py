"""Ctrl-C is neither lost nor in the way of a commit; other signals end a command as it does."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

INTERRUPTED_QUERY = "Query interrupted"
AGAIN_SECONDS = 0.01
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
    the list of those that came. One that is ignored, as under nohup, stays so. What a destructor
    is interrupted in comes again."""
    came: list[signal.Signals] = []

    def forward(number: int, frame: FrameType | None) -> None:
        came.append(signal.Signals(number))
        _told_to_end.set()
        _as_by_ctrl_c()

    before = {}
    hook = sys.unraisablehook
    if threading.current_thread() is threading.main_thread():
        sys.unraisablehook = partial(_not_lost, hook)
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) == signal.SIG_DFL:
                before[number] = signal.signal(number, forward)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook
        _told_to_end.clear()


def _not_lost(otherwise: Callable[[UnraisableHookArgs], object], lost: UnraisableHookArgs) -> None:
    """Python drops what is raised in a destructor, as in those that run while regex, which
    transformers and the scoring import, compiles a pattern."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        # Raised here it would be dropped as well.
        threading.Timer(AGAIN_SECONDS, _thread.interrupt_main).start()
    else:
        otherwise(lost)


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
