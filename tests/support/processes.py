"""This project's own processes below one that uses workers: servers, browsers and runs of other
tests may live beside them."""

from __future__ import annotations

import psutil

MODULE = "vibecore.runtime.worker"


def fork_servers(of: int | None = None) -> list[psutil.Process]:
    """The fork servers that a process has started; this process, where none is named."""
    return [one for one in _children(psutil.Process(of)) if _is_fork_server(one)]


def workers(of: int | None = None) -> list[psutil.Process]:
    """A process's workers, forked from its fork servers or started alone."""
    forked = [worker for server in fork_servers(of) for worker in _children(server)]
    return forked + [one for one in _children(psutil.Process(of)) if not _is_fork_server(one)]


def own_processes(of: int | None = None) -> list[psutil.Process]:
    """A process's fork servers and workers."""
    return fork_servers(of) + workers(of)


def _is_fork_server(child: psutil.Process) -> bool:
    """Of a process's own child; what is forked has the same command line."""
    return "--fork-server" in _command(child)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in process.children() if MODULE in _command(child)]
    except psutil.NoSuchProcess:
        return []


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
