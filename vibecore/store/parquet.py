"""A study as Parquet files in parts, and such files as a database with that study alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from vibecore.core.errors import InputError
from vibecore.core.special_files import refuse_special_in
from vibecore.store.connection import (
    LOCAL_ONLY,
    STORAGE,
    bound_memory,
    duckdb_path,
    prepare,
    quoted,
)
from vibecore.store.read import study_id_of
from vibecore.store.schema import MIGRATIONS

# Says what belongs to an export: rows of each table, parts, schema. Written last.
CONTENTS = "export.parquet"
# A part has whole runs, of so many outputs or a run more: some 100 MB.
OUTPUTS_A_PART = 100_000
# Tables with rows for every output, in parts.
IN_PARTS = ("generation", "score", "verdict")
_OF_RUNS = "run_id IN (SELECT run_id FROM run WHERE study_id = $study)"
# The other tables, a file each, and which of their rows are a study's.
WHOLE = {
    "study": "study_id = $study",
    "prompt": "study_id = $study",
    "run": "study_id = $study",
    "place": f"place_id IN (SELECT place_id FROM generation WHERE {_OF_RUNS})",
    "aggregate": _OF_RUNS,
    "fidelity": _OF_RUNS,
}
TABLES = (*WHOLE, *IN_PARTS)
# Which column of a table names a row of which other.
_BELONGS = (
    *((table, "run_id", "run", "run_id") for table in ("aggregate", "fidelity", *IN_PARTS)),
    *((table, "prompt_id", "prompt", "prompt_id") for table in IN_PARTS),
    ("fidelity", "against_run_id", "run", "run_id"),
    ("run", "study_id", "study", "study_id"),
    ("prompt", "study_id", "study", "study_id"),
)


def write_parquet(connection: duckdb.DuckDBPyConnection, name: str, folder: Path) -> Iterator[Path]:
    """Write a study into an empty folder, giving each file once it is whole; memory does not grow
    with the study. Raises InputError for an unknown study."""
    study = {"study": study_id_of(connection, name)}
    bound_memory(connection)

    def write(query: str, file: str, parameters: dict[str, object]) -> Path:
        target = folder / f"{file}.parquet"
        connection.execute(
            f"COPY ({query}) TO '{quoted(target)}' (FORMAT parquet, COMPRESSION zstd)", parameters
        )
        return target

    for table, condition in WHOLE.items():
        yield write(f"FROM {table} WHERE {condition} ORDER BY ALL", table, {**study})
    parts = list(_parts(connection, study["study"]))
    for number, runs in enumerate(parts, start=1):
        for table in IN_PARTS:
            query = f"FROM {table} WHERE run_id IN (SELECT unnest($runs))"
            yield write(query, f"{table}-{number:04}", {"runs": runs})
    counts = ", ".join(
        f"(SELECT count(*) FROM {table} WHERE {WHOLE.get(table, _OF_RUNS)}) AS {table}"
        for table in TABLES
    )
    contents = f"SELECT {len(MIGRATIONS)} AS schema_version, {len(parts)} AS parts, {counts}"
    yield write(contents, Path(CONTENTS).stem, {**study})


def _parts(connection: duckdb.DuckDBPyConnection, study_id: int) -> Iterator[list[int]]:
    """The ids of each part's runs."""
    rows = connection.execute(
        """SELECT run.run_id, count(prompt_id) FROM run LEFT JOIN generation USING (run_id)
           WHERE study_id = ? GROUP BY run.run_id, position ORDER BY position""",
        [study_id],
    ).fetchall()
    part: list[int] = []
    outputs = 0
    for run_id, count in rows:
        part.append(run_id)
        outputs += count
        if outputs >= OUTPUTS_A_PART:
            yield part
            part, outputs = [], 0
    if part:
        yield part


def read_parquet(folder: Path, target: Path) -> str:
    """Make an export a database at `target`, where there is none. Returns the study's name.

    Raises InputError for files that are no export, are damaged or not whole.
    """
    folder = folder.absolute()
    refuse_special_in(folder)
    prepare(target)
    connection = duckdb.connect(duckdb_path(target), config=LOCAL_ONLY | STORAGE)
    try:
        bound_memory(connection)
        version, parts, counts = _contents(connection, folder)
        if version > len(MIGRATIONS):
            raise InputError(
                f"{folder} has schema {version}, this Vibe check reads {len(MIGRATIONS)}. "
                "Update Vibe check to import it."
            )
        for table in TABLES:
            files = [f"{table}-{n:04}" for n in range(1, parts + 1)]
            for file in files if table in IN_PARTS else [table]:
                source = _file(folder, f"{file}.parquet")
                connection.execute(f"INSERT INTO {table} BY NAME FROM {source}")
        _require_whole(connection, folder, counts)
        [(name,)] = connection.execute("SELECT name FROM study").fetchall()
        return name
    except (duckdb.Error, UnicodeError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise InputError(
            f"{folder} cannot be read as what `export --parquet` wrote ({first_line}). Nothing was "
            "imported. Copy the folder again, or export the study again."
        ) from error
    finally:
        connection.close()


def _contents(
    connection: duckdb.DuckDBPyConnection, folder: Path
) -> tuple[int, int, dict[str, int]]:
    """The schema, how many parts there are, and how many rows of each table."""
    columns = ", ".join(f"{name}::BIGINT" for name in ("schema_version", "parts", *TABLES))
    source = _file(folder, CONTENTS)
    [(version, parts, *rows)] = connection.execute(f"SELECT {columns} FROM {source}").fetchall()
    return version, parts, dict(zip(TABLES, rows, strict=True))


def _file(folder: Path, name: str) -> str:
    # A path is a pattern to DuckDB: its signs stand for themselves in brackets.
    path = "".join(f"[{sign}]" if sign in "*?[" else sign for sign in duckdb_path(folder / name))
    return "read_parquet('" + path.replace("'", "''") + "')"


def _require_whole(
    connection: duckdb.DuckDBPyConnection, folder: Path, counts: dict[str, int]
) -> None:
    """Raise InputError where rows are missing, there twice, or belong to none."""
    for table, written in counts.items():
        [(there,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
        if there != written or (table == "study" and there != 1):
            raise InputError(
                f"{folder} is not whole: it has {there} of the {written} rows of {table} that were "
                "written. Nothing was imported. Copy the folder again."
            )
    for table, last_key in (("generation", ""), ("score", ""), ("verdict", ", position")):
        [(double,)] = connection.execute(
            f"""SELECT count(*) FROM (
                FROM {table} SELECT 1 GROUP BY run_id, prompt_id, sample{last_key}
                HAVING count(*) > 1)"""
        ).fetchall()
        if double:
            raise InputError(f"{folder} has {double} rows of {table} twice. Nothing was imported.")
    for table, column, other, key in _BELONGS:
        [(lost,)] = connection.execute(
            f"SELECT count(*) FROM {table} ANTI JOIN {other} ON {table}.{column} = {other}.{key}"
        ).fetchall()
        if lost:
            raise InputError(
                f"{folder} is not whole: {lost} rows of {table} belong to no row of {other}. "
                "Nothing was imported."
            )
