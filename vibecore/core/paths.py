"""Where files are kept, and how one is written atomically."""

from __future__ import annotations

import logging
import os
import secrets
import stat
import subprocess
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from vibecore.core.errors import InputError
from vibecore.core.terminal_text import safe_text

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_DB = PROJECT_ROOT / "results.duckdb"
DATABASE_VARIABLE = "VIBECHECK_DB"
STATE_VARIABLE = "VIBECHECK_STATE"
GIT_SECONDS = 10.0
# More than a record: a disk can have room for names and none for content.
PROBE_BYTES = 4096
# Of a path that cannot be, in a message.
SHOWN_CHARACTERS = 200


def database_path() -> Path:
    """The database of the dashboard, and of a command without --db: VIBECHECK_DB where it is set,
    else results.duckdb."""
    named = os.environ.get(DATABASE_VARIABLE)
    return given_path(named) if named else DEFAULT_DB


def given_path(given: str | Path) -> Path:
    """A path that a person gave, `~` expanded. Raises InputError for one that no system has: too
    long, with a zero byte in it, or in the home of an unknown user."""
    shown = (
        str(given) if len(str(given)) <= SHOWN_CHARACTERS else f"{str(given)[:SHOWN_CHARACTERS]}…"
    )
    try:
        path = Path(given).expanduser()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.lstat()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"'{shown}' cannot be looked up: {reason}. Give another path.") from None
    return path


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
    Where nothing can be written there, a folder of this user's in the system's temporary one stands
    in, and a line in the log says so (see state_note). Raises InputError where that cannot be
    written either.
    """
    return _usable(_wanted_state())[0]


def state_subfolder(*names: str) -> Path:
    """A folder in the state folder; created if missing. Raises InputError where it cannot be."""
    folder = state_folder().joinpath(*names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise state_error(folder, error) from None
    return folder


def state_error(place: Path, error: OSError) -> InputError:
    """What to say where the state folder fails while it is used. The next use looks at it again,
    and finds another."""
    _usable.cache_clear()
    return InputError(
        f"{place} cannot be written: {error.strerror or error}. Free or mend it, or set "
        f"{STATE_VARIABLE} to another folder; then try again."
    )


def state_note() -> str | None:
    """What to know where another folder stands in for the state folder; None where none does."""
    return _usable(_wanted_state())[1]


def _wanted_state() -> Path:
    named = os.environ.get(STATE_VARIABLE)
    return Path(named).expanduser() if named else _user_state() / "vibecheck"


# Once a process and folder: a record has to be deleted where it was made.
@lru_cache(maxsize=64)
def _usable(wanted: Path) -> tuple[Path, str | None]:
    """The folder to use, and what to say of it."""
    reason = _why_not_written(wanted)
    if reason is None:
        return wanted, None
    instead = _own_temporary()
    if instead is None or _why_not_written(instead) is not None:
        raise InputError(
            f"The folder {wanted} for launched runs, own suites and the device queue cannot be "
            f"written ({reason}), nor can the system's temporary folder. Set {STATE_VARIABLE} to a "
            "folder that can be."
        )
    note = (
        f"The folder {wanted} for launched runs, own suites and the device queue cannot be written "
        f"({reason}). {instead} is used instead, so what was kept before is not shown. Free or "
        f"mend it, or set {STATE_VARIABLE} to another folder."
    )
    logging.getLogger(__name__).warning(safe_text(note))
    return instead, note


def _why_not_written(folder: Path) -> str | None:
    """Why a file cannot be written in a folder, which is made if it is missing."""
    probe = folder / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        return error.strerror or str(error)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


def _own_temporary() -> Path | None:
    """A folder in the system's temporary one that is this user's alone, the same for all of the
    user's processes; None where there can be none."""
    try:
        user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
        folder = Path(tempfile.gettempdir()) / f"vibecheck-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return None
    # Anybody may make a folder of that name there before this user does.
    foreign = hasattr(os, "getuid") and (status.st_uid != user or status.st_mode & 0o077)
    return None if foreign or not stat.S_ISDIR(status.st_mode) else folder


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file atomically: it has all of the content, or is as it was. Raises OSError.

    What is no regular file (a device, a pipe, /dev/stdout) is written to as it stands: a rename
    would replace it.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    if file.exists() and not file.is_file():
        with file.open("wb") as opened:
            opened.write(data)
        return
    # A link stays a link, to the new content.
    target = file.resolve() if file.is_symlink() else file
    fresh = target.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.new")
    try:
        with fresh.open("xb") as opened:
            opened.write(data)
            opened.flush()
            # A full disk may be found only now.
            os.fsync(opened.fileno())
        if target.exists():
            fresh.chmod(stat.S_IMODE(target.stat().st_mode))
        fresh.replace(target)
    finally:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _user_state() -> Path:
    """The system's folder for the state of a user's programs."""
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    # The XDG base directory specification; a relative path is ignored, as it demands.
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "state"
