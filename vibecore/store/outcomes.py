"""What each output of a study came to, as NumPy columns: quick for millions of them."""

from __future__ import annotations

import duckdb

from vibecore.core.rows import RunOutcomes
from vibecore.store.digest import read_outcomes_of
from vibecore.store.read import run_ids


def read_outcomes(
    connection: duckdb.DuckDBPyConnection, name: str, *, times: bool = True
) -> dict[int, RunOutcomes]:
    """The outcomes of each run that has outputs, by its place among the study's runs, from 0.
    Without `times`, new tokens and seconds may be None."""
    runs = run_ids(connection, name)
    found = read_outcomes_of(connection, runs, times=times)
    return {place: found[run_id] for place, run_id in enumerate(runs) if run_id in found}
