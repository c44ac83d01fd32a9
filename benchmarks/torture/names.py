"""Files and folders whose names mean something to a terminal, a shell, a pattern, an option or
DuckDB: as the database, a model's folder, what is written, what is read, and the folder to be in.

A command works or says in a sentence why not, and writes nothing beside what it was told to.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import STUDY, small_database
from benchmarks.torture.ground import Ended, Ground
from benchmarks.torture.hostile import TEXTS, judge, show_all
from benchmarks.torture.pages import Forker
from vibecore.catalog.demo_models import MODELS_DIR
from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT, STATE_VARIABLE

MOST_BYTES = 255
HOME = "~"
# Those of the texts that a file can have, and more.
NAMES = {
    **{
        name: text
        for name, text in TEXTS.items()
        if not set(text) & set("/\0") and len(text.encode("utf-8", "replace")) < MOST_BYTES
    },
    "no UTF-8": "a\udcff\udc80b",
    "line end": "a\nb\n",
    "dash": "-x",
    "known option": "--help",
    "dashes alone": "--",
    "one dash": "-",
    "home": HOME,
    "unknown home": "~nobody-of-this-name",
    "hidden": "..a",
    "spaces": " a ",
    "pattern": "[a-z]*?{x,y}",
    "quotes": "a'; DROP TABLE study; --\"`",
    "in memory": ":memory:",
    "scheme": "s3:a",
    "percent": "%s%20%00",
    "dollar": "$HOME`id`$(id)",
    "backslash": "C:\\a",
    "long": "x" * (MOST_BYTES - len(".duckdb")),
    "long of two bytes": "é" * ((MOST_BYTES - len(".duckdb")) // 2),
    "too long": "x" * MOST_BYTES,
}
RUN_SECONDS = 240.0
SUITE = PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml"
RESPONSE = {"prompt_id": "code_001", "text": "def add(a, b):\n    return a + b"}


def name_hostile_files(ground: Ground) -> Iterator[Figures]:
    """Every name in every place."""
    whole = small_database(ground)
    with closing(Forker(ground)) as forker:
        for name, text in NAMES.items():
            named = _Named(ground, whole, name, text)
            named.all(forker)
            yield named.figures


class _Named:
    """A folder in which everything has one name."""

    def __init__(self, ground: Ground, whole: Path, name: str, text: str) -> None:
        self.ground, self.whole, self.name, self.text = ground, whole, name, text
        self.figures = Figures(f"hostile name: {name}")
        self.folder = ground.fresh("names")
        self.folder.mkdir()

    def all(self, forker: Forker) -> None:
        """Do it, and look for what was written elsewhere."""
        started = time.monotonic()
        before = self._elsewhere()
        self._database(forker)
        self._files()
        self._model()
        self._folder_to_be_in()
        for place in sorted(self._elsewhere() - before):
            self.figures.count("written elsewhere", f"{self.name}: {place!a}")
        shutil.rmtree(self.folder)
        self.figures.seconds = time.monotonic() - started

    def _elsewhere(self) -> set[str]:
        """What there is beside the folder: of the project, of a user's and of torture's own."""
        here = self.ground.folder
        # `~` is meant for a user's.
        own = ("work",) if self.text == HOME else ("work", "home")
        places = [PROJECT_ROOT, here, *(here / name for name in own)]
        return {str(path) for place in places for path in place.iterdir()}

    def _ask(self, *arguments: str, **environment: str) -> Ended:
        """A command in the folder."""
        self.figures.tries += 1
        ended = self.ground.quick(*arguments, folder=self.folder, environment=environment)
        shown = " ".join(one for one in arguments if self.text not in one)
        judge(self.figures, ended, f"{self.name}, {shown}")
        return ended

    def _put(self, suffix: str, content: str | None = None) -> bool:
        """Whether there is a file of the name now; without content a database."""
        place = self.folder / f"{self.text}{suffix}"
        try:
            if content is None:
                shutil.copy(self.whole, place)
            else:
                place.write_text(content, encoding="utf-8")
        except OSError:
            self.figures.count("no such name")
            return False
        return True

    def _database(self, forker: Forker) -> None:
        there = self._put(".duckdb")
        for db in (self.text, f"{self.text}.duckdb"):
            self._ask("studies", f"--db={db}")
            self._ask("studies", **{DATABASE_VARIABLE: db})
            self._ask("import", "--db=into.duckdb", "--", db)
            self._ask("import", f"--db={db}", str(self.whole))
        named = (f"--study={STUDY}", f"--db={self.text}.duckdb")
        for command in ("summary", "outputs", "rescore"):
            self._ask(command, *named)
        self._ask("studies", "note", STUDY, "x", f"--db={self.text}.duckdb")
        self._ask("export", *named, f"--out={self.text}.out")
        if there:
            show_all(forker, self.figures, self.name, self.folder / f"{self.text}.duckdb", STUDY)

    def _files(self) -> None:
        one = (f"--study={STUDY}", f"--db={self.whole}")
        # An older one is replaced.
        for suffix in (".html", ".md", ".md", "", "/a.md"):
            self._ask("report", *one, f"--out={self.text}{suffix}")
        self._ask("export", *one, f"--out={self.text}e")
        self._ask("export", *one, "--parquet", f"--out={self.text}p")
        self._ask("import", "--db=into.duckdb", "--", f"{self.text}p")
        self._put(".jsonl", json.dumps(RESPONSE))
        self._put(".yaml", SUITE.read_text(encoding="utf-8"))
        self._put(".json", "{}")
        self._ask("score", f"--suite={self.text}.yaml", f"--responses={self.text}.jsonl")
        self._ask("score", f"--suite={self.text}", f"--responses={self.text}")
        self._ask("audit", "--", f"{self.text}.json")
        self._ask("import", "--db=into.duckdb", "--", f"{self.text}.json")
        self._ask("import", "--db=into.duckdb", f"{self.text}.json")

    def _model(self) -> None:
        model = self.folder / "models" / self.text
        try:
            model.parent.mkdir()
            shutil.copytree(MODELS_DIR / "1M", model)
        except OSError:
            self.figures.count("no such name")
        else:
            # A file of the name beside the model's own.
            (model / self.text).write_text("x", encoding="utf-8")
        for given in (f"models/{self.text}", str(model)):
            self._ask("inspect", "--format=json", "--", given)
        self._ask("inspect", "--", f"{self.text}.gguf")
        self.figures.tries += 1
        ended = self.ground.command(
            *("run", f"--model=models/{self.text}", "--precision=bf16", f"--suite={SUITE}"),
            *("--max-new-tokens=2", "--device=cpu", "--study=named", "--db=run.duckdb"),
            seconds=RUN_SECONDS,
            folder=self.folder,
        )
        judge(self.figures, ended, f"{self.name}, run --model")
        if ended.code == 0:
            self._ask("sweet-spot", "--study=named", "--db=run.duckdb", "--code")
            self._ask("summary", "--study=named", "--db=run.duckdb")

    def _folder_to_be_in(self) -> None:
        place = self.folder / "places" / self.text
        try:
            place.mkdir(parents=True)
        except OSError:
            self.figures.count("no such name")
            return
        one = (f"--study={STUDY}", f"--db={self.whole}")
        state = {STATE_VARIABLE: str(place / "state"), "HOME": str(place), "TMPDIR": str(place)}
        for command in (
            ("summary", *one),
            ("report", *one, "--out=a.md"),
            ("export", *one, "--parquet", "--out=p"),
            ("import", "p", "--db=i.duckdb"),
            ("rescore", f"--study={STUDY}", "--db=i.duckdb"),
            ("doctor",),
        ):
            self.figures.tries += 1
            ended = self.ground.quick(*command, folder=place, environment=state)
            judge(self.figures, ended, f"a folder named {self.name}, {command[0]}")
