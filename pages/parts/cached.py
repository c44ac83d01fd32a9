"""Reading for the pages, cached on the database's content: a finished run shows at once.

Every function takes the content key first, so that no cached entry is older than the file. What is
long is one object for all sessions (cache_resource), which nobody changes; of the rest each has a
copy.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

import vibecore
from vibecore.core.paths import database_path

if TYPE_CHECKING:
    from vibecore.analysis import Decision, Evidence
    from vibecore.analysis.asked import ModelAsked
    from vibecore.analysis.comparison import StudyComparison
    from vibecore.core.fidelity import TokenMarks
    from vibecore.core.rows import OutputRow, PromptOutput, PromptResult, RunRow, ScoreRow, StudyRow
    from vibecore.store import PromptFilter
    from vibecore.studies.claims import Finding
    from vibecore.studies.fidelity_results import FidelityResults
    from vibecore.studies.queries import PromptList, Summary

Key = tuple[str, tuple[int, ...]]
ENTRIES = 64


def content() -> Key:
    """The database's path and what changes with its content."""
    path = database_path()
    return str(path), vibecore.content_key(path)


@st.cache_data(show_spinner=False, max_entries=4)
def studies(key: Key) -> list[StudyRow]:
    """Every study."""
    return vibecore.list_studies(Path(key[0]))


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def loss(key: Key, study: str) -> str | None:
    """What says that a study's rows are not those that it ended with (see store.find_loss)."""
    from vibecore.studies.queries import find_loss

    return find_loss(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=4)
def benches(key: Key) -> list[StudyRow]:
    """The studies that hold what `bench` measured."""
    from vibecore.studies.queries import list_benches

    names = list_benches(Path(key[0]))
    return [study for study in studies(key) if study.name in names]


@st.cache_resource(show_spinner=False, max_entries=ENTRIES)
def summary(
    key: Key,
    study: str,
    cap: float | None = None,
    floor: float = 0.85,
    alpha: float = 0.05,
) -> Summary:
    """A study's Summary under a rule, from the evidence that its decision has too."""
    from vibecore.studies.queries import summary_of

    rule = vibecore.Rule(cap, floor, alpha)
    known = next((row for row in studies(key) if row.name == study), None)
    if known is None:
        # Says which studies there are.
        return vibecore.read_summary(Path(key[0]), study, rule)
    return summary_of(known, evidence(key, study), rule)


@st.cache_resource(show_spinner=False, max_entries=8)
def evidence(key: Key, study: str) -> Evidence:
    """What a study's choice is based on."""
    return vibecore.read_evidence(Path(key[0]), study, runs(key, study))


@st.cache_resource(show_spinner=False, max_entries=ENTRIES)
def decision(
    key: Key,
    study: str,
    cap: float | None = None,
    floor: float = 0.85,
    alpha: float = 0.05,
    kld: float | None = None,
) -> Decision:
    """A study's Decision under a rule, without judged pairs."""
    from vibecore.analysis import answer

    return answer(evidence(key, study), vibecore.Rule(cap, floor, alpha, kld))


@st.cache_resource(show_spinner=False, max_entries=ENTRIES)
def judged(
    key: Key,
    study: str,
    cap: float | None,
    floor: float,
    alpha: float,
    kld: float | None,
    among: tuple[str, ...] = (),
) -> Decision:
    """The same with judged pairs, which take as long again; of some configs where any is named."""
    from vibecore.analysis import with_pairs

    made = decision(key, study, cap, floor, alpha, kld)
    return with_pairs(made, evidence(key, study), among)


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def outputs(key: Key, study: str, prompt: str, configs: tuple[str, ...] = ()) -> list[OutputRow]:
    """The outputs of a prompt by some configs, or by all where none is named, with verdicts."""
    return vibecore.read_outputs(Path(key[0]), study, prompt, configs=configs)


@st.cache_resource(show_spinner=False, max_entries=ENTRIES)
def prompt_list(key: Key, study: str, wanted: PromptFilter | None = None) -> PromptList:
    """The PromptList of a filter."""
    return vibecore.find_prompts(Path(key[0]), study, wanted)


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def prompt_results(
    key: Key, study: str, prompt_ids: tuple[str, ...], configs: tuple[str, ...]
) -> list[PromptResult]:
    """How some configs did on some prompts."""
    return vibecore.read_prompt_results(Path(key[0]), study, prompt_ids, configs)


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def prompt_outputs(
    key: Key, study: str, prompt_ids: tuple[str, ...], configs: tuple[str, ...]
) -> list[PromptOutput]:
    """The first output of each config on some prompts, for a grid."""
    return vibecore.read_prompt_outputs(Path(key[0]), study, prompt_ids, configs)


@st.cache_data(show_spinner=False, max_entries=8)
def first_prompt(key: Key, study: str) -> str | None:
    """The text of a study's first prompt; None where it has none."""
    found = vibecore.read_prompts(Path(key[0]), study, 1)
    return found[0].text if found else None


@st.cache_data(show_spinner=False, max_entries=8)
def scores(key: Key, study: str, configs: tuple[str, ...] = ()) -> list[ScoreRow]:
    """Scores of every output of a study, or of some of its configs."""
    return vibecore.read_scores(Path(key[0]), study, configs)


@st.cache_resource(show_spinner=False, max_entries=8)
def fidelity(key: Key, study: str) -> FidelityResults:
    """What is known of a study's fidelity."""
    from vibecore.studies.fidelity_results import read_fidelity_results

    return read_fidelity_results(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=8)
def compared(key: Key, study: str) -> list[str]:
    """The configs of a study that have token marks."""
    from vibecore.studies.queries import list_compared

    return list_compared(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def token_marks(
    key: Key, study: str, configs: tuple[str, ...], prompt: str
) -> dict[str, TokenMarks]:
    """By config, what it would have chosen along its parent's first output to a prompt."""
    from vibecore.studies.queries import read_token_marks

    return read_token_marks(Path(key[0]), study, configs, prompt)


@st.cache_data(show_spinner=False, max_entries=8)
def findings(key: Key, study: str) -> list[Finding]:
    """The claims checked on a study."""
    from vibecore.studies.claims import read_findings

    return read_findings(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=8)
def comparison(key: Key, first: str, second: str) -> StudyComparison:
    """The StudyComparison of `second` against `first`."""
    from vibecore.studies.claims import compare_studies

    return compare_studies(Path(key[0]), first, second)


@st.cache_resource(show_spinner=False, max_entries=8)
def runs(key: Key, study: str) -> list[RunRow]:
    """Runs of a study with their environment, and the aggregates of every metric."""
    from vibecore.studies.queries import read_measured_runs

    return read_measured_runs(Path(key[0]), study)


@st.cache_resource(show_spinner=False, max_entries=8)
def models(key: Key, study: str) -> list[ModelAsked]:
    """What each run of a study says of its model, its weights and its prompts."""
    from vibecore.analysis.asked import model_asked

    return [model_asked(run) for run in runs(key, study)]


@st.cache_resource(show_spinner=False, max_entries=8)
def bench(key: Key, study: str) -> list[Any]:
    """What `bench` measured."""
    return vibecore.read_bench(Path(key[0]), study)
