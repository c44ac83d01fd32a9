"""What a worker's libraries write reaches the terminal whole, and as nothing that it would obey."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.core.test_terminal_text import UNSAFE
from tests.support.playground_fakes import wait_until
from vibecore.runtime import fork_server
from vibecore.runtime.child_words import pass_on
from vibecore.runtime.worker import Worker

HOSTILE = "\x1b]52;c;Y3VybA==\x07\x1b[2Ja warning of ä\u202e\x9b31m\n"
SHOWN = "\\x1b]52;c;Y3VybA==\\x07\\x1b[2Ja warning of ä\\u202e\\x9b31m\n"


@pytest.fixture
def written_at_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every interpreter that is started writes to its standard error, past Python's own."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import os; os.write(2, {HOSTILE.encode()!r})", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_all_is_passed_on_however_it_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    reading, writing = os.pipe()
    thread = pass_on(os.fdopen(reading, "rb"))
    data = "".join(UNSAFE).encode() + "ä漢".encode() + b"\xff" + HOSTILE.encode()
    for byte in data:
        os.write(writing, bytes([byte]))
    os.close(writing)
    thread.join(60)
    said = capsys.readouterr().err
    assert not set(said) & set(UNSAFE)
    assert "ä漢\\xff" in said and said.endswith(SHOWN)


def test_a_fork_server_and_a_worker_are_heard(
    written_at_start: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def heard() -> bool:
        said.append(capsys.readouterr().err)
        return SHOWN in "".join(said)

    if fork_server.CAN_FORK:
        with fork_server.kept_running(at_once=True):
            wait_until(heard)
    said.clear()
    monkeypatch.setattr(fork_server, "CAN_FORK", False)
    with Worker() as worker:
        wait_until(heard)
        worker.abort()


def test_nowhere_to_tell_it_does_not_stop_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    reading, writing = os.pipe()
    thread = pass_on(os.fdopen(reading, "rb"))
    # More than a pipe holds.
    for _ in range(200):
        os.write(writing, bytes(1000))
    os.close(writing)
    thread.join(60)
    assert not thread.is_alive()
