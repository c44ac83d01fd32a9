"""Where files are kept, and how one is written atomically."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from vibecore.core.errors import InputError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DB = PROJECT_ROOT / "results.duckdb"
DATABASE_VARIABLE = "VIBECHECK_DB"
STATE_VARIABLE = "VIBECHECK_STATE"
GIT_SECONDS = 10.0


def database_path() -> Path:
    """The database of the dashboard, and of a command without --db: VIBECHECK_DB where it is set,
    else results.duckdb."""
    named = os.environ.get(DATABASE_VARIABLE)
    return Path(named).expanduser() if named else DEFAULT_DB


def is_tracked(file: Path) -> bool:
    """Whether git tracks a file, so that writing it changes a checkout; False without git."""
    try:
        asked = subprocess.run(
            ["git", "ls-files", "--error-unmatch", "--", file.name],
            cwd=file.parent,
            capture_output=True,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def tracked_note(file: Path) -> str | None:
    """What to know before own studies go into a file that git tracks; None for other files."""
    if not is_tracked(file):
        return None
    return (
        f"{file} is tracked by git, so this changes the checkout. To keep your own runs apart, set "
        f"{DATABASE_VARIABLE}=FILE, which commands and the dashboard follow, or give --db FILE."
    )


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
