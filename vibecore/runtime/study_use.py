"""Which studies are being written to by processes of this user: none of them may be renamed or
deleted meanwhile.

    with study_use.writing_to(db, "night-1", "a run"):
        ...

A run holds its study for as long as it lasts, between its transactions too: its outputs belong to
rows that deleting the study would take away.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vibecore.core.errors import InputError
from vibecore.core.paths import state_subfolder
from vibecore.runtime.locked_records import mutex, new_record, valid_records

KIND = "use"


@contextmanager
def writing_to(db: Path, study: str, what: str) -> Iterator[None]:
    """Hold a study that `what`, as people read it, writes to. Several may hold one."""
    folder = _folder()
    with mutex(folder / "changing"):
        record = new_record(folder, KIND, {"what": what, "db": _real(db), "study": study})
    try:
        yield
    finally:
        record.release()


@contextmanager
def changing(db: Path, *studies: str) -> Iterator[None]:
    """Around a short change of studies as wholes: nothing begins to write to one meanwhile.

    Raises InputError, with what to do, where something is writing to one of them.
    """
    folder = _folder()
    # What would begin waits at this door; taken before the mutex, which reading records needs.
    with mutex(folder / "changing"):
        for _, row in valid_records(folder, KIND):
            if row.get("db") == _real(db) and row.get("study") in studies:
                raise InputError(
                    f"The study '{row['study']}' is in use by {row['what']} (process "
                    f"{row['pid']}). Wait until that has ended, or stop it: Cancel on the Launch "
                    "page, or Ctrl-C in its terminal. What is stored stays."
                )
        yield


def _real(db: Path) -> str:
    # Path.resolve raises for a link to itself, which whoever opens the database says in words.
    return os.path.realpath(db)


def _folder() -> Path:
    return state_subfolder("studies", "changing").parent
