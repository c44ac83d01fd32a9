"""Launched runs on real processes and the demo models: followed, stopped, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.launched import TWO_PROMPTS, made
from vibecore import read_outputs, read_runs, store
from vibecore.core.errors import INTERRUPTED, InputError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.live import launch
from vibecore.live.launch import LaunchedRun
from vibecore.live.launch.control import arguments
from vibecore.live.launch.record import RUN_VARIABLE
from vibecore.runtime import device_queue
from vibecore.studies.plan import Options
from vibecore.studies.published import add_published
from vibecore.studies.queries import list_compared

PATIENCE = 240.0


def wait_until(holds: Callable[[], bool], run: LaunchedRun) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, launch.read_progress(run)
        time.sleep(0.05)


def state_of(run: LaunchedRun) -> str:
    return launch.read_progress(run).state


def ended(run: LaunchedRun) -> bool:
    return not launch.read_progress(run).alive


def test_a_run_waits_its_turn_is_stopped_killed_and_resumed(db: Path) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    options = Options(configs=("1M-bf16",), study="-odd name", max_new_tokens=40)
    with device_queue.acquire("cpu", "a try"):
        run = launch.start(options, db)
        assert launch.find(run.id) == run
        assert state_of(run) == "starting"
        assert os.getsid(run.pid) == run.pid, "Ctrl-C in the server's terminal must not reach it"
        wait_until(lambda: state_of(run) == "waiting", run)
        waiting = launch.read_progress(run)
        assert (waiting.waits_for, waiting.place) == ("a try to finish", 1)
        assert [config.status for config in waiting.configs] == ["pending"]
        assert launch.unfinished_studies(db) == [], "its own record stands for it"
        with pytest.raises(InputError, match="running now"):
            launch.resume(run.study, db)
    wait_until(lambda: launch.read_progress(run).done >= 2, run)
    running = launch.read_progress(run)
    assert (running.state, running.configs[0].status) == ("running", "running")
    assert running.configs[0].tokens_per_second > 0
    assert running.seconds_left > 0

    launch.cancel(run)
    stopped = launch.read_progress(run)
    assert (stopped.state, stopped.exit_code) == ("stopped", INTERRUPTED)
    assert [row.status for row in read_runs(db, run.study)] == ["stopped"]
    kept = read_outputs(db, run.study)
    assert 2 <= len(kept) == stopped.done < 30
    assert all(row.constraints for row in kept), "what is stored is whole"

    assert stopped.can_resume
    run = launch.resume(run.study, db)
    assert [one.id for one in launch.list_runs(db)] == [run.id], "one study, one launched run"
    wait_until(lambda: launch.read_progress(run).done > len(kept), run)
    os.kill(run.pid, signal.SIGKILL)
    wait_until(lambda: ended(run), run)
    killed = launch.read_progress(run)
    assert (killed.state, killed.exit_code) == ("died", None)
    assert killed.configs[0].status == "interrupted", "its row still says running"
    assert killed.can_resume

    run = launch.resume(run.study, db)
    wait_until(lambda: ended(run), run)
    complete = launch.read_progress(run)
    assert (complete.state, complete.exit_code, complete.done) == ("complete", 0, 30)
    assert not complete.can_resume
    assert kept == [row for row in read_outputs(db, run.study) if row.prompt_id in _prompts(kept)]
    wait_until(lambda: _children(before) == set(), run)


def _prompts(rows: list[dict]) -> set[str]:
    return {row.prompt_id for row in rows}


def _children(before: set[int]) -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)} - before


# A server that starts a run and is killed at once.
SERVER = """
import os, signal, sys
from pathlib import Path
from vibecore.live import launch
from vibecore.studies.plan import Options
options = Options(configs=("1M-bf16",), suite=sys.argv[2], study="s", max_new_tokens=8)
launch.start(options, Path(sys.argv[1]))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_run_outlives_who_started_it(db: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(db), TWO_PROMPTS]
    assert subprocess.run(command, cwd=PROJECT_ROOT).returncode == -signal.SIGKILL
    (run,) = launch.list_runs(db)
    wait_until(lambda: ended(run), run)
    assert (state_of(run), launch.read_progress(run).done) == ("complete", 2)


def test_a_finished_study_gains_configs_in_the_run_it_was(db: Path) -> None:
    options = Options(configs=("1M-bf16",), suite=TWO_PROMPTS, study="s", max_new_tokens=8)
    run = launch.start(options, db)
    more = Options(configs=("1M-4bit",), study="s")
    with pytest.raises(InputError, match=r"under way|no study"):
        launch.start(more, db, extend=True)
    wait_until(lambda: ended(run), run)
    with pytest.raises(InputError, match="1M-bf16 already"):
        launch.start(replace(more, configs=("1M-bf16",)), db, extend=True)
    extended = launch.start(more, db, extend=True)
    assert (extended.id, extended.configs) == (run.id, ("1M-bf16", "1M-4bit"))
    wait_until(lambda: ended(extended), extended)
    progress = launch.read_progress(extended)
    assert (progress.state, progress.done, progress.total) == ("complete", 4, 4), progress.log
    outputs = read_outputs(db, "s")
    assert {row.config for row in outputs} == {"1M-bf16", "1M-4bit"}
    assert all(row.new_tokens <= 8 for row in outputs), "by the study's own protocol"


def test_fidelity_is_measured_at_the_end_of_a_launched_run(db: Path) -> None:
    configs = ("1M-bf16", "1M-4bit")
    options = Options(configs=configs, suite=TWO_PROMPTS, study="f", max_new_tokens=8)
    with pytest.raises(InputError, match="16 bit"):
        launch.start(replace(options, configs=("1M-4bit",), fidelity=True), db)
    run = launch.start(replace(options, fidelity=True), db)
    assert launch.find(run.id).fidelity, "a resumed run measures it too"
    wait_until(lambda: ended(run), run)
    assert state_of(run) == "complete", launch.read_progress(run).log
    assert list_compared(db, "f") == ["1M-4bit"]


def test_a_run_can_be_cancelled_while_it_waits(db: Path) -> None:
    with device_queue.acquire("cpu", "a try"):
        run = launch.start(Options(configs=("1M-bf16",), suite=TWO_PROMPTS, study="s"), db)
        wait_until(lambda: state_of(run) == "waiting", run)
        launch.cancel(run)
        assert state_of(run) == "stopped"
        assert [entry.what for entry in device_queue.queue_of("cpu")] == ["a try"]
    assert launch.read_progress(run).done == 0


def test_a_run_that_finds_its_model_missing_says_so_in_its_log(db: Path, monkeypatch) -> None:
    # A hub model is looked for by the run itself; no network here, and none needed to see that.
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    run = launch.start(Options(configs=("0.5B-bf16",), suite=TWO_PROMPTS, study="s"), db)
    wait_until(lambda: ended(run), run)
    refused = launch.read_progress(run)
    assert (refused.state, refused.exit_code, refused.can_resume) == ("refused", 2, False)
    assert "--family demo" in " ".join(refused.log)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"study": "published"}, "already has a study"),
        ({}, "--family"),
        ({"configs": ("9B-bf16",)}, "no config"),
        ({"models": ("no/such/folder/here",), "precisions": ("bf16",)}, "neither a model folder"),
        ({"models": ("tests",), "precisions": ("bf16",)}, "not a model folder"),
        ({"family": "demo", "max_new_tokens": 0}, "from 1 to"),
        ({"family": "demo", "max_new_tokens": 10**6}, "from 1 to"),
        ({"family": "demo", "suite": "nope"}, "vibe30"),
        ({"family": "demo", "weights": "/no/such/folder"}, "not a folder"),
        ({"models": ("~nobody-of-that-name/m",), "precisions": ("bf16",)}, "cannot be looked up"),
        ({"models": ("m" * 5000,), "precisions": ("bf16",)}, "cannot be looked up"),
    ],
)
def test_bad_input_starts_nothing(db: Path, state: Path, options: dict, says: str) -> None:
    add_published(db)
    options = {"family": "demo", **options} if "study" in options else options
    with pytest.raises(InputError, match=says):
        launch.start(Options(**options), db)
    assert not (state / "runs").exists() or launch.list_runs(db) == []


def test_options_become_the_words_of_the_command() -> None:
    options = Options(configs=("a", "b"), study="-x", max_new_tokens=5)
    assert arguments(options) == ["--config=a", "--config=b", "--study=-x", "--max-new-tokens=5"]
    switches = Options(study="x", execute_code=True, fidelity=True)
    assert arguments(switches) == ["--study=x", "--execute-code", "--fidelity"]


ENDING = """
import sys
from pathlib import Path
from vibecore.core.errors import InputError, RunError
from vibecore.live.launch.record import recording_end

def say(*error):
    print("said too late" if Path({folder!r}, "ended.json").exists() else "said")

sys.excepthook = say
with recording_end():
    {work}
"""


@pytest.mark.parametrize(
    ("work", "code", "output"),
    [
        ("pass", 0, ""),
        ("raise InputError('x')", 2, "said"),
        ("raise RunError('x')", 1, "said"),
        ("raise ZeroDivisionError", 1, "said"),
        ("raise KeyboardInterrupt", INTERRUPTED, "said"),
    ],
)
def test_a_run_notes_how_it_ended_once_it_has_said_why(
    state: Path, monkeypatch, work: str, code: int, output: str
) -> None:
    run = made(state)
    monkeypatch.setenv(RUN_VARIABLE, str(run.folder))
    script = ENDING.format(folder=str(run.folder), work=work)
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (run.exit_code(), ended.stdout.strip()) == (code, output), ended.stderr


def test_a_number_used_again_is_not_the_run(state: Path) -> None:
    assert made(state, pid=os.getpid()).process() is None
    assert launch.find("one").study == "s"


@pytest.mark.parametrize("run_id", ["", "nope", "..", "../runs/one", "one/"])
def test_an_id_from_an_address_leads_nowhere_else(state: Path, run_id: str) -> None:
    made(state)
    with pytest.raises(InputError, match="no launched run"):
        launch.find(run_id)


def test_what_failed_before_is_loading_again_and_what_failed_now_has_failed(
    db: Path, fake_worker, state: Path, monkeypatch
) -> None:
    from vibecore.studies.plan import new_plan
    from vibecore.studies.run import run_study

    fake_worker.broken = {"1M-bf16": "no memory", "1M-4bit": "none either"}
    options = Options(configs=tuple(fake_worker.broken), study="s", suite=TWO_PROMPTS)
    run_study(new_plan(options, db), lambda event: None)
    run = made(
        state,
        db=db.resolve(),
        pid=os.getpid(),
        process_started=psutil.Process().create_time(),
        launched_at=time.time() - 60,
    )
    with device_queue.acquire("cpu", "study s"):
        assert [c.status for c in launch.read_progress(run).configs] == ["failed", "failed"]
        later = replace(run, launched_at=time.time() + 10)
        again = launch.read_progress(later).configs
        assert [(c.status, c.error) for c in again] == [
            ("loading", None),
            ("failed", "none either"),
        ]


def test_a_run_that_was_killed_after_its_last_output_is_complete(
    db: Path, fake_worker, state: Path
) -> None:
    from vibecore.studies.plan import new_plan
    from vibecore.studies.run import run_study

    options = Options(configs=("1M-bf16", "1M-4bit"), study="s", suite=TWO_PROMPTS)
    run_study(new_plan(options, db), lambda event: None)
    with store.writing(db) as connection:
        store.finish_run(connection, 2, "running")
    run = made(state, db=db.resolve(), configs=options.configs)
    progress = launch.read_progress(run)
    assert (progress.state, progress.can_resume) == ("complete", False)
    assert [config.status for config in progress.configs] == ["complete", "complete"]
    assert launch.read_state(run) == "complete"
    assert launch.read_state(replace(run, fidelity=True)) == "died", "which was to be measured"
    assert launch.read_state(replace(run, configs=("1M-bf16", "1M-8bit"))) == "died"
    assert launch.unfinished_studies(db) == []


def test_studies_begun_in_a_terminal_are_found(db: Path, fake_worker) -> None:
    from vibecore.studies.plan import new_plan
    from vibecore.studies.run import run_study

    assert launch.unfinished_studies(db.with_name("none.duckdb")) == []
    fake_worker.interrupt_after = 1
    with pytest.raises(KeyboardInterrupt):
        options = Options(configs=("1M-bf16",), study="s", suite=TWO_PROMPTS)
        run_study(new_plan(options, db), lambda event: None)
    assert launch.unfinished_studies(db) == ["s"]
    with device_queue.acquire("cpu", "study s"):
        assert launch.unfinished_studies(db) == [], "it is running in that terminal"
    with store.reading(db) as connection:
        assert store.study_exists(connection, "s")
