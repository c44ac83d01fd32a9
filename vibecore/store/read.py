"""Reading: each function queries inside a `reading` connection and returns plain rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import duckdb

from vibecore.core.errors import InputError
from vibecore.core.records import Aggregate, Protocol
from vibecore.core.rows import (
    OutputRow,
    PromptRow,
    RunRow,
    ScoreRow,
    StudyRow,
    VerdictRow,
)
from vibecore.store.columns import BROKEN, compile_aggregates, of_one_run
from vibecore.store.digest import count_rows, read_digests, read_sums
from vibecore.store.places import device_speeds
from vibecore.store.run_status import ERROR, SAMPLES, STATUS

Row = dict[str, Any]

# Up to so many runs of a table are read one by one.
MOST_BY_THEMSELVES = 16

# A condition on rows of a run: the outputs that `among` names.
AMONG = """WHERE run_id = $run AND (prompt_id, sample) IN (
    SELECT (unnest($prompts::VARCHAR[]), unnest($samples::INTEGER[])))"""


def among(run_id: int, keys: Sequence[tuple[str, int]]) -> dict[str, Any]:
    """The parameters of AMONG: (prompt id, sample) of each output."""
    return {
        "run": run_id,
        "prompts": [prompt_id for prompt_id, _ in keys],
        "samples": [sample for _, sample in keys],
    }


def rows_of(
    connection: duckdb.DuckDBPyConnection,
    query: str,
    parameters: list[Any] | dict[str, Any] | None = None,
) -> list[Row]:
    """The result of a query as one dictionary a row."""
    cursor = connection.execute(query, parameters or [])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def list_studies(connection: duckdb.DuckDBPyConnection) -> list[StudyRow]:
    """One row a study, oldest first, with how many of its runs have ended in which way;
    `complete_configs` names those that are whole, in their order."""
    rows = rows_of(
        connection,
        f"""WITH outputs AS (
               SELECT run_id, count(*) AS generations FROM generation GROUP BY run_id
           ), found AS (
               SELECT study_id, run.config, run.position, {STATUS} AS status, outputs.generations
               FROM run JOIN study USING (study_id) LEFT JOIN outputs USING (run_id)
           )
           SELECT study.*,
                  count(found.config) AS configs,
                  count(*) FILTER (found.status = 'complete') AS complete,
                  coalesce(
                      list(found.config ORDER BY found.position)
                          FILTER (found.status = 'complete'),
                      []
                  ) AS complete_configs,
                  count(*) FILTER (found.status = 'failed') AS failed,
                  coalesce(sum(found.generations), 0)::BIGINT AS generations
           FROM study LEFT JOIN found USING (study_id)
           GROUP BY ALL ORDER BY study.study_id""",
    )
    return [StudyRow(**{**row, "protocol": _protocol(row["protocol"])}) for row in rows]


def _protocol(stored: str) -> Protocol | None:
    """The protocol of a study as stored; a published one has none."""
    found = json.loads(stored)
    return Protocol.from_stored(found) if found else None


def stored_object(stored: str) -> dict[str, Any]:
    """A JSON object as stored. Raises TypeError for another value: something else wrote it."""
    found = json.loads(stored)
    if not isinstance(found, dict):
        raise TypeError(f"an object was stored, not {stored[:40]}")
    return found


def stored_list(stored: str) -> list[Any]:
    """A JSON list as stored. Raises TypeError for another value: something else wrote it."""
    found = json.loads(stored)
    if not isinstance(found, list):
        raise TypeError(f"a list was stored, not {stored[:40]}")
    return found


def study_exists(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a study of that name is stored."""
    return bool(connection.execute("SELECT 1 FROM study WHERE name = ?", [name]).fetchone())


def read_study(connection: duckdb.DuckDBPyConnection, name: str) -> StudyRow:
    """One study. Raises InputError, with the names there are, when it does not exist."""
    studies = {row.name: row for row in list_studies(connection)}
    if name not in studies:
        there = ", ".join(studies) or "none yet"
        raise InputError(f"There is no study '{name}'. Studies in this database: {there}.")
    return studies[name]


def study_id_of(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """A study's id, without counting what it holds. Raises InputError as read_study does."""
    row = connection.execute("SELECT study_id FROM study WHERE name = ?", [name]).fetchone()
    return row[0] if row else read_study(connection, name).study_id


def run_ids(connection: duckdb.DuckDBPyConnection, name: str) -> list[int]:
    """The ids of a study's runs, in their order."""
    rows = connection.execute(
        "SELECT run_id FROM run WHERE study_id = ? ORDER BY position, run_id",
        [study_id_of(connection, name)],
    ).fetchall()
    return [run_id for (run_id,) in rows]


def read_prompts(
    connection: duckdb.DuckDBPyConnection, name: str, most: int | None = None
) -> list[PromptRow]:
    """The suite as it was when the study ran, or its first `most` prompts: id, category, text,
    constraints."""
    rows = rows_of(
        connection,
        """SELECT prompt_id, category, text, constraints, position
           FROM prompt WHERE study_id = ? ORDER BY position LIMIT ?""",
        [study_id_of(connection, name), most],
    )
    return [PromptRow(**{**row, "constraints": stored_list(row["constraints"])}) for row in rows]


def read_configs(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    aggregates: Mapping[str, Aggregate] | None = None,
) -> list[RunRow]:
    """One row a config: its run, what its outputs took, published figures, and the `aggregates`
    asked for.

    `total_seconds` counts each batch once, so new_tokens / total_seconds is the throughput of
    a batched run and the speed of an unbatched one. Published figures have the prefix
    `published_` and are None for a measured study.
    """
    study_id = study_id_of(connection, name)
    rows = rows_of(
        connection,
        f"""
        WITH outputs AS (
            SELECT run_id, count(*) AS generations FROM generation
            WHERE run_id IN (SELECT run_id FROM run WHERE study_id = $study) GROUP BY run_id
        )
        SELECT run.* EXCLUDE (bench, status, error), {STATUS} AS status, {ERROR} AS error,
               bench IS NOT NULL AS benched, outputs.generations,
               aggregate.prompts AS published_prompts,
               aggregate.tokens_per_second AS published_tokens_per_second,
               aggregate.repetitive AS published_repetitive,
               aggregate.empty AS published_empty,
               aggregate.adherent_prompts AS published_adherent_prompts,
               CAST(study.protocol->>'max_new_tokens' AS INTEGER) AS max_new_tokens,
               study.hardware, study.protocol->>'device' AS asked_device,
               json_extract_string(study.protocol, '$.decoding.temperature') IS NOT NULL
                   AS sampled,
               -- The bench's result for the engine whose outputs the run has.
               CAST(json_extract(bench, '$[*].ceiling_bytes_per_second') AS DOUBLE[])[
                   list_position(
                       json_extract_string(bench, '$[*].engine'), environment->>'engine'
                   )
               ] AS copy_bytes_per_second
        FROM run JOIN study USING (study_id)
        LEFT JOIN outputs USING (run_id) LEFT JOIN aggregate USING (run_id)
        WHERE run.study_id = $study ORDER BY run.position""",
        {"study": study_id},
    )
    aggregates = aggregates or {}
    runs = [row["run_id"] for row in rows]
    scores = count_rows(connection, "score", runs)
    counts = {row["run_id"]: (row["generations"] or 0, scores[row["run_id"]]) for row in rows}
    found = read_digests(connection, runs, aggregates, counts)
    rest = [one for one in runs if one not in found]
    # Mostly one machine's, which is seen without reading an output.
    [there] = connection.execute("SELECT count(DISTINCT device) FROM place").fetchone() or [0]
    if rest:
        found |= read_sums(connection, rest, aggregates, devices=there > 1)
    among = _of_several_runs(connection, study_id, aggregates)
    speeds = device_speeds({run_id: found[run_id]["devices"] for run_id in runs})
    return [
        RunRow(
            **{**row, "environment": stored_object(row["environment"] or "{}")},
            **found[row["run_id"]]["sums"],
            aggregates=found[row["run_id"]]["aggregates"] | among.get(row["run_id"], {}),
            device_speeds=speeds.get(row["run_id"], ()),
            scores=scores[row["run_id"]],
        )
        for row in rows
    ]


def _of_several_runs(
    connection: duckdb.DuckDBPyConnection, study_id: int, aggregates: Mapping[str, Aggregate]
) -> dict[int, Row]:
    """The aggregates that compare a run's outputs with another's, by run id."""
    own = of_one_run(aggregates)
    rest = {name: one for name, one in aggregates.items() if name not in own}
    if not rest:
        return {}
    runs = "SELECT run_id FROM run WHERE study_id = ?"
    if not connection.execute(
        f"SELECT 1 FROM fidelity WHERE run_id IN ({runs}) LIMIT 1", [study_id]
    ).fetchone():
        # Nothing was compared: a join of all outputs with themselves would say so too.
        nothing = dict.fromkeys(rest)
        return {run_id: nothing for (run_id,) in connection.execute(runs, [study_id]).fetchall()}
    query = f"""WITH runs AS (SELECT run_id FROM run WHERE study_id = $study)
                {compile_aggregates(rest)}"""
    return {row.pop("run_id"): row for row in rows_of(connection, query, {"study": study_id})}


def read_bench(connection: duckdb.DuckDBPyConnection, name: str) -> list[Row]:
    """What `bench` measured, one result a config and engine (see studies/bench/report.py)."""
    rows = connection.execute(
        "SELECT bench FROM run WHERE study_id = ? AND bench IS NOT NULL ORDER BY position",
        [study_id_of(connection, name)],
    ).fetchall()
    return [result for row in rows for result in json.loads(row[0])]


def list_benches(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The names of the studies that hold what `bench` measured, in the order of their ids."""
    rows = connection.execute(
        """SELECT name FROM study JOIN run USING (study_id)
           WHERE bench IS NOT NULL GROUP BY ALL ORDER BY min(study_id)"""
    ).fetchall()
    return [name for (name,) in rows]


def read_scores(
    connection: duckdb.DuckDBPyConnection, name: str, configs: Sequence[str] = ()
) -> list[ScoreRow]:
    """One row a scored output: config, prompt, category and its scores, without the text; of
    `configs` alone, where some are named."""
    rows = rows_of(
        connection,
        f"""SELECT run.config, prompt.category, prompt.position,
                  score.* EXCLUDE (run_id, duplicates),
                  generation.new_tokens, generation.finish_reason, {BROKEN} AS broken
           FROM score JOIN run USING (run_id)
           JOIN generation USING (run_id, prompt_id, sample)
           JOIN prompt ON prompt.study_id = run.study_id AND prompt.prompt_id = score.prompt_id
           WHERE run.study_id = $study AND (len($configs) = 0 OR run.config IN $configs)
           ORDER BY prompt.position, run.position, sample""",
        {"study": study_id_of(connection, name), "configs": list(configs)},
    )
    return [ScoreRow(**row) for row in rows]


def count_outputs(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    prompt_id: str | None = None,
    configs: Sequence[str] = (),
) -> int:
    """How many outputs a study has, of a prompt and of `configs` where they are named. Raises
    InputError for an unknown study."""
    row = connection.execute(
        """SELECT count(*) FROM generation
           WHERE ($prompt IS NULL OR prompt_id = $prompt)
             AND run_id IN (
                 SELECT run_id FROM run WHERE study_id = $study
                 AND (len($configs) = 0 OR config IN $configs)
             )""",
        {
            "study": study_id_of(connection, name),
            "prompt": prompt_id,
            "configs": list(configs),
        },
    ).fetchone()
    return row[0] if row else 0


def read_outputs(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    prompt_id: str | None = None,
    config: str | None = None,
    *,
    configs: Sequence[str] = (),
) -> list[OutputRow]:
    """Outputs with timings and scores, by suite order, then config order; of `configs` alone, where
    some are named, which of a study of a thousand is read in a fraction of the time.

    Raises InputError for a prompt or config that is not in the study.
    """
    study_id = study_id_of(connection, name)
    _require(connection, "prompt", "prompt_id", study_id, prompt_id)
    _require(connection, "run", "config", study_id, config)
    runs = runs_of(connection, study_id, configs or ([config] if config else ()))
    of_prompt = "AND prompt_id = $prompt" if prompt_id is not None else ""
    rows = rows_of(
        connection,
        f"""WITH generation AS ({of_runs("generation", runs, of_prompt)}),
                 score AS ({of_runs("score", runs, of_prompt)})
           SELECT run.config, generation.* EXCLUDE (run_id, place_id), prompt.category,
                  place.node, place.device, place.driver,
                  score.* EXCLUDE (run_id, prompt_id, sample), {BROKEN} AS broken
           FROM generation JOIN run USING (run_id) LEFT JOIN place USING (place_id)
           JOIN prompt ON prompt.study_id = run.study_id
                      AND prompt.prompt_id = generation.prompt_id
           LEFT JOIN score ON score.run_id = generation.run_id
                          AND score.prompt_id = generation.prompt_id
                          AND score.sample = generation.sample
           ORDER BY prompt.position, run.position, generation.sample""",
        {"prompt": prompt_id} if prompt_id is not None else {},
    )
    return [OutputRow(**{**row, "duplicates": _duplicates(row["duplicates"])}) for row in rows]


def runs_of(
    connection: duckdb.DuckDBPyConnection, study_id: int, configs: Sequence[str]
) -> list[int]:
    """The runs of these configs, or of all where none is named, in their order."""
    rows = connection.execute(
        """SELECT run_id FROM run
           WHERE study_id = $study AND (len($configs) = 0 OR list_contains($configs, config))
           ORDER BY position""",
        {"study": study_id, "configs": list(configs)},
    ).fetchall()
    return [run_id for (run_id,) in rows]


def of_runs(table: str, runs: Sequence[int], condition: str) -> str:
    """A query of a table's rows of some runs, ids as literals.

    Rows are stored by run, and DuckDB skips blocks by an id that it is given alone: a few runs are
    read in a tenth of the time that a list of them takes.
    """
    if not 0 < len(runs) <= MOST_BY_THEMSELVES:
        among = f"run_id IN ({', '.join(map(str, runs)) or 'NULL'})"
        return f"FROM {table} WHERE {among} {condition}"
    return " UNION ALL ".join(f"FROM {table} WHERE run_id = {run} {condition}" for run in runs)


def _duplicates(stored: str | None) -> Any:
    if not stored:
        return None
    # Nearly all outputs have none, and parsing that takes longer than reading the row.
    return [] if stored == "[]" else json.loads(stored)


def _require(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, study_id: int, value: str | None
) -> None:
    if value is None:
        return
    query = f"SELECT 1 FROM {table} WHERE study_id = ? AND {column} = ?"
    if connection.execute(query, [study_id, value]).fetchone() is None:
        query = f"SELECT {column} FROM {table} WHERE study_id = ? ORDER BY position LIMIT 101"
        there = [row[0] for row in connection.execute(query, [study_id]).fetchall()]
        kind = "prompt" if table == "prompt" else "config"
        listed = ", ".join(there[:100]) + (", and more" if len(there) > 100 else "")
        raise InputError(f"There is no {kind} '{value}' in this study. There are: {listed}.")


def read_verdicts(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    prompt_id: str | None = None,
    configs: Sequence[str] = (),
) -> dict[tuple[str, str, int], list[VerdictRow]]:
    """Constraint verdicts in their order, by (config, prompt id, sample); of `configs` alone where
    some are named."""
    of_prompt = "AND prompt_id = $prompt" if prompt_id is not None else ""
    runs = runs_of(connection, study_id_of(connection, name), configs)
    rows = rows_of(
        connection,
        f"""WITH verdict AS ({of_runs("verdict", runs, of_prompt)})
           SELECT run.config, verdict.prompt_id, sample, check_name AS "check", arguments,
                  verdict.status, status_loose, explanation, cut
           FROM verdict JOIN run USING (run_id)
           ORDER BY run.position, verdict.prompt_id, sample, verdict.position""",
        {"prompt": prompt_id} if prompt_id is not None else {},
    )
    found: dict[tuple[str, str, int], list[VerdictRow]] = {}
    for row in rows:
        key = row.pop("config"), row.pop("prompt_id"), row.pop("sample")
        found.setdefault(key, []).append(verdict_of(row))
    return found


def verdict_of(row: Row) -> VerdictRow:
    """A verdict from its columns."""
    return VerdictRow(**{**row, "arguments": _arguments(row["arguments"])})


@lru_cache(maxsize=10_000)
def _arguments(stored: str) -> Mapping[str, Any]:
    """A constraint's arguments, one object for all verdicts that have them: read only."""
    return stored_object(stored)


def count_batches(connection: duckdb.DuckDBPyConnection, run_id: int) -> int:
    """How many batches of a run are stored: the next one's number."""
    row = connection.execute(
        "SELECT coalesce(max(batch_index) + 1, 0) FROM generation WHERE run_id = $run",
        {"run": run_id},
    ).fetchone()
    return int(row[0]) if row else 0


def missing_prompts(connection: duckdb.DuckDBPyConnection, run_id: int) -> set[tuple[str, int]]:
    """(prompt id, sample) of the outputs that a run does not have yet."""
    rows = connection.execute(
        f"""SELECT prompt_id, unnest(range({SAMPLES}))::INTEGER
            FROM prompt JOIN study USING (study_id)
            WHERE study_id = (SELECT study_id FROM run WHERE run_id = $run)
            EXCEPT SELECT prompt_id, sample FROM generation WHERE run_id = $run""",
        {"run": run_id},
    ).fetchall()
    return set(rows)
