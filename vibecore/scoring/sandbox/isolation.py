"""How code is isolated: the ways there are, and which of them works on this machine.

A way is a function that gives the command line which runs a program isolated. Whether it works is
tried, not guessed; where none does, code is not run, and the reason is given.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from vibecore.core.errors import InputError, VibeError
from vibecore.scoring.sandbox import seccomp
from vibecore.scoring.sandbox.limits import LIMITS, Limits
from vibecore.scoring.sandbox.process import Transcript, converse
from vibecore.scoring.sandbox.root import TEMPORARY, Root, python_root

# The user id that code runs under: "nobody", who owns nothing.
NOBODY = 65534
# Missing from the module socket: include/uapi/asm-generic/socket.h.
NETWORK_COOKIE = 71
_HERE = Path(__file__).parent


class SandboxError(VibeError):
    """No isolation, so nothing was run; the message says why."""


@dataclass(frozen=True)
class Isolation:
    """How code is isolated: the way's name, or None and the reason why it is not run at all."""

    way: str | None
    reason: str = ""


def bubblewrap(root: Root, program: list[str], limits: Limits) -> list[str]:
    """The command line of bubblewrap (github.com/containers/bubblewrap), where it is installed."""
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxError("it is not installed")
    if os.geteuid() == 0:
        raise SandboxError("it would leave the program root outside")
    command = [found, "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--uid", str(NOBODY), "--gid", str(NOBODY)]
    for path in (*root.folders, *root.files):
        command += ["--ro-bind", path, path]
    for target, path in root.links:
        command += ["--symlink", target, path]
    command += ["--perms", "1777", "--size", str(limits.temporary_bytes), "--tmpfs", TEMPORARY]
    return [*command, "--remount-ro", "/", "--chdir", TEMPORARY, "--", *program]


def namespaces(root: Root, program: list[str], limits: Limits) -> list[str]:
    """The command line of this package's own launcher, which needs no other program."""
    job = {
        "parent": os.getpid(),
        "user": NOBODY,
        "folders": root.folders,
        "files": root.files,
        "links": root.links,
        "temporary_bytes": limits.temporary_bytes,
        "command": program,
    }
    return [root.interpreter, "-I", "-S", "-c", _script("launcher.py"), json.dumps(job)]


WAYS: dict[str, Callable[[Root, list[str], Limits], list[str]]] = {
    "bubblewrap": bubblewrap,
    "namespaces": namespaces,
}


@cache
def find_isolation() -> Isolation:
    """The first way that works on this machine, tried once a process."""
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in seccomp.ARCHITECTURES:
        known = " or ".join(seccomp.ARCHITECTURES)
        here = f"{platform.system()} on {machine}"
        return Isolation(None, f"code is isolated on Linux on {known} only, and this is {here}")
    reasons = []
    for way in WAYS:
        try:
            run_isolated(way, "", [], LIMITS)
            return Isolation(way)
        except SandboxError as error:
            reasons.append(f"{way}: {error}")
    return Isolation(None, "; ".join(reasons))


def require_isolation() -> None:
    """Raise InputError, with the reason, where code cannot be isolated on this machine."""
    isolation = find_isolation()
    if isolation.way is None:
        raise InputError(
            f"--execute-code needs isolation, and there is none here: {isolation.reason}. "
            "Code is never run without it; leave the option out, and those checks are skipped."
        )


def run_isolated(way: str, source: str, calls: list[dict], limits: Limits) -> Transcript:
    """Run `source` and the calls, isolated in this way.

    Raises SandboxError where it failed before the code was reached: a transcript is always that
    of code that was locked in.
    """
    root = python_root()
    # -P and -s keep sys.path to the standard library; not -I, which would drop the hash seed.
    program = [root.interpreter, "-P", "-s", "-S", "-B", "-c", _script("inside.py")]
    job = {
        "source": source,
        "calls": calls,
        "limits": limits.resources(),
        "seen": root.seen(),
        "network": _network_cookie(),
        "filter": seccomp.program(platform.machine()).hex(),
    }
    try:
        command = WAYS[way](root, program, limits)
        transcript = converse(command, json.dumps(job).encode("ascii"), limits)
    except OSError as error:
        raise SandboxError(f"it cannot be started: {error.strerror or error}") from None
    if not transcript.ready:
        raise SandboxError(_why_not(transcript, limits))
    return transcript


def _why_not(transcript: Transcript, limits: Limits) -> str:
    if transcript.ending == "time":
        return f"it did not start within {limits.start_seconds:g} s"
    for line in transcript.lines:
        if line.startswith(b'{"refused"'):
            return json.loads(line)["refused"]
    words = transcript.printed.decode("utf-8", "replace").split("\n")
    said = [line.strip() for line in words if line.strip()]
    return said[-1][:300] if said else f"it ended with status {transcript.status}"


@cache
def _network_cookie() -> str:
    """The kernel's identifier of this process's network (Linux 5.14 and newer), in hex."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            return probe.getsockopt(socket.SOL_SOCKET, NETWORK_COOKIE, 8).hex()
        except OSError:
            raise SandboxError("this kernel is older than 5.14") from None


@cache
def _script(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
