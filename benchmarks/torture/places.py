"""A disk that fills up, a state folder that cannot be used, and many processes at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import STUDY, small_database
from benchmarks.torture.ground import TRACEBACK, Ended, Ground, last_line
from benchmarks.torture.kills import CONFIGS, SUITE, TOKENS, read_stored
from vibecore.core.errors import VibeError
from vibecore.core.paths import PROJECT_ROOT, STATE_VARIABLE

# Twelve commands share two cores.
CROWD_SECONDS = 600.0


class Places:
    """A small database, and what is done to where it and the rest lie."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.whole = small_database(ground)

    def fill_the_disk(self, tries: int) -> Figures:
        """No file grows beyond a random size: what is there has to stay, and be readable."""
        figures = Figures("disk that fills up")
        started = time.monotonic()
        for number in range(tries):
            figures.tries += 1
            db, folder = self.ground.fresh("full.duckdb"), self.ground.fresh("out")
            shutil.copy(self.whole, db)
            before = read_stored(db, STUDY)
            size = db.stat().st_size
            folder.mkdir()
            report = folder / "report.html"
            report.write_text("old")
            commands: tuple[tuple[str, ...], ...] = (
                ("rescore", "--study", STUDY, "--db", str(db)),
                ("report", "--study", STUDY, "--db", str(db), "--out", str(report)),
                ("export", "--study", STUDY, "--db", str(db), "--out", str(folder)),
                ("import", str(self.whole), "--db", str(folder / "new.duckdb")),
            )
            command = commands[number % len(commands)]
            most = self.ground.chance.randrange(1, 2 * size)
            ended = self.ground.command(*command, most_file_bytes=most)
            how = f"{command[0]}, at most {most} bytes: exit {ended.code}, {last_line(ended.told)}"
            self._judge(figures, ended, how)
            try:
                if read_stored(db, STUDY) != before:
                    figures.count("changed", how)
            except VibeError as error:
                figures.count("lost", f"{how}; {error}")
            if report.read_text()[:3] not in ("old", "<!D", "<!d"):
                figures.count("lost", f"{how}: the older report")
        figures.seconds = time.monotonic() - started
        return figures

    def break_the_state(self) -> Figures:
        """The state folder is a file, holds empty and broken records, or is another user's."""
        figures = Figures("state folder broken")
        started = time.monotonic()
        states: dict[str, Callable[[Path], object]] = {
            "a file": lambda place: place.write_text("no folder"),
            "in nothing": lambda place: place.symlink_to("/proc/none"),
            "files for folders": _files_for_folders,
            "broken records": _broken_records,
        }
        for name, make in states.items():
            state = self.ground.fresh("state")
            make(state)
            db = self.ground.fresh("state.duckdb")
            given = [part for config in CONFIGS[:1] for part in ("--config", config)]
            for command in (
                ("run", *given, "--suite", SUITE, "--max-new-tokens", "2", "--db", str(db)),
                ("try", "Name a colour.", "--config", CONFIGS[0], "--max-new-tokens", "2"),
            ):
                figures.tries += 1
                ended = self.ground.command(*command, environment={STATE_VARIABLE: str(state)})
                how = f"{name}, {command[0]}: exit {ended.code}, {last_line(ended.told)}"
                self._judge(figures, ended, how)
        figures.seconds = time.monotonic() - started
        return figures

    def crowd(self, processes: int) -> Figures:
        """Runs, rescorings, imports and readings of one database at once: none may fail."""
        figures = Figures(f"{processes} processes at once")
        started = time.monotonic()
        db = self.ground.fresh("crowd.duckdb")
        shutil.copy(self.whole, db)
        before = read_stored(db, STUDY)
        one = ("--config", CONFIGS[0], "--suite", SUITE, "--max-new-tokens", str(TOKENS))
        kinds: tuple[tuple[str, ...], ...] = (
            ("run", *one, "--study"),
            ("rescore", "--study", STUDY),
            ("summary", "--study", STUDY, "--format", "json"),
            ("outputs", "--study", STUDY, "--format", "json"),
            ("findings", "--study", STUDY, "--format", "json"),
            ("studies", "--format", "json"),
        )
        begun = []
        for number in range(processes):
            command = kinds[number % len(kinds)]
            name = (f"crowd-{number}",) if command[0] == "run" else ()
            log = self.ground.fresh("crowd.log")
            with log.open("wb") as opened:
                process = subprocess.Popen(
                    [sys.executable, "-m", "vibecore", *command, *name, "--db", str(db)],
                    cwd=PROJECT_ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=opened,
                )
            begun.append((command[0], process, log))
        deadline = time.monotonic() + CROWD_SECONDS
        for name, process, log in begun:
            figures.tries += 1
            code: int | None
            try:
                code = process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                code = None
            told = log.read_text("utf-8", "replace")
            how = f"{name}: exit {code}, {last_line(told)}"
            if code is None:
                figures.count("hang", how)
            elif TRACEBACK in told:
                figures.count("traceback", how)
            elif code != 0:
                figures.count("error", how)
            else:
                figures.count("done")
        after = read_stored(db, STUDY)
        if after != before:
            figures.count("changed", "the study that was read and rescored")
        if left := self.ground.left_running():
            figures.count("left running", str(left))
        figures.seconds = time.monotonic() - started
        return figures

    def _judge(self, figures: Figures, ended: Ended, how: str) -> None:
        if ended.fault:
            figures.count(ended.fault, how)
        elif ended.code == 0:
            figures.count("went on")
        elif ended.told.strip():
            figures.count("refused")
        else:
            figures.count("error", how)


def _files_for_folders(place: Path) -> None:
    place.mkdir()
    for name in ("queue", "runs", "studies", "suites"):
        (place / name).write_text("no folder")


def _broken_records(place: Path) -> None:
    for folder, name in (
        ("queue/cpu", "entry-000000001.json"),
        ("queue/cpu", "resident-000000001.json"),
        ("studies", "use-000000001.json"),
        ("runs/one", "record.json"),
        ("runs/two", "record.json"),
    ):
        (place / folder).mkdir(parents=True, exist_ok=True)
        (place / folder / name).write_bytes(b"" if "one" in name else os.urandom(40))
