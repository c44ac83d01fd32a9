"""Where workers come from: a process that has imported the engine and forks one per config.

Importing torch and transformers costs seconds of processor time, and a study needs one worker a
config. The fork server pays once and touches no GPU, so that each fork starts clean within
milliseconds. It lives while anybody holds it. Where there is no fork (Windows), or where it is
unsafe (macOS) or switched off, a worker is an interpreter of its own.
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

# VIBECHECK_FORK=0 for a machine on which importing torch already touches the GPU.
CAN_FORK = sys.platform == "linux" and os.environ.get("VIBECHECK_FORK") != "0"
POLL_SECONDS = 0.01
ANSWER_BYTES = 64


class ForkServerDied(Exception):
    """The fork server process ended by itself; whoever asked starts a new one or says so."""


@dataclass
class Forked:
    """A forked worker process: the part of subprocess.Popen that `Worker` uses."""

    fork_server: Nursery
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
class Nursery:
    """The parent's side of a fork server process."""

    process: subprocess.Popen[bytes]
    channel: socket.socket
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fork(self) -> Forked:
        """A new worker process. Raises ForkServerDied."""
        requests, to_child = os.pipe()
        from_child, replies = os.pipe()
        try:
            pid = self._ask(("fork",), [requests, replies])
        except BaseException:
            os.close(to_child)
            os.close(from_child)
            raise
        finally:
            os.close(requests)
            os.close(replies)
        assert pid is not None
        return Forked(self, pid, os.fdopen(to_child, "wb"), os.fdopen(from_child, "rb"))

    def exit_code(self, pid: int) -> int | None:
        """A worker's exit code, None while it runs. Killed, if the fork server itself is gone."""
        try:
            return self._ask(("poll", pid))
        except ForkServerDied:
            return -signal.SIGKILL if not _exists(pid) else None

    def close(self) -> None:
        """End the fork server; its workers end when their own input does."""
        self.channel.close()
        self.process.wait()

    def _ask(self, question: tuple, handles: list[int] | None = None) -> int | None:
        # An answer that nobody takes would be taken for that to the next question.
        with self.lock, finished_first():
            try:
                socket.send_fds(self.channel, [pickle.dumps(question)], handles or [])
                answer = self.channel.recv(ANSWER_BYTES)
            except OSError:
                raise ForkServerDied from None
        if not answer:
            raise ForkServerDied
        return pickle.loads(answer)


_shared: Nursery | None = None
_holders = 0
_guard = threading.Lock()


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keep the fork server alive between workers, so that the next one starts at once."""
    global _holders
    with _guard:
        _holders += 1
    try:
        yield
    finally:
        release()


def start_worker() -> Forked | None:
    """Fork a worker, and hold the fork server until `release`; None on a system without fork."""
    global _shared, _holders
    if not CAN_FORK:
        return None
    with _guard:
        if _shared is None or _shared.process.poll() is not None:
            _shared = _start()
        forked = _shared.fork()
        _holders += 1
    return forked


def release() -> None:
    """Give back a hold; the last one ends the fork server."""
    global _shared, _holders
    with _guard:
        _holders -= 1
        if _holders == 0 and _shared is not None:
            _shared.close()
            _shared = None


def environment() -> dict[str, str]:
    """The environment of a worker process."""
    paths = [str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")]
    chosen = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    # OpenMP threads spin while they wait for each other, by default. On a machine that does
    # anything else besides, a spinning thread holds the core its neighbour needs: decoding was
    # seen to fall to a tenth and less. It is read before torch is loaded, so it is set here.
    chosen.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Asking torch whether there is a GPU must not touch it before the fork (torch/cuda).
    chosen.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    return chosen


def _start() -> Nursery:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen(
        [sys.executable, "-m", "vibecore.runtime.worker", "--fork-server", str(theirs.fileno())],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno() if _has_handle(sys.stderr) else subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
        env=environment(),
        # Ctrl-C reaches a terminal's whole session, and would end it in the middle of an import.
        start_new_session=True,
    )
    theirs.close()
    return Nursery(process, ours)


def _has_handle(stream: object) -> bool:
    try:
        return stream.fileno() >= 0  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve(handle: int, work: Callable[[BinaryIO, BinaryIO], None]) -> None:
    """The fork server's own loop: fork workers that run `work(requests, replies)`, tell how they
    ended, and end when the parent does."""
    channel = socket.socket(fileno=handle)
    ended: dict[int, int] = {}
    while True:
        select.select([channel], [], [])
        message, handles, _, _ = socket.recv_fds(channel, ANSWER_BYTES, 2)
        if not message:
            return
        kind, *arguments = pickle.loads(message)
        if kind == "fork":
            pid = os.fork()
            if pid == 0:
                channel.close()
                work(os.fdopen(handles[0], "rb"), os.fdopen(handles[1], "wb"))
                os._exit(0)
            for each in handles:
                os.close(each)
            # The system gives a number again, on a small machine within hours.
            ended.pop(pid, None)
            answer: int | None = pid
        else:
            _reap(ended)
            answer = ended.get(arguments[0])
        try:
            channel.send(pickle.dumps(answer))
        except OSError:
            # Whoever asked has ended meanwhile.
            return


def _reap(ended: dict[int, int]) -> None:
    """Learn how workers ended, which also lets them go from the process table."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            ended[found[0]] = os.waitstatus_to_exitcode(found[1])
