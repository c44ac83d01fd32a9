"""Databases that are damaged, cut off, of another schema, or no databases of ours at all.

Each command on such a file has to give what it gave on the whole one, or refuse in a sentence, or
say that something is missing. Another figure without a word is wrong in silence.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.ground import Ended, Ground, last_line
from vibecore import store
from vibecore.core.paths import DEFAULT_DB, PROJECT_ROOT
from vibecore.store.connection import STORAGE

STUDY = "demo"
COMMANDS = (
    ("studies", "--format", "json"),
    ("summary", "--study", STUDY, "--format", "json"),
    ("outputs", "--study", STUDY, "--format", "json"),
    ("findings", "--study", STUDY, "--format", "json"),
)
TABLES = ("study", "prompt", "run", "generation", "score", "verdict", "fidelity", "aggregate")
# What says that a figure is not to be trusted, or not whole.
WARNINGS = ("damaged", "is not whole", "checksum", "not complete", "unfinished")
# A run that was killed between its commit and its close, so that the commit is in the log alone.
LOG_WRITER = """
import os, sys, duckdb
run = int(sys.argv[2])
connection = duckdb.connect(sys.argv[1], config={"storage_compatibility_version": "v1.0.0"})
connection.execute("BEGIN")
for table in ("verdict", "score", "generation"):
    connection.execute(f"CREATE TEMP TABLE kept AS FROM {table} WHERE run_id = $run", {"run": run})
    connection.execute(f"DELETE FROM {table} WHERE run_id = {run}")
    connection.execute("COMMIT")
    connection.execute("BEGIN")
    connection.execute(f"INSERT INTO {table} FROM kept")
    connection.execute("DROP TABLE kept")
connection.execute("COMMIT")
os._exit(0)
"""


def small_database(ground: Ground) -> Path:
    """A database with the shipped demo study and the published one."""
    shipped = ground.fresh("shipped.duckdb")
    # A reader may bring an older schema up to date: never the one that ships.
    shutil.copy(DEFAULT_DB, shipped)
    small = ground.fresh("whole.duckdb")
    store.copy_studies(shipped, small, (STUDY, "published"))
    shipped.unlink()
    return small


class Damage:
    """A database with the shipped demo study and the published one, and what the commands say of
    it while it is whole."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.whole = small_database(ground)
        self.truth = [self._ask(self.whole, command) for command in COMMANDS]
        for command, ended in zip(COMMANDS, self.truth, strict=True):
            assert ended.code == 0, (command, ended)

    def flip(self, tries: int) -> Figures:
        """One byte of the database, anywhere."""
        size = self.whole.stat().st_size

        def flipped(db: Path) -> str:
            place = self.ground.chance.randrange(size)
            return f"byte {place} {flip_byte(db, place, self.ground.chance.randrange(1, 256))}"

        return self._each("byte flipped", tries, flipped)

    def flip_log(self, tries: int) -> Figures:
        """One byte of the write-ahead log that a killed writer left."""
        logged = self.ground.fresh("logged.duckdb")
        shutil.copy(self.whole, logged)
        with store.reading(logged) as connection:
            run = store.read_configs(connection, STUDY)[0].run_id
        subprocess.run([sys.executable, "-c", LOG_WRITER, str(logged), str(run)], check=True)
        log = _log_of(logged)
        assert log.exists(), "the writer left no log"

        def flipped(db: Path) -> str:
            shutil.copy(log, _log_of(db))
            place = self.ground.chance.randrange(log.stat().st_size)
            done = flip_byte(_log_of(db), place, self.ground.chance.randrange(1, 256))
            return f"byte {place} of {log.stat().st_size} of the log {done}"

        return self._each("byte of the log flipped", tries, flipped, logged)

    def truncate(self, tries: int) -> Figures:
        """The end of the database is missing."""
        size = self.whole.stat().st_size

        def cut(db: Path) -> str:
            length = self.ground.chance.choice((0, 1, 4096, self.ground.chance.randrange(size)))
            os.truncate(db, length)
            return f"cut to {length} of {size} bytes"

        return self._each("database cut off", tries, cut)

    def change_schema(self) -> Figures:
        """Each table and some columns are gone, or of another kind; another version."""
        tables = [
            "study",
            "prompt",
            "run",
            "generation",
            "score",
            "verdict",
            "fidelity",
            "aggregate",
        ]
        changes = [f"DROP TABLE {table}" for table in tables]
        changes += [
            "ALTER TABLE generation DROP COLUMN text",
            "ALTER TABLE run DROP COLUMN environment",
            "ALTER TABLE generation ALTER new_tokens TYPE VARCHAR",
            "ALTER TABLE study RENAME COLUMN protocol TO other",
            "UPDATE study SET protocol = '[]'",
            'UPDATE study SET protocol = \'{"samples": "many"}\'',
            "UPDATE study SET prompt_count = -1",
            "UPDATE run SET environment = '[]'",
            "UPDATE run SET environment = '1'",
            "UPDATE prompt SET constraints = '{}'",
            "UPDATE verdict SET arguments = '[1]'",
            "UPDATE score SET duplicates = '7'",
            "DELETE FROM prompt",
            "DELETE FROM run",
            "DELETE FROM score",
            "DELETE FROM generation",
            "UPDATE schema_version SET version = 99 WHERE version = 1",
            "DELETE FROM schema_version",
            "DROP TABLE schema_version",
            "CREATE VIEW other AS FROM study",
        ]
        left = iter(changes)

        def changed(db: Path) -> str:
            change = next(left)
            subprocess.run(
                [sys.executable, "-c", _CHANGER, str(db), change], check=True, cwd=PROJECT_ROOT
            )
            return change

        return self._each("schema changed", len(changes), changed, others_are_faults=False)

    def give_foreign_files(self) -> Figures:
        """Files that are no database of ours."""
        figures = Figures("foreign file as --db")
        started = time.monotonic()
        for name, make in FOREIGN.items():
            place = self.ground.fresh(name.replace(" ", "-"))
            make(place)
            was = place.read_bytes() if place.is_file() else None
            for command in (*COMMANDS[:2], ("rescore", "--study", STUDY)):
                figures.tries += 1
                ended = self.ground.quick(*command, "--db", str(place), seconds=20)
                how = f"{name}, {command[0]}: exit {ended.code}, {last_line(ended.told)}"
                if ended.fault:
                    figures.count(ended.fault, how)
                elif ended.code == 0:
                    figures.count("wrong in silence", how)
                else:
                    figures.count("refused")
            if was is not None and (not place.is_file() or place.read_bytes() != was):
                figures.count("changed", name)
        figures.seconds = time.monotonic() - started
        return figures

    def _each(
        self,
        attack: str,
        tries: int,
        damage: Callable[[Path], str],
        source: Path | None = None,
        *,
        others_are_faults: bool = True,
    ) -> Figures:
        """Damage copies, and judge what every command says of each."""
        figures = Figures(attack)
        started = time.monotonic()
        truth = self.truth
        for _ in range(tries):
            figures.tries += 1
            db = self.ground.fresh("damaged.duckdb")
            shutil.copy(source or self.whole, db)
            how = damage(db)
            for command, whole in zip(COMMANDS, truth, strict=True):
                ended = self._ask(db, command)
                what = judged(ended, whole, others_are_faults)
                figures.count(what, f"{how}, {command[0]}: {last_line(ended.told)}")
            for file in (db, _log_of(db)):
                file.unlink(missing_ok=True)
        figures.seconds = time.monotonic() - started
        return figures

    def _ask(self, db: Path, command: Sequence[str]) -> Ended:
        return self.ground.quick(*command, "--db", str(db), seconds=60)


def judged(ended: Ended, whole: Ended, others_are_faults: bool = True) -> str:
    """What a command's end on a damaged database is, beside its end on the whole one."""
    if ended.fault:
        return ended.fault
    if ended.code != 0:
        return "refused" if "Error" in ended.told else "error"
    if ended.out == whole.out:
        return "same figures"
    if any(word in ended.told for word in WARNINGS) or _lacks_outputs(ended.out, whole.out):
        return "said that it is not whole"
    return "wrong in silence" if others_are_faults else "other figures"


def _lacks_outputs(out: str, whole: str) -> bool:
    """Whether a table says by itself that it is not whole: a run of it is not complete, though all
    were."""
    try:
        rows, all_rows = json.loads(out), json.loads(whole)
    except ValueError:
        return False
    if not all(isinstance(row, dict) for row in [*rows, *all_rows]):
        return False
    if all_rows and "status" in all_rows[0]:
        return len(rows) == len(all_rows) and any(row["status"] != "complete" for row in rows)
    if all_rows and "complete" in all_rows[0] and "configs" in all_rows[0]:
        return any(row["complete"] < row["configs"] for row in rows if row["name"] == STUDY)
    return False


def flip_byte(file: Path, place: int, bits: int) -> str:
    """Change some `bits` of a byte of a file, and say how."""
    with file.open("r+b") as opened:
        opened.seek(place)
        byte = opened.read(1)[0]
        opened.seek(place)
        opened.write(bytes([byte ^ bits]))
    return f"from {byte:02x} to {byte ^ bits:02x}"


def _log_of(db: Path) -> Path:
    return db.with_name(f"{db.name}.wal")


_CHANGER = f"""
import sys, duckdb
connection = duckdb.connect(sys.argv[1], config={STORAGE!r})
connection.execute(sys.argv[2])
connection.close()
"""


def _sqlite(place: Path) -> None:
    connection = sqlite3.connect(place)
    connection.execute("CREATE TABLE study (name TEXT)")
    connection.commit()
    connection.close()


def _other_duckdb(place: Path) -> None:
    program = "import sys, duckdb; duckdb.connect(sys.argv[1]).execute('CREATE TABLE t (a INT)')"
    subprocess.run([sys.executable, "-c", program, str(place)], check=True)


FOREIGN: dict[str, Callable[[Path], object]] = {
    "empty file": lambda place: place.touch(),
    "one byte": lambda place: place.write_bytes(b"\0"),
    "text": lambda place: place.write_text("study,config\n" * 1000),
    "random bytes": lambda place: place.write_bytes(os.urandom(100_000)),
    "sqlite": _sqlite,
    "other duckdb": _other_duckdb,
    "png": lambda place: place.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(5000)),
    "magic alone": lambda place: place.write_bytes(bytes(8) + b"DUCK" + bytes(5000)),
    "folder": lambda place: place.mkdir(),
    "fifo": lambda place: os.mkfifo(place),
    "link to itself": lambda place: place.symlink_to(place),
    "link to nothing": lambda place: place.symlink_to(place.parent / "nothing"),
    "link to a device": lambda place: place.symlink_to("/dev/zero"),
}
