"""What a run's status is: it follows from the outputs that are stored, not from how its process
ended.

A signal, a full disk or a lock can come between the last output's commit and the one that would
call the run complete; nothing would ever do it again, because nothing is missing.
"""

from __future__ import annotations

import duckdb

# How many outputs a study wants of each prompt and config; older protocols say nothing of it.
SAMPLES = "coalesce(json_extract(study.protocol, '$.samples')::INTEGER, 1)"

# Of a query that joins `run` with its `study` and, where there are any, its `outputs`, counted in
# `generations`. Published figures and benches have no outputs to count.
STATUS = f"""(CASE
    WHEN study.source <> 'measured' OR run.bench IS NOT NULL OR study.prompt_count = 0
        THEN run.status
    WHEN coalesce(outputs.generations, 0) >= study.prompt_count * {SAMPLES} THEN 'complete'
    WHEN run.status = 'complete' THEN 'stopped'
    ELSE run.status END)"""
# Why it failed; a run that has all its outputs did not.
ERROR = f"(CASE WHEN {STATUS} <> 'complete' THEN run.error END)"


def settle_runs(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Write the status that follows from the outputs to the runs of a study that say another."""
    connection.execute(
        f"""WITH outputs AS (
                SELECT run_id, count(*) AS generations, max(created_at) AS last
                FROM generation GROUP BY run_id
            ), found AS (
                SELECT run.run_id, {STATUS} AS status, {ERROR} AS error, outputs.last
                FROM run JOIN study USING (study_id) LEFT JOIN outputs USING (run_id)
                WHERE study.name = $name
            )
            UPDATE run SET status = found.status, error = found.error,
                           finished_at = coalesce(run.finished_at, found.last)
            FROM found WHERE found.run_id = run.run_id AND found.status <> run.status""",
        {"name": name},
    )
