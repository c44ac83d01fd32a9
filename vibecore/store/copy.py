"""Copying studies from one database into another, whole and under new ids."""

from __future__ import annotations

from pathlib import Path

import duckdb

from vibecore.core.errors import InputError
from vibecore.store.connection import bound_memory, prepare, quoted, reading, writing
from vibecore.store.damage import in_words
from vibecore.store.digest import SCHEMA
from vibecore.store.read import list_studies, read_study, study_exists

# A DuckDB file has these bytes after an eight-byte checksum.
MAGIC = b"DUCK"
# Tables of a run's rows, all keyed by run_id.
RUN_TABLES = ("aggregate", "generation", "score", "verdict", "fidelity")
# Of those, the columns that name another row, with its new id.
OTHER_KEYS = {
    "fidelity": "(SELECT new FROM copied_run WHERE old = against_run_id) AS against_run_id",
    "generation": "(SELECT new FROM copied_place WHERE old = place_id) AS place_id",
}


def is_database(path: Path) -> bool:
    """Whether a file is a DuckDB database."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(12)[8:] == MAGIC
    except OSError:
        return False


def copy_studies(source: Path, target: Path, names: tuple[str, ...] | None = None) -> list[str]:
    """Copy studies, all where `names` is None, with their runs, outputs and scores.

    Returns the names. All are copied in one transaction. Raises InputError, with nothing written,
    for a study that is not in `source` or whose name is taken in `target`.
    """
    if source.resolve() == target.resolve():
        raise InputError(f"{source} cannot be copied into itself. Name another database with --db.")
    with reading(source) as connection:
        there = [study.name for study in list_studies(connection)]
        wanted = there if names is None else [read_study(connection, name).name for name in names]
    prepare(target)
    with writing(target) as connection:
        bound_memory(connection)
        for name in wanted:
            if study_exists(connection, name):
                raise InputError(
                    f"{target} already has a study '{name}'. Nothing was copied. Name the studies "
                    "to copy with --study, or another database with --db."
                )
        connection.execute(f"ATTACH '{quoted(source)}' AS copied_from (READ_ONLY)")
        for name in wanted:
            try:
                _copy(connection, name)
            except duckdb.Error as error:
                raise in_words(source, error) from error
    return wanted


def _copy(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    execute = connection.execute
    execute("DROP TABLE IF EXISTS temp.copied_run")
    execute("DROP TABLE IF EXISTS temp.copied_study")
    execute(
        """CREATE TEMP TABLE copied_study AS
           SELECT study_id AS old,
                  (SELECT coalesce(max(study_id), 0) + 1 FROM main.study) AS new
           FROM copied_from.study WHERE name = ?""",
        [name],
    )
    execute(
        """CREATE TEMP TABLE copied_run AS
           SELECT run_id AS old,
                  (SELECT coalesce(max(run_id), 0) FROM main.run)
                  + row_number() OVER (ORDER BY position, run_id) AS new
           FROM copied_from.run JOIN copied_study ON study_id = old"""
    )
    for table in ("study", "prompt"):
        execute(
            f"""INSERT INTO main.{table} BY NAME
                SELECT rows.* REPLACE (copied_study.new AS study_id)
                FROM copied_from.{table} AS rows
                JOIN copied_study ON rows.study_id = copied_study.old"""
        )
    execute(
        """INSERT INTO main.run BY NAME
           SELECT rows.* REPLACE (copied_study.new AS study_id, copied_run.new AS run_id)
           FROM copied_from.run AS rows JOIN copied_study ON rows.study_id = copied_study.old
                                   JOIN copied_run ON rows.run_id = copied_run.old"""
    )
    copy_places(connection)
    # A digest says which queries made it, so that of another version is of no harm.
    for table in (*RUN_TABLES, *(["digest"] if _has_digests(connection) else [])):
        renewed = f", {OTHER_KEYS[table]}" if table in OTHER_KEYS else ""
        execute(
            f"""INSERT INTO main.{table} BY NAME
                SELECT rows.* REPLACE (copied_run.new AS run_id{renewed})
                FROM copied_from.{table} AS rows JOIN copied_run ON rows.run_id = copied_run.old"""
        )


def _has_digests(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute("SELECT max(version) FROM copied_from.schema_version").fetchone()
    return row is not None and row[0] >= SCHEMA


def copy_places(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the places of the copied runs that are not there yet, and keep every one's new id."""
    connection.execute("DROP TABLE IF EXISTS temp.copied_place")
    connection.execute(
        """CREATE TEMP TABLE copied_place AS
           SELECT theirs.place_id AS old, own.place_id IS NULL AS missing,
                  coalesce(own.place_id, (SELECT coalesce(max(place_id), 0) FROM main.place)
                                         + row_number() OVER (ORDER BY theirs.place_id)) AS new
           FROM copied_from.place AS theirs
           LEFT JOIN main.place AS own ON own.node = theirs.node AND own.device = theirs.device
                AND own.driver IS NOT DISTINCT FROM theirs.driver
           WHERE theirs.place_id IN (
               SELECT place_id FROM copied_from.generation JOIN copied_run ON run_id = old)"""
    )
    connection.execute(
        """INSERT INTO main.place BY NAME
           SELECT theirs.* REPLACE (new AS place_id)
           FROM copied_from.place AS theirs JOIN copied_place ON place_id = old WHERE missing"""
    )
