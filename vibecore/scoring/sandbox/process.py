"""Start an isolated process, feed it, read its output within limits, and leave nothing running."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from vibecore.scoring.sandbox.limits import Limits

READY = b'{"ready": true}'
# Nothing of the host's environment; a fixed hash seed, so that the order of sets is fixed.
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
PRINTED_KEPT = 2_000
GRACE_SECONDS = 2.0
_CHUNK = 65_536


@dataclass(frozen=True)
class Transcript:
    """The output of a process: its lines, the start of what it printed, and how it ended.

    `ready`: it locked itself in. `ending` is `over` when it ended by itself, else the limit that
    ended it: `time`, or `printed` or `replied` too much. `status` is its exit status, 128 + N for
    signal N.
    """

    lines: tuple[bytes, ...]
    printed: bytes
    ready: bool
    ending: str
    status: int


def converse(command: Sequence[str], job: bytes, limits: Limits) -> Transcript:
    """Start `command`, give it `job` on stdin, and read until it ends or meets a limit.

    Raises OSError where the command cannot be started. However this returns, or is interrupted,
    the process and all it started are gone.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=ENVIRONMENT,
        cwd="/",
        start_new_session=True,
    )
    try:
        replied, printed, ending = _exchange(process, job, limits)
    finally:
        _end(process)
        for pipe in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
    lines = replied.split(b"\n")
    ready = lines[0] == READY
    return Transcript(
        tuple(map(bytes, lines[1:-1] if ready else lines[:-1])),
        bytes(printed[:PRINTED_KEPT]),
        ready,
        ending,
        process.returncode,
    )


def _exchange(
    process: subprocess.Popen[bytes], job: bytes, limits: Limits
) -> tuple[bytearray, bytearray, str]:
    """The bytes replied and printed, and how it ended; the process may still be running."""
    replied, printed = bytearray(), bytearray()
    channels = {
        process.stdout.fileno(): (replied, limits.reply_bytes, "replied"),  # type: ignore[union-attr]
        process.stderr.fileno(): (printed, limits.printed_bytes, "printed"),  # type: ignore[union-attr]
    }
    inlet = process.stdin.fileno()  # type: ignore[union-attr]
    left = memoryview(job)
    deadline, ready = time.monotonic() + limits.start_seconds, False
    with selectors.DefaultSelector() as selector:
        os.set_blocking(inlet, False)
        selector.register(inlet, selectors.EVENT_WRITE)
        for channel in channels:
            selector.register(channel, selectors.EVENT_READ)
        while selector.get_map():
            seconds = deadline - time.monotonic()
            events = selector.select(max(seconds, 0)) if seconds > 0 else []
            if not events and time.monotonic() >= deadline:
                return replied, printed, "time"
            for key, _ in events:
                if key.fd == inlet:
                    left = _write(inlet, left)
                    if not left:
                        selector.unregister(inlet)
                        process.stdin.close()  # type: ignore[union-attr]
                    continue
                text, most, name = channels[key.fd]
                chunk = os.read(key.fd, _CHUNK)
                text += chunk
                if not chunk:
                    selector.unregister(key.fd)
                elif len(text) > most:
                    return replied, printed, name
            if not ready and b"\n" in replied:
                ready, deadline = True, time.monotonic() + limits.seconds
    try:
        # Its pipes are closed, but it may have closed them itself and be running still.
        process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        return replied, printed, "time"
    return replied, printed, "over"


def _write(descriptor: int, left: memoryview) -> memoryview:
    try:
        return left[os.write(descriptor, left) :]
    except BrokenPipeError:  # it ended before it read its job: its status and output say why
        return left[:0]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process; the kernel ends with it what is isolated inside."""
    process.terminate()  # the launcher takes its namespaces down and waits for that
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
