"""Writing: each function is called inside one `writing` transaction."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import duckdb

from vibecore.core.records import Generation, LoadReport, Protocol
from vibecore.core.rows import Output
from vibecore.store.checksum import unseal
from vibecore.store.connection import AlreadyStored, insert
from vibecore.store.scores import insert_scores

if TYPE_CHECKING:
    # A reader of the database needs no YAML.
    from vibecore.catalog.suites import Prompt


@dataclass(frozen=True)
class NewStudy:
    """A study about to be written, with the suite as it is now."""

    name: str
    source: str
    title: str
    suite: str
    prompts: tuple[Prompt, ...]
    prompt_count: int
    protocol: Protocol | None
    suite_sha256: str | None = None
    hardware: str | None = None
    code_commit: str | None = None
    created_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True)
class NewRun:
    """A config about to be run, or one whose figures were published."""

    config: str
    model: str
    precision: str
    source: str
    weights: str
    revision: str | None = None
    estimated_weight_bytes: int | None = None
    status: str = "pending"
    kind: str | None = None
    weights_sha256: str | None = None
    stored_as: str | None = None


# Prompt id, columns of the generation table (see `generation_row`), of all rows alike and without
# `sample` a prompt's first, and a scoring.Score, or None where quality is not scored.
OutputRow = tuple[str, Mapping[str, Any], Any]


@dataclass(frozen=True)
class NewBatch:
    """Outputs of a run that were decoded together, about to be written. `index` is the batch's
    place among all of the run."""

    run_id: int
    index: int
    rows: Sequence[OutputRow]


def now() -> datetime:
    """The present time as stored: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _next_id(connection: duckdb.DuckDBPyConnection, table: str, column: str) -> int:
    row = connection.execute(f"SELECT coalesce(max({column}), 0) + 1 FROM {table}").fetchone()
    assert row is not None
    return row[0]


def create_study(
    connection: duckdb.DuckDBPyConnection, study: NewStudy, runs: Iterable[NewRun]
) -> dict[str, int]:
    """Write a study, its prompts and its pending runs. Returns run ids by config."""
    study_id = _next_id(connection, "study", "study_id")
    protocol = dataclasses.asdict(study.protocol) if study.protocol else {}
    row = {
        field.name: getattr(study, field.name)
        for field in dataclasses.fields(study)
        if field.name not in ("prompts", "protocol")
    }
    insert(connection, "study", [{"study_id": study_id, **row, "protocol": json.dumps(protocol)}])
    insert(
        connection,
        "prompt",
        [
            {
                "study_id": study_id,
                "prompt_id": prompt.id,
                "position": position,
                "category": prompt.category,
                "text": prompt.text,
                "constraints": json.dumps(
                    [{"check": c.check, **c.arguments} for c in prompt.constraints]
                ),
            }
            for position, prompt in enumerate(study.prompts)
        ],
    )
    return add_runs(connection, study_id, runs)


def add_runs(
    connection: duckdb.DuckDBPyConnection, study_id: int, runs: Iterable[NewRun]
) -> dict[str, int]:
    """Write pending runs of a study, after those it has. Returns run ids by config."""
    run_ids: dict[str, int] = {}
    run_id = _next_id(connection, "run", "run_id")
    row = connection.execute(
        "SELECT coalesce(max(position), -1) + 1 FROM run WHERE study_id = ?", [study_id]
    ).fetchone()
    assert row is not None
    for place, run in enumerate(runs):
        run_ids[run.config] = run_id + place
        keys = {"run_id": run_id + place, "study_id": study_id, "position": row[0] + place}
        insert(connection, "run", [{**keys, **dataclasses.asdict(run)}])
    return run_ids


def start_run(connection: duckdb.DuckDBPyConnection, run_id: int, report: LoadReport) -> None:
    """Mark a run as running, with what loading it cost and where it runs."""
    unseal(connection, run_id)
    connection.execute(
        """UPDATE run SET status = 'running', error = NULL, started_at = coalesce(started_at, ?),
           finished_at = NULL, load_seconds = ?, weight_bytes = ?, dtype = ?, environment = ?
           WHERE run_id = ?""",
        [
            now(),
            report.load_seconds,
            report.weight_bytes,
            report.dtype,
            json.dumps(report.environment),
            run_id,
        ],
    )


def finish_run(
    connection: duckdb.DuckDBPyConnection, run_id: int, status: str, error: str | None = None
) -> None:
    """Set a run's final status: `complete`, `stopped`, or `failed` with its error."""
    connection.execute(
        "UPDATE run SET status = ?, error = ?, finished_at = ? WHERE run_id = ?",
        [status, error, now(), run_id],
    )


def set_bench(
    connection: duckdb.DuckDBPyConnection, run_id: int, bench: Sequence[Mapping[str, Any]]
) -> None:
    """Keep what `bench` measured of a run's config: one result an engine."""
    connection.execute("UPDATE run SET bench = ? WHERE run_id = ?", [json.dumps(bench), run_id])


def add_aggregate(
    connection: duckdb.DuckDBPyConnection, run_id: int, figures: Mapping[str, Any]
) -> None:
    """Write the published figures of a run that has no outputs."""
    insert(connection, "aggregate", [{"run_id": run_id, **figures}])


def add_generations(
    connection: duckdb.DuckDBPyConnection,
    run_id: int,
    batch_index: int,
    rows: Sequence[OutputRow],
    scorer_version: int,
) -> None:
    """Write one batch of a run, as `add_batches` does."""
    add_batches(connection, [NewBatch(run_id, batch_index, rows)], scorer_version)


def add_batches(
    connection: duckdb.DuckDBPyConnection, batches: Sequence[NewBatch], scorer_version: int
) -> None:
    """Write batches of any runs with all scores and verdicts, at the cost of one: each statement
    costs as much as ten of its rows.

    Raises AlreadyStored, which undoes the transaction, for an output that is there already or twice
    among these: no index of the table would (m011).
    """
    # Rows of a run are stored together.
    batches = sorted(batches, key=lambda batch: batch.run_id)
    rows = [
        ((batch.run_id, prompt_id, generation.get("sample", 0)), batch.index, generation, score)
        for batch in batches
        for prompt_id, generation, score in batch.rows
    ]
    _refuse_stored(connection, [key for key, *_ in rows])
    created = now()
    insert(
        connection,
        "generation",
        [
            {
                "run_id": run_id,
                "prompt_id": prompt_id,
                "sample": sample,
                "batch_index": batch_index,
                "created_at": created,
                **generation,
            }
            for (run_id, prompt_id, sample), batch_index, generation, _ in rows
        ],
    )
    scored = [(key, score) for key, _, _, score in rows if score is not None]
    insert_scores(connection, scored, scorer_version)


def _refuse_stored(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[tuple[int, str, int]]
) -> None:
    """Raise AlreadyStored where one of (run id, prompt id, sample) is stored, or there twice."""
    if not keys:
        return
    run_ids, prompts, samples = zip(*keys, strict=True)
    # Named in words, runs leave out what is stored of others.
    among = ", ".join(map(str, sorted(set(run_ids))))
    stored = connection.execute(
        f"""SELECT 1 FROM generation
            WHERE run_id IN ({among}) AND (run_id, prompt_id, sample) IN (
                SELECT (unnest($runs::INTEGER[]), unnest($prompts::VARCHAR[]),
                        unnest($samples::INTEGER[])))
            LIMIT 1""",
        {"runs": run_ids, "prompts": prompts, "samples": samples},
    ).fetchone()
    if stored or len(set(keys)) < len(keys):
        raise AlreadyStored


def generation_row(generation: Generation) -> dict[str, Any]:
    """A measured generation as columns of the generation table, as far as it says them."""
    names = (one.name for one in dataclasses.fields(Output))
    row = {name: getattr(generation, name) for name in names if hasattr(generation, name)}
    return {**row, "token_ids": list(generation.token_ids)}
