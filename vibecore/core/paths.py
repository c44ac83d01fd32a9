"""Where files are kept, and how one is written atomically."""

from __future__ import annotations

import os
from pathlib import Path

from vibecore.core.errors import InputError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DB = PROJECT_ROOT / "results.duckdb"
DATABASE_VARIABLE = "VIBECHECK_DB"
STATE_VARIABLE = "VIBECHECK_STATE"


def database_path() -> Path:
    """The database the dashboard reads: VIBECHECK_DB where it is set, else results.duckdb."""
    named = os.environ.get(DATABASE_VARIABLE)
    return Path(named).expanduser() if named else DEFAULT_DB


def state_folder() -> Path:
    """The folder of this user's suites, launched runs and the device queue; created if missing.

    VIBECHECK_STATE where it is set, else `vibecheck` in the system's folder for a user's state.
    Raises InputError when it cannot be made or written.
    """
    named = os.environ.get(STATE_VARIABLE)
    folder = Path(named).expanduser() if named else _user_state() / "vibecheck"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    if not usable:
        raise InputError(
            f"The folder {folder} for launched runs, own suites and the device queue cannot be "
            f"written. Set {STATE_VARIABLE} to a folder that can be."
        )
    return folder


def write_whole(file: Path, text: str) -> None:
    """Write a file atomically: it has all of the text, or is as it was. Raises OSError."""
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(file)


def _user_state() -> Path:
    """The system's folder for the state of a user's programs."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    # The XDG base directory specification; a relative path is ignored, as it demands.
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "state"
