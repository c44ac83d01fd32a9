"""Programs run each in a process of its own, forked from one that has imported torch and
transformers: a program takes its own time, and not half a dozen seconds of imports each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# A line of standard input names a program and its folder; the answer is the program's exit code.
FORKER = """
import json, os, runpy, sys, traceback
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
for line in sys.stdin:
    file, folder = json.loads(line)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(f"{file}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), number)
        code = 1
        try:
            runpy.run_path(file, run_name="__main__")
            code = 0
        except BaseException:
            traceback.print_exc()
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class ForkedPython:
    """Runs programs, one after the other."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, file: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder; what it prints is its own."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(file), str(folder)]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        out, told = (Path(f"{file}.{name}").read_text("utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess([str(file)], code, out, told)


@contextmanager
def forked_python(**environment: str) -> Iterator[ForkedPython]:
    """One such process, with its environment."""
    with subprocess.Popen(
        [sys.executable, "-c", FORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    ) as process:
        yield ForkedPython(process)
