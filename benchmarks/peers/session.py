"""The parent's end of a session with a peer: what it is asked, and what becomes of failures."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.peers.figures import Answer
from vibecore.core.paths import PROJECT_ROOT

# To end by itself once its input is closed.
CLOSE_SECONDS = 5
BLOCK = 65536


class PeerFailed(Exception):
    """A peer could not do what was asked, with the reason in a line."""


class PeerEnded(PeerFailed):
    """A peer has ended, and nothing more can be asked of it."""


@dataclass(frozen=True)
class Load:
    """What every peer is asked for: answers of so many tokens after prompts of so many, each batch
    size; and how many seconds it may take to load and warm up."""

    prompt_tokens: int
    new_tokens: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    start_seconds: float
    answer_seconds: float


class Peer(Protocol):
    """One program with one config."""

    def start(self, load: Load) -> str | None:
        """Load and warm up. Returns what is to be said of it, if anything. Raises PeerFailed."""
        ...

    def measure(self, load: Load, batch_size: int) -> Answer:
        """One answer of each sequence. Raises PeerFailed."""
        ...

    def close(self) -> None:
        """End it. Safe to call twice."""
        ...


@dataclass
class Served:
    """A child process that serves (served.py): `command` starts it, `loads` are the arguments of
    its function `load`."""

    command: Sequence[str]
    loads: dict[str, Any]
    process: subprocess.Popen[bytes] | None = None
    _said: Any = field(default_factory=tempfile.TemporaryFile)
    _read: bytes = b""

    def start(self, load: Load) -> str | None:
        """As Peer says."""
        until = time.monotonic() + load.start_seconds
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            cwd=PROJECT_ROOT,
            # So that what it starts itself can be ended with it.
            start_new_session=True,
        )
        said = self.ask(load.start_seconds, "load", **self.loads)
        for batch_size in load.batch_sizes:
            self.ask(
                until - time.monotonic(),
                "warm_up",
                prompt_tokens=load.prompt_tokens,
                new_tokens=max(load.new_tokens),
                batch_size=batch_size,
            )
        return said

    def measure(self, load: Load, batch_size: int) -> Answer:
        """As Peer says."""
        made = self.ask(
            load.answer_seconds,
            "measure",
            prompt_tokens=load.prompt_tokens,
            new_tokens=list(load.new_tokens),
            batch_size=batch_size,
        )
        return Answer(made["first_token"], dict(zip(load.new_tokens, made["whole"], strict=True)))

    def ask(self, seconds: float, name: str, **arguments: Any) -> Any:
        """What a function of the child returns. Raises PeerFailed, and PeerEnded where it has died
        or took longer than `seconds`, which ends it."""
        assert self.process is not None and self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps([name, arguments]).encode() + b"\n")
            self.process.stdin.flush()
        except OSError:
            raise PeerEnded(self._last_words()) from None
        reply = json.loads(self._line(time.monotonic() + seconds, name))
        if "error" in reply:
            raise PeerFailed(reply["error"])
        return reply["value"]

    def close(self) -> None:
        """As Peer says."""
        process = self.process
        if process is None or process.poll() is not None:
            return
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
        try:
            process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _line(self, until: float, name: str) -> bytes:
        assert self.process is not None and self.process.stdout is not None
        handle = self.process.stdout.fileno()
        while b"\n" not in self._read:
            left = until - time.monotonic()
            if left <= 0 or not select.select([handle], [], [], left)[0]:
                self._kill()
                raise PeerEnded(f"'{name}' was not done in time, and was ended")
            block = os.read(handle, BLOCK)
            if not block:
                raise PeerEnded(self._last_words())
            self._read += block
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _kill(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _last_words(self) -> str:
        assert self.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(CLOSE_SECONDS)
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return f"ended with {self.process.returncode}: {lines[-1] if lines else 'no message'}"
