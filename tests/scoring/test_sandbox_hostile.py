"""Hostile code is contained: a verdict with its reason, nothing left running, nothing changed."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.scoring.test_sandbox import AS_NOBODY, needs_another_user, needs_isolation, run_apart
from tests.support.hostile_code import HOSTILE
from vibecore.catalog.suites import Constraint
from vibecore.core.paths import PROJECT_ROOT
from vibecore.core.rows import VerdictRow
from vibecore.scoring.checks import execution as execution_checks
from vibecore.scoring.judge import judge
from vibecore.scoring.sandbox import Limits, execute, isolation, run_calls, seccomp
from vibecore.scoring.sandbox.process import Transcript

pytestmark = needs_isolation
WANTED = "WANTED-731"
ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)


def marked(marker: str) -> list[psutil.Process]:
    """Processes whose command line bears the marker."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and any(marker in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def gone(marker: str, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while marked(marker) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not marked(marker)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server on the host's own 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        yield server


@pytest.fixture
def marker(monkeypatch: pytest.MonkeyPatch) -> str:
    """A word on the command line of everything the sandbox starts in this test."""
    word, script = f"marker-{uuid.uuid4().hex}", isolation._script
    monkeypatch.setattr(isolation, "_script", lambda name: f"{script(name)}\n# {word}\n")
    limits = Limits(seconds=1.0)
    monkeypatch.setattr(execution_checks, "run_calls", functools.partial(run_calls, limits=limits))
    monkeypatch.setenv("SECRET", "GOT")
    return word


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def ask(source: str, canary: Path, port: int) -> VerdictRow:
    code = source.format(canary=canary, port=port, pid=os.getpid())
    cases = [{"args": [], "expect": WANTED}]
    constraint = Constraint("code_cases", {"entry_point": "f", "cases": cases})
    return judge(f"```python\n{code}\n```", constraint, execute_code=True)


def contained(name: str, marker: str, folder: Path, listener: socket.socket) -> str:
    """Run one of the set, and compare the host with what it was before; why it fails."""
    canary = folder / "home" / "canary.txt"
    canary.parent.mkdir(mode=0o777)
    canary.write_text("GOT")
    canary.chmod(0o666)
    before, shown = tree(folder), set(Path("/").iterdir())
    result = ask(HOSTILE[name][0], canary, listener.getsockname()[1])
    assert gone(marker), "something is left running"
    assert tree(folder) == before
    assert set(Path("/").iterdir()) == shown
    with pytest.raises(TimeoutError):
        listener.accept()
    assert result.status == "fail", result.explanation
    return result.explanation


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_contained_and_fails_with_its_reason(
    name: str, marker: str, tmp_path: Path, listener: socket.socket
) -> None:
    explanation = contained(name, marker, tmp_path, listener)
    assert re.search(HOSTILE[name][1], explanation), explanation


# What the filter of system calls takes away is taken away by the other walls too.
WITHOUT_FILTER = {
    "fork": "BlockingIOError",
    "fork bomb": "did not finish within",
    "thread": "can't start new thread",
    "subprocess": "BlockingIOError|FileNotFoundError",
    "signals to the one who asks": "ProcessLookupError",
    "signal to all": "ProcessLookupError|PermissionError|returned 'GOT'|was ended by",
    "connects to the host": "unreachable|ConnectionRefused",
    "connects to the world": "unreachable",
    "asks for a name": "gaierror",
    "socket of the host": "FileNotFoundError",
    "reads a file of the host": "FileNotFoundError",
    "environment of the one who asks": "FileNotFoundError",
    "memory of another process": "ZeroDivisionError",
    "becomes root": "PermissionError",
    "mounts": "ZeroDivisionError",
    "changes the root": "PermissionError",
}


@pytest.mark.parametrize("name", WITHOUT_FILTER)
def test_it_is_contained_without_the_filter(
    name: str, marker: str, tmp_path: Path, listener: socket.socket, monkeypatch
) -> None:
    monkeypatch.setattr(seccomp, "program", lambda machine: ALLOW_ALL)
    explanation = contained(name, marker, tmp_path, listener)
    assert re.search(WITHOUT_FILTER[name], explanation), explanation


def burnt_seconds(word: str) -> float:
    """The most processor time of a marked process; one may end while it is looked at."""
    seconds = [0.0]
    for process in marked(word):
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds.append(process.cpu_times().user)
    return max(seconds)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_the_one_who_asked(how: signal.Signals) -> None:
    word = f"marker-{uuid.uuid4().hex}"
    body = f"""
from vibecore.scoring.checks import execution as execution_checks
from vibecore.scoring.sandbox import Call, Limits, isolation, run_calls
script = isolation._script
isolation._script = lambda name: script(name) + "\\n# {word[:7]}" + "{word[7:]}\\n"
run_calls("def f():\\n while True: pass", [Call("f")], Limits(seconds=60))
"""
    asking = subprocess.Popen(
        [sys.executable, "-c", body], cwd=PROJECT_ROOT, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 30
        # The launcher, process 1, and the code, which burns time once it is let.
        while time.monotonic() < deadline:
            if burnt_seconds(word) > 0.4:
                break
            time.sleep(0.05)
        assert marked(word)
        asking.send_signal(how)
        asking.wait(10)
        assert gone(word)
    finally:
        asking.kill()
        asking.wait()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["dict", "set", "other", "x"]), inner, max_size=2)
        | st.fixed_dictionaries({"dict": st.lists(st.tuples(inner, inner), max_size=3)})
        | st.fixed_dictionaries({"set": st.lists(inner, max_size=3)})
    ),
    max_leaves=12,
)
ROWS = st.dictionaries(
    st.sampled_from(["value", "raised", "missing", "message", "loaded", "refused"]), PLAIN
)
LINES = st.lists(st.one_of(ROWS.map(lambda row: json.dumps(row).encode()), st.binary()), max_size=4)
CASE = {"args": [1], "expect": [1, {"a": 2.5}], "tolerance": 0.5}


@settings(max_examples=150, deadline=None, database=None)
@given(lines=LINES, status=st.integers(0, 255), ending=st.sampled_from(["over", "time", "printed"]))
def test_whatever_is_replied_is_a_verdict_of_fail(
    lines: list[bytes], status: int, ending: str
) -> None:
    """Nothing that code sends can make the judge stumble: that would be an error, not a fail."""
    transcript = Transcript(tuple(lines), b"", True, ending, status)
    execution = execute._read(transcript, 2, Limits())
    for case in (CASE, {"args": [], "raises": "NoSuchError"}):
        _, verdict = execution_checks._judge("f", [case, case], execution.replies, execution)
        assert not verdict.passed
        assert verdict.explanation.isprintable()


AS_USER = """
import os, re
from tests.support.hostile_code import HOSTILE
from vibecore.scoring.sandbox import Call, Limits, find_isolation, run_calls

print(find_isolation().way)
for name, (source, pattern) in HOSTILE.items():
    if "did not finish" in pattern:
        continue
    code = source.format(canary=__file__, port=1, pid=os.getpid())
    execution = run_calls(code, [Call("f")], Limits(seconds=2))
    reply = execution.replies[0] if execution.replies else None
    said = f"it {execution.ending}" if reply is None else f"returned {reply.value!r}"
    if reply is not None and reply.raised:
        said = f"raised {reply.raised[0]} ({reply.message})"
    if not re.search(pattern, said):
        print(name, said)
"""


@needs_another_user
@pytest.mark.parametrize("way", ["namespaces", "bubblewrap"])
def test_it_is_contained_for_a_user_that_is_not_root(way: str) -> None:
    bubblewrap = shutil.which("bwrap")
    if way == "bubblewrap" and bubblewrap is None:
        pytest.skip("bubblewrap is not installed")
    if way == "namespaces" and shutil.which("bwrap", path="/usr/bin"):
        pytest.skip("bubblewrap is installed and comes first")
    path = "/usr/bin" if way == "namespaces" else f"/usr/bin:{Path(bubblewrap or '').parent}"
    assert run_apart(AS_NOBODY, AS_USER, path) == way
