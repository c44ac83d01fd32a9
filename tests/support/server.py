"""A dashboard of a test's own, as `streamlit run app.py` starts it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from vibecore.core.paths import DATABASE_VARIABLE, PROJECT_ROOT

LOG = "server.log"


@dataclass(frozen=True)
class Server:
    """A running dashboard: its address, the database it shows, its process."""

    address: str
    db: Path
    process: subprocess.Popen


@contextmanager
def serve(folder: Path, db: Path, **environment: str) -> Iterator[Server]:
    """Serve a database on a free port until the end; what the server prints is in folder/LOG."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (folder / LOG).open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)],
            cwd=PROJECT_ROOT,
            env={**os.environ, DATABASE_VARIABLE: str(db), **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_for(f"{address}/_stcore/health", process, folder / LOG)
            yield Server(address, db, process)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait_for(url: str, process: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())
