"""A process that has imported the engine and forks one worker process per config.

Importing torch and transformers takes seconds of processor time, and a study needs one worker a
config. The fork server imports them once and touches no GPU, so each fork starts clean within
milliseconds. It runs while its reference count is above zero. Where fork does not exist (Windows),
is unsafe (macOS) or is switched off, a worker is a new interpreter.

This is not the forkserver of `multiprocessing`: that one runs the parent's main module again in
each child (`multiprocessing.spawn.prepare`), and under Streamlit the main module is dashboard.py,
the page itself. Nor can it be ended while its parent lives, so torch's memory would stay taken.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.signals import finished_first
from vibecore.runtime.child_words import LAST_SECONDS, pass_on

# VIBECHECK_FORK=0 for a machine on which importing torch already touches the GPU.
CAN_FORK = sys.platform == "linux" and os.environ.get("VIBECHECK_FORK") != "0"
SERVER = ("-m", "vibecore.runtime.worker", "--fork-server")
POLL_SECONDS = 0.01
ANSWER_BYTES = 64


class ForkServerDied(Exception):
    """The fork server process ended unexpectedly."""


class CannotFork(Exception):
    """What the fork server has imported already uses the GPU, which a fork then could not."""


@dataclass
class Forked:
    """A forked worker process: the part of subprocess.Popen that `Worker` uses."""

    fork_server: ForkServer
    pid: int
    stdin: BinaryIO
    stdout: BinaryIO
    returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self.fork_server.exit_code(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code once it has ended. Raises subprocess.TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("worker", timeout or 0)
            time.sleep(POLL_SECONDS)
        return code

    def kill(self) -> None:
        """End it at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


@dataclass
class ForkServer:
    """The parent's end of a fork server process."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    words: threading.Thread
    lock: threading.Lock = field(default_factory=threading.Lock)
    has_forked: bool = False

    def fork(self) -> Forked:
        """A new worker process. Raises ForkServerDied, and CannotFork."""
        requests, to_child = os.pipe()
        from_child, replies = os.pipe()
        try:
            pid = self._ask(("fork",), [requests, replies])
            if pid is None:
                raise CannotFork
            self.has_forked = True
        except BaseException:
            os.close(to_child)
            os.close(from_child)
            raise
        finally:
            os.close(requests)
            os.close(replies)
        return Forked(self, pid, os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb"))

    def exit_code(self, pid: int) -> int | None:
        """A worker's exit code, None while it runs; SIGKILL's where it is unknown because the fork
        server is dead."""
        try:
            return self._ask(("poll", pid))
        except ForkServerDied:
            return -signal.SIGKILL if not _exists(pid) else None

    def close(self) -> None:
        """End the fork server; each worker ends when its own input is closed."""
        self.channel.close()
        if not self.has_forked:
            # It may be importing still, for seconds, before it would see that nobody needs it.
            self.process.kill()
        self.process.wait()
        self.words.join(LAST_SECONDS)

    def _ask(self, question: tuple, handles: list[int] | None = None) -> int | None:
        # Uninterrupted: an answer left unread would be read as that to the next question.
        with self.lock, finished_first():
            try:
                socket.send_fds(self.channel, [pickle.dumps(question)], handles or [])
                answer = self.channel.recv(ANSWER_BYTES)
            except OSError:
                raise ForkServerDied from None
        if not answer:
            raise ForkServerDied
        return pickle.loads(answer)


_shared: ForkServer | None = None
_references = 0
_guard = threading.Lock()


@contextlib.contextmanager
def kept_running(*, at_once: bool = False) -> Iterator[None]:
    """Keep the fork server running between workers, so that the next one starts at once; with
    `at_once` it is started now, and imports while its parent does something else."""
    global _shared, _references
    with _guard:
        # Before it is counted: where it cannot be started, nobody holds it.
        if at_once and CAN_FORK and _shared is None:
            _shared = _start()
        _references += 1
    try:
        yield
    finally:
        release()


def start_worker() -> Forked | None:
    """Fork a worker and add a reference to the fork server, which `release` removes; None where
    workers cannot be forked. Raises ForkServerDied."""
    global _shared, _references
    if not CAN_FORK:
        return None
    with _guard:
        if _shared is None or _shared.process.poll() is not None:
            _shared = _start()
        try:
            forked = _shared.fork()
        except CannotFork:
            # A worker that is an interpreter of its own counts as no reference.
            _close_unused()
            return None
        _references += 1
    return forked


def release() -> None:
    """Remove a reference; without any the fork server ends."""
    global _references
    with _guard:
        _references -= 1
        _close_unused()


def _close_unused() -> None:
    global _shared
    if _references == 0 and _shared is not None:
        _shared.close()
        _shared = None


def environment() -> dict[str, str]:
    """The environment of a worker process."""
    paths = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
    chosen = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    # By default OpenMP threads spin while they wait. On a machine that does anything else, a
    # spinning thread holds the core its neighbour needs: decoding was measured to fall to a tenth
    # and less. Set here because it is read before torch is loaded.
    chosen.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # So that torch's check for a GPU does not initialise CUDA before the fork (torch/cuda).
    chosen.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    return chosen


def _start() -> ForkServer:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, *SERVER, str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=[theirs.fileno()],
        env=environment(),
        # Ctrl-C reaches every process of a terminal's session, and would end it mid-import.
        start_new_session=True,
    )
    theirs.close()
    assert process.stderr is not None
    return ForkServer(process, ours, pass_on(process.stderr))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve(
    handle: int, work: Callable[[BinaryIO, BinaryIO], None], *, may_fork: bool = True
) -> None:
    """The fork server's loop: fork workers that run `work(requests, replies)`, report their exit
    codes, and end when the parent does. Without `may_fork` it refuses to fork, because what was
    imported already uses the GPU."""
    channel = socket.socket(fileno=handle)
    ended: dict[int, int] = {}
    while True:
        select.select([channel], [], [])
        message, handles, _, _ = socket.recv_fds(channel, ANSWER_BYTES, 2)
        if not message:
            return
        kind, *arguments = pickle.loads(message)
        if kind == "fork" and not may_fork:
            for each in handles:
                os.close(each)
            answer: int | None = None
        elif kind == "fork":
            pid = os.fork()
            if pid == 0:
                channel.close()
                work(os.fdopen(handles[0], "rb"), os.fdopen(handles[1], "wb"))
                os._exit(0)
            for each in handles:
                os.close(each)
            # Process ids are reused, on a small machine within hours.
            ended.pop(pid, None)
            answer = pid
        else:
            _reap(ended)
            answer = ended.get(arguments[0])
        try:
            channel.send(pickle.dumps(answer))
        except OSError:
            # The parent has ended.
            return


def _reap(ended: dict[int, int]) -> None:
    """Collect the exit codes of ended workers, which also removes them from the process table."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
