"""Scores and verdicts: written with an output, and again when it is rescored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import duckdb

from vibecore.core.records import Protocol
from vibecore.core.rows import JudgedRow, Scores, TextRow
from vibecore.store.checksum import unseal
from vibecore.store.columns import BROKEN_SCORE, SCORE_COLUMNS
from vibecore.store.connection import insert
from vibecore.store.read import AMONG, Row, among, rows_of, study_id_of, verdict_of


def replace_scores(
    connection: duckdb.DuckDBPyConnection,
    run_id: int,
    scored: Sequence[tuple[str, int, Any]],
    scorer_version: int,
) -> None:
    """Write (prompt id, sample, scoring.Score) of one run with all verdicts, in place of older
    ones."""
    unseal(connection, run_id)
    keys = [(prompt_id, sample) for prompt_id, sample, _ in scored]
    for table in ("score", "verdict"):
        connection.execute(f"DELETE FROM {table} {AMONG}", among(run_id, keys))
    insert_scores(
        connection,
        [((run_id, prompt_id, sample), score) for prompt_id, sample, score in scored],
        scorer_version,
    )


def insert_scores(
    connection: duckdb.DuckDBPyConnection,
    scored: Sequence[tuple[tuple[int, str, int], Any]],
    scorer_version: int,
) -> None:
    """Write a scoring.Score with all verdicts for each (run id, prompt id, sample)."""
    insert(
        connection,
        "score",
        [
            {
                "run_id": run_id,
                "prompt_id": prompt_id,
                "sample": sample,
                "scorer_version": scorer_version,
                **_columns(score),
            }
            for (run_id, prompt_id, sample), score in scored
        ],
    )
    insert(
        connection,
        "verdict",
        [
            {
                "run_id": run_id,
                "prompt_id": prompt_id,
                "sample": sample,
                "position": position,
                "check_name": result.check,
                "arguments": json.dumps(dict(result.arguments)),
                "status": result.status,
                "status_loose": result.status_loose,
                "explanation": result.explanation,
                "cut": result.cut,
            }
            for (run_id, prompt_id, sample), score in scored
            for position, result in enumerate(score.constraints)
        ],
    )


def _columns(score: Any) -> Row:
    columns = {column: getattr(score, column) for column in SCORE_COLUMNS}
    columns["degenerate_by"] = list(score.degenerate_by)
    columns["broken_by"] = list(score.broken_by)
    columns["duplicates"] = json.dumps(dict(score.duplicates))
    return columns


def text_keys(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[tuple[str, int]]:
    """(prompt id, sample) of every output of a run that can be scored, in the order of the suite.

    Outputs without text (random weights) and numerically broken ones are left out.
    """
    return connection.execute(
        """SELECT generation.prompt_id, sample FROM generation JOIN run USING (run_id)
           JOIN prompt ON prompt.study_id = run.study_id
                      AND prompt.prompt_id = generation.prompt_id
           WHERE generation.run_id = ? AND generation.text IS NOT NULL
             AND generation.finish_reason IS DISTINCT FROM 'non_finite'
           ORDER BY prompt.position, sample""",
        [run_id],
    ).fetchall()


def read_texts(
    connection: duckdb.DuckDBPyConnection, run_id: int, keys: Sequence[tuple[str, int]]
) -> list[TextRow]:
    """What there is to score of some outputs of a run, in the order of `keys`."""
    rows = rows_of(
        connection,
        f"""SELECT prompt_id, sample, text, token_ids, finish_reason, reasoning_tokens
            FROM generation {AMONG}""",
        among(run_id, keys),
    )
    found = {(row["prompt_id"], row["sample"]): TextRow(**row) for row in rows}
    return [found[key] for key in keys]


def read_judged(
    connection: duckdb.DuckDBPyConnection, run_id: int, keys: Sequence[tuple[str, int]]
) -> dict[tuple[str, int], JudgedRow]:
    """What is stored of scoring some outputs of a run, by (prompt id, sample)."""
    parameters = among(run_id, keys)
    columns = ", ".join(("scorer_version", *SCORE_COLUMNS))
    found = {}
    for row in rows_of(
        connection,
        f"SELECT prompt_id, sample, {BROKEN_SCORE} AS broken, {columns} FROM score {AMONG}",
        parameters,
    ):
        key, broken = (row.pop("prompt_id"), row.pop("sample")), row.pop("broken")
        row["duplicates"] = json.loads(row["duplicates"]) if row["duplicates"] else None
        found[key] = JudgedRow(scores=Scores(**row), broken=broken, constraints=[])
    for row in rows_of(
        connection,
        f"""SELECT prompt_id, sample, check_name AS "check", arguments, status, status_loose,
                   explanation, cut FROM verdict {AMONG} ORDER BY position""",
        parameters,
    ):
        key = row.pop("prompt_id"), row.pop("sample")
        if key in found:
            found[key].constraints.append(verdict_of(row))
    return found


def count_scores(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, int | None]:
    """How many of a study's outputs, and of their verdicts, have each property; None where the
    scorer of the time did not say."""
    [scores] = rows_of(
        connection,
        """SELECT count(*) AS outputs,
                  count(*) FILTER (repetitive) AS repetitive,
                  CASE WHEN count(degenerate) > 0 THEN count(*) FILTER (degenerate) END
                      AS degenerate,
                  count(loop_onset) AS loops,
                  count(*) FILTER (garbage) AS garbage,
                  count(*) FILTER (empty) AS empty,
                  CASE WHEN count(refusal) > 0 THEN count(*) FILTER (refusal) END AS refusals,
                  CASE WHEN count(refusal) > 0 THEN count(language_switch) END
                      AS "language switches",
                  count(*) FILTER (adherent) AS adherent,
                  CASE WHEN count(adherent_cut) > 0 THEN count(*) FILTER (adherent_cut) END
                      AS "adherence decided by the token limit",
                  sum(constraints_cut)::INTEGER AS "constraints decided by the token limit"
           FROM score JOIN run USING (run_id) WHERE run.study_id = ?""",
        [study_id_of(connection, name)],
    )
    statuses = connection.execute(
        """SELECT verdict.status, count(*) FROM verdict JOIN run USING (run_id)
           WHERE run.study_id = ? GROUP BY verdict.status""",
        [study_id_of(connection, name)],
    ).fetchall()
    counted = dict(statuses)
    for status in ("pass", "fail", "error", "skipped"):
        scores[f"constraints: {status}"] = counted.get(status, 0)
    return scores


def set_protocol(connection: duckdb.DuckDBPyConnection, name: str, protocol: Protocol) -> None:
    """Replace a study's protocol."""
    connection.execute(
        "UPDATE study SET protocol = ? WHERE study_id = ?",
        [json.dumps(asdict(protocol)), study_id_of(connection, name)],
    )
