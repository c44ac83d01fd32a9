"""The columns of an output by name, and aggregates over them as SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from vibecore.core.fidelity import PARENT_PRECISIONS
from vibecore.core.records import Aggregate
from vibecore.core.rows import FEW_WORDS, LOOPING, MOST_COMPRESSIBLE, Scores

# What a score has, besides its version and its verdicts.
SCORE_COLUMNS = tuple(one.name for one in fields(Scores) if one.name != "scorer_version")

# Whether a scored output is of no use. Scorers before version 4 did not store why: the same of
# the measures that they knew.
BROKEN_SCORE = (
    "coalesce(len(score.broken_by) > 0,"
    " score.empty OR coalesce(score.repetitive, false) OR score.loop_onset IS NOT NULL"
    f" OR (score.zlib_ratio > {MOST_COMPRESSIBLE} AND score.words < {FEW_WORDS})"
    " OR coalesce(score.garbage, false))"
)
# Whether it says the same over and over.
LOOPING_SCORE = (
    f"coalesce(list_has_any(score.broken_by, {list(LOOPING)}),"
    " coalesce(score.repetitive, false) OR score.loop_onset IS NOT NULL)"
)
# Whether an output is broken, beside its score where it has one: a numerically broken one has none.
BROKEN = f"(coalesce(generation.finish_reason = 'non_finite', false) OR {BROKEN_SCORE})"


def parents_of(runs: str) -> str:
    """The parent of each model that has one among the runs of a condition: `model` and `run_id`."""
    return f"""(
        SELECT model, arg_min(run_id, list_position({list(PARENT_PRECISIONS)}, precision)) AS run_id
        FROM run WHERE {runs} AND precision IN {PARENT_PRECISIONS} GROUP BY model)"""


_PARENTS = parents_of("run_id IN (FROM runs)")

# A table of the query -> what it is read from.
SOURCES = {
    "generation": "generation",
    "score": "score",
    # Decoding times are a batch's, shared by its outputs; each batch counts once.
    "batch": """(SELECT run_id, batch_index, max(total_seconds) AS batch_seconds
        FROM generation WHERE run_id IN (FROM runs) GROUP BY run_id, batch_index)""",
    # A prompt's constraints over all its samples. Grouping is dear, and needed only by runs that
    # have several.
    "prompt": """(WITH sampled AS (
            SELECT DISTINCT run_id FROM score WHERE sample > 0 AND run_id IN (FROM runs)
        ), outputs AS (
            SELECT run_id, prompt_id, constraints_met AS met, constraints_judged AS judged,
                   constraints_met_loose AS met_loose,
                   CASE WHEN constraints_met_loose IS NOT NULL THEN constraints_judged END
                       AS judged_loose
            FROM score WHERE run_id IN (FROM runs)
        )
        SELECT * EXCLUDE (prompt_id) FROM outputs ANTI JOIN sampled USING (run_id)
        UNION ALL
        SELECT run_id, sum(met), sum(judged), sum(met_loose), sum(judged_loose)
        FROM outputs SEMI JOIN sampled USING (run_id) GROUP BY run_id, prompt_id)""",
    # How far one output's tokens are from the parent's: see store/fidelity.py.
    "fidelity": f"""(
        SELECT fidelity.run_id, list_sum(kld) AS kld, len(kld) AS tokens,
               list_sum(same_top::INTEGER[]) AS same
        FROM fidelity JOIN run USING (run_id)
        JOIN {_PARENTS} AS parent
            ON parent.model = run.model AND parent.run_id = fidelity.against_run_id
        WHERE way = 'alone' AND reference = 'outputs')""",
    # A verdict on an output beside that on the parent's, where distributions were compared too.
    "parent": f"""(
        SELECT score.run_id, score.adherent, other.adherent AS parent_adherent
        FROM score JOIN run USING (run_id) JOIN {_PARENTS} AS parent
            ON parent.model = run.model AND parent.run_id <> score.run_id
        JOIN score AS other ON other.run_id = parent.run_id
            AND other.prompt_id = score.prompt_id AND other.sample = score.sample
        WHERE score.run_id IN (
            SELECT run_id FROM fidelity WHERE against_run_id = parent.run_id AND way = 'alone'))""",
}

# column -> (table, SQL expression). Derived columns are None for an output that has no such value.
AGGREGATE_COLUMNS: dict[str, tuple[str, str]] = {
    "outputs": ("generation", "run_id"),
    "prompt_tokens": ("generation", "prompt_tokens"),
    "new_tokens": ("generation", "new_tokens"),
    "batch_size": ("generation", "batch_size"),
    "first_token_seconds": ("generation", "first_token_seconds"),
    "total_seconds": ("generation", "total_seconds"),
    "tokens_per_second": ("generation", "tokens_per_second"),
    "decode_tokens_per_second": ("generation", "decode_tokens_per_second"),
    "peak_memory_bytes": ("generation", "peak_memory_bytes"),
    "truncated": ("generation", "(finish_reason = 'length')"),
    "no_answer": ("generation", "(finish_reason = 'thinking')"),
    "non_finite": ("generation", "(finish_reason = 'non_finite')"),
    # Time per output token after the first, of an output decoded alone.
    "tpot_seconds": (
        "generation",
        """(CASE WHEN batch_size = 1 AND new_tokens > 1
            THEN (total_seconds - first_token_seconds) / (new_tokens - 1) END)""",
    ),
    "batch_seconds": ("batch", "batch_seconds"),
    # Of a prompt's constraints, and of IFEval's loose verdicts on them: what an interval needs
    # whose observations are prompts.
    **{
        f"{name}{loose}": ("prompt", expression.format(met=f"met{loose}", judged=f"judged{loose}"))
        for loose in ("", "_loose")
        for name, expression in {
            "prompt_judged": "({judged} > 0)",
            "prompt_met_squared": "{met} * {met}",
            "prompt_met_times_judged": "{met} * {judged}",
            "prompt_judged_squared": "{judged} * {judged}",
        }.items()
    },
    "fidelity_outputs": ("fidelity", "run_id"),
    "fidelity_kld": ("fidelity", "kld"),
    "fidelity_tokens": ("fidelity", "tokens"),
    "fidelity_same": ("fidelity", "same"),
    # Verdicts that both outputs have, and whether only the parent's, or only this one, passes.
    "flip_judged": ("parent", "(adherent IS NOT NULL AND parent_adherent IS NOT NULL)"),
    "flip_lost": ("parent", "(parent_adherent AND NOT adherent)"),
    "flip_gained": ("parent", "(adherent AND NOT parent_adherent)"),
    "scores": ("score", "run_id"),
    "scorer_version": ("score", "scorer_version"),
    "broken": ("score", BROKEN_SCORE),
    "looping": ("score", LOOPING_SCORE),
    **{
        column: ("score", column)
        for column in SCORE_COLUMNS
        if column not in ("degenerate_by", "duplicates", "broken_by")
    },
}

FUNCTIONS = {
    "count": "count({})",
    "count_true": "count_if({})",
    "sum": "sum({})",
    "mean": "avg({})",
    "max": "max({})",
    "min": "min({})",
}


# Tables that say of a run what other runs' rows are for.
OF_SEVERAL_RUNS = ("fidelity", "parent")


def of_one_run(aggregates: Mapping[str, Aggregate]) -> dict[str, Aggregate]:
    """The aggregates that a run's own outputs decide."""
    return {
        name: one
        for name, one in aggregates.items()
        if _column(one.column)[0] not in OF_SEVERAL_RUNS
    }


def compile_aggregates(aggregates: Mapping[str, Aggregate]) -> str:
    """A query of `run_id` and one column an aggregate, by its name, over a CTE `runs` of run ids.

    Raises ValueError for an aggregate outside the vocabulary.
    """
    selected: dict[str, list[str]] = {}
    for name, aggregate in aggregates.items():
        table, expression = _column(aggregate.column)
        if aggregate.how == "quantile":
            if aggregate.quantile is None or not 0 <= aggregate.quantile <= 1:
                raise ValueError(f"{name}: a quantile from 0 to 1 is needed")
            call = f"quantile_cont({expression}, {aggregate.quantile!r})"
        else:
            call = FUNCTIONS[aggregate.how].format(expression)
        if aggregate.where is not None:
            other, condition = _column(aggregate.where)
            if other != table:
                raise ValueError(f"{name}: {aggregate.where} and {aggregate.column} do not meet")
            call += f" FILTER ({condition} IS NOT NULL)"
        selected.setdefault(table, []).append(f'{call} AS "{name}"')
    joined = "".join(
        f""" LEFT JOIN (SELECT run_id, {", ".join(calls)} FROM {SOURCES[table]}
             WHERE run_id IN (FROM runs) GROUP BY run_id) AS {table}_sums USING (run_id)"""
        for table, calls in selected.items()
    )
    return f"SELECT * FROM runs{joined}"


def _column(name: str) -> tuple[str, str]:
    if name not in AGGREGATE_COLUMNS:
        raise ValueError(f"'{name}' is not one of {', '.join(AGGREGATE_COLUMNS)}")
    return AGGREGATE_COLUMNS[name]
