"""How far configs are from their parents, token by token: writing, and reading as NumPy arrays.

A parent is the run of the same model at bf16, or else at fp16, in the same study. What is stored
against another run, one that was the parent before its study was extended, is not read.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import duckdb

from vibecore.core.fidelity import (
    FidelityTokens,
    Reference,
    StoredOutput,
    TokenDistances,
    TokenMarks,
    Way,
)
from vibecore.core.rows import FidelitySpeedRow
from vibecore.store.columns import parents_of
from vibecore.store.connection import insert
from vibecore.store.read import rows_of, study_id_of
from vibecore.store.write import now

# Columns of lists that statistics are made of.
ARRAYS = ("kld", "same_top", "log_p", "parent_log_p")
MARKS = (*ARRAYS, "top_p", "pieces", "top_pieces")

# The parent of each model of the study $study that has one.
_PARENTS = parents_of("study_id = $study")


def read_parents(connection: duckdb.DuckDBPyConnection, study: str) -> dict[str, str]:
    """config -> its parent, of every config whose model has one; a parent is its own."""
    rows = connection.execute(
        f"""SELECT run.config, against.config FROM run JOIN {_PARENTS} AS parent USING (model)
            JOIN run AS against ON against.run_id = parent.run_id
            WHERE run.study_id = $study ORDER BY run.position""",
        {"study": study_id_of(connection, study)},
    ).fetchall()
    return dict(rows)


def add_fidelity(
    connection: duckdb.DuckDBPyConnection,
    run_id: int,
    against_run_id: int,
    way: Way,
    reference: Reference,
    rows: Sequence[tuple[str, int, TokenDistances]],
    measured_on: str,
) -> None:
    """Write (item, sample, distances) of one run held against another on some hardware."""
    created = now()
    insert(
        connection,
        "fidelity",
        [
            {
                "run_id": run_id,
                "against_run_id": against_run_id,
                "way": way,
                "reference": reference,
                "item": item,
                "sample": sample,
                **{
                    name: list(value) if isinstance(value, tuple) else value
                    for name, value in vars(distances).items()
                },
                "measured_on": measured_on,
                "created_at": created,
            }
            for item, sample, distances in rows
        ],
    )


def reference_outputs(connection: duckdb.DuckDBPyConnection, run_id: int) -> list[StoredOutput]:
    """What a run has stored that others can be held against at, in the suite's order: outputs of
    one token at least, whose logits were finite."""
    rows = rows_of(
        connection,
        """SELECT prompt_id, sample, prompt.text, token_ids, prompt_tokens
           FROM generation JOIN run USING (run_id) JOIN prompt USING (study_id, prompt_id)
           WHERE run_id = ? AND len(token_ids) > 0
             AND finish_reason IS DISTINCT FROM 'non_finite'
           ORDER BY prompt.position, sample""",
        [run_id],
    )
    return [StoredOutput(**{**row, "token_ids": tuple(row["token_ids"])}) for row in rows]


def stored_fidelity(
    connection: duckdb.DuckDBPyConnection,
    run_id: int,
    against_run_id: int,
    way: Way,
    reference: Reference,
) -> set[tuple[str, int]]:
    """(item, sample) of what is stored of one run held against another."""
    rows = connection.execute(
        """SELECT item, sample FROM fidelity
           WHERE run_id = ? AND against_run_id = ? AND way = ? AND reference = ?""",
        [run_id, against_run_id, way, reference],
    ).fetchall()
    return set(rows)


def missing_fidelity(
    connection: duckdb.DuckDBPyConnection, run_id: int, against_run_id: int, way: Way
) -> list[StoredOutput]:
    """The parent's outputs that a run has not been held against yet, in the suite's order."""
    stored = stored_fidelity(connection, run_id, against_run_id, way, "outputs")
    return [
        output
        for output in reference_outputs(connection, against_run_id)
        if (output.prompt_id, output.sample) not in stored
    ]


def drop_fidelity_text(
    connection: duckdb.DuckDBPyConnection, run_id: int, against_run_id: int, kept: Collection[str]
) -> None:
    """Delete what is stored over running text, but for the items `kept`: parts of another text do
    not belong in one figure with them."""
    connection.execute(
        """DELETE FROM fidelity WHERE run_id = ? AND against_run_id = ? AND reference = 'text'
           AND NOT list_contains(?::VARCHAR[], item)""",
        [run_id, against_run_id, list(kept)],
    )


def drop_fidelity(
    connection: duckdb.DuckDBPyConnection,
    run_id: int,
    against_run_id: int,
    way: Way,
    reference: Reference,
) -> None:
    """Delete all that is stored of one run held against another in one way along one reference."""
    connection.execute(
        """DELETE FROM fidelity
           WHERE run_id = ? AND against_run_id = ? AND way = ? AND reference = ?""",
        [run_id, against_run_id, way, reference],
    )


def note_floor_left_out(
    connection: duckdb.DuckDBPyConnection, run_id: int, way: Way, facts: Mapping[str, str | None]
) -> None:
    """Keep with a parent's environment that it has no noise floor by a way: `no_floor_by`, with
    facts by name."""
    connection.execute(
        "UPDATE run SET environment = json_merge_patch(environment, ?) WHERE run_id = ?",
        [json.dumps({"no_floor_by": {way: dict(facts)}}), run_id],
    )


def fidelity_places(
    connection: duckdb.DuckDBPyConnection, study: str
) -> set[tuple[int, int, Way, Reference, str]]:
    """(run id, id of the run it was held against, way, reference, where that was measured) of all
    that is read of a study."""
    rows = connection.execute(
        f"""SELECT DISTINCT fidelity.run_id, against_run_id, way, reference, measured_on
            FROM fidelity JOIN run USING (run_id)
            JOIN {_PARENTS} AS parent ON parent.run_id = against_run_id
            WHERE run.study_id = $study""",
        {"study": study_id_of(connection, study)},
    ).fetchall()
    return set(rows)


def read_fidelity_speeds(
    connection: duckdb.DuckDBPyConnection, hardware: str
) -> list[FidelitySpeedRow]:
    """How long each comparison took that was measured on some hardware, the newest study first."""
    rows = rows_of(
        connection,
        """SELECT study.name AS study, run.config, against.config AS against, way, reference,
                  sum(fidelity.prompt_tokens + len(kld))::BIGINT AS positions,
                  sum(seconds) AS seconds,
                  any_value(run.load_seconds + CASE WHEN run.run_id = against.run_id THEN 0
                            ELSE against.load_seconds END) AS load_seconds
           FROM fidelity JOIN run USING (run_id) JOIN study ON study.study_id = run.study_id
                JOIN run AS against ON against.run_id = fidelity.against_run_id
           WHERE measured_on = ?
           GROUP BY study.study_id, study.name, study.created_at, run.run_id, run.config,
                    against.run_id, against.config, way, reference
           ORDER BY study.created_at DESC, study.study_id DESC, run.run_id""",
        [hardware],
    )
    return [FidelitySpeedRow(**row) for row in rows]


def read_fidelity(
    connection: duckdb.DuckDBPyConnection, study: str, config: str | None = None
) -> list[FidelityTokens]:
    """All that is stored of a study, or of one config: one FidelityTokens for each config, way and
    kind of reference, in the order of the configs. Raises InputError for an unknown study."""
    columns = connection.execute(
        f"""SELECT run.config, against.config AS against, way, reference, item, kld, same_top,
                   log_p, parent_log_p, seconds, peak_memory_bytes, measured_on
            FROM fidelity
            JOIN run USING (run_id)
            JOIN run AS against ON against.run_id = fidelity.against_run_id
            JOIN {_PARENTS} AS parent ON parent.run_id = fidelity.against_run_id
            LEFT JOIN prompt ON prompt.study_id = run.study_id AND prompt.prompt_id = item
                            AND reference = 'outputs'
            WHERE run.study_id = $study AND ($config IS NULL OR run.config = $config)
            ORDER BY run.position, reference, way, prompt.position, item, sample""",
        {"study": study_id_of(connection, study), "config": config},
    ).fetchnumpy()
    return [_tokens(columns, group) for group in _groups(columns)]


def read_kld_sums(
    connection: duckdb.DuckDBPyConnection, study: str
) -> dict[tuple[str, Way], tuple[list[float], list[int]]]:
    """By config and way, of each prompt that it was compared on along its parent's outputs, in the
    suite's order: the sum of its tokens' KLDs in nats, and how many tokens those are, all samples
    together. Raises InputError for an unknown study."""
    rows = connection.execute(
        f"""WITH item AS (
                SELECT run.position, run.config, way, prompt.position AS place,
                       sum(list_sum(kld)) AS kld, sum(len(kld))::BIGINT AS tokens
                FROM fidelity JOIN run USING (run_id)
                JOIN {_PARENTS} AS parent ON parent.run_id = fidelity.against_run_id
                JOIN prompt ON prompt.study_id = run.study_id AND prompt.prompt_id = item
                WHERE run.study_id = $study AND reference = 'outputs' AND len(kld) > 0
                GROUP BY run.position, run.config, way, prompt.position)
            SELECT config, way, list(kld ORDER BY place), list(tokens ORDER BY place)
            FROM item GROUP BY position, config, way ORDER BY position, way""",
        {"study": study_id_of(connection, study)},
    ).fetchall()
    return {(config, way): (klds, tokens) for config, way, klds, tokens in rows}


def _groups(columns: dict[str, Any]) -> list[slice]:
    """The neighbouring rows that belong to one FidelityTokens."""
    keys = list(zip(*(columns[name] for name in ("config", "way", "reference")), strict=True))
    # A group begins at the first row, and wherever the key is not that of the row before.
    ends = [at for at in range(len(keys) + 1) if at in (0, len(keys)) or keys[at] != keys[at - 1]]
    return [slice(*pair) for pair in itertools.pairwise(ends)]


def _tokens(columns: dict[str, Any], group: slice) -> FidelityTokens:
    # Most readers of a database need no NumPy, which takes as long to import as the rest.
    import numpy as np

    rows = {name: column[group] for name, column in columns.items()}
    items = tuple(dict.fromkeys(rows["item"]))
    place = {item: number for number, item in enumerate(items)}
    lengths = [len(values) for values in rows["kld"]]
    return FidelityTokens(
        config=rows["config"][0],
        against=rows["against"][0],
        way=rows["way"][0],
        reference=rows["reference"][0],
        items=items,
        item_of=np.repeat([place[item] for item in rows["item"]], lengths),
        **{name: np.concatenate(rows[name]) for name in ARRAYS},
        seconds=float(rows["seconds"].sum()),
        peak_memory_bytes=int(rows["peak_memory_bytes"].max()),
        measured_on=rows["measured_on"][0],
    )


def list_compared(connection: duckdb.DuckDBPyConnection, study: str) -> list[str]:
    """The configs that were held against their parents along the parents' outputs, in the study's
    order: those that have token marks. Raises InputError for an unknown study."""
    rows = connection.execute(
        f"""SELECT run.config FROM run
            WHERE run.study_id = $study AND EXISTS (
                FROM fidelity JOIN {_PARENTS} AS parent ON parent.run_id = against_run_id
                WHERE fidelity.run_id = run.run_id AND reference = 'outputs' AND way = 'alone')
            ORDER BY run.position""",
        {"study": study_id_of(connection, study)},
    ).fetchall()
    return [config for (config,) in rows]


def read_token_marks(
    connection: duckdb.DuckDBPyConnection, study: str, config: str, prompt_id: str, sample: int = 0
) -> TokenMarks | None:
    """One of the parent's outputs with what a config would have chosen at each token; None where
    that was not measured. Raises InputError for an unknown study."""
    rows = rows_of(
        connection,
        f"""SELECT against.config AS against, {", ".join(MARKS)}
            FROM fidelity
            JOIN run USING (run_id)
            JOIN run AS against ON against.run_id = fidelity.against_run_id
            JOIN {_PARENTS} AS parent ON parent.run_id = fidelity.against_run_id
            WHERE run.study_id = $study AND run.config = $config AND item = $prompt
              AND sample = $sample AND reference = 'outputs' AND way = 'alone'""",
        {
            "study": study_id_of(connection, study),
            "config": config,
            "prompt": prompt_id,
            "sample": sample,
        },
    )
    return TokenMarks(**rows[0]) if rows else None
