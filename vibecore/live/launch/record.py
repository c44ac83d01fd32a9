"""The record of a launched run: its process, its log, and its exit code.

Each run has a folder in the state folder: `record.json`, written by its launcher; `log.txt`, its
output; `ended.json`, written by the run itself at its end; `cancelled`, if it was cancelled.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import secrets
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import psutil

from vibecore.core.errors import INTERRUPTED, InputError, VibeError
from vibecore.core.paths import state_subfolder, write_whole
from vibecore.core.special_files import special_kind

# The environment variable that tells a run the folder of its record.
RUN_VARIABLE = "VIBECHECK_RUN"


@dataclass(frozen=True)
class LaunchedRun:
    """A run that was launched; resuming it starts a new process, not a new run.

    `pid` with `process_started` identifies the process, also after the pid is reused.
    `expected_seconds`: each config's estimated time, None where unknown. Times are time.time().
    `fidelity`: whether it is measured once all outputs are there. `gpus` and `ray` are the options
    of `run` that say where its configs run side by side.
    """

    id: str
    study: str
    db: Path
    device: str
    configs: tuple[str, ...]
    prompts: int
    expected_seconds: dict[str, float | None]
    pid: int
    process_started: float
    launched_at: float
    fidelity: bool = False
    gpus: str | None = None
    ray: str | None = None

    @property
    def folder(self) -> Path:
        """The folder of its record and log."""
        return runs_folder() / self.id

    @property
    def log(self) -> Path:
        """The output of its process."""
        return self.folder / "log.txt"

    def process(self) -> psutil.Process | None:
        """Its process, or None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            # The start time follows the system clock, which may have been set since; the command
            # line does not.
            same = process.create_time() == self.process_started or self._is_ours(process)
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def _is_ours(self, process: psutil.Process) -> bool:
        """Whether a process with this pid runs this study into this database."""
        return {"vibecore", "run", f"--db={self.db}", f"--study={self.study}"} <= set(
            process.cmdline()
        )

    def alive(self) -> bool:
        """Whether its process runs and has not written its exit code."""
        return self.process() is not None and self.exit_code() is None

    def exit_code(self) -> int | None:
        """The exit code that it wrote; None while it runs, and when it was killed."""
        code = (_read_json(self.folder / "ended.json") or {}).get("code")
        return code if isinstance(code, int) else None

    def was_cancelled(self) -> bool:
        """Whether somebody cancelled it."""
        return (self.folder / "cancelled").exists()


def runs_folder() -> Path:
    """The folder of all launched runs."""
    return state_subfolder("runs")


def new_id() -> str:
    """An id that sorts by time and can be part of a URL."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def save(run: LaunchedRun) -> None:
    """Write a run's record atomically."""
    _write_json(run.folder / "record.json", {**asdict(run), "db": str(run.db)})


def list_runs(db: Path) -> list[LaunchedRun]:
    """The runs launched into a database, the newest first."""
    wanted = db.resolve()
    found = [_read(folder) for folder in runs_folder().iterdir() if folder.is_dir()]
    mine = [run for run in found if run is not None and run.db == wanted]
    return sorted(mine, key=lambda run: run.launched_at, reverse=True)


def find(run_id: str) -> LaunchedRun:
    """A launched run by id. Raises InputError for an unknown one."""
    # An id comes from a URL: it must not lead out of the folder.
    run = _read(runs_folder() / run_id) if re.fullmatch(r"[\w-]{1,64}", run_id) else None
    if run is None:
        raise InputError(f"There is no launched run '{run_id[:64]}' on this machine.")
    return run


@contextmanager
def recording_end() -> Iterator[None]:
    """Around the work of `run`: have the exit code written, if this process is a launched run.

    It is written as the interpreter ends, after whatever says why: who reads the code reads the
    whole log.
    """
    named = os.environ.pop(RUN_VARIABLE, None)
    if named is None:
        yield
        return
    # A server started in the background ignores Ctrl-C, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 0
    try:
        yield
    except BaseException as error:
        code = _code_of(error)
        raise
    finally:
        atexit.register(_write_end, Path(named), code, os.getpid())


def _write_end(folder: Path, code: int, pid: int) -> None:
    # A forked child inherits what is to be done at the end, but is not the run.
    if os.getpid() == pid:
        with suppress(OSError):
            sys.stdout.flush()
        # Without it the run counts as one that was killed, and what is stored decides.
        with suppress(OSError):
            _write_json(folder / "ended.json", {"code": code, "at": time.time()})


def _code_of(error: BaseException) -> int:
    """The exit code of the command line for an exception."""
    if isinstance(error, VibeError):
        return 2 if isinstance(error, InputError) else 1
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return int(getattr(error, "exit_code", 1))


def _read(folder: Path) -> LaunchedRun | None:
    """The run of a folder; None where its record is missing, empty or broken: the others count."""
    row = _read_json(folder / "record.json")
    if row is None:
        return None
    try:
        run = LaunchedRun(**{**row, "db": Path(row["db"]), "configs": tuple(row["configs"])})
    except (KeyError, TypeError):
        return None
    whole = all(
        isinstance(getattr(run, name), kind)
        for name, kind in (
            ("id", str),
            ("study", str),
            ("device", str),
            ("prompts", int),
            ("expected_seconds", dict),
            ("pid", int),
            ("process_started", (int, float)),
            ("launched_at", (int, float)),
            ("gpus", (str, NoneType)),
            ("ray", (str, NoneType)),
        )
    )
    return run if whole and run.id == folder.name and run.pid >= 0 else None


def _read_json(file: Path) -> dict[str, Any] | None:
    """An object of JSON; None where there is none, or something else."""
    if special_kind(file):
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _write_json(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, json.dumps(content))
