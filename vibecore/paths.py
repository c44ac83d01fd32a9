"""Where things lie."""

from __future__ import annotations

import os
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DEFAULT_DB = PROJECT_ROOT / "results.duckdb"
DATABASE_VARIABLE = "VIBECHECK_DB"


def database_path() -> Path:
    """The database the dashboard reads: VIBECHECK_DB where it is set, else results.duckdb."""
    named = os.environ.get(DATABASE_VARIABLE)
    return Path(named).expanduser() if named else DEFAULT_DB
