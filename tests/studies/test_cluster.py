"""A real Ray cluster of CPU slots on this machine: rows, and what is lost when parts of it die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.playground_fakes import wait_until
from vibecore.catalog.weights import resolve
from vibecore.core.errors import InputError, RunError
from vibecore.core.paths import PROJECT_ROOT
from vibecore.runtime import cluster as runtime_cluster
from vibecore.studies import run as run_module
from vibecore.studies.dispatch import attempt
from vibecore.studies.dispatch import cluster as dispatch_cluster
from vibecore.studies.events import Event
from vibecore.studies.plan import Options, new_plan, resumed_plan
from vibecore.studies.queries import read_outputs, read_runs
from vibecore.studies.run import run_study

ray = pytest.importorskip("ray")

CONFIGS = ("1M-bf16", "1M-4bit")
SETTINGS = {"max_new_tokens": 12, "batch_size": 3, "device": "cpu"}
COMPARED = ("config", "prompt_id", "sample", "text", "token_ids", "finish_reason", "words")


def run(db: Path, *, on_event=lambda event: None, **given: object) -> dict[str, str]:
    options = Options(**{"configs": CONFIGS, "study": "s", **SETTINGS, **given})
    return run_study(new_plan(options, db), on_event)


def rows(db: Path) -> list[tuple]:
    found = read_outputs(db, "s")
    return sorted(tuple(str(getattr(row, name)) for name in COMPARED) for row in found)


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> list[tuple]:
    """The rows of a run without Ray."""
    db = tmp_path_factory.mktemp("alone") / "alone.duckdb"
    assert set(run(db).values()) == {"complete"}
    return rows(db)


def actors(driver: int | None = None) -> list[psutil.Process]:
    """Of a cluster that this process, or another driver, started for itself."""
    return [
        process
        for process in psutil.Process(driver).children(recursive=True)
        if "ray::ConfigActor" in " ".join(process.cmdline())
    ]


def test_rows_are_those_of_a_run_without_ray(db: Path, without: list[tuple]) -> None:
    events: list[Event] = []
    assert set(run(db, ray="auto", on_event=events.append).values()) == {"complete"}
    assert rows(db) == without
    assert {row.node for row in read_outputs(db, "s")} == {socket.gethostname()}
    assert all("node" in event.place for event in events if event.kind == "loading")
    assert actors() == []


def test_a_killed_actor_costs_nothing(
    db: Path, without: list[tuple], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first batch is told of at once, while the others are made: these are quick.
    monkeypatch.setattr(attempt, "TOGETHER_SECONDS", 0)
    begun: set[int] = set()
    killed: list[int] = []
    again: list[Event] = []

    def kill_once(event: Event) -> None:
        if event.kind == "retrying":
            again.append(event)
        if event.kind == "running" and not killed:
            begun.update(process.pid for process in actors())
        if event.kind == "generated" and not killed:
            killed.extend(begun)
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    assert set(run(db, ray="auto", on_event=kill_once).values()) == {"complete"}
    assert killed and again
    assert rows(db) == without


def begun_driver(db: Path) -> subprocess.Popen[str]:
    """A run on a cluster of its own that has made outputs."""
    command = [sys.executable, "-m", "vibecore", "run", "--study=s", "--device=cpu"]
    command += [f"--config={config}" for config in CONFIGS]
    command += ["--max-new-tokens=12", "--batch-size=3", "--ray=auto", f"--db={db}"]
    process = subprocess.Popen(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "first output" in line:
            break
    return process


def test_a_killed_raylet_costs_nothing_and_is_told_in_our_words(
    db: Path, without: list[tuple]
) -> None:
    """Whether the run can go on depends on what had begun; Ray prints pages in colour of it."""
    process = begun_driver(db)
    [raylet] = [
        one for one in psutil.Process(process.pid).children() if Path(one.exe()).name == "raylet"
    ]
    assert len(raylet.environ()["RAY_AUTH_TOKEN"]) == 64, "its ports are open to the network"
    raylet.kill()
    out, told = process.communicate(timeout=300)
    assert "raylet" not in out and "\x1b" not in out
    assert "Traceback" not in told
    if process.returncode != 0:
        assert "--resume" in told
        plan = resumed_plan(Options(study="s"), db)
        run_study(plan, lambda event: None, resume=True)
    assert rows(db) == without


def test_a_cluster_of_this_machine_whose_node_is_gone_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No other node can join it."""
    monkeypatch.setattr(runtime_cluster, "is_ready", lambda *_: False)
    monkeypatch.setattr(runtime_cluster, "live_nodes", lambda *_: [])
    monkeypatch.setattr(dispatch_cluster, "OWN_NODE_SECONDS", 0.0)
    place = dispatch_cluster.ClusterPlace(
        dispatch_cluster.Cluster("cpu", 1, "", own=True), None, lambda event: None
    )
    with pytest.raises(RunError, match="has lost its node"):
        place._wait(None, lambda: True)


def test_a_killed_driver_is_resumed_without_a_cluster(db: Path, without: list[tuple]) -> None:
    process = begun_driver(db)
    started = actors(process.pid)
    assert started
    process.kill()
    process.wait()
    for stream in (process.stdout, process.stderr):
        stream.close()
    wait_until(lambda: not any(one.is_running() for one in started))
    plan = resumed_plan(Options(study="s"), db)
    assert set(run_study(plan, lambda event: None, resume=True).values()) == {"complete"}
    assert rows(db) == without


def test_weights_that_a_node_has_not_name_the_node(
    db: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The driver's weights are others than the node's: their identities differ."""

    def other_weights(config, *given, **named):
        return replace(resolve(config, *given, **named), sha256="0" * 64)

    monkeypatch.setattr(run_module, "resolve", other_weights)
    events: list[Event] = []
    statuses = run(db, ray="auto", configs=CONFIGS[:1], on_event=events.append)
    assert set(statuses.values()) == {"failed"}
    errors = {row.error for row in read_runs(db, "s")}
    assert all(socket.gethostname() in error and "are not those" in error for error in errors)


def test_a_cluster_without_a_gpu_says_so(db: Path) -> None:
    with pytest.raises(InputError, match="No node of the Ray cluster has a GPU"):
        run(db, ray="auto", device="cuda")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "ray://127.0.0.1:10001", ":6379"])
def test_an_address_where_no_cluster_is_says_what_to_do(db: Path, address: str) -> None:
    with pytest.raises(InputError, match=r"ray start --head|HOST:PORT"):
        run(db, ray=address)


def test_without_ray_the_install_line_is_said(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        runtime_cluster, "RAY", replace(runtime_cluster.RAY, package="no-such-package")
    )
    with pytest.raises(InputError, match=r"pip install -r requirements-ray\.txt"):
        run(db, ray="auto")


def test_a_cluster_that_was_killed_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its address stays behind, and Ray tries it for minutes."""
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert runtime_cluster._running_here() is None


@pytest.mark.parametrize(
    ("error", "reason"),
    # Ray raises Exception itself where its processes are killed as they start.
    [
        (RuntimeError("no room\nand pages more"), "no room"),
        (Exception("timed out"), "timed out"),
        (Exception(), "Exception"),
    ],
)
def test_a_cluster_that_does_not_start_here_is_no_address_that_is_wrong(
    db: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(ray, "init", fail)
    monkeypatch.setattr(runtime_cluster, "_running_here", lambda: None)
    with pytest.raises(InputError, match=rf"could not be started on this machine \({reason}\)"):
        run(db, ray="auto")
