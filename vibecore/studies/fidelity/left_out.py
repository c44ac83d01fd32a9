"""Ways of the noise floor that a parent cannot take, as engine `graph` where it does not know the
architecture. The loaded model tells; it is kept with the parent's run, so that no later measurement
loads the model to be told again."""

from __future__ import annotations

from pathlib import Path

from vibecore import store
from vibecore.core.fidelity import PARENT_WAYS, Way
from vibecore.core.rows import RunRow
from vibecore.studies.jobs import code_commit


def note_left_out(db: Path, run_id: int, way: Way, why: str, place: str) -> None:
    """Keep that a parent was found, on the hardware `place`, to have no floor by a way."""
    facts = {"why": why, "code": code_commit(), "measured_on": place}
    with store.writing(db) as connection:
        store.note_floor_left_out(connection, run_id, way, facts)


def known_left_out(parent: RunRow, place: str) -> dict[Way, str]:
    """Why a parent has no floor, by way, as this version of the code found on this hardware:
    another may know the architecture."""
    notes = parent.environment.get("no_floor_by") or {}
    here = {"code": code_commit(), "measured_on": place}
    return {
        way: notes[way]["why"]
        for way in PARENT_WAYS
        if way in notes and here.items() <= notes[way].items()
    }
