"""What the pages and the command line read: stored rows, analysed.

Every function opens the database read-only, queries and closes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

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
from vibecore.analysis.fidelity.mean_kld import with_kld_intervals
from vibecore.analysis.fidelity.summary import FidelitySummary, summarise_fidelity
from vibecore.analysis.metrics import AGGREGATES, ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.sweet_spot import batch_size, choose
from vibecore.core.errors import InputError
from vibecore.core.fidelity import TokenMarks
from vibecore.core.rows import (
    OutputRow,
    RunRow,
    StudyRow,
)

# With tokens and verdicts so many outputs take about a gigabyte.
MOST_READ = 100_000
# Only the store knows whose connections they are.
Connection = Any
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Summary:
    """A study's metrics table, its sweet spot, and the study itself."""

    study: StudyRow
    rows: list[ConfigMetrics]
    sweet_spot: SweetSpot

    def with_choice(self, choice: SweetSpot) -> Summary:
        """The same study under another rule's choice. One that only leads is not marked."""
        chosen = None if choice.leading else choice.config
        rows = [
            row
            if row.sweet_spot == (row.config == chosen)
            else replace(row, sweet_spot=not row.sweet_spot)
            for row in self.rows
        ]
        return replace(self, rows=rows, sweet_spot=choice)


def _opening(
    read: Callable[Concatenate[Connection, P], T],
) -> Callable[Concatenate[Path, P], T]:
    """A reader of the store that takes the path of a database in place of a connection."""

    @wraps(read)
    def opened(db: Path, *given: P.args, **named: P.kwargs) -> T:
        with store.reading(db) as connection:
            return read(connection, *given, **named)

    return opened


list_studies = _opening(store.list_studies)
list_benches = _opening(store.list_benches)
read_study = _opening(store.read_study)
read_prompts = _opening(store.read_prompts)
read_prompt_results = _opening(store.read_prompt_results)
read_prompt_outputs = _opening(store.read_prompt_outputs)
read_scores = _opening(store.read_scores)
read_runs = _opening(store.read_configs)
read_bench = _opening(store.read_bench)
find_loss = _opening(store.find_loss)
read_fidelity = _opening(store.read_fidelity)
list_compared = _opening(store.list_compared)


def read_summary(db: Path, study: str, rule: Rule | None = None) -> Summary:
    """One row a config with its metrics (see analysis.summarise)."""
    with store.reading(db) as connection:
        found = store.read_study(connection, study)
        rows, outcomes = _compared(connection, study)
    choice = find_sweet_spot(rows, outcomes, rule)
    return Summary(found, rows, choice).with_choice(choice)


def summary_of(study: StudyRow, evidence: Evidence, rule: Rule | None = None) -> Summary:
    """The Summary that read_summary gives, from evidence that has been read: nothing is read or
    tested twice."""
    choice = choose(evidence.study, rule or Rule())
    return Summary(study, list(evidence.rows), choice).with_choice(choice)


def read_evidence(db: Path, study: str, runs: Sequence[RunRow] | None = None) -> Evidence:
    """What a study's choice rests on, resampled studies among it, for analysis.decide. `runs` are
    those of read_measured_runs, where they have been read."""
    with store.reading(db) as connection:
        return gather(*_compared(connection, study, runs))


def read_measured_runs(db: Path, study: str) -> list[RunRow]:
    """What read_runs gives, with the aggregates of every metric."""
    return read_runs(db, study, AGGREGATES)


def read_fidelity_summaries(db: Path, study: str) -> list[FidelitySummary]:
    """One row a config, way and kind of reference that is measured (see analysis.fidelity)."""
    with store.reading(db) as connection:
        tokens = store.read_fidelity(connection, study)
        categories = {row.prompt_id: row.category for row in store.read_prompts(connection, study)}
    return summarise_fidelity(tokens, categories)


def _compared(
    connection: Connection, study: str, runs: Sequence[RunRow] | None = None
) -> tuple[list[ConfigMetrics], Outcomes | None]:
    """The metrics table, and what each output came to."""
    if runs is None:
        runs = store.read_configs(connection, study, AGGREGATES)
    rows = summarise(runs)
    if any(row.mean_kld is not None for row in rows):
        rows = with_kld_intervals(rows, store.read_kld_sums(connection, study))
    # The outputs of a batch have no time of their own.
    times = any(batch_size(row) == 1 for row in rows)
    outcomes = store.read_outcomes(connection, runs, times=times)
    return rows, to_outcomes(outcomes, [row.config for row in rows])


@dataclass(frozen=True)
class PromptList:
    """The prompts that match a filter, in its order, and what a filter can name in this study.

    `compares_words` says what settles ties of the order `disagreement` (see store.compares_words).
    """

    ids: list[str]
    categories: list[str]
    checks: list[str]
    compares_words: bool = True


def find_prompts(db: Path, study: str, wanted: store.PromptFilter | None = None) -> PromptList:
    """The ids of a study's prompts that match a filter, in its order."""
    with store.reading(db) as connection:
        return PromptList(
            store.find_prompts(connection, study, wanted),
            store.list_categories(connection, study),
            store.list_checks(connection, study),
            store.compares_words(connection, study, wanted.configs if wanted else ()),
        )


def read_outputs(
    db: Path,
    study: str,
    prompt: str | None = None,
    config: str | None = None,
    *,
    configs: Sequence[str] = (),
) -> list[OutputRow]:
    """Outputs with their scores and a list `constraints` of verdicts, in suite order; of `configs`
    alone where some are named. Raises InputError where they are more than MOST_READ."""
    with store.reading(db) as connection:
        _refuse_too_many(connection, study, prompt, configs or ([config] if config else ()))
        rows = store.read_outputs(connection, study, prompt, config, configs=configs)
        of = configs or ([config] if config else ())
        verdicts = store.read_verdicts(connection, study, prompt, of)
    for row in rows:
        row.constraints = verdicts.get((row.config, row.prompt_id, row.sample), [])
    return rows


def too_many_outputs(db: Path, study: str) -> str | None:
    """A sentence where a study's outputs are more than are read at once; None where they are not.
    Raises InputError for an unknown study."""
    with store.reading(db) as connection:
        number = store.count_outputs(connection, study)
    return None if number <= MOST_READ else _too_many(study, number)


def read_all_outputs(
    db: Path, study: str, what: str, configs: Sequence[str] = ()
) -> list[OutputRow]:
    """What read_outputs gives, of all prompts, for `what` compares them with each other. Raises
    InputError, which says so, where they are more than MOST_READ."""
    with store.reading(db) as connection:
        number = store.count_outputs(connection, study, None, configs)
    if number > MOST_READ:
        raise InputError(f"{what} takes all outputs at once. {_too_many(study, number)}")
    return read_outputs(db, study, configs=configs)


def _refuse_too_many(
    connection: Connection, study: str, prompt: str | None, configs: Sequence[str]
) -> None:
    number = store.count_outputs(connection, study, prompt, configs)
    if number > MOST_READ:
        raise InputError(
            f"{_too_many(study, number)} Name a prompt or a config, or use export --parquet."
        )


def _too_many(study: str, number: int) -> str:
    return f"At most {MOST_READ:,} outputs are read at once; those of '{study}' are {number:,}."


def read_token_marks(
    db: Path, study: str, configs: Sequence[str], prompt: str
) -> dict[str, TokenMarks]:
    """By config, what it would have chosen at each token of its parent's first output to a prompt;
    configs of which that was not measured are left out."""
    with store.reading(db) as connection:
        found = {
            config: store.read_token_marks(connection, study, config, prompt) for config in configs
        }
    return {config: marks for config, marks in found.items() if marks is not None}
