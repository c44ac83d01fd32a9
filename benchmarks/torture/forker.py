"""Runs commands each in a process of its own, forked from this one, which has imported them.

A line of standard input is an order; the answer is the exit code, or null where it hung.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn


def _be_the_command(order: dict[str, Any]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for name, number in (("out", 1), ("told", 2)):
        file = os.open(f"{order['base']}.{name}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    from vibecore.cli import main

    sys.argv = ["vibecore", *order["arguments"]]
    code = 0
    try:
        main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 0 if left.code is None else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    end(code)


def end(code: int) -> NoReturn:
    """End a fork with all that it wrote."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def serve(obey: Callable[[dict[str, Any]], None]) -> None:
    """Fork a process for each order of standard input, which obeys it and ends, and answer."""
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            obey(order)
        print(json.dumps(wait_for(child, order["seconds"])), flush=True)


def wait_for(child: int, seconds: float) -> int | None:
    """A child's exit code, negative for a signal; None where it had to be killed for its time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def main() -> None:
    """Serve orders until standard input ends."""
    import vibecore.analysis
    import vibecore.cli
    import vibecore.studies.queries
    import vibecore.views.headline
    import vibecore.views.terminal  # noqa: F401

    serve(_be_the_command)


if __name__ == "__main__":
    main()
