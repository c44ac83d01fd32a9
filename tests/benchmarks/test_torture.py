"""What torture calls a fault, and that it works on its own ground only."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import judged
from benchmarks.torture.ground import TRACEBACK, Ended
from vibecore.core.paths import PROJECT_ROOT

WHOLE = Ended(0, json.dumps([{"config": "a", "status": "complete", "speed": 2.0}]), "")
LESS = json.dumps([{"config": "a", "status": "stopped", "speed": 2.5}])
# An attack that starts a process of its own session, tells its id and waits.
WAITING = """
import subprocess, sys, time
from benchmarks.torture import __main__ as torture

def wait(ground, options):
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    print(subprocess.Popen(command, start_new_session=True).pid, flush=True)
    time.sleep(600)
    yield

torture.KINDS = {"wait": wait}
torture.main()
"""
OTHER = json.dumps([{"config": "a", "status": "complete", "speed": 2.5}])


@pytest.mark.parametrize(
    ("ended", "what"),
    [
        (WHOLE, "same figures"),
        (Ended(2, "", "Error: the file is damaged."), "refused"),
        (Ended(0, OTHER, ""), "wrong in silence"),
        (Ended(0, OTHER, "The study does not match its checksum."), "said that it is not whole"),
        (Ended(0, LESS, ""), "said that it is not whole"),
        (Ended(0, "[]", ""), "wrong in silence"),
        (Ended(1, "", f"{TRACEBACK}\nIOException"), "traceback"),
        (Ended(-6, "", ""), "crash"),
        (Ended(None, "", ""), "hang"),
        (Ended(1, "", ""), "error"),
    ],
)
def test_the_end_of_a_command_on_a_damaged_database_is_judged(ended: Ended, what: str) -> None:
    assert judged(ended, WHOLE) == what


def test_only_what_must_never_happen_is_a_fault() -> None:
    figures = Figures("kill of run", tries=3)
    figures.count("SIGKILL")
    figures.count("lost", "after 2.00 s")
    assert figures.faults == 1
    assert figures.told == ["kill of run: lost: after 2.00 s"]
    assert figures.row()["faults"] == "1 lost"
    assert figures.row()["what came of it"] == "1 SIGKILL"


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.torture.__main__ import main

    (tmp_path / "mine").touch()
    monkeypatch.setattr("sys.argv", ["torture", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_it_started_and_shows_what_was_found(
    tmp_path: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING, "--only", "wait", "--folder", str(tmp_path)],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as torture:
        assert torture.stdout is not None
        started = int(torture.stdout.readline())
        torture.send_signal(number)
        out, told = torture.communicate()
    assert torture.returncode == 128 + number, told
    assert "0 attacks, 0 faults" in out
    # Where nobody waits for orphans, an ended one stays as a zombie.
    with suppress(psutil.NoSuchProcess):
        assert psutil.Process(started).status() == psutil.STATUS_ZOMBIE
