"""What is no regular file, refused before it is opened: a pipe without a writer is waited for
without end, a device may give bytes without end."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from vibecore.core.errors import InputError

_KINDS = (
    (stat.S_ISFIFO, "pipe"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISCHR, "device"),
    (stat.S_ISBLK, "device"),
)
# What this process has open already: standard input, or `<(command)` of a shell.
_OPEN_ALREADY = re.compile(r"/dev/stdin|/dev/fd/\d+|/proc/self/fd/\d+")


def refuse_special(path: Path, instead: str = "Give a regular file.") -> None:
    """Raise InputError, which ends with what to do `instead`, for a pipe, a socket or a device, or
    a link to one. What is absent, a file or a folder passes."""
    if (kind := special_kind(path)) is not None:
        raise InputError(f"{path} is a {kind}, not a file. {instead}")


def refuse_special_in(folder: Path) -> None:
    """Raise InputError where a folder holds a pipe, a socket or a device: who reads the folder, a
    library too, opens a file by its name. Folders within it are not looked into."""
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        # Whoever reads it says why it cannot be.
        return
    for entry in entries:
        refuse_special(entry, "Take it out of the folder, or put a regular file in its place.")


def special_kind(path: Path) -> str | None:
    """`pipe`, `socket` or `device` for what is one; None for anything else, and for what cannot be
    looked up."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return None
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), None)


def is_open_already(path: Path) -> bool:
    """Whether a path names a descriptor of this process, which is read as whoever gave it meant."""
    return _OPEN_ALREADY.fullmatch(str(path)) is not None
