"""The dashboard's pages of databases with a flipped byte: each page has to show what it showed of
the whole one, or say in a sentence what is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import STUDY, WARNINGS, flip_byte, small_database
from benchmarks.torture.ground import Ended, Ground, last_line
from vibecore.core.paths import PROJECT_ROOT

PAGES = ("metrics", "charts", "outputs", "fidelity", "compare", "findings", "speed", "about")
ALL_SECONDS = 240.0
# A page's ends by what it says.
UNFINISHED = ("unfinished", "leading so far", "stopped", "missing")

Shown = list[dict[str, Any]]


class Forker:
    """A process that shows pages, each database's in a fork of its own."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.torture.page_forker"],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def show(self, db: Path, pages: list[tuple[str, dict[str, str]]]) -> tuple[Ended, Shown]:
        """How the process of these pages ended, and what each showed; none where it did not."""
        assert self.process.stdin is not None and self.process.stdout is not None
        base = self.ground.fresh("pages")
        order = {"db": str(db), "pages": pages, "base": str(base), "seconds": ALL_SECONDS}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        code = json.loads(self.process.stdout.readline())
        told, out = (base.with_name(f"{base.name}.{name}") for name in ("told", "out"))
        ended = Ended(code, "", told.read_text("utf-8", "replace"))
        shown = json.loads(out.read_text("utf-8")) if code == 0 else []
        for file in (told, out):
            file.unlink(missing_ok=True)
        return ended, shown

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def flip_pages(ground: Ground, tries: int) -> Figures:
    """One byte of the database, anywhere; then every page of it."""
    figures = Figures("pages of a file with a byte flipped")
    started = time.monotonic()
    whole = small_database(ground)
    # Under one name, which some pages show.
    db = ground.fresh("shown.duckdb")
    size = whole.stat().st_size
    pages = [(page, {"study": STUDY}) for page in PAGES]
    forker = Forker(ground)
    try:
        shutil.copy(whole, db)
        ended, truth = forker.show(db, pages)
        assert ended.code == 0 and len(truth) == len(pages), ended
        assert not any(page["exceptions"] or page["errors"] for page in truth), truth
        for _ in range(tries):
            figures.tries += 1
            shutil.copy(whole, db)
            place = ground.chance.randrange(size)
            how = f"byte {place} {flip_byte(db, place, ground.chance.randrange(1, 256))}"
            ended, shown = forker.show(db, pages)
            if ended.code != 0:
                what = "hang" if ended.code is None else "crash"
                figures.count(what, f"{how}: {last_line(ended.told)}")
            for page, now, before in zip(PAGES, shown, truth, strict=False):
                said = " ".join(now["exceptions"] or now["errors"] or now["warnings"])
                figures.count(judged(now, before), f"{how}, {page}: {said[:200]}")
    finally:
        forker.close()
    figures.seconds = time.monotonic() - started
    return figures


def judged(now: dict[str, Any], whole: dict[str, Any]) -> str:
    """What a page of a damaged database is, beside the page of the whole one."""
    if now["exceptions"]:
        return "traceback"
    if now["errors"]:
        return "refused"
    if now["rest"] == whole["rest"] and now["warnings"] == whole["warnings"]:
        return "same figures"
    if any(word in warning for warning in now["warnings"] for word in WARNINGS):
        return "said that it is not whole"
    told, before = (" ".join([*page["warnings"], *page["rest"]]) for page in (now, whole))
    if any(told.count(word) > before.count(word) for word in UNFINISHED):
        return "said that it is not whole"
    return "wrong in silence"
