"""What is remembered of a launched run: its process, its log, and how it ended.

A folder a run in the state folder: `record.json` by who launched it, `log.txt` its output,
`ended.json` by the run itself at its end, `cancelled` where somebody asked it to stop.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from vibecore.core.errors import INTERRUPTED, InputError, VibeError
from vibecore.core.paths import state_folder, write_whole

# Names the folder of its record to the process of a run.
RUN_VARIABLE = "VIBECHECK_RUN"


@dataclass(frozen=True)
class LaunchedRun:
    """A run that was launched; resuming it makes a new process, not a new run.

    `pid` and `process_started` together are one process, even once the number is used again.
    `expected_seconds` has a config's time as estimated before, None where nothing was known.
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

    @property
    def folder(self) -> Path:
        """Where its record and log are."""
        return runs_folder() / self.id

    @property
    def log(self) -> Path:
        """What its process printed."""
        return self.folder / "log.txt"

    def process(self) -> psutil.Process | None:
        """Its process while it lives."""
        try:
            process = psutil.Process(self.pid)
            # Its start is told by the clock, which may have been set since; its command is not.
            same = process.create_time() == self.process_started or self._is_ours(process)
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None

    def _is_ours(self, process: psutil.Process) -> bool:
        """Whether a process of this number runs this study into this database."""
        return {"vibecore", "run", f"--db={self.db}", f"--study={self.study}"} <= set(
            process.cmdline()
        )

    def alive(self) -> bool:
        """Whether it is at work: its process is there and has not said that it ended."""
        return self.process() is not None and self.exit_code() is None

    def exit_code(self) -> int | None:
        """How it said that it ended; None while it runs, and where it could not say."""
        ended = _read_json(self.folder / "ended.json")
        return ended["code"] if ended else None

    def was_cancelled(self) -> bool:
        """Whether somebody asked it to stop."""
        return (self.folder / "cancelled").exists()


def runs_folder() -> Path:
    """The folder of all launched runs."""
    folder = state_folder() / "runs"
    folder.mkdir(exist_ok=True)
    return folder


def new_id() -> str:
    """An id that sorts by time, for an address."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def save(run: LaunchedRun) -> None:
    """Write a run's record, whole or not at all."""
    _write_json(run.folder / "record.json", {**asdict(run), "db": str(run.db)})


def list_runs(db: Path) -> list[LaunchedRun]:
    """The runs launched into a database, the newest first."""
    wanted = db.resolve()
    found = [_read(folder) for folder in runs_folder().iterdir() if folder.is_dir()]
    mine = [run for run in found if run is not None and run.db == wanted]
    return sorted(mine, key=lambda run: run.launched_at, reverse=True)


def find(run_id: str) -> LaunchedRun:
    """A launched run. Raises InputError when there is none of that id."""
    # An id comes from an address: it must not lead out of the folder.
    run = _read(runs_folder() / run_id) if re.fullmatch(r"[\w-]+", run_id) else None
    if run is None:
        raise InputError(f"There is no launched run '{run_id}' on this machine.")
    return run


@contextmanager
def noted() -> Iterator[None]:
    """Around what a run does: where it was launched, note how it ended. Else do nothing."""
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
        _write_json(Path(named) / "ended.json", {"code": code, "at": time.time()})


def _code_of(error: BaseException) -> int:
    """The exit code that the command line gives an exception."""
    if isinstance(error, VibeError):
        return 2 if isinstance(error, InputError) else 1
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return int(getattr(error, "exit_code", 1))


def _read(folder: Path) -> LaunchedRun | None:
    row = _read_json(folder / "record.json")
    if row is None:
        return None
    return LaunchedRun(**{**row, "db": Path(row["db"]), "configs": tuple(row["configs"])})


def _read_json(file: Path) -> dict[str, Any] | None:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None


def _write_json(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, json.dumps(content))
