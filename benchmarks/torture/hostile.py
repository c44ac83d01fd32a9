"""Texts that mean something to a terminal, a browser, a file format or a spreadsheet, in every text
of a database, through every command and every page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import STUDY, small_database
from benchmarks.torture.ground import Ended, Ground, last_line
from benchmarks.torture.pages import PAGES, Forker
from vibecore.core.paths import PROJECT_ROOT
from vibecore.store.connection import STORAGE

# As vibecore.core.terminal_text, written here again: a mistake there is to be found.
RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
TEXTS = {
    "escape sequences": "\x1b]52;c;Y3VybA==\x07\x1b]0;owned\x07\x1b[2J\x1bP+q\x1b\\",
    "C1 and DEL": "\x9b2J\x9d0;owned\x9c\x90\x7f\x85",
    "NUL": "a\0b",
    "carriage returns": "safe\rowned\r\n\v\f\x1c\x1d\u2028\u2029",
    "bidirectional": "\u202egnp.exe\u2066\u061c\u200f\u2069",
    "forbidden in XML": "\x01\x0b\x1f\ufffe\uffff]]><!--",
    "HTML": "<script>document.title='x'</script><img src=x onerror=alert(1)>&#0;</style>",
    "Markdown": "# a\n![i](http://127.0.0.1:1/a)[l](javascript:1)\n```\n|a|b|\n$$\\frac{1}{0}$$",
    "templates": "{{7*7}} ${x} %s %n {0.__class__} :red[x] :material/home: [bold]x[/bold] [/]",
    "formula": "=cmd|' /C calc'!A0",
    "path": "../../../../etc/passwd",
    "option": "--db=/dev/null",
    "blank": " \u00a0\u200b\ufeff",
    "combining": "a" + "\u0301" * 3000,
    "long word": "x" * 100_000,
    "ten million": "word and " * 1_150_000,
}
MOST_NAME_BYTES = 200
COLUMNS = {
    "study": ("title", "hardware", "note"),
    "run": ("error", "source", "revision", "stored_as"),
    "generation": ("text", "reasoning", "rendered_prompt"),
    "verdict": ("explanation",),
    "prompt": ("text",),
}
# Names go into every row that names them.
NAMED = {"study": "name", "run": "config"}
MOST_IN_ALL_ROWS = 200_000
# Where a longer one goes: the study that the commands read, and the first output of its first run.
_OF_STUDY = f"study_id = (SELECT study_id FROM study WHERE name = '{STUDY}')"
_FIRST_RUN = f"run_id = (SELECT min(run_id) FROM run WHERE {_OF_STUDY})"
_FIRST_PROMPT = f"prompt_id = (SELECT min(prompt_id) FROM prompt WHERE {_OF_STUDY})"
ONE_ROW = {
    "study": _OF_STUDY,
    "run": _FIRST_RUN,
    "generation": f"{_FIRST_RUN} AND {_FIRST_PROMPT}",
    "verdict": f"{_FIRST_RUN} AND {_FIRST_PROMPT} AND position = 0",
    "prompt": f"{_OF_STUDY} AND {_FIRST_PROMPT}",
}

_WRITER = f"""
import json, sys, duckdb
order = json.load(sys.stdin)
connection = duckdb.connect(order["db"], config={STORAGE!r})
for table, columns in order["columns"].items():
    known = {{row[0] for row in connection.execute(f"DESCRIBE {{table}}").fetchall()}}
    for column in set(columns) & known:
        place = order["place"].get(table) if order["place"] else None
        some = f"WHERE {{place}}" if place else ""
        connection.execute(f"UPDATE {{table}} SET {{column}} = ? {{some}}", [order["text"]])
for table, column in order["named"].items():
    connection.execute(f"UPDATE {{table}} SET {{column}} = {{column}} || ?", [order["name"]])
connection.close()
"""


def say_hostile_things(ground: Ground) -> Iterator[Figures]:
    """Each text in every place of a database that is shown; read, drawn, judged, exported, written
    as a report and imported."""
    whole = small_database(ground)
    with closing(Forker(ground)) as forker:
        for name, text in TEXTS.items():
            figures = Figures(f"hostile text: {name}")
            started = time.monotonic()
            db = ground.fresh("hostile.duckdb")
            shutil.copy(whole, db)
            short = text if len(text) < MOST_NAME_BYTES else ""
            _write(db, text, short)
            _command_all(ground, figures, name, db, STUDY + short)
            show_all(forker, figures, name, db, STUDY + short)
            db.unlink()
            figures.seconds = time.monotonic() - started
            yield figures


def _write(db: Path, text: str, name: str) -> None:
    order = {
        "db": str(db),
        "columns": COLUMNS,
        "named": NAMED,
        "text": text,
        "name": name,
        "place": ONE_ROW if len(text) >= MOST_IN_ALL_ROWS else None,
    }
    subprocess.run(
        [sys.executable, "-c", _WRITER],
        input=json.dumps(order).encode(),
        check=True,
        cwd=PROJECT_ROOT,
    )


def _command_all(ground: Ground, figures: Figures, name: str, db: Path, study: str) -> None:
    """Every command that takes a database; `study` cannot be an argument where NUL is in it."""
    out = ground.fresh("out")
    out.mkdir()
    named = () if "\0" in study else (f"--study={study}",)
    forms = ("table", "json", "csv", "md")
    commands: list[tuple[str, ...]] = [("studies", f"--format={form}") for form in forms]
    for command in ("summary", "outputs", "findings", "sweet-spot", "fidelity"):
        commands += [(command, *named, f"--format={form}") for form in forms]
    commands += [
        ("compare", *named, "--study=published", "--format=table"),
        ("sweet-spot", *named, "--code"),
        ("rescore", *named),
        ("export", *named, f"--out={out / 'x'}"),
        ("export", *named, "--parquet", f"--out={out / 'parquet'}"),
        ("report", *named, f"--out={out / 'x.html'}"),
        ("report", *named, f"--out={out / 'x.md'}"),
    ]
    for command in commands:
        figures.tries += 1
        judge(figures, ground.quick(*command, f"--db={db}"), f"{name}, {command[0]}")
    for given in (db, out / "parquet"):
        figures.tries += 1
        into = f"--db={out / 'new.duckdb'}"
        judge(figures, ground.quick("import", str(given), into), f"{name}, import")
    shutil.rmtree(out)


def judge(figures: Figures, ended: Ended, how: str) -> None:
    """Count how a command ended, and what it printed raw."""
    how = f"{how}: exit {ended.code}, {last_line(ended.told)!a}"
    if found := RAW.search(ended.out + ended.told):
        figures.count("raw control character", f"{how}: {found[0]!a}")
    if ended.fault:
        figures.count(ended.fault, how)
    elif ended.code == 0:
        figures.count("done")
    else:
        figures.count("refused" if ended.told.strip() else "error", how)


def show_all(forker: Forker, figures: Figures, name: str, db: Path, study: str) -> None:
    """Show every page of a database and count what came of it."""
    ended, shown = forker.show(db, [(page, {"study": study}) for page in PAGES])
    figures.tries += len(PAGES)
    if ended.code != 0:
        what = "hang" if ended.code is None else "crash"
        figures.count(what, f"{name}, pages: {last_line(ended.told)!a}")
    for page, one in zip(PAGES, shown, strict=False):
        if one["exceptions"]:
            figures.count("traceback", f"{name}, {page}: {one['exceptions'][0][:150]!a}")
        else:
            figures.count("explained on a page" if one["errors"] else "shown")
