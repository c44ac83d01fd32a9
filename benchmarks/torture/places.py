"""A disk that fills up or is full, places that nobody or another user alone may write, a state
folder that cannot be used, and many processes at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import STUDY, small_database
from benchmarks.torture.ground import TRACEBACK, Ended, Ground, last_line
from benchmarks.torture.kills import (
    CONFIGS,
    NEW,
    SUITE,
    TOKENS,
    WHOLE_SECONDS,
    read_stored,
    undisturbed,
)
from benchmarks.torture.mounts import own_namespace, read_only, small_disk
from vibecore.core.errors import VibeError
from vibecore.core.paths import PROJECT_ROOT, STATE_VARIABLE

# Twelve commands share two cores.
CROWD_SECONDS = 600.0
# Another user than the one who runs this.
NOBODY = 65534


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

    def read_only(self) -> Figures:
        """The database's folder, the database, the folder of outputs or the state folder cannot be
        written: on a read-only mount, and by a user whom their modes do not let."""
        figures = Figures("read-only place")
        started = time.monotonic()
        if not own_namespace():
            figures.count("no mounts on this machine")
        for way in ("mount", "modes"):
            for place in ("folder of the database", "database", "output", "state"):
                if way == "mount" and own_namespace():
                    self._read_only(figures, place, way)
                # Root may write whatever the modes say: this is somebody else.
                if way == "modes" and os.getuid() == 0:
                    self._read_only(figures, place, way)
        figures.seconds = time.monotonic() - started
        return figures

    def _read_only(self, figures: Figures, place: str, way: str) -> None:
        folder = self.ground.fresh("read-only")
        (folder / "data").mkdir(parents=True)
        for name in ("out", "state", "home"):
            (folder / name).mkdir()
        db = folder / "data" / "r.duckdb"
        shutil.copy(self.whole, db)
        (folder / "out" / "report.html").write_text("old")
        closed = {
            "folder of the database": folder / "data",
            "database": db,
            "output": folder / "out",
            "state": folder / "state",
        }[place]
        before = read_stored(db, STUDY)
        if way == "modes":
            for one in (closed, *closed.rglob("*")):
                os.chown(one, NOBODY, NOBODY)
                one.chmod(0o555 if one.is_dir() else 0o444)
        environment = {
            STATE_VARIABLE: str(folder / "state"),
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "home"),
        }
        one = ("--config", CONFIGS[0], "--suite", SUITE, "--max-new-tokens", "2")
        out = str(folder / "out")
        commands: tuple[tuple[str, ...], ...] = (
            ("summary", "--study", STUDY),
            ("rescore", "--study", STUDY),
            ("studies", "rename", STUDY, "other"),
            ("run", *one, "--study", "new"),
            ("report", "--study", STUDY, "--out", f"{out}/report.html"),
            ("export", "--study", STUDY, "--out", f"{out}/export"),
            ("export", "--study", STUDY, "--parquet", "--out", f"{out}/parquet"),
        )
        # What does not write to the place has to go on.
        needs = {
            "folder of the database": {"rescore", "studies", "run"},
            "database": {"rescore", "studies", "run"},
            "output": {"report", "export"},
            "state": set[str](),
        }[place]
        with read_only(closed) if way == "mount" else nullcontext():
            for command in commands:
                if command[0] == "studies" and not needs & {"studies"}:
                    continue
                figures.tries += 1
                ended = self.ground.command(
                    *command,
                    *("--db", str(db)),
                    environment=environment,
                    obeys_modes=way == "modes",
                )
                how = f"{way}, {place}, {command[0]}: exit {ended.code}, {last_line(ended.told)}"
                self._judge(figures, ended, how)
                if command[0] not in needs and ended.code != 0:
                    figures.count("error", f"{how} (it writes nothing there)")
                if command[0] in needs and ended.code == 0:
                    figures.count("changed", f"{how} (it cannot have written)")
        if read_stored(db, STUDY) != before:
            figures.count("changed", f"{way}, {place}: the study")
        if place == "output" and [one.name for one in closed.iterdir()] != ["report.html"]:
            figures.count("changed", f"{way}, {place}: {sorted(closed.iterdir())}")
        if place == "output" and (closed / "report.html").read_text() != "old":
            figures.count("changed", f"{way}, {place}: the older report")

    def full_disk(self, tries: int) -> Figures:
        """A disk of a few MB that has a random number of bytes left. What is stored stays, and once
        there is room again what was refused is done."""
        figures = Figures("full disk")
        started = time.monotonic()
        if not own_namespace():
            figures.count("no mounts on this machine")
            return figures
        for number in range(tries):
            figures.tries += 1
            disk = self.ground.fresh("disk")
            disk.mkdir()
            size = self.whole.stat().st_size
            with small_disk(disk, 12 * size):
                self._fill(figures, disk, number, self.ground.chance.randrange(0, 2 * size))
        figures.seconds = time.monotonic() - started
        return figures

    def _fill(self, figures: Figures, disk: Path, number: int, left: int) -> None:
        db = disk / "full.duckdb"
        shutil.copy(self.whole, db)
        before = read_stored(db, STUDY)
        report = disk / "report.html"
        report.write_text("old")
        commands: tuple[tuple[str, ...], ...] = (
            ("run", *NEW, "--study", "k", "--db", str(db)),
            ("rescore", "--study", STUDY, "--db", str(db)),
            ("report", "--study", STUDY, "--db", str(db), "--out", str(report)),
            ("export", "--study", STUDY, "--db", str(db), "--out", str(disk / "out")),
            ("import", str(self.whole), "--db", str(disk / "new.duckdb")),
        )
        command = commands[number % len(commands)]
        filler = disk / "filler"
        room = os.statvfs(disk)
        with filler.open("wb") as opened:
            os.posix_fallocate(opened.fileno(), 0, max(1, room.f_bavail * room.f_frsize - left))
        state = {STATE_VARIABLE: str(disk / "state")}
        ended = self.ground.command(*command, environment=state, seconds=WHOLE_SECONDS)
        how = f"{command[0]}, {left} bytes left: exit {ended.code}, {last_line(ended.told)}"
        self._judge(figures, ended, how)
        filler.unlink()
        try:
            if read_stored(db, STUDY) != before:
                figures.count("changed", how)
            begun = read_stored(db) if command[0] == "run" else None
        except VibeError as error:
            figures.count("lost", f"{how}; {error}")
            return
        if report.read_text()[:3] not in ("old", "<!D", "<!d"):
            figures.count("lost", f"{how}: the older report")
        again = (
            ("run", "--resume", "--study", "k", "--db", str(db)) if begun is not None else command
        )
        if command[0] == "import" and ended.code == 0:
            return
        if ended.code != 0:
            ended = self.ground.command(*again, environment=state, seconds=WHOLE_SECONDS)
            if ended.fault or ended.code != 0:
                figures.count(ended.fault or "stuck", f"{how}; with room: {last_line(ended.told)}")
                return
        if command[0] == "run" and read_stored(db) != undisturbed(self.ground):
            figures.count("changed", f"{how}: not the rows of an undisturbed run")

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
