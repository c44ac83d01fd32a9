"""Changing a study as a whole; each function is called inside one `writing` transaction."""

from __future__ import annotations

import duckdb

from vibecore.core.errors import InputError
from vibecore.store.read import study_exists, study_id_of


def rename_study(connection: duckdb.DuckDBPyConnection, old: str, new: str) -> None:
    """Give a study another name, and as title too where its title was its name.

    Raises InputError for an unknown study and for a name that is taken.
    """
    study_id = study_id_of(connection, old)
    if old != new and study_exists(connection, new):
        raise InputError(f"There is a study '{new}' already. Choose another name.")
    connection.execute(
        """UPDATE study SET name = $new, title = CASE WHEN title = name THEN $new ELSE title END
           WHERE study_id = $id""",
        {"new": new, "id": study_id},
    )


def set_note(connection: duckdb.DuckDBPyConnection, name: str, note: str | None) -> None:
    """Replace a study's note; None takes it away. Raises InputError for an unknown study."""
    connection.execute(
        "UPDATE study SET note = ? WHERE study_id = ?", [note, study_id_of(connection, name)]
    )


def delete_study(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Delete a study's rows in every table. Raises InputError for an unknown study."""
    study_id = study_id_of(connection, name)
    keyed = dict(study_tables(connection))
    runs = [table for table, key in keyed.items() if key == "run_id"]
    for table in runs:
        connection.execute(
            f"DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM run WHERE study_id = ?)",
            [study_id],
        )
    for table in keyed:
        if table not in runs:
            connection.execute(f"DELETE FROM {table} WHERE study_id = ?", [study_id])


def study_tables(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Every table with rows of studies, and the column that says whose: `study_id`, or else
    `run_id`. Read from the schema, so that a table of a later migration is among them."""
    return connection.execute(
        """SELECT table_name, max(column_name) FROM duckdb_columns()
           WHERE column_name IN ('study_id', 'run_id') AND NOT internal
             AND database_name = current_database() AND schema_name = current_schema()
           GROUP BY table_name ORDER BY table_name"""
    ).fetchall()
