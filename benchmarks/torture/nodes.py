"""A Ray cluster of two nodes on this machine: one that joins while a run goes on, and is killed
then. What it had begun is made on the other, and the rows are those of a run without Ray."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.torture.figures import Figures
from benchmarks.torture.ground import TRACEBACK, Ground, last_line
from benchmarks.torture.kills import (
    RAY_GONE_SECONDS,
    WHOLE_SECONDS,
    count_rows,
    descendants_of,
    read_stored,
    workers_of,
)
from vibecore.core.paths import PROJECT_ROOT

RAY = (sys.executable, "-c", "from ray.scripts.scripts import main; main()")
# Long enough that a node which takes ten seconds to come finds something left.
STUDY = (
    *("--family", "demo", "--max-new-tokens", "24", "--batch-size", "5", "--device", "cpu"),
    *("--study", "k"),
)
# On a slow machine a node may still come too late: so many tries for each that does not.
MOST_OF_EACH = 3


def join_late(ground: Ground, tries: int) -> Figures:
    """A second node comes once the first has begun, gets a config, and is killed in it."""
    figures = Figures("node that joins late, and is killed")
    started = time.monotonic()
    alone = ground.fresh("alone.duckdb")
    ended = ground.command("run", *STUDY, "--db", str(alone), seconds=WHOLE_SECONDS)
    assert ended.code == 0, ended
    truth = read_stored(alone)
    killed = 0
    for _ in range(MOST_OF_EACH * tries):
        figures.tries += 1
        killed += _join(ground, figures, truth)
        if left := ground.left_running(seconds=RAY_GONE_SECONDS):
            figures.count("left running", str(left))
        if killed == tries:
            break
    else:
        figures.count("error", f"only {killed} of {tries} late nodes got a config")
    figures.seconds = time.monotonic() - started
    return figures


def _join(ground: Ground, figures: Figures, truth: object) -> bool:
    """Whether the late node got a config, in which it was killed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    head = _start_node(ground, "--head", "--port", address.rpartition(":")[2])
    db, log = ground.fresh("nodes.duckdb"), ground.fresh("nodes.log")
    late = None
    try:
        with log.open("wb") as told:
            run = subprocess.Popen(
                [sys.executable, "-m", "vibecore", "run", *STUDY, "--ray", address, f"--db={db}"],
                cwd=PROJECT_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
            )
        _wait_until(lambda: b"first output" in log.read_bytes() or run.poll() is not None)
        late = _start_node(ground, "--address", address)
        _wait_until(lambda: _works(late) or run.poll() is not None)
        in_time = run.poll() is None
        if in_time:
            figures.count("late node got a config")
            time.sleep(ground.chance.uniform(0, 2))
            for raylet in descendants_of(late.pid, "raylet"):
                os.kill(raylet, signal.SIGKILL)
                figures.count("late node killed")
        else:
            figures.count("the study had ended before")
        try:
            code = run.wait(WHOLE_SECONDS)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            figures.count("hang", _end_of(log))
            return in_time
        if TRACEBACK in log.read_text("utf-8", "replace"):
            figures.count("traceback", _end_of(log))
        elif code != 0:
            figures.count("error", f"exit {code}: {_end_of(log)}")
        stored = read_stored(db)
        if stored != truth:
            figures.count("changed", "not the rows of a run without Ray")
        elif count_rows(db) != len(stored or ()):
            figures.count("doubled")
        else:
            figures.count("same rows as without Ray")
        return in_time
    finally:
        for node in (late, head):
            if node is not None:
                node.terminate()
                node.wait()


def _start_node(ground: Ground, *given: str) -> subprocess.Popen[bytes]:
    """A node of one CPU slot that lasts as long as its process."""
    log = ground.fresh("node.log")
    with log.open("wb") as told:
        node = subprocess.Popen(
            [
                *(*RAY, "start", *given, "--block", "--num-cpus", "1", "--num-gpus", "0"),
                *("--node-ip-address", "127.0.0.1", "--disable-usage-stats"),
                *("--object-store-memory", str(100 * 2**20), "--dashboard-agent-listen-port", "0"),
                *(("--include-dashboard", "false") if "--head" in given else ()),
            ],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    _wait_until(lambda: b"Ray runtime started" in log.read_bytes() or node.poll() is not None)
    assert node.poll() is None, log.read_text("utf-8", "replace")
    return node


def _works(node: subprocess.Popen[bytes]) -> bool:
    """Whether a worker process of ours runs on the node."""
    actors = descendants_of(node.pid, "ray::ConfigActor")
    return any(workers_of(actor) for actor in actors)


def _wait_until(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + WHOLE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError("a node or a run did not come so far")
        time.sleep(0.05)


def _end_of(log: Path) -> str:
    return last_line(log.read_text("utf-8", "replace"))
