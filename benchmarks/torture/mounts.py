"""Mounts of torture's own: read-only places and small disks, in a mount namespace that no other
process sees and that ends with this one."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# linux/sched.h, linux/mount.h
CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2


@functools.cache
def own_namespace() -> bool:
    """Whether this process, and what it starts from now on, has mounts of its own: not without the
    right to."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0:
        return False
    return libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None) == 0


@contextmanager
def read_only(place: Path) -> Iterator[None]:
    """A file or folder that nobody can write, root included, for as long as the block lasts."""
    _mount(place, place, None, MS_BIND)
    try:
        _mount(place, place, None, MS_BIND | MS_REMOUNT | MS_RDONLY)
        yield
    finally:
        _unmount(place)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of so many bytes in an empty folder; what is on it is gone at the end of the block."""
    _mount(Path("none"), folder, "tmpfs", 0, f"size={size}")
    try:
        yield
    finally:
        _unmount(folder)


def _mount(what: Path, where: Path, kind: str | None, flags: int, data: str = "") -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    given = (os.fsencode(what), os.fsencode(where), kind.encode() if kind else None)
    if libc.mount(*given, ctypes.c_ulong(flags), data.encode() or None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(where))


def _unmount(where: Path) -> None:
    ctypes.CDLL(None, use_errno=True).umount2(os.fsencode(where), MNT_DETACH)
