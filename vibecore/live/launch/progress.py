"""A launched run's progress: its process, its place in the queue, and the outputs stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from vibecore import store
from vibecore.core.errors import INTERRUPTED, InputError, VibeError
from vibecore.core.rows import ProgressRow
from vibecore.live.launch.record import LaunchedRun, list_runs
from vibecore.runtime import device_queue
from vibecore.runtime.device_queue import QueueEntry

LOG_LINES = 12
LOG_BYTES = 20_000
# Pages show the last known state rather than wait longer than this for a writer.
READ_SECONDS = 5.0

# state of a run -> what it means, for people
STATES = {
    "starting": "Starting: the process is loading what it needs.",
    "waiting": "Waiting for the device.",
    "running": "Running.",
    "stopping": "Stopping: it was asked to end.",
    "complete": "Complete.",
    "failed": "Ended; at least one config failed.",
    "refused": "It did not begin.",
    "stopped": "Stopped. What was generated is stored; resume generates the rest.",
    "died": "Ended without finishing: the process was killed, or the machine went down. What was "
    "generated is stored; resume generates the rest.",
}
ALIVE = ("starting", "waiting", "running", "stopping")
CODES = {0: "complete", 1: "failed", 2: "refused", INTERRUPTED: "stopped"}
# How a process can end although all that it was to make is stored.
CUT_SHORT = ("died", "stopped", "failed")


@dataclass(frozen=True)
class ConfigProgress:
    """One config of a run: `done` of `total` outputs are stored.

    `status` is the stored one, but `loading` while the process loads it, and `interrupted` where
    `running` is stored and no process runs. `tokens_per_second` is of the last outputs;
    `seconds_left` is None where no speed is known.
    """

    config: str
    status: str
    done: int
    total: int
    tokens_per_second: float | None
    seconds_left: float | None
    error: str | None


@dataclass(frozen=True)
class RunProgress:
    """A run at this moment. `state`: one of STATES; `begun`: its study is stored; `waits_for`: who
    holds the device; `place`: its place in the queue, 1 the next; `log`: the last lines that its
    process printed; `fidelity`: whether it is measured after the last output."""

    state: str
    begun: bool
    configs: tuple[ConfigProgress, ...]
    waits_for: str | None
    place: int | None
    exit_code: int | None
    log: tuple[str, ...]
    fidelity: bool = False

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.state in ALIVE

    @property
    def done(self) -> int:
        """Outputs stored, over all configs."""
        return sum(config.done for config in self.configs)

    @property
    def total(self) -> int:
        """Outputs planned, over all configs."""
        return sum(config.total for config in self.configs)

    @property
    def seconds_left(self) -> float | None:
        """Over all configs that have not failed; None while the speed of one is not known."""
        left = [config.seconds_left for config in self.configs if config.status != "failed"]
        known = [seconds for seconds in left if seconds is not None]
        return sum(known) if len(known) == len(left) else None

    @property
    def measuring(self) -> bool:
        """Whether all outputs that can be are stored, and fidelity is being measured."""
        ended = all(one.done >= one.total or one.status == "failed" for one in self.configs)
        return self.fidelity and self.state == "running" and self.begun and ended

    @property
    def can_resume(self) -> bool:
        """Whether its study is stored and lacks outputs, or fidelity that was to be measured."""
        lacks = self.done < self.total or (self.fidelity and self.state != "complete")
        return self.begun and not self.alive and lacks


def read_state(run: LaunchedRun) -> str:
    """Which of STATES a run is in. Its database is read only where its process was cut short: a
    signal can come after the last output, and then nothing is missing."""
    return _state_and_queue(run)[0]


def read_progress(run: LaunchedRun) -> RunProgress:
    """A run's progress now. Raises VibeError where its database cannot be read."""
    state, ahead, mine = _state_and_queue(run)
    rows = _stored(run.db, run.study, _launched(run), store.content_key(run.db))
    return RunProgress(
        state=state,
        begun=bool(rows),
        configs=_configs(run, rows, state),
        waits_for=device_queue.describe_wait(ahead) if ahead else None,
        place=mine.place if mine and mine.place else None,
        exit_code=run.exit_code(),
        log=_last_lines(run.log),
        fidelity=run.fidelity,
    )


def unfinished_studies(db: Path) -> list[str]:
    """Measured studies with missing outputs that no launched run, and none in a queue, will add."""
    if not db.exists():
        return []
    with store.reading(db, wait_seconds=READ_SECONDS) as connection:
        names = [
            row.name
            for row in store.list_studies(connection)
            if row.source == "measured" and row.complete < row.configs
        ]
    launched = {run.study for run in list_runs(db)}
    queued = {entry.what for device in ("cpu", "cuda") for entry in device_queue.queue_of(device)}
    return [name for name in names if name not in launched and f"study {name}" not in queued]


def _state_and_queue(run: LaunchedRun) -> tuple[str, list[QueueEntry], QueueEntry | None]:
    """A run's state, who is ahead of it on its device, and its own queue entry."""
    cancelled = run.was_cancelled()
    if not run.alive():
        # Read after the process was seen to have ended. A run that was cancelled early, or killed,
        # has written no code.
        code = run.exit_code()
        state = "died" if code is None else CODES.get(code, "died")
        if cancelled and code != 0:
            state = "stopped"
        return ("complete" if state in CUT_SHORT and _lacks_nothing(run) else state), [], None
    queue = device_queue.queue_of(run.device)
    mine = next((entry for entry in queue if entry.pid == run.pid), None)
    if cancelled:
        return "stopping", [], mine
    if mine is None:
        return "starting", [], None
    if mine.begun:
        return "running", [], mine
    return "waiting", queue[: mine.place] or device_queue.residents(run.device), mine


def _lacks_nothing(run: LaunchedRun) -> bool:
    """Whether all outputs of a run's configs are stored, and no more was to be measured."""
    content = store.content_key(run.db)
    if run.fidelity or not content:
        return False
    try:
        complete = _complete_configs(run.db, content).get(run.study, frozenset())
    except VibeError:
        # Not readable now: read_progress says why.
        return False
    return complete.issuperset(run.configs)


@lru_cache(maxsize=8)
def _complete_configs(db: Path, content: tuple[int, ...]) -> dict[str, frozenset[str]]:
    """By study, its complete configs; read again only when the database file has changed."""
    with store.reading(db, wait_seconds=READ_SECONDS) as connection:
        return {row.name: frozenset(row.complete_configs) for row in store.list_studies(connection)}


@lru_cache(maxsize=64)
def _stored(
    db: Path, study: str, since: datetime, content: tuple[int, ...]
) -> tuple[ProgressRow, ...]:
    """A study's stored progress; read again only when the database file has changed."""
    if not content:
        return ()
    try:
        with store.reading(db, wait_seconds=READ_SECONDS) as connection:
            return tuple(store.read_run_progress(connection, study, since))
    except InputError:
        # The run has not stored its study yet.
        return ()


def _configs(
    run: LaunchedRun, rows: tuple[ProgressRow, ...], state: str
) -> tuple[ConfigProgress, ...]:
    if not rows:
        return tuple(
            ConfigProgress(
                name, "pending", 0, run.prompts, None, run.expected_seconds.get(name), None
            )
            for name in run.configs
        )
    # Seconds that scoring and storing add to an output: much for tiny models, else hardly any.
    paced = [
        row.pace - row.seconds_per_output
        for row in rows
        if row.pace is not None and row.seconds_per_output is not None
    ]
    added = max([0.0, *paced])
    found = [_config(row, run.expected_seconds.get(row.config), added, state) for row in rows]
    if state == "running" and all(config.status != "running" for config in found):
        at = next(
            (
                number
                for number, (config, row) in enumerate(zip(found, rows, strict=True))
                if config.done < config.total and not _failed_now(run, row)
            ),
            None,
        )
        if at is not None:
            found[at] = replace(found[at], status="loading", error=None)
    return tuple(found)


def _failed_now(run: LaunchedRun, row: ProgressRow) -> bool:
    """Whether a config failed in this process; one that failed in an earlier one is retried."""
    return (
        row.status == "failed" and row.finished_at is not None and row.finished_at >= _launched(run)
    )


def _launched(run: LaunchedRun) -> datetime:
    """When it was launched, as times are stored: UTC, whole seconds."""
    return datetime.fromtimestamp(int(run.launched_at), UTC).replace(tzinfo=None)


def _config(row: ProgressRow, expected: float | None, added: float, state: str) -> ConfigProgress:
    running = state in ("running", "stopping")
    status = "interrupted" if row.status == "running" and not running else row.status
    missing = row.total - row.done
    left = None if expected is None else expected + missing * added
    if row.seconds_per_output is not None:
        left = missing * (row.seconds_per_output + added)
    return ConfigProgress(
        config=row.config,
        status=status,
        done=row.done,
        total=row.total,
        tokens_per_second=row.tokens_per_second,
        seconds_left=left if missing else 0.0,
        error=row.error,
    )


def _last_lines(log: Path) -> tuple[str, ...]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return tuple(lines[-LOG_LINES:])
