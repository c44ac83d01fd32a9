"""What each output of a study came to, as NumPy columns: quick for a million of them."""

from __future__ import annotations

from typing import Any

import duckdb

from vibecore.store.columns import BROKEN
from vibecore.store.read import study_id_of


def read_outcomes(connection: duckdb.DuckDBPyConnection, name: str) -> dict[str, Any]:
    """One value an output in each column, in no order.

    `config` (its place among the study's runs, from 0), `prompt` (its position in the suite),
    `sample`,
    `broken` and `adherent` (1, 0, or −1 where not known), `new_tokens` and `total_seconds`
    (NaN where not known). Prompts without an output have no row.
    """
    return connection.execute(
        f"""
        WITH runs AS (
            SELECT run_id, row_number() OVER (ORDER BY position, run_id) - 1 AS config
            FROM run WHERE study_id = $study
        )
        SELECT runs.config,
               prompt.position AS prompt,
               generation.sample,
               coalesce({BROKEN}::TINYINT, -1)::TINYINT AS broken,
               coalesce(score.adherent::TINYINT, -1)::TINYINT AS adherent,
               coalesce(new_tokens, 'nan'::DOUBLE) AS new_tokens,
               coalesce(total_seconds, 'nan'::DOUBLE) AS total_seconds
        FROM generation
        JOIN runs USING (run_id)
        JOIN prompt ON prompt.study_id = $study AND prompt.prompt_id = generation.prompt_id
        LEFT JOIN score ON score.run_id = generation.run_id
                       AND score.prompt_id = generation.prompt_id
                       AND score.sample = generation.sample""",
        {"study": study_id_of(connection, name)},
    ).fetchnumpy()
