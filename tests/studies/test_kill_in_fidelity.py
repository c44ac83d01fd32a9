"""`kill -9` of the worker and of the run while a portion is measured, with real models: resuming
measures what is missing and no more, the figures are those of one go, and no process is left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.fidelity_killer import Killed, Seen, plan_of
from vibecore import store
from vibecore.core.paths import PROJECT_ROOT
from vibecore.runtime import fork_server
from vibecore.studies.fidelity import FidelityEvent, measure_fidelity
from vibecore.studies.plan import Options, new_plan
from vibecore.studies.run import run_study

TWO_PROMPTS = str(PROJECT_ROOT / "tests" / "data" / "two_prompts.yaml")
FLOOR, CHILD = "1M-bf16 (noise floor)", "1M-4bit"
GONE_SECONDS = 10.0
Rows = dict[tuple[Any, ...], list[float]]


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    """One fork server for all of these."""
    with fork_server.kept_running():
        yield


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with the outputs of 1M at bf16 and 4bit, and no fidelity."""
    db = tmp_path_factory.mktemp("study") / "new.duckdb"
    options = Options(configs=("1M-bf16", CHILD), study="s", suite=TWO_PROMPTS, device="cpu")
    run_study(new_plan(replace(options, max_new_tokens=8), db), lambda event: None)
    return db


def rows(db: Path) -> Rows:
    with store.reading(db) as connection:
        found = connection.execute(
            "SELECT run_id, way, reference, item, sample, kld FROM fidelity"
        ).fetchall()
    assert len({row[:-1] for row in found}) == len(found)
    return {row[:-1]: row[-1] for row in found}


def measure(
    db: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, str], list[tuple[Any, ...]]]:
    """Measure what is missing. Returns the statuses, and each text that was measured."""
    monkeypatch.setattr(Seen, "measured", [], raising=False)
    monkeypatch.setattr("vibecore.studies.workers.Worker", Seen)
    return measure_fidelity(plan_of(db), lambda event: None), Seen.measured


@pytest.fixture(scope="module")
def whole(study: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Rows, int]:
    """What is stored when nothing interrupts, and how many texts were measured for it."""
    db = Path(shutil.copy(study, tmp_path_factory.mktemp("whole") / "new.duckdb"))
    with pytest.MonkeyPatch.context() as patched:
        statuses, measured = measure(db, patched)
    assert set(statuses.values()) == {"complete"}
    return rows(db), len(measured)


def assert_resumes(db: Path, whole: tuple[Rows, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what is missing is measured, each once, and all is as if nothing had happened."""
    stored, (wanted, texts) = rows(db), whole
    assert 0 < len(stored) < len(wanted)
    statuses, measured = measure(db, monkeypatch)
    assert set(statuses.values()) == {"complete"}
    assert len(measured) == texts - len(stored)
    assert len(measured) == len(set(measured))
    assert rows(db) == wanted


# Of the floor one portion in a batch and two by graph; of the config two.
@pytest.mark.parametrize(("after", "failed"), [(2, FLOOR), (5, CHILD)])
def test_a_killed_worker_fails_its_comparison_alone(
    after: int,
    failed: str,
    study: Path,
    whole: tuple[Rows, int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    db = Path(shutil.copy(study, tmp_path / "new.duckdb"))
    monkeypatch.setattr(Killed, "begun", 0)
    monkeypatch.setattr(Killed, "after", after, raising=False)
    monkeypatch.setattr(Killed, "run", False, raising=False)
    monkeypatch.setattr("vibecore.studies.workers.Worker", Killed)
    events: list[FidelityEvent] = []
    before = {one.pid for one in psutil.Process().children(recursive=True)}
    # The next worker is another process, which nobody kills.
    monkeypatch.setattr(Killed, "_receive", spare_others(Killed._receive))
    statuses = measure_fidelity(plan_of(db), events.append)
    assert {label for label, status in statuses.items() if status == "failed"} == {failed}
    [reason] = [event.error for event in events if event.kind == "failed"]
    assert reason is not None and "killed (signal 9)" in reason
    assert ("with 1M-bf16 beside it" in reason) == (failed == CHILD)
    assert {one.pid for one in psutil.Process().children(recursive=True)} <= before
    assert_resumes(db, whole, monkeypatch)


def spare_others(receive: Any) -> Any:
    """A `_receive` after whose failure no further measurement kills anything."""

    def received(worker: Killed, *arguments: Any) -> Any:
        try:
            return receive(worker, *arguments)
        except Exception:
            Killed.after = sys.maxsize
            raise

    return received


def test_a_killed_run_leaves_no_process_and_is_resumed(
    study: Path, whole: tuple[Rows, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Path(shutil.copy(study, tmp_path / "new.duckdb"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.fidelity_killer", str(db), "5"],
        cwd=PROJECT_ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL
    family = [int(pid) for pid in done.stdout.split()]
    assert len(set(family)) >= 2, "a worker, and what forked it"
    left = [psutil.Process(pid) for pid in family if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(left, GONE_SECONDS)
    assert not alive
    assert_resumes(db, whole, monkeypatch)
