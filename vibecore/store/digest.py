"""What each run's outputs came to, kept beside them: a study of millions is read in a fraction of
a second.

A digest is made of the rows by the queries that read them (`read_sums`, `rows_of_outcomes`), when a
run, a rescoring or an import ends. It stands for the rows only while it is true: whatever changes a
run's rows takes it away (`drop_digest`), and a reader takes none that other queries made or whose
run has another number of outputs or scores; that run's rows are read then, as all are in a database
that no newer Vibe check has written to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import duckdb

from vibecore.core.records import Aggregate
from vibecore.core.rows import RunOutcomes
from vibecore.store.columns import BROKEN, compile_aggregates, of_one_run
from vibecore.store.connection import bound_memory

Row = dict[str, Any]

# The schema that has the table.
SCHEMA = 12
# Runs whose digests are made at once: 4,328 outputs each take some 20 MB together.
MADE_TOGETHER = 50

# What a run's outputs took, over a CTE `runs` of run ids. Each batch counts once.
SUMS = """
    batches AS (
        SELECT run_id, batch_index, max(total_seconds) AS seconds
        FROM generation WHERE run_id IN (FROM runs) GROUP BY run_id, batch_index
    ), seconds AS (
        SELECT run_id, sum(seconds) AS total_seconds FROM batches GROUP BY run_id
    ), outputs AS (
        SELECT run_id,
               sum(new_tokens)::BIGINT AS new_tokens,
               max(batch_size) AS batch_size,
               max(prompt_tokens) AS longest_prompt,
               max(peak_memory_bytes) AS peak_memory_bytes
        FROM generation WHERE run_id IN (FROM runs) GROUP BY run_id
    ), scores AS (
        SELECT run_id,
               min(scorer_version) AS scorer_version,
               max(scorer_version) AS newest_scorer_version
        FROM score WHERE run_id IN (FROM runs) GROUP BY run_id
    )
    SELECT run_id, outputs.* EXCLUDE (run_id), scores.* EXCLUDE (run_id), total_seconds
    FROM runs LEFT JOIN outputs USING (run_id) LEFT JOIN scores USING (run_id)
    LEFT JOIN seconds USING (run_id)"""
# On which kinds of hardware, and how fast on each; NULL where it was not recorded.
DEVICES = """
    batches AS (
        SELECT run_id, place.device, count(*) AS outputs, sum(new_tokens) AS tokens,
               max(total_seconds) AS seconds
        FROM generation LEFT JOIN place USING (place_id)
        WHERE run_id IN (FROM runs) GROUP BY run_id, batch_index, place.device)
    SELECT run_id, device, sum(outputs)::BIGINT AS outputs,
           sum(tokens) / nullif(sum(seconds), 0) AS speed
    FROM batches GROUP BY run_id, device ORDER BY run_id, sum(outputs) DESC, device"""
# One row an output, in no order.
OUTCOMES = f"""
    SELECT generation.run_id,
           prompt.position AS prompt,
           generation.sample,
           coalesce({BROKEN}::TINYINT, -1)::TINYINT AS broken,
           coalesce(score.adherent::TINYINT, -1)::TINYINT AS adherent,
           coalesce(new_tokens, 'nan'::DOUBLE) AS new_tokens,
           coalesce(total_seconds, 'nan'::DOUBLE) AS total_seconds
    FROM generation
    JOIN run USING (run_id)
    JOIN prompt ON prompt.study_id = run.study_id AND prompt.prompt_id = generation.prompt_id
    LEFT JOIN score ON score.run_id = generation.run_id
                   AND score.prompt_id = generation.prompt_id
                   AND score.sample = generation.sample
    WHERE generation.run_id IN (FROM runs)"""
# column -> how its values are stored
STORED = {
    "prompt": "<i4",
    "sample": "<i4",
    "broken": "<i1",
    "adherent": "<i1",
    "new_tokens": "<f4",
    "total_seconds": "<f8",
}
# Those that say which output a value is of.
PLACES = ("prompt", "sample")
# What of them most of the bytes are.
TIMES = ("new_tokens", "total_seconds")


def read_sums(
    connection: duckdb.DuckDBPyConnection,
    runs: Iterable[int],
    aggregates: Mapping[str, Aggregate],
    *,
    devices: bool = True,
) -> dict[int, Row]:
    """What the outputs of runs came to, from their rows: by run id `sums`, the `aggregates` of a
    run's own outputs, and `devices`, a list of (device, outputs, tokens a second), which is empty
    where they are not wanted."""
    among = _among(runs)
    found: dict[int, Row] = {}
    for row in _rows(connection, f"{among}, {SUMS}"):
        found[row.pop("run_id")] = {"sums": row, "aggregates": {}, "devices": []}
    own = of_one_run(aggregates)
    if own:
        for row in _rows(connection, f"{among} {compile_aggregates(own)}"):
            found[row.pop("run_id")]["aggregates"] = row
    for row in _rows(connection, f"{among}, {DEVICES}") if devices else ():
        run_id = row.pop("run_id")
        found[run_id]["devices"].append(list(row.values()))
    return found


def rows_of_outcomes(
    connection: duckdb.DuckDBPyConnection, runs: Iterable[int]
) -> dict[int, RunOutcomes]:
    """What each output of runs came to, from their rows, by run id."""
    import numpy as np

    columns = connection.execute(f"{_among(runs)} {OUTCOMES}").fetchnumpy()
    # Rows of a run are stored together, so there is little to sort.
    order = np.argsort(columns["run_id"], kind="stable")
    columns = {name: one[order] for name, one in columns.items()}
    ids = columns.pop("run_id")
    found, starts = np.unique(ids, return_index=True)
    ends = [*starts[1:].tolist(), len(ids)]
    return {
        int(run_id): RunOutcomes(**{name: one[start:end] for name, one in columns.items()})
        for run_id, start, end in zip(found, starts, ends, strict=True)
    }


def write_digests(
    connection: duckdb.DuckDBPyConnection,
    runs: Sequence[int],
    aggregates: Mapping[str, Aggregate],
) -> None:
    """Make the digests of runs that have outputs and no true digest yet."""
    bound_memory(connection)
    counts = counts_of(connection, runs)
    known = read_digests(connection, runs, aggregates, counts)
    fresh = set(known) & set(_stored_outcomes(connection, runs, counts))
    missing = [run_id for run_id in runs if counts[run_id][0] and run_id not in fresh]
    for start in range(0, len(missing), MADE_TOGETHER):
        part = missing[start : start + MADE_TOGETHER]
        sums, outcomes = read_sums(connection, part, aggregates), rows_of_outcomes(connection, part)
        connection.execute(f"DELETE FROM digest WHERE run_id IN ({_ids(part)})")
        for run_id in part:
            outputs, scores = counts[run_id]
            connection.execute(
                "INSERT INTO digest VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    *(run_id, _version(aggregates), outputs, scores, json.dumps(sums[run_id])),
                    *_packed(outcomes[run_id]),
                ],
            )


def drop_digest(connection: duckdb.DuckDBPyConnection, run_id: int) -> None:
    """Take away the digest of a run whose rows are about to change."""
    connection.execute("DELETE FROM digest WHERE run_id = ?", [run_id])


def read_digests(
    connection: duckdb.DuckDBPyConnection,
    runs: Sequence[int],
    aggregates: Mapping[str, Aggregate],
    counts: Mapping[int, tuple[int, int]],
) -> dict[int, Row]:
    """What read_sums gives, of the runs that have a true digest of these aggregates. `counts` has
    how many outputs and scores each run has."""
    if not has_digests(connection):
        return {}
    rows = connection.execute(
        f"""SELECT run_id, outputs, scores, figures FROM digest
            WHERE run_id IN ({_ids(runs)}) AND starts_with(version, ?)""",
        # Without aggregates any will do.
        [_version(aggregates).rpartition("/")[0] if aggregates else _hash(SUMS, DEVICES)],
    ).fetchall()
    own = of_one_run(aggregates)
    found = {}
    for run_id, outputs, scores, figures in rows:
        if counts.get(run_id) == (outputs, scores):
            found[run_id] = json.loads(figures)
            stored = found[run_id]["aggregates"]
            found[run_id]["aggregates"] = {name: stored[name] for name in own}
    return found


def read_outcomes_of(
    connection: duckdb.DuckDBPyConnection,
    counts: Mapping[int, tuple[int, int]],
    *,
    times: bool = True,
) -> dict[int, RunOutcomes]:
    """What each output of runs came to, by run id; runs without outputs are left out. `counts` has
    how many outputs and scores each run has. Without `times`, new tokens and seconds may be
    None."""
    runs = list(counts)
    if not has_digests(connection):
        return rows_of_outcomes(connection, runs)
    found = _stored_outcomes(connection, runs, counts, times=times)
    rest = [run_id for run_id in runs if counts[run_id][0] and run_id not in found]
    return found | (rows_of_outcomes(connection, rest) if rest else {})


def counts_of(
    connection: duckdb.DuckDBPyConnection, runs: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """How many outputs and scores each run has."""
    outputs, scores = (count_rows(connection, table, runs) for table in ("generation", "score"))
    return {run_id: (outputs[run_id], scores[run_id]) for run_id in runs}


def count_rows(
    connection: duckdb.DuckDBPyConnection, table: str, runs: Sequence[int]
) -> dict[int, int]:
    """How many rows of a table each run has."""
    found = connection.execute(
        f"SELECT run_id, count(*) FROM {table} WHERE run_id IN ({_ids(runs)}) GROUP BY run_id"
    ).fetchall()
    return dict.fromkeys(runs, 0) | dict(found)


def has_digests(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database has the table: one of an earlier schema is read without it."""
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    return row is not None and row[0] >= SCHEMA


def _stored_outcomes(
    connection: duckdb.DuckDBPyConnection,
    runs: Sequence[int],
    counts: Mapping[int, tuple[int, int]],
    *,
    times: bool = True,
) -> dict[int, RunOutcomes]:
    import numpy as np

    true = f"run_id IN ({_ids(runs)}) AND ends_with(version, '{_hash(OUTCOMES)}')"
    # Runs mostly have the same prompts and samples: read once, and one array for all.
    places = connection.execute(
        f"SELECT DISTINCT {', '.join(PLACES)} FROM digest WHERE {true} LIMIT 2"
    ).fetchall()
    same = places[0] if len(places) == 1 else ()
    left_out = {*(PLACES if same else ()), *(() if times else TIMES)}
    own = [name for name in STORED if name not in left_out]
    rows = connection.execute(
        f"SELECT run_id, outputs, scores, {', '.join(own)} FROM digest WHERE {true}"
    ).fetchall()
    shared: dict[str, Any] = {
        name: np.frombuffer(data, STORED[name]) for name, data in zip(PLACES, same, strict=False)
    }
    shared |= {} if times else dict.fromkeys(TIMES)
    return {
        run_id: RunOutcomes(
            **shared,
            **{
                name: np.frombuffer(data, STORED[name])
                for name, data in zip(own, packed, strict=True)
            },
        )
        for run_id, outputs, scores, *packed in rows
        if counts.get(run_id) == (outputs, scores)
    }


def _packed(outcomes: RunOutcomes) -> list[bytes]:
    """The columns as they are stored, in the order of the suite."""
    import numpy as np

    order = np.lexsort([outcomes.sample, outcomes.prompt])
    return [getattr(outcomes, name)[order].astype(kind).tobytes() for name, kind in STORED.items()]


def _version(aggregates: Mapping[str, Aggregate]) -> str:
    """Which queries a digest is of: a hash for the sums, the aggregates and the outcomes."""
    figures = compile_aggregates(of_one_run(aggregates))
    return "/".join((_hash(SUMS, DEVICES), _hash(figures), _hash(OUTCOMES)))


def _hash(*queries: str) -> str:
    return sha256("".join(queries).encode()).hexdigest()[:16]


def _ids(runs: Iterable[int]) -> str:
    return ", ".join(map(str, runs)) or "NULL"


def _among(runs: Iterable[int]) -> str:
    return f"WITH runs AS (SELECT unnest([{_ids(runs)}]::INTEGER[]) AS run_id)"


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[Row]:
    cursor = connection.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
