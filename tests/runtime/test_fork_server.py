"""Workers forked from the fork server: quick, separate, and gone when nobody uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import psutil
import pytest

from tests.support.playground_fakes import wait_until
from tests.support.processes import fork_servers
from vibecore.runtime import fork_server
from vibecore.runtime.worker import Worker, WorkerDied

pytestmark = pytest.mark.skipif(not fork_server.CAN_FORK, reason="no fork on this system")

# The real program, with an engine that takes no seconds to import; the real one is forked in
# test_worker.py and in test_every_precision.py.
LIGHT = """
import sys, threading
from types import ModuleType, SimpleNamespace
engine = sys.modules["vibecore.engine"] = ModuleType("vibecore.engine")
engine.gpu_in_use = lambda: False
engine.StopSwitch = lambda: SimpleNamespace(event=threading.Event())
engine.choose_device = lambda device: "cpu"
sys.argv.remove("vibecore.runtime.worker")
from vibecore.runtime.worker import main
main()
"""


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork servers start at once."""
    monkeypatch.setattr(fork_server, "SERVER", ("-c", LIGHT, *fork_server.SERVER[1:]))


def begun_fork_server() -> psutil.Process:
    """The one that has just been started; it has no command line for a moment."""
    wait_until(fork_servers)
    [begun] = fork_servers()
    return begun


def test_workers_of_one_fork_server_are_processes_of_their_own(light: None) -> None:
    with Worker() as first, Worker() as second:
        first.wait_ready()
        second.wait_ready()
        assert len({first.process.pid, second.process.pid, os.getpid()}) == 3
        assert len(fork_servers()) == 1
        first.close()
        assert second.choose_device("auto") in ("cpu", "cuda")


def test_the_last_worker_takes_the_fork_server_with_it(light: None) -> None:
    with Worker() as worker:
        worker.wait_ready()
    assert fork_servers() == []
    assert not psutil.pid_exists(worker.process.pid)


def test_a_kept_fork_server_starts_the_next_worker_at_once(light: None) -> None:
    with fork_server.kept_running():
        with Worker() as worker:
            worker.wait_ready()
        [before] = fork_servers()
        with Worker() as worker:
            worker.wait_ready()
            assert fork_servers() == [before]
    assert fork_servers() == []


def test_a_fork_server_begins_to_import_before_it_is_needed(light: None) -> None:
    with fork_server.kept_running(at_once=True):
        begun = begun_fork_server()
        with Worker() as worker:
            worker.wait_ready()
            assert fork_servers() == [begun]
    assert fork_servers() == []


def test_one_that_nobody_needed_ends_at_once() -> None:
    """Not only when it has imported everything: a mistake in the options has to be told now."""
    with fork_server.kept_running(at_once=True):
        begun = begun_fork_server()
        ended_from = time.monotonic()
    assert time.monotonic() - ended_from < 1
    assert not psutil.pid_exists(begun.pid)


def test_how_a_worker_ended_is_known(light: None) -> None:
    with Worker() as worker:
        worker.wait_ready()
        assert worker.process.poll() is None
        os.kill(worker.process.pid, signal.SIGKILL)
        assert worker.process.wait(10) == -signal.SIGKILL
        with pytest.raises(WorkerDied, match="signal 9"):
            worker.choose_device("auto")


def test_a_killed_fork_server_leaves_its_workers_and_the_next_one_starts_again(light: None) -> None:
    with Worker() as worker:
        worker.wait_ready()
        [process] = fork_servers()
        process.kill()
        process.wait()
        assert worker.choose_device("cpu") == "cpu"
        with Worker() as another:
            assert another.choose_device("cpu") == "cpu"
        worker.close()
        deadline = time.monotonic() + 10
        while psutil.pid_exists(worker.process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not psutil.pid_exists(worker.process.pid)


def test_one_that_cannot_be_started_is_held_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> fork_server.ForkServer:
        raise OSError("no more processes")

    monkeypatch.setattr(fork_server, "_start", refused)
    held = fork_server._references
    with pytest.raises(OSError, match="no more"), fork_server.kept_running(at_once=True):
        pass
    assert fork_server._references == held


REFUSES = """
import sys
from vibecore.runtime.fork_server import serve
serve(int(sys.argv[1]), None, may_fork=False)
"""


def test_where_an_import_already_uses_the_gpu_workers_are_interpreters_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fork_server, "SERVER", ("-c", REFUSES))
    with Worker() as worker:
        assert fork_server._shared is None
        assert isinstance(worker.process, subprocess.Popen)
        assert worker.choose_device("cpu") == "cpu"
    with fork_server.kept_running():
        assert fork_server.start_worker() is None
    assert fork_server._shared is None
