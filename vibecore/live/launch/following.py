"""How a launched run stands: its process and its place in the queue, and what is stored of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.core.errors import INTERRUPTED, InputError
from vibecore.live.launch.record import LaunchedRun, list_runs
from vibecore.runtime import device_queue
from vibecore.runtime.device_queue import Ticket

Row = dict[str, Any]

LOG_LINES = 12
LOG_BYTES = 20_000
# Pages show the last known state rather than wait longer than this for a writer.
READ_SECONDS = 5.0

# state of a run -> what it means, for people
STATES = {
    "starting": "Starting: the process is loading what it needs.",
    "waiting": "Waiting for its turn on the device.",
    "running": "Running.",
    "stopping": "Stopping: it has been asked to end.",
    "complete": "Complete.",
    "failed": "Ended; at least one config failed.",
    "refused": "It did not begin.",
    "stopped": "Stopped. What was generated is stored; resume does the rest.",
    "died": "Ended without finishing: the process was killed, or the machine went down. What was "
    "generated is stored; resume does the rest.",
}
ALIVE = ("starting", "waiting", "running", "stopping")
CODES = {0: "complete", 1: "failed", 2: "refused", INTERRUPTED: "stopped"}


@dataclass(frozen=True)
class ConfigProgress:
    """One config of a run: `done` of `total` outputs are stored.

    `status` is that of its row, but `loading` while its process loads it, and `interrupted` where
    the row says `running` and no process does.
    `tokens_per_second` is of the last outputs; `seconds_left` None where no speed is known.
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
    """A run as it stands. `state` is one of STATES; `begun`: its study is stored; `waits_for` who
    has the device before it, and `place` its place in the queue, 1 the next; `log` the last lines
    that its process printed."""

    state: str
    begun: bool
    configs: tuple[ConfigProgress, ...]
    waits_for: str | None
    place: int | None
    exit_code: int | None
    log: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """Whether its process is there."""
        return self.state in ALIVE

    @property
    def done(self) -> int:
        """Outputs stored, of all configs."""
        return sum(config.done for config in self.configs)

    @property
    def total(self) -> int:
        """Outputs wanted, of all configs."""
        return sum(config.total for config in self.configs)

    @property
    def seconds_left(self) -> float | None:
        """Of all configs together; None while one's speed is not known."""
        left = [config.seconds_left for config in self.configs if config.status != "failed"]
        return None if None in left else sum(left)  # type: ignore[arg-type]

    @property
    def can_resume(self) -> bool:
        """Whether there is something left to do, and a study to do it in."""
        return self.begun and not self.alive and self.done < self.total


def state(run: LaunchedRun) -> str:
    """Which of STATES a run is in, without reading its database."""
    return _now(run)[0]


def progress(run: LaunchedRun) -> RunProgress:
    """How a run stands now. Raises VibeError where its database cannot be read."""
    now, ahead, mine = _now(run)
    rows = _stored(run.db, run.study, _launched(run), store.content_key(run.db))
    return RunProgress(
        state=now,
        begun=bool(rows),
        configs=_configs(run, rows, now),
        waits_for=device_queue.in_words(ahead) if ahead else None,
        place=mine.place if mine and mine.place else None,
        exit_code=run.exit_code(),
        log=_last_lines(run.log),
    )


def unfinished_studies(db: Path) -> list[str]:
    """Measured studies with outputs missing that no launched run is doing and none waits to do."""
    if not db.exists():
        return []
    with store.reading(db, wait_seconds=READ_SECONDS) as connection:
        names = [
            row["name"]
            for row in store.list_studies(connection)
            if row["source"] == "measured"
            and row["generations"] < row["configs"] * row["prompt_count"]
        ]
    launched = {run.study for run in list_runs(db)}
    busy = {ticket.what for device in ("cpu", "cuda") for ticket in device_queue.tickets(device)}
    return [name for name in names if name not in launched and f"study {name}" not in busy]


def _now(run: LaunchedRun) -> tuple[str, list[Ticket], Ticket | None]:
    """The state of a run, who is before it on its device, and its own ticket."""
    cancelled = run.was_cancelled()
    if not run.alive():
        # Read after its end was seen. The code is what a run gave itself, or how it came to have
        # none: cancelled before it could, or killed.
        code = run.exit_code()
        return ("stopped" if cancelled and code != 0 else CODES.get(code, "died")), [], None
    tickets = device_queue.tickets(run.device)
    mine = next((ticket for ticket in tickets if ticket.pid == run.pid), None)
    if cancelled:
        return "stopping", [], mine
    if mine is None:
        return "starting", [], None
    if mine.begun:
        return "running", [], mine
    return "waiting", tickets[: mine.place] or device_queue.residents(run.device), mine


@lru_cache(maxsize=64)
def _stored(db: Path, study: str, since: datetime, content: tuple[int, ...]) -> tuple[Row, ...]:
    """What the database has of a study; read again only when its file has changed."""
    if not content:
        return ()
    try:
        with store.reading(db, wait_seconds=READ_SECONDS) as connection:
            return tuple(store.read_run_progress(connection, study, since))
    except InputError:
        # Its run has not come to writing it yet.
        return ()


def _configs(run: LaunchedRun, rows: tuple[Row, ...], state: str) -> tuple[ConfigProgress, ...]:
    if not rows:
        return tuple(
            ConfigProgress(
                name, "pending", 0, run.prompts, None, run.expected_seconds.get(name), None
            )
            for name in run.configs
        )
    # What storing an output costs besides decoding it: much with tiny models, else hardly any.
    paced = [row["pace"] - row["seconds_per_output"] for row in rows if row["pace"] is not None]
    found = [
        _config(row, run.expected_seconds.get(row["config"]), max([0.0, *paced]), state)
        for row in rows
    ]
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


def _failed_now(run: LaunchedRun, row: Row) -> bool:
    """Whether a config failed in this process; what failed in an earlier one is tried again."""
    if row["status"] != "failed":
        return False
    return row["finished_at"] >= _launched(run)


def _launched(run: LaunchedRun) -> datetime:
    """When, as times are stored: in UTC, in whole seconds."""
    return datetime.fromtimestamp(int(run.launched_at), UTC).replace(tzinfo=None)


def _config(row: Row, expected: float | None, beside: float, state: str) -> ConfigProgress:
    running = state in ("running", "stopping")
    status = "interrupted" if row["status"] == "running" and not running else row["status"]
    missing = row["total"] - row["done"]
    left = None if expected is None else expected + missing * beside
    if row["seconds_per_output"] is not None:
        left = missing * (row["seconds_per_output"] + beside)
    return ConfigProgress(
        config=row["config"],
        status=status,
        done=row["done"],
        total=row["total"],
        tokens_per_second=row["tokens_per_second"],
        seconds_left=left if missing else 0.0,
        error=row["error"],
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
