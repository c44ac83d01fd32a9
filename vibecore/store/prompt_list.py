"""Which prompts of a study match a filter, in which order, and what each config wrote on them.

Where a study has several samples of a prompt, the first of each config stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from vibecore.core.rows import PromptOutput, PromptResult
from vibecore.store.columns import BROKEN, BROKEN_SCORE
from vibecore.store.read import of_runs, rows_of, runs_of, study_id_of

# Up to this many outputs, ties of `disagreement` are settled by the words of every pair of texts;
# beyond it that takes seconds, and their lengths settle them.
MOST_COMPARED = 6_000
# Of each text in a grid; more is read in the side-by-side view.
CELL_CHARACTERS = 4_000


@dataclass(frozen=True)
class PromptFilter:
    """What a prompt must show in one of `configs` (none named: all of the study's), and the order.

    `only` is `all`, `broken`, `no answer` (thinking took all tokens, or logits were not finite),
    `decided by the token limit` (whether it is adherent was), or how the configs differ: `differ`
    (in adherence, in being broken or in constraints met), `differ in adherence`,
    `differ in broken`, `differ in text`. `failing` names a check that fails; `search` is in the
    prompt or an output, whatever its case. `order` is `suite` or `disagreement` (see find_prompts).
    """

    configs: tuple[str, ...] = ()
    category: str | None = None
    only: str = "all"
    failing: str | None = None
    search: str | None = None
    order: str = "suite"


# The first output of each chosen config, as judged.
_OUTPUTS = f"""outputs AS (
    SELECT prompt_id, adherent, {BROKEN_SCORE} AS broken,
           constraints_met / nullif(constraints_judged, 0) AS met, characters
    FROM chosen JOIN score USING (run_id) WHERE sample = 0
    UNION ALL
    SELECT prompt_id, NULL, true, NULL, NULL
    FROM chosen JOIN generation USING (run_id)
    WHERE sample = 0 AND finish_reason = 'non_finite')"""
_TEXTS = """texts AS (
    SELECT prompt_id, run_id, text FROM chosen JOIN generation USING (run_id) WHERE sample = 0)"""
_DIFFER = "prompt_id IN (SELECT prompt_id FROM outputs GROUP BY prompt_id HAVING {})"

# filter field -> the condition that a prompt must meet
_CONDITIONS = {
    "category": "prompt.category = $category",
    "differ": _DIFFER.format(
        "min(adherent) <> max(adherent) OR min(broken) <> max(broken) OR min(met) <> max(met)"
    ),
    "differ in adherence": _DIFFER.format("min(adherent) <> max(adherent)"),
    "differ in broken": _DIFFER.format("min(broken) <> max(broken)"),
    "differ in text": """prompt_id IN (
        SELECT prompt_id FROM texts GROUP BY prompt_id
        HAVING min(hash(text)) <> max(hash(text)))""",
    "broken": "prompt_id IN (SELECT prompt_id FROM outputs WHERE broken)",
    "no answer": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN generation USING (run_id)
        WHERE sample = 0 AND finish_reason IN ('thinking', 'non_finite'))""",
    "decided by the token limit": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN score USING (run_id)
        WHERE sample = 0 AND adherent_cut)""",
    "failing": """prompt_id IN (
        SELECT prompt_id FROM chosen JOIN verdict USING (run_id)
        WHERE sample = 0 AND check_name = $failing AND verdict.status = 'fail')""",
    "search": """(contains(lower(prompt.text), lower($search)) OR prompt_id IN (
        SELECT prompt_id FROM texts WHERE contains(lower(text), lower($search))))""",
}

_SPREAD = """spread AS (
    SELECT prompt_id,
           coalesce(max(adherent::INTEGER) - min(adherent::INTEGER), 0)
           + coalesce(max(broken::INTEGER) - min(broken::INTEGER), 0)
           + coalesce(max(met) - min(met), 0) AS verdicts,
           1 - min(characters) / nullif(max(characters), 0) AS lengths
    FROM outputs GROUP BY prompt_id)"""
_DISTANCE = r"""words AS (
    SELECT prompt_id, run_id,
           list_distinct(regexp_extract_all(lower(coalesce(text, '')), '\S+')) AS words
    FROM texts
), pairs AS (
    SELECT one.prompt_id, len(list_intersect(one.words, two.words)) AS shared,
           len(one.words) + len(two.words) AS total
    FROM words one JOIN words two
        ON one.prompt_id = two.prompt_id AND one.run_id < two.run_id
), distance AS (
    SELECT prompt_id, max(1 - shared / nullif(total - shared, 0)) AS texts
    FROM pairs GROUP BY prompt_id)"""


def find_prompts(
    connection: duckdb.DuckDBPyConnection, name: str, wanted: PromptFilter | None = None
) -> list[str]:
    """Ids of the prompts that match, in the order asked for.

    `disagreement`: by the spread of the configs' verdicts (highest less lowest of adherence,
    broken, each 0 or 1, and share of constraints met, added up), the largest first; ties by the
    largest distance of two texts (1 − shared words over all words), or, beyond MOST_COMPARED
    outputs, by 1 − shortest over longest text; then in suite order.
    """
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
    tables = [
        f"chosen AS (SELECT run_id FROM run WHERE study_id = $study {chosen})",
        _OUTPUTS,
        _TEXTS,
    ]
    joined, order = "", "position"
    if wanted.order == "disagreement":
        tables.append(_SPREAD)
        joined, ties = "LEFT JOIN spread USING (prompt_id)", "lengths"
        if compares_words(connection, name, wanted.configs):
            tables.append(_DISTANCE)
            joined, ties = f"{joined} LEFT JOIN distance USING (prompt_id)", "distance.texts"
        order = f"verdicts DESC NULLS LAST, {ties} DESC NULLS LAST, position"
    where = "".join(f" AND {condition}" for condition in conditions)
    rows = connection.execute(
        f"""WITH {", ".join(tables)}
            SELECT prompt_id FROM prompt {joined}
            WHERE study_id = $study {where} ORDER BY {order}""",
        parameters,
    ).fetchall()
    return [row[0] for row in rows]


def compares_words(
    connection: duckdb.DuckDBPyConnection, name: str, configs: Sequence[str] = ()
) -> bool:
    """Whether ties of `disagreement` are settled by words: at most MOST_COMPARED outputs of
    `configs` (none named: all)."""
    [(outputs,)] = connection.execute(
        """SELECT count(*) FROM generation JOIN run USING (run_id)
           WHERE study_id = $study AND sample = 0
             AND (len($configs) = 0 OR list_contains($configs, config))""",
        {"study": study_id_of(connection, name), "configs": list(configs)},
    ).fetchall()
    return outputs <= MOST_COMPARED


_RESULT = f"""prompt.prompt_id, category, prompt.text AS prompt, run.config, generation.sample,
    score.adherent, {BROKEN} AS broken,
    score.repetitive, score.empty, score.constraints_met, score.constraints_judged,
    score.adherent_cut"""
_FROM_RESULTS = """FROM prompt
    LEFT JOIN run ON run.study_id = prompt.study_id {of_configs}
    LEFT JOIN generation ON generation.run_id = run.run_id
                        AND generation.prompt_id = prompt.prompt_id {of_sample}
    LEFT JOIN score ON score.run_id = generation.run_id
                   AND score.prompt_id = generation.prompt_id
                   AND score.sample = generation.sample
    WHERE prompt.study_id = $study AND prompt.prompt_id IN (SELECT unnest($ids))"""


def read_prompt_results(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    prompt_ids: Sequence[str],
    configs: Sequence[str] = (),
) -> list[PromptResult]:
    """One row a prompt, config and sample: category, prompt text, verdicts on the output as a
    whole; of `configs` alone where some are named. A prompt without an output has a row too."""
    parameters = {"study": study_id_of(connection, name), "ids": list(prompt_ids)}
    with_rows, of_configs = _rows_of(connection, parameters, configs)
    rows = rows_of(
        connection,
        f"""{with_rows} SELECT {_RESULT}
            {_FROM_RESULTS.format(of_sample="", of_configs=of_configs)}
            ORDER BY prompt.position, run.position, score.sample""",
        parameters,
    )
    return [PromptResult(**row) for row in rows]


def _rows_of(
    connection: duckdb.DuckDBPyConnection, parameters: dict[str, Any], configs: Sequence[str]
) -> tuple[str, str]:
    """Where configs are named, the rows of their runs as tables of a query, which are read in a
    fraction of the time that all take, and the condition on `run`."""
    if not configs:
        return "", ""
    parameters["configs"] = list(configs)
    runs = runs_of(connection, parameters["study"], configs)
    tables = (
        f"{table} AS ({of_runs(table, runs, 'AND prompt_id IN (SELECT unnest($ids))')})"
        for table in ("generation", "score")
    )
    return f"WITH {', '.join(tables)}", "AND list_contains($configs, run.config)"


def read_prompt_outputs(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    prompt_ids: Sequence[str],
    configs: Sequence[str],
) -> list[PromptOutput]:
    """One row a prompt and config: its first output's beginning (CELL_CHARACTERS) and verdicts.

    In the order of `prompt_ids`, then of the study's runs. Memory follows the rows asked for.
    """
    parameters = {"study": study_id_of(connection, name), "ids": list(prompt_ids)}
    with_rows, of_configs = _rows_of(connection, parameters, configs)
    if not configs:
        return []
    rows = rows_of(
        connection,
        f"""{with_rows} SELECT {_RESULT},
                   left(generation.text, {CELL_CHARACTERS}) AS text,
                   length(generation.text) AS characters,
                   generation.finish_reason, score.garbage,
                   score.loop_onset, score.words, score.zlib_ratio, score.broken_by
            {_FROM_RESULTS.format(of_sample="AND generation.sample = 0", of_configs="")}
              {of_configs}
            ORDER BY list_position($ids, prompt.prompt_id), run.position""",
        parameters,
    )
    return [PromptOutput(**row) for row in rows]


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
