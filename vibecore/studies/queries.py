"""What the pages and the command line read: stored rows, analysed.

Every function opens the database read-only, queries and closes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vibecore import store
from vibecore.analysis import (
    Evidence,
    Rule,
    SweetSpot,
    find_sweet_spot,
    gather,
    summarise,
    to_outcomes,
)
from vibecore.analysis.metrics import AGGREGATES, RULE_METRICS, ConfigMetrics
from vibecore.core.rows import (
    OutputRow,
    PatternRow,
    PromptResult,
    PromptRow,
    RunRow,
    ScoreRow,
    StudyRow,
)


@dataclass(frozen=True)
class Summary:
    """A study's metrics table, its sweet spot, and the study itself."""

    study: StudyRow
    rows: list[ConfigMetrics]
    sweet_spot: SweetSpot

    def with_choice(self, choice: SweetSpot) -> Summary:
        """The same study under another rule's choice."""
        rows = [replace(row, sweet_spot=row.config == choice.config) for row in self.rows]
        return replace(self, rows=rows, sweet_spot=choice)


def list_studies(db: Path) -> list[StudyRow]:
    """Every study of a database, oldest first."""
    with store.reading(db) as connection:
        return store.list_studies(connection)


def read_summary(db: Path, study: str, rule: Rule | None = None) -> Summary:
    """One row a config with its metrics (see analysis.summarise)."""
    with store.reading(db) as connection:
        found = store.read_study(connection, study)
        rows, patterns = _compared(connection, study)
    choice = find_sweet_spot(rows, patterns, rule)
    return Summary(found, rows, choice).with_choice(choice)


def read_evidence(db: Path, study: str) -> Evidence:
    """What a study's choice rests on, resampled studies among it, for analysis.decide."""
    with store.reading(db) as connection:
        rows, patterns = _compared(connection, study)
        columns = store.read_outcomes(connection, study)
    return gather(rows, patterns, to_outcomes(columns, [row.config for row in rows]))


def _compared(
    connection: Any, study: str
) -> tuple[list[ConfigMetrics], dict[str, list[PatternRow]]]:
    """The metrics table, and by metric how often the configs did what together."""
    patterns = {
        name: store.read_patterns(connection, study, metric.flag)
        for name, metric in RULE_METRICS.items()
    }
    return summarise(store.read_configs(connection, study, AGGREGATES)), patterns


def read_prompts(db: Path, study: str) -> list[PromptRow]:
    """The study's suite as it was when it ran."""
    with store.reading(db) as connection:
        return store.read_prompts(connection, study)


@dataclass(frozen=True)
class PromptList:
    """The prompts that match a filter, and what a filter can name in this study."""

    ids: list[str]
    categories: list[str]
    checks: list[str]


def find_prompts(db: Path, study: str, wanted: store.PromptFilter | None = None) -> PromptList:
    """The ids of a study's prompts that match a filter, in suite order."""
    with store.reading(db) as connection:
        return PromptList(
            store.find_prompts(connection, study, wanted),
            store.list_categories(connection, study),
            store.list_checks(connection, study),
        )


def read_prompt_results(db: Path, study: str, prompt_ids: Sequence[str]) -> list[PromptResult]:
    """How each config did on some prompts (see store.read_prompt_results)."""
    with store.reading(db) as connection:
        return store.read_prompt_results(connection, study, prompt_ids)


def read_outputs(
    db: Path, study: str, prompt: str | None = None, config: str | None = None
) -> list[OutputRow]:
    """Outputs with their scores and a list `constraints` of verdicts, in suite order."""
    with store.reading(db) as connection:
        rows = store.read_outputs(connection, study, prompt, config)
        verdicts = store.read_verdicts(connection, study, prompt)
    for row in rows:
        row.constraints = verdicts.get((row.config, row.prompt_id, row.sample), [])
    return rows


def read_scores(db: Path, study: str) -> list[ScoreRow]:
    """Scores of every output, without texts."""
    with store.reading(db) as connection:
        return store.read_scores(connection, study)


def read_runs(db: Path, study: str) -> list[RunRow]:
    """Runs of a study with their environment and status."""
    with store.reading(db) as connection:
        return store.read_configs(connection, study)


def read_bench(db: Path, study: str) -> list[dict[str, Any]]:
    """What `bench` measured of a study's configs: one result a config and engine."""
    with store.reading(db) as connection:
        return store.read_bench(connection, study)
