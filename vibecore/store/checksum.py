"""A checksum of a study's rows, made when a run or a rescoring of it ends: rows that are lost or
changed without an error since then are seen on reading.

It does not depend on the order of rows nor on ids, so a copied study keeps it. DuckDB's `hash` is
not the same in every version: of a study that another version sealed, rows are counted only.
"""

from __future__ import annotations

import duckdb

from vibecore.store.connection import bound_memory
from vibecore.store.digest import drop_digest
from vibecore.store.read import study_id_of

# table -> what is summed of its rows, beside the config; a later column changes nothing.
ROWS = {
    "generation": "prompt_id, sample, text, token_ids, new_tokens, finish_reason, total_seconds",
    "score": "prompt_id, sample, scorer_version, adherent, repetition_ratio, constraints_met",
    "verdict": "prompt_id, sample, position, status",
}
NAMES = {"generation": "outputs", "score": "scores", "verdict": "verdicts"}
VERSION = f"1/{duckdb.__version__}"
# Rows are hashed on every reading of up to so many outputs: 0.7 s a million, one thread.
MOST_HASHED = 200_000


def seal_study(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Write the checksum of a study's rows as they are now."""
    bound_memory(connection)
    study_id = study_id_of(connection, name)
    counts, found = _counts(connection, study_id), _sums(connection, study_id)
    connection.execute(
        "UPDATE study SET checksum = ? WHERE study_id = ?",
        [" ".join([VERSION, *map(str, counts.values()), *map(str, found)]), study_id],
    )


def unseal(connection: duckdb.DuckDBPyConnection, run_id: int) -> None:
    """Take away the checksum of a run's study, and the run's digest: its rows are about to
    change."""
    drop_digest(connection, run_id)
    connection.execute(
        """UPDATE study SET checksum = NULL WHERE checksum IS NOT NULL
           AND study_id = (SELECT study_id FROM run WHERE run_id = ?)""",
        [run_id],
    )


def find_loss(
    connection: duckdb.DuckDBPyConnection, name: str, most_hashed: int = MOST_HASHED
) -> str | None:
    """A sentence where a study's rows are not those it was sealed with; None where they are, and
    where it has no checksum. Beyond `most_hashed` outputs rows are counted only."""
    study_id = study_id_of(connection, name)
    row = connection.execute("SELECT checksum FROM study WHERE study_id = ?", [study_id]).fetchone()
    if row is None or row[0] is None:
        return None
    version, *stored = row[0].split(" ")
    counts = _counts(connection, study_id)
    for (table, now), then in zip(counts.items(), stored, strict=False):
        if str(now) != then:
            return (
                f"The study '{name}' had {int(then):,} {NAMES[table]} when it ended and has "
                f"{now:,} now: its file is damaged. Restore a copy of it; --resume makes missing "
                "outputs again."
            )
    if version != VERSION or counts["generation"] > most_hashed:
        return None
    if [str(one) for one in _sums(connection, study_id)] != stored[len(counts) :]:
        return (
            f"Outputs or scores of the study '{name}' are not those that it ended with: its file "
            "is damaged, or something else changed it. Restore a copy of it."
        )
    return None


def _counts(connection: duckdb.DuckDBPyConnection, study_id: int) -> dict[str, int]:
    others = connection.execute(
        "SELECT 1 FROM run WHERE study_id <> ? LIMIT 1", [study_id]
    ).fetchone()
    # All rows are this study's where there is no other: DuckDB knows their number without a look.
    among = "WHERE run_id IN (SELECT run_id FROM run WHERE study_id = $study)" if others else ""
    given = {"study": study_id} if others else {}
    counts = {}
    for table in ROWS:
        row = connection.execute(f"SELECT count(*) FROM {table} {among}", given).fetchone()
        assert row is not None
        counts[table] = row[0]
    return counts


def _sums(connection: duckdb.DuckDBPyConnection, study_id: int) -> list[int]:
    sums = []
    for table, columns in ROWS.items():
        row = connection.execute(
            f"""SELECT coalesce(sum(hash(config, {columns})), 0)::HUGEINT
                FROM (SELECT {table}.*, run.config FROM {table} JOIN run USING (run_id)
                      WHERE run.study_id = ?)""",
            [study_id],
        ).fetchone()
        assert row is not None
        sums.append(row[0])
    return sums
