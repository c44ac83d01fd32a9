"""Rename, annotate and delete studies, and keep the records of launched runs in step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from vibecore import store
from vibecore.core.errors import InputError
from vibecore.core.formats import counted
from vibecore.core.paths import is_tracked
from vibecore.live.launch.record import list_runs, save
from vibecore.runtime import study_use
from vibecore.store.connection import WAIT_SECONDS
from vibecore.studies.names import study_name


@dataclass(frozen=True)
class Loss:
    """What deleting a study loses: its configs and outputs, and whether git has the file."""

    study: str
    db: Path
    configs: int
    outputs: int
    tracked: bool

    def sentence(self) -> str:
        """What is lost, in words."""
        what = f"{counted(self.configs, 'config')} and {counted(self.outputs, 'output')}"
        tracked = (
            f" {self.db.name} is tracked by git: this changes the checkout, and only git can bring "
            "the study back."
            if self.tracked
            else " Nothing brings them back."
        )
        return f"The study '{self.study}' with {what} will be deleted from {self.db}.{tracked}"


def loss_of(db: Path, name: str) -> Loss:
    """What deleting a study would lose. Raises InputError for an unknown one."""
    with store.reading(db) as connection:
        study = store.read_study(connection, name)
    return Loss(name, db, study.configs, study.generations, is_tracked(db))


def rename(db: Path, old: str, new: str, *, wait_seconds: float = WAIT_SECONDS) -> str:
    """Give a study another name; returns it, without the spaces around it.

    Raises InputError, with nothing changed, for a name that is taken or not usable, an unknown
    study, and one that is in use; VibeError where the database is locked for `wait_seconds`.
    """
    name = study_name(new)
    with study_use.changing(db, old, name):
        _require(db)
        with store.writing(db, wait_seconds=wait_seconds) as connection:
            store.rename_study(connection, old, name)
        for run in list_runs(db):
            if run.study == old:
                save(replace(run, study=name))
    return name


def annotate(db: Path, name: str, note: str, *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Replace a study's note; an empty one takes it away. Raises as `rename` does, but a study in
    use may be annotated."""
    _require(db)
    with store.writing(db, wait_seconds=wait_seconds) as connection:
        store.set_note(connection, name, note.strip() or None)


def delete(db: Path, name: str, *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Delete a study from every table, in one transaction, and the records of its launched runs.
    Raises as `rename` does."""
    with study_use.changing(db, name):
        _require(db)
        with store.writing(db, wait_seconds=wait_seconds) as connection:
            store.delete_study(connection, name)
        for run in list_runs(db):
            if run.study == name:
                shutil.rmtree(run.folder, ignore_errors=True)


def _require(db: Path) -> None:
    """Raise InputError where there is no database; an older one is brought up to date."""
    if not db.exists():
        raise InputError(f"There is no database at {db}. Name one with --db.")
    store.prepare(db)
