"""The command line in this process: what it prints and how it ends, without a second's start."""

from __future__ import annotations

import contextlib
import io
import subprocess
from unittest import mock

from vibecore import cli
from vibecore.core.paths import PROJECT_ROOT


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What `python -m vibecore ARGUMENTS` prints into pipes, and its exit code."""
    out, told = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch("sys.argv", ["vibecore", *arguments]),
        contextlib.chdir(PROJECT_ROOT),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(told),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), told.getvalue())
