"""Many visitors at once: sessions of a real server over its own WebSocket, each loading page after
page. No load may fail, and the server's memory has to come back to what it was after a warm-up."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from benchmarks.torture.figures import Figures
from benchmarks.torture.files import STUDY, small_database
from benchmarks.torture.ground import TRACEBACK, Ground, last_line
from benchmarks.torture.pages import PAGES
from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT

LOAD_SECONDS = 120.0
# Streamlit keeps a session that was left for two minutes, for a browser that comes back.
LEFT_SECONDS = 150.0
WARM_LOADS = 120
# Of the memory after the warm-up.
KEPT = 1.10
MB = 1e6


def visit(ground: Ground, sessions: int, loads: int) -> Figures:
    """`loads` page loads by so many sessions at once, after a warm-up of the same kind."""
    figures = Figures(f"page loads by {sessions} sessions at once")
    started = time.monotonic()
    db = ground.fresh("visited.duckdb")
    shutil.copy(small_database(ground), db)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = ground.fresh("server.log")
    with log.open("wb") as told:
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=PROJECT_ROOT,
            env={**os.environ, DATABASE_VARIABLE: str(db)},
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        )
    try:
        _wait_for(port, server, log)
        # All at once from a server that has imported nothing yet.
        for what in _load_all(port, sessions, WARM_LOADS):
            if what is not None:
                figures.count("error", f"warm-up, {what}")
        time.sleep(LEFT_SECONDS)
        before = _memory(server.pid)
        begin = time.monotonic()
        for what in _load_all(port, sessions, loads):
            figures.tries += 1
            if what is not None:
                figures.count("error", what)
        seconds = time.monotonic() - begin
        most = _memory(server.pid)
        time.sleep(LEFT_SECONDS)
        after = _memory(server.pid)
        words = (
            f"{before / MB:.0f} MB after warm-up, {most / MB:.0f} at the end, {after / MB:.0f} left"
        )
        figures.note(f"{words} ({after / before - 1:+.1%}); {loads / seconds:.1f} loads a second")
        if after > before * KEPT:
            figures.count("memory kept", words)
        if server.poll() is not None:
            figures.count("crash", f"the server ended with {server.returncode}")
        if TRACEBACK in (text := log.read_text("utf-8", "replace")):
            figures.count("traceback", last_line(text))
    finally:
        server.terminate()
        server.wait()
    figures.seconds = time.monotonic() - started
    return figures


def _load_all(port: int, sessions: int, loads: int) -> list[str | None]:
    with ThreadPoolExecutor(sessions) as visitors:
        pages = [PAGES[number % len(PAGES)] for number in range(loads)]
        return list(visitors.map(lambda page: _load(port, page), pages))


def _load(port: int, page: str) -> str | None:
    """A page in a session of its own, as a browser asks for it: None, or what went wrong."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.sync.client import connect

    origin = f"http://127.0.0.1:{port}"
    try:
        with (
            urllib.request.urlopen(f"{origin}/{page}", timeout=LOAD_SECONDS) as answer,
            connect(
                f"ws://127.0.0.1:{port}/_stcore/stream",
                origin=origin,  # type: ignore[arg-type]
                subprotocols=["streamlit"],  # type: ignore[list-item]
                max_size=None,
                open_timeout=LOAD_SECONDS,
            ) as stream,
        ):
            answer.read()
            asked = BackMsg()
            asked.rerun_script.query_string = f"study={STUDY}"
            asked.rerun_script.page_name = "" if page == PAGES[0] else page
            stream.send(asked.SerializeToString())
            elements, kinds = 0, []
            while True:
                data = stream.recv(timeout=LOAD_SECONDS)
                message = ForwardMsg()
                message.ParseFromString(data if isinstance(data, bytes) else data.encode())
                if message.delta.new_element.HasField("exception"):
                    return f"{page}: {message.delta.new_element.exception.message[:200]}"
                elements += message.HasField("delta")
                kinds.append(message.WhichOneof("type"))
                if message.HasField("script_finished"):
                    # The first visitor of all is sent on once the pages are known.
                    if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                        continue
                    return None if elements else f"{page}: it shows nothing, after {kinds}"
    except (OSError, TimeoutError, EOFError) as error:
        return f"{page}: {type(error).__name__}: {error}"


def _memory(pid: int) -> int:
    """Resident bytes of a server, without what it shares with others, and of its children."""
    process = psutil.Process(pid)
    return sum(one.memory_full_info().uss for one in [process, *process.children(recursive=True)])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + LOAD_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text("utf-8", "replace")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError("the server does not answer")
