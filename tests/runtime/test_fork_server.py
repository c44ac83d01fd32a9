"""Workers forked from the fork server: quick, separate, and gone when nobody holds it."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from vibecore.runtime import fork_server
from vibecore.runtime.worker import Worker, WorkerDied

pytestmark = pytest.mark.skipif(not fork_server.CAN_FORK, reason="no fork on this system")


def own_nurseries() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if "--fork-server" in " ".join(child.cmdline())
    ]


def test_workers_of_one_nursery_are_processes_of_their_own() -> None:
    with Worker() as first, Worker() as second:
        first.wait_ready()
        second.wait_ready()
        assert len({first.process.pid, second.process.pid, os.getpid()}) == 3
        assert len(own_nurseries()) == 1
        first.close()
        assert second.choose_device("auto") in ("cpu", "cuda")


def test_the_last_worker_takes_the_nursery_with_it() -> None:
    with Worker() as worker:
        worker.wait_ready()
    assert own_nurseries() == []
    assert not psutil.pid_exists(worker.process.pid)


def test_a_held_nursery_starts_the_next_worker_at_once() -> None:
    with fork_server.held():
        with Worker() as worker:
            worker.wait_ready()
        [before] = own_nurseries()
        with Worker() as worker:
            worker.wait_ready()
            assert own_nurseries() == [before]
    assert own_nurseries() == []


def test_how_a_worker_ended_is_known() -> None:
    with Worker() as worker:
        worker.wait_ready()
        assert worker.process.poll() is None
        os.kill(worker.process.pid, signal.SIGKILL)
        assert worker.process.wait(10) == -signal.SIGKILL
        with pytest.raises(WorkerDied, match="signal 9"):
            worker.choose_device("auto")


def test_a_killed_nursery_leaves_its_workers_and_the_next_one_starts_anew() -> None:
    with Worker() as worker:
        worker.wait_ready()
        [process] = own_nurseries()
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
