"""Which prompts of a study match a filter, and how each config did on them, without texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from vibecore.core.rows import PromptResult
from vibecore.store.read import rows_of, study_id_of


@dataclass(frozen=True)
class PromptFilter:
    """What a prompt must show in one of `configs` (none named: all of the study's).

    `only` is `all`, `differ` (configs differ in constraints met or in being repetitive),
    `repetitive` or `no answer` (thinking took all tokens, or logits were not finite); `failing`
    names a check that fails; `search` is in the prompt or an output, whatever its case.
    """

    configs: tuple[str, ...] = ()
    category: str | None = None
    only: str = "all"
    failing: str | None = None
    search: str | None = None


# filter field -> the condition that a prompt must meet
_CONDITIONS = {
    "category": "prompt.category = $category",
    "differ": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN score USING (run_id) GROUP BY prompt_id, sample
        HAVING count(DISTINCT constraints_met) > 1 OR count(DISTINCT repetitive) > 1)""",
    "repetitive": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN score USING (run_id) WHERE repetitive)""",
    "no answer": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN generation USING (run_id)
        WHERE finish_reason IN ('thinking', 'non_finite'))""",
    "failing": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN verdict USING (run_id)
        WHERE check_name = $failing AND verdict.status = 'fail')""",
    "search": """(contains(lower(prompt.text), lower($search)) OR prompt_id IN (
        SELECT prompt_id FROM chosen JOIN generation USING (run_id)
        WHERE contains(lower(generation.text), lower($search))))""",
}


def find_prompts(
    connection: duckdb.DuckDBPyConnection, name: str, wanted: PromptFilter | None = None
) -> list[str]:
    """Ids of the prompts that match, in suite order."""
    wanted = wanted or PromptFilter()
    parameters: dict[str, Any] = {"study": study_id_of(connection, name)}
    given = {
        "category": wanted.category,
        "failing": wanted.failing,
        "search": wanted.search,
        wanted.only: None,
    }
    conditions = []
    for field, condition in _CONDITIONS.items():
        if field == wanted.only or given.get(field):
            conditions.append(condition)
            if given.get(field):
                parameters[field] = given[field]
    chosen = ""
    if wanted.configs:
        parameters["configs"] = list(wanted.configs)
        chosen = "AND list_contains($configs, config)"
    where = "".join(f" AND {condition}" for condition in conditions)
    rows = connection.execute(
        f"""WITH chosen AS (SELECT run_id FROM run WHERE study_id = $study {chosen})
            SELECT prompt_id FROM prompt WHERE study_id = $study {where} ORDER BY position""",
        parameters,
    ).fetchall()
    return [row[0] for row in rows]


def read_prompt_results(
    connection: duckdb.DuckDBPyConnection, name: str, prompt_ids: Sequence[str]
) -> list[PromptResult]:
    """One row a prompt, config and sample: category, prompt text, verdicts on the output as a
    whole."""
    rows = rows_of(
        connection,
        """SELECT prompt.prompt_id, category, prompt.text AS prompt, run.config, score.sample,
                  score.adherent, score.repetitive, score.empty,
                  score.constraints_met, score.constraints_judged
           FROM prompt
           LEFT JOIN run ON run.study_id = prompt.study_id
           LEFT JOIN score ON score.run_id = run.run_id AND score.prompt_id = prompt.prompt_id
           WHERE prompt.study_id = $study AND list_contains($ids, prompt.prompt_id)
           ORDER BY prompt.position, run.position, score.sample""",
        {"study": study_id_of(connection, name), "ids": list(prompt_ids)},
    )
    return [PromptResult(**row) for row in rows]


def list_checks(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """Names of the checks that a study's prompts use."""
    rows = connection.execute(
        """SELECT DISTINCT unnest(json_extract_string(constraints, '$[*].check')) AS name
           FROM prompt WHERE study_id = ? ORDER BY name""",
        [study_id_of(connection, name)],
    ).fetchall()
    return [row[0] for row in rows]


def list_categories(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """A study's categories, in suite order."""
    rows = connection.execute(
        """SELECT category FROM prompt WHERE study_id = ?
           GROUP BY category ORDER BY min(position)""",
        [study_id_of(connection, name)],
    ).fetchall()
    return [row[0] for row in rows]
