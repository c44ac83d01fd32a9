"""Reading what a run is at: how far each config has come, and the speeds seen before it."""

from __future__ import annotations

from datetime import datetime

import duckdb

from vibecore.core.rows import ProgressRow, SpeedRow
from vibecore.store.read import rows_of, study_id_of
from vibecore.store.run_status import ERROR, SAMPLES, STATUS

# The speed of so many last batches is what a run does "now".
LAST_BATCHES = 3

# Of every batch of some runs: its wall time, and what it made in it.
_BATCHES = """
    SELECT run_id, batch_index, max(total_seconds) AS seconds, sum(new_tokens) AS tokens,
           count(*) AS outputs, max(created_at) AS created_at
    FROM generation JOIN run USING (run_id) GROUP BY run_id, batch_index"""


def read_run_progress(
    connection: duckdb.DuckDBPyConnection, study: str, since: datetime
) -> list[ProgressRow]:
    """One row a config, in order: status, error, finished_at, `done` of `total` outputs,
    `seconds_per_output`, and `tokens_per_second` of the last batches, both of decoding alone.

    `pace` is seconds an output by the clock, scoring and storing included, of the outputs stored
    `since` a time in UTC; None while there are fewer than two batches of them.
    """
    rows = rows_of(
        connection,
        f"""WITH batches AS ({_BATCHES} HAVING any_value(run.study_id) = $study),
            numbered AS (
                SELECT *, row_number() OVER (
                    PARTITION BY run_id ORDER BY created_at DESC, batch_index DESC) AS age
                FROM batches
            ), outputs AS (
                SELECT run_id, sum(outputs)::BIGINT AS generations, sum(seconds) / sum(outputs)
                       AS seconds_per_output,
                       sum(tokens) FILTER (age <= {LAST_BATCHES})
                       / sum(seconds) FILTER (age <= {LAST_BATCHES}) AS tokens_per_second
                FROM numbered GROUP BY run_id
            ), clocks AS (
                SELECT run_id, epoch(max(created_at) - min(created_at)) / (count(*) - 1)
                       * count(*) / sum(outputs) AS pace
                FROM batches WHERE created_at >= $since GROUP BY run_id HAVING count(*) > 1
            )
            SELECT run.config, {STATUS} AS status, {ERROR} AS error, run.finished_at,
                   coalesce(generations, 0) AS done,
                   study.prompt_count * {SAMPLES} AS total,
                   seconds_per_output, tokens_per_second, pace
            FROM run JOIN study USING (study_id) LEFT JOIN outputs USING (run_id)
                 LEFT JOIN clocks USING (run_id)
            WHERE study_id = $study ORDER BY run.position""",
        {"study": study_id_of(connection, study), "since": since},
    )
    return [ProgressRow(**row) for row in rows]


def read_speeds(connection: duckdb.DuckDBPyConnection, hardware: str) -> list[SpeedRow]:
    """How fast each config of each study on some hardware was, over all its outputs, the newest
    study first."""
    rows = rows_of(
        connection,
        f"""WITH batches AS ({_BATCHES} HAVING any_value(run.study_id) IN (
                SELECT study_id FROM study WHERE source = 'measured' AND hardware = $hardware)),
            sums AS (
                SELECT run_id, sum(tokens) / sum(seconds) AS tokens_per_second
                FROM batches GROUP BY run_id HAVING sum(seconds) > 0
            )
            SELECT study.name AS study, run.config, run.load_seconds, tokens_per_second,
                   json_extract_string(protocol, '$.engine') AS engine,
                   json_extract(protocol, '$.batch_size')::INTEGER AS batch_size
            FROM sums JOIN run USING (run_id) JOIN study USING (study_id)
            ORDER BY study.created_at DESC, study_id DESC, run.position""",
        {"hardware": hardware},
    )
    return [SpeedRow(**row) for row in rows]
