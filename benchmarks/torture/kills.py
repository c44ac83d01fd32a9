"""Kills at random moments: of a run, its worker, its fork server, a launched run and a Try; of the
driver of a run on Ray, its actors and its raylet.

A study is resumed and cut short again until it is complete. What was acknowledged before a kill has
to be there after it, byte for byte and once; a complete study has to be called so and to have the
rows of one that nobody disturbed, token ids included; and nothing may be left running.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from benchmarks.torture.figures import Figures
from benchmarks.torture.ground import (
    GONE_SECONDS,
    TRACEBACK,
    Ground,
    heed_signals,
    last_line,
    lines_of,
)
from vibecore import store
from vibecore.core.errors import VibeError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.live import launch
from vibecore.studies.plan import Options
from vibecore.studies.queries import list_studies, read_outputs, read_runs

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# What is killed of a run on a Ray cluster of this machine's, by the name of its process.
RAY_TARGETS = {"driver on Ray": "", "actor": "ray::ConfigActor", "raylet": "raylet"}
TARGETS = (
    *("run", "worker", "fork server", "launched run"),
    *RAY_TARGETS,
    *("try", "worker of a playground", "playground"),
)
CONFIGS = ("1M-bf16", "1M-4bit")
TOKENS = 6
SUITE = str(PROJECT_ROOT / "prompts" / "vibe30.yaml")
# An undisturbed run of what is left takes about so long on two cores; a kill comes within it.
RUN_SECONDS = 9.0
# The cluster takes six of them.
RAY_SECONDS = 16.0
# Ray's agents look for their raylet for a minute before they end.
RAY_GONE_SECONDS = 100.0
MAKING_SECONDS = 2.0
TRY_SECONDS = 8.0
# From a worker's start to its answer, and some time after.
WORKER_SECONDS = 2.0
POLL_SECONDS = 0.02
WHOLE_SECONDS = 240.0

NEW = (
    *(part for config in CONFIGS for part in ("--config", config)),
    *("--suite", SUITE, "--max-new-tokens", str(TOKENS), "--device", "cpu"),
)

Stored = dict[tuple[str, str, int], str]


def kill(ground: Ground, target: str, kills: int) -> Figures:
    """Cut studies short `kills` times by ending `target`, then let the last one finish."""
    figures = Figures(f"kill of {target}")
    started = time.monotonic()
    if target == "try":
        for number in range(kills):
            _cut_try(ground, figures, SIGNALS[number % len(SIGNALS)])
    elif "playground" in target:
        for number in range(kills):
            _cut_playground(ground, figures, SIGNALS[number % len(SIGNALS)], target)
    else:
        chain = _Chain(ground, target, figures)
        for number in range(kills):
            chain.cut(SIGNALS[number % len(SIGNALS)])
        chain.finish()
    figures.seconds = time.monotonic() - started
    return figures


@functools.cache
def undisturbed(ground: Ground) -> Stored:
    """The outputs of the study where nobody kills anything, made without Ray."""
    db = ground.fresh("undisturbed.duckdb")
    ended = ground.command("run", *NEW, "--study", "k", "--db", str(db), seconds=WHOLE_SECONDS)
    stored = read_stored(db) if ended.code == 0 else None
    assert stored, ended
    return stored


class _Chain:
    """Studies, one after the other, each cut short until it is complete."""

    def __init__(self, ground: Ground, target: str, figures: Figures) -> None:
        self.ground, self.target, self.figures = ground, target, figures
        self._begin()

    def _begin(self) -> None:
        self.db = self.ground.fresh("kills.duckdb")
        self.stored: Stored = {}
        self.begun = False

    def cut(self, signal_number: signal.Signals) -> None:
        """Run or resume the study, and end the target at a random moment."""
        self.figures.tries += 1
        most = RAY_SECONDS if self.target in RAY_TARGETS else RUN_SECONDS
        moment = self.ground.chance.uniform(0, most)
        how = f"{signal_number.name} to the {self.target} after {moment:.2f} s, {self.db.name}"
        if self.target == "launched run":
            acknowledged = self._cut_launched(signal_number, moment)
        else:
            acknowledged = self._cut_run(signal_number, moment, how)
        gone = RAY_GONE_SECONDS if self.target in RAY_TARGETS else GONE_SECONDS
        if left := self.ground.left_running(seconds=gone):
            self.figures.count("left running", f"{how}: {left}")
        self._look(acknowledged, how)

    def finish(self) -> None:
        """Resume the last study to its end."""
        if not self.begun:
            return
        ended = self.ground.command(
            "run", "--resume", "--study", "k", "--db", str(self.db), seconds=WHOLE_SECONDS
        )
        if ended.fault or ended.code != 0:
            how = f"the last resume of {self.db.name}: exit {ended.code}, {last_line(ended.told)}"
            self.figures.count(ended.fault or "error", how)
        self._look(Counter(), f"the last resume of {self.db.name}")
        if self.begun:
            self.figures.count("stuck", f"{self.db.name} is not complete after its last resume")

    def _given(self) -> list[str]:
        given = ["--resume"] if self.begun else list(NEW)
        return [*given, "--ray", "auto"] if self.target in RAY_TARGETS else given

    def _cut_run(self, signal_number: signal.Signals, moment: float, how: str) -> Counter[str]:
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "benchmarks.torture.acknowledging", str(writing), "run"]
        log = self.ground.fresh("run.log")
        with log.open("wb") as told:
            process = subprocess.Popen(
                [*command, *self._given(), "--study", "k", "--db", str(self.db)],
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                pass_fds=[writing],
                start_new_session=True,
                preexec_fn=heed_signals,
            )
        os.close(writing)
        said = lines_of(reading, moment)
        # Half of the kills come while outputs are made: only then is there anything to lose.
        if not said and self.ground.chance.random() < 0.5:
            said = lines_of(reading, RUN_SECONDS * 4, at_first=True)
            said += lines_of(reading, self.ground.chance.uniform(0, MAKING_SECONDS))
        # One that has ended and was not waited for would take a signal too.
        chosen = _chosen(process, self.target) if process.poll() is None else []
        if not chosen:
            self.figures.count("ended before")
        for pid in chosen:
            try:
                os.kill(pid, signal_number)
                self.figures.count(signal_number.name)
            except ProcessLookupError:
                self.figures.count("ended before")
        try:
            process.wait(WHOLE_SECONDS)
        except subprocess.TimeoutExpired:
            self.figures.count("hang", how)
            process.kill()
            process.wait()
        said += lines_of(reading, 5)
        os.close(reading)
        if TRACEBACK in (text := log.read_text("utf-8", "replace")):
            self.figures.count("traceback", f"{how}: {last_line(text)}")
        acknowledged: Counter[str] = Counter()
        for line in said.decode().splitlines():
            config, _, done = line.rpartition(" ")
            acknowledged[config] = max(acknowledged[config], int(done))
        return acknowledged

    def _cut_launched(self, signal_number: signal.Signals, moment: float) -> Counter[str]:
        if self.begun:
            run = launch.resume("k", self.db)
        else:
            options = Options(
                configs=CONFIGS, suite=SUITE, study="k", max_new_tokens=TOKENS, device="cpu"
            )
            run = launch.start(options, self.db)
        time.sleep(moment)
        process = run.process()
        if process is None:
            self.figures.count("ended before")
        else:
            process.send_signal(signal_number)
            self.figures.count(signal_number.name)
        deadline = time.monotonic() + WHOLE_SECONDS
        while run.process() is not None and time.monotonic() < deadline:
            time.sleep(0.05)
        if TRACEBACK in (text := run.log.read_text("utf-8", "replace")):
            self.figures.count("traceback", f"{signal_number.name}: {last_line(text)}")
        return Counter()

    def _look(self, acknowledged: Counter[str], how: str) -> None:
        """Compare what is stored with what was, and with what was acknowledged."""
        try:
            now = read_stored(self.db)
        except VibeError as error:
            if self.begun or acknowledged:
                self.figures.count("lost", f"{how}: {error}")
            self._begin()
            return
        if now is None:
            return
        self.begun = True
        for key, text in self.stored.items():
            if key not in now:
                self.figures.count("lost", f"{how}: {key}")
            elif now[key] != text:
                self.figures.count("changed", f"{how}: {key}")
        of_config = Counter(config for config, _, _ in now)
        for config, done in acknowledged.items():
            if of_config[config] < done:
                self.figures.count("lost", f"{how}: {config} {of_config[config]} of {done}")
        if count_rows(self.db) != len(now):
            self.figures.count("doubled", how)
        self.stored = now
        whole = len(read_prompt_ids(self.db)) * len(CONFIGS)
        if len(now) == whole:
            self.figures.count("studies complete")
            if now != undisturbed(self.ground):
                self.figures.count("changed", f"{how}: not the rows of an undisturbed run")
            unfinished = [row.config for row in read_runs(self.db, "k") if row.status != "complete"]
            for config in unfinished:
                self.figures.count("stuck", f"{how}: {config}")
            self._begin()


def read_stored(db: Path, study: str = "k") -> Stored | None:
    """Every output of a study; None where the study is not there yet."""
    if not db.exists() or study not in {row.name for row in list_studies(db)}:
        return None
    return {
        (row.config, row.prompt_id, row.sample): f"{row.text}\0{row.token_ids}"
        for row in read_outputs(db, study)
    }


def count_rows(db: Path) -> int:
    """How many rows there are of generations, whatever their keys."""
    with store.reading(db) as connection:
        [(rows,)] = connection.execute("SELECT count(*) FROM generation").fetchall()
    return int(rows)


def read_prompt_ids(db: Path) -> list[str]:
    """The prompts of the study that is cut short."""
    with store.reading(db) as connection:
        return [row.prompt_id for row in store.read_prompts(connection, "k")]


def _chosen(process: subprocess.Popen[bytes], target: str) -> list[int]:
    """The process to end: the run itself where its worker or fork server is not there."""
    if target in ("run", "driver on Ray"):
        return [process.pid]
    if target in RAY_TARGETS:
        return descendants_of(process.pid, RAY_TARGETS[target])[:1] or [process.pid]
    servers = children_of(process.pid, "--fork-server")
    if target == "fork server":
        return servers[:1] or [process.pid]
    return workers_of(process.pid)[:1] or servers[:1] or [process.pid]


def workers_of(pid: int) -> list[int]:
    """The workers of a process's fork server."""
    servers = children_of(pid, "--fork-server")
    return [worker for server in servers for worker in children_of(server, "")]


def children_of(pid: int, word: str) -> list[int]:
    """Processes that one has started, those with a word in their command line where one is
    given."""
    try:
        found = psutil.Process(pid).children()
        return [one.pid for one in found if not word or word in one.cmdline()]
    except psutil.Error:
        return []


def descendants_of(pid: int, name: str) -> list[int]:
    """Processes below one whose program or title begins so."""
    found = []
    with suppress(psutil.Error):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                words = process.cmdline() or [""]
                if Path(words[0]).name.startswith(name) or words[0].startswith(name):
                    found.append(process.pid)
    return found


def _cut_playground(
    ground: Ground, figures: Figures, signal_number: signal.Signals, target: str
) -> None:
    """End the process whose playground a page of Try would use, or the worker of its session: what
    was lost has to be said, by the next prompt too where it got a worker that was about to end, and
    the one after it be answered."""
    figures.tries += 1
    longest = TRY_SECONDS if target == "playground" else WORKER_SECONDS
    moment = ground.chance.uniform(0, longest)
    how = f"{signal_number.name} to the {target} after {moment:.2f} s"
    log = ground.fresh("playground.log")
    with log.open("wb") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.torture.playing"],
            cwd=PROJECT_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=told,
            start_new_session=True,
            preexec_fn=heed_signals,
        )
    assert process.stdin is not None and process.stdout is not None
    answers = process.stdout.fileno()
    process.stdin.write(b"prompt\n")
    process.stdin.flush()
    chosen = [process.pid] if target == "playground" else _first_worker(process.pid)
    said = lines_of(answers, moment, at_first=True)
    for pid in chosen:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
            figures.count(signal_number.name)
    if not chosen:
        figures.count("no worker yet")
    if target == "playground":
        with suppress(BrokenPipeError):
            process.stdin.close()
    else:
        said += b"" if said else lines_of(answers, WHOLE_SECONDS, at_first=True)
        figures.count(_read_status(said, figures, how))
        process.stdin.write(b"prompt\nprompt\n")
        process.stdin.close()
        last = lines_of(answers, WHOLE_SECONDS).splitlines()[-1:]
        if (status := _read_status(b"".join(last), figures, how)) != "done":
            figures.count("stuck", f"{how}: a later prompt is {status}")
    try:
        process.wait(WHOLE_SECONDS)
    except subprocess.TimeoutExpired:
        figures.count("hang", how)
        process.kill()
        process.wait()
    process.stdout.close()
    if TRACEBACK in (text := log.read_text("utf-8", "replace")):
        figures.count("traceback", f"{how}: {last_line(text)}")
    if left := ground.left_running():
        figures.count("left running", f"{how}: {left}")


def _first_worker(pid: int) -> list[int]:
    """The worker of a playground's first session, once there is one."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while time.monotonic() < deadline:
        if workers := workers_of(pid):
            return workers[:1]
        time.sleep(POLL_SECONDS)
    return []


def _read_status(said: bytes, figures: Figures, how: str) -> str:
    """What a pane of the playground became, and whether that was explained."""
    lines = said.decode().splitlines()
    if not lines:
        figures.count("hang", f"{how}: the session never ended")
        return "hanging"
    answer = json.loads(lines[0])
    if answer["status"] == "failed" and not answer["error"]:
        figures.count("error", f"{how}: failed without a word")
    return str(answer["status"])


def _cut_try(ground: Ground, figures: Figures, signal_number: signal.Signals) -> None:
    figures.tries += 1
    moment = ground.chance.uniform(0, TRY_SECONDS)
    process = subprocess.Popen(
        [sys.executable, "-m", "vibecore", "try", "Name a colour.", "--config", "1M-4bit"],
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=heed_signals,
    )
    try:
        process.wait(moment)
        figures.count("ended before")
    except subprocess.TimeoutExpired:
        process.send_signal(signal_number)
        figures.count(signal_number.name)
    try:
        out, _ = process.communicate(timeout=WHOLE_SECONDS)
    except subprocess.TimeoutExpired:
        figures.count("hang", f"{signal_number.name} after {moment:.2f} s")
        process.kill()
        out, _ = process.communicate()
    if TRACEBACK.encode() in out:
        text = last_line(out.decode("utf-8", "replace"))
        figures.count("traceback", f"{signal_number.name} after {moment:.2f} s: {text}")
    if left := ground.left_running():
        figures.count("left running", f"{signal_number.name} after {moment:.2f} s: {left}")
