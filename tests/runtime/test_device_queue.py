"""The queue of a device across real processes and threads: order, dead processes, residents."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from vibecore.core.paths import PROJECT_ROOT
from vibecore.runtime import device_queue
from vibecore.runtime.device_queue import Cancelled, QueueEntry, Residency, acquire, queue_of

# Acquires the device, says so, and keeps it until a line arrives on its input.
HOLDER = """
import sys
from vibecore.runtime.device_queue import acquire
with acquire("cpu", sys.argv[1]):
    print("has it", flush=True)
    sys.stdin.readline()
"""
# Keeps a model until somebody wants the device empty; `deaf` for good.
PANEL = """
import sys, time
from vibecore.runtime.device_queue import Residency
residency = Residency("cpu", "live panel")
residency.mark(["1M-bf16", "5M-4bit"])
print("loaded", flush=True)
while sys.argv[1] == "deaf" or not residency.wanted():
    time.sleep(0.02)
time.sleep(0.3)  # So long that whoever waits sees what it waits for.
print("unloads for", residency.wanted(), flush=True)
residency.release()
sys.stdin.readline()
"""


def started(code: str, argument: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, argument],
        cwd=PROJECT_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return process


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=20)


def wait_until(holds: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def names() -> list[str]:
    return [entry.what for entry in queue_of("cpu")]


def test_processes_acquire_a_device_in_the_order_they_asked() -> None:
    processes = []
    for name in ("first", "second", "third"):
        processes.append(started(HOLDER, name))
        wait_until(lambda name=name: name in names())
    assert line_of(processes[0]) == "has it"
    assert [(t.what, t.place, t.pid) for t in queue_of("cpu")] == [
        (name, place, process.pid)
        for place, (name, process) in enumerate(
            zip(("first", "second", "third"), processes, strict=True)
        )
    ]
    told: list[list[QueueEntry]] = []
    waiting = threading.Thread(target=lambda: _take("fourth", told))
    waiting.start()
    wait_until(lambda: bool(told))
    order = ["first", "second", "third"]
    for place, process in enumerate(processes):
        wait_until(lambda place=place: [t.what for t in told[-1]] == order[place:])
        assert names()[0] == order[place]
        end(process)
        if place < 2:
            assert line_of(processes[place + 1]) == "has it"
    waiting.join(10)
    assert len(told) == 3, "told at each change, and only then"
    assert queue_of("cpu") == []


def _take(what: str, told: list[list[QueueEntry]]) -> None:
    with acquire("cpu", what, on_wait=told.append):
        pass


def test_a_killed_holder_gives_way() -> None:
    holder = started(HOLDER, "killed")
    assert line_of(holder) == "has it"
    got = threading.Event()

    def take() -> None:
        with acquire("cpu", "next"):
            got.set()

    thread = threading.Thread(target=take)
    thread.start()
    wait_until(lambda: names() == ["killed", "next"])
    assert not got.is_set()
    holder.kill()
    holder.communicate()
    assert got.wait(5)
    thread.join()
    assert queue_of("cpu") == []


def test_devices_do_not_wait_for_each_other() -> None:
    with acquire("cpu", "a"), acquire("cuda", "b"):
        assert (names(), [t.what for t in queue_of("cuda")]) == (["a"], ["b"])


def test_threads_never_overlap() -> None:
    inside: list[int] = []
    most: list[int] = []

    def take(number: int) -> None:
        with acquire("cpu", f"thread {number}"):
            inside.append(number)
            most.append(len(inside))
            time.sleep(0.01)
            inside.remove(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == [1] * 8


def test_a_wait_can_be_cancelled_and_leaves_no_entry() -> None:
    with acquire("cpu", "holder"):
        with (
            pytest.raises(Cancelled, match="tired"),
            acquire("cpu", "tired", cancelled=lambda: True),
        ):
            pass
        assert names() == ["holder"]


def test_an_exception_inside_releases_the_device() -> None:
    with pytest.raises(KeyError), acquire("cpu", "breaks"):
        raise KeyError("x")
    assert queue_of("cpu") == []


def test_a_run_waits_until_the_panel_of_another_process_has_unloaded() -> None:
    panel = started(PANEL, "listens")
    assert line_of(panel) == "loaded"
    told: list[list[QueueEntry]] = []
    with acquire("cpu", "study s", on_wait=told.append, clear=True) as left:
        assert line_of(panel) == "unloads for study s"
        assert left == []
    assert [(t.what, t.pid, t.resident) for t in told[0]] == [
        ("live panel (1M-bf16, 5M-4bit)", panel.pid, True)
    ]
    end(panel)


def test_a_panel_that_does_not_answer_delays_a_run_only_so_long(monkeypatch) -> None:
    monkeypatch.setattr(device_queue, "UNLOAD_SECONDS", 0.3)
    panel = started(PANEL, "deaf")
    assert line_of(panel) == "loaded"
    with acquire("cpu", "a try") as left:
        assert left == [], "only `clear` waits for residents"
    with acquire("cpu", "study s", clear=True) as left:
        assert [t.pid for t in left] == [panel.pid]
    panel.kill()
    panel.communicate()
    with acquire("cpu", "study s", clear=True) as left:
        assert left == []


def test_the_panel_is_asked_only_by_who_is_first_and_needs_it_empty() -> None:
    panel = Residency("cpu", "live panel")
    panel.mark(["1M-bf16"])
    with acquire("cpu", "a try"):
        assert panel.wanted() is None
        run = threading.Thread(target=lambda: _clear())
        run.start()
        wait_until(lambda: len(queue_of("cpu")) == 2)
        assert panel.wanted() is None, "the try's own model must stay loaded"
    wait_until(lambda: panel.wanted() == "study s")
    panel.mark([])
    run.join(10)
    assert panel.wanted() is None
    panel.release()


def _clear() -> None:
    with acquire("cpu", "study s", clear=True):
        pass
