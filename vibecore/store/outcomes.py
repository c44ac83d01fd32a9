"""What each output of a study came to, as NumPy columns: quick for millions of them."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from vibecore.core.rows import RunOutcomes, RunRow
from vibecore.store.digest import read_outcomes_of


def read_outcomes(
    connection: duckdb.DuckDBPyConnection, runs: Sequence[RunRow], *, times: bool = True
) -> dict[int, RunOutcomes]:
    """The outcomes of each run that has outputs, by its place among `runs`, from 0. Without
    `times`, new tokens and seconds may be None."""
    counts = {run.run_id: (run.generations or 0, run.scores) for run in runs}
    found = read_outcomes_of(connection, counts, times=times)
    return {place: found[run.run_id] for place, run in enumerate(runs) if run.run_id in found}
