"""A folder of torture's own, commands that run in it, and the processes that they leave."""

from __future__ import annotations

import ctypes
import json
import os
import random
import resource
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT, STATE_VARIABLE

MARK = "VIBECHECK_TORTURE"
COMMAND_SECONDS = 120.0
# A worker that lost its parent, or a run that was told to stop, has so long.
GONE_SECONDS = 45.0
# linux/prctl.h; CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
PR_CAPBSET_DROP, DAC_CAPABILITIES = 24, (1, 2, 3)
TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit code, negative for a signal, None where it hung."""

    code: int | None
    out: str
    told: str

    @property
    def fault(self) -> str | None:
        """Which fault its end is, whatever it was asked; None for a clean one."""
        if self.code is None:
            return "hang"
        if TRACEBACK in self.told or TRACEBACK in self.out:
            return "traceback"
        # The shell's and Python's own ends by a signal that nobody sent.
        return "crash" if self.code < 0 else None


class Ground:
    """The folder, its environment and a source of chance. `nothing` outside is written."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder.resolve()
        self.seed = seed
        self.chance = random.Random(seed)
        self.mark = uuid.uuid4().hex
        for name in ("state", "home", "tmp", "ray"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # This process too: launched runs inherit it.
        os.environ.update(self.environment())
        self._forker: subprocess.Popen[str] | None = None

    def environment(self) -> dict[str, str]:
        """What every process of torture's has: a mark, its own folders, one thread, no hub."""
        return {
            MARK: self.mark,
            STATE_VARIABLE: str(self.folder / "state"),
            DATABASE_VARIABLE: str(self.folder / "unnamed.duckdb"),
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "RAY_TMPDIR": str(self.folder / "ray"),
            "OMP_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
        }

    def fresh(self, name: str) -> Path:
        """A path in the folder that nothing has yet."""
        place = self.folder / "work"
        place.mkdir(exist_ok=True)
        return place / f"{uuid.uuid4().hex[:8]}-{name}"

    def command(
        self,
        *arguments: str,
        seconds: float = COMMAND_SECONDS,
        environment: dict[str, str] | None = None,
        most_file_bytes: int | None = None,
        obeys_modes: bool = False,
        folder: Path = PROJECT_ROOT,
    ) -> Ended:
        """`python -m vibecore ARGUMENTS` in a process of its own, in a folder; `most_file_bytes` is
        what a full disk leaves of a file; one that `obeys_modes` has not root's right to write what
        they forbid."""

        def limit() -> None:
            if most_file_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (most_file_bytes, most_file_bytes))
            for capability in DAC_CAPABILITIES if obeys_modes else ():
                ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)

        with subprocess.Popen(
            [sys.executable, "-m", "vibecore", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=limit,
        ) as process:
            try:
                out, told = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                out, told = process.communicate()
                return Ended(None, _text(out), _text(told))
        return Ended(process.returncode, _text(out), _text(told))

    def quick(
        self,
        *arguments: str,
        seconds: float = COMMAND_SECONDS,
        environment: dict[str, str] | None = None,
        folder: Path = PROJECT_ROOT,
    ) -> Ended:
        """The same in a process forked from one that has imported the command line: 20 a second."""
        if self._forker is None:
            self._forker = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.torture.forker"],
                cwd=PROJECT_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._forker.stdin is not None and self._forker.stdout is not None
        base = self.fresh("quick")
        order = {
            "arguments": arguments,
            "base": str(base),
            "seconds": seconds,
            "environment": environment or {},
            "folder": str(folder),
        }
        self._forker.stdin.write(json.dumps(order) + "\n")
        self._forker.stdin.flush()
        code = json.loads(self._forker.stdout.readline())
        texts = []
        for name in ("out", "told"):
            file = base.with_name(f"{base.name}.{name}")
            texts.append(_text(file.read_bytes()))
            file.unlink()
        return Ended(code, *texts)

    def processes(self) -> list[int]:
        """Processes that bear the mark, without this one and its forker's."""
        own = {os.getpid(), self._forker.pid if self._forker else 0}
        wanted = f"{MARK}={self.mark}".encode()
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdigit() or int(process.name) in own:
                continue
            try:
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and wanted in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def left_running(self, *expected: int, seconds: float = GONE_SECONDS) -> list[int]:
        """Processes that still bear the mark after a while, but for those expected; they are
        ended."""
        deadline = time.monotonic() + seconds
        while (left := set(self.processes()) - set(expected)) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return sorted(left)

    def close(self) -> None:
        """End what was started, whatever it is doing."""
        if self._forker is not None:
            self._forker.kill()
            self._forker.wait()
            self._forker = None
        # What is ended may have started another meanwhile.
        deadline = time.monotonic() + GONE_SECONDS
        while self.left_running(seconds=0) and time.monotonic() < deadline:
            time.sleep(0.05)


def heed_signals() -> None:
    """In a process that is about to be started: what nohup and a shell's background ignore, and
    what would be ignored by all that torture starts, is heeded."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def lines_of(descriptor: int, seconds: float, *, at_first: bool = False) -> bytes:
    """What can be read of a pipe within a time, at most until its end, or until there is any."""
    read, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([descriptor], [], [], left)[0]:
            break
        chunk = os.read(descriptor, 65536)
        read += chunk
        if not chunk or at_first:
            break
    return read


def last_line(text: str) -> str:
    """The last line that says something, to tell what happened."""
    lines: Sequence[str] = [line for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
