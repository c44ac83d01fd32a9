"""Reading for the pages, cached on the database's content: a finished run shows at once.

Every function takes the content key first, so that an entry is never older than the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

import vibecore
from vibecore.core.paths import database_path

Row = dict[str, Any]
ENTRIES = 64


def content() -> tuple[str, tuple[int, ...]]:
    """The database's path and what changes with its content."""
    path = database_path()
    return str(path), vibecore.content_key(path)


@st.cache_data(show_spinner=False, max_entries=4)
def studies(key: tuple[str, tuple[int, ...]]) -> list[Row]:
    """Every study."""
    return vibecore.list_studies(Path(key[0]))


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def summary(
    key: tuple[str, tuple[int, ...]],
    study: str,
    cap: float | None = None,
    floor: float = 0.85,
    alpha: float = 0.05,
) -> Any:
    """A study's Summary under a rule."""
    return vibecore.read_summary(Path(key[0]), study, vibecore.Rule(cap, floor, alpha))


@st.cache_resource(show_spinner=False, max_entries=8)
def evidence(key: tuple[str, tuple[int, ...]], study: str) -> Any:
    """What a study's choice rests on; one object for all sessions, because it is large."""
    return vibecore.read_evidence(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def decision(
    key: tuple[str, tuple[int, ...]],
    study: str,
    cap: float | None = None,
    floor: float = 0.85,
    alpha: float = 0.05,
) -> Any:
    """A study's Decision under a rule."""
    return vibecore.decide(evidence(key, study), vibecore.Rule(cap, floor, alpha))


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def outputs(key: tuple[str, tuple[int, ...]], study: str, prompt: str) -> list[Row]:
    """One prompt's outputs with their verdicts."""
    return vibecore.read_outputs(Path(key[0]), study, prompt)


@st.cache_resource(show_spinner=False, max_entries=ENTRIES)
def prompt_list(key: tuple[str, tuple[int, ...]], study: str, wanted: Any = None) -> Any:
    """The PromptList of a filter; one object for all sessions, because it can be long."""
    return vibecore.find_prompts(Path(key[0]), study, wanted)


@st.cache_data(show_spinner=False, max_entries=ENTRIES)
def prompt_results(
    key: tuple[str, tuple[int, ...]], study: str, prompt_ids: tuple[str, ...]
) -> list[Row]:
    """How each config did on some prompts."""
    return vibecore.read_prompt_results(Path(key[0]), study, prompt_ids)


@st.cache_data(show_spinner=False, max_entries=8)
def scores(key: tuple[str, tuple[int, ...]], study: str) -> list[Row]:
    """Scores of every output of a study."""
    return vibecore.read_scores(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=8)
def findings(key: tuple[str, tuple[int, ...]], study: str) -> list[Any]:
    """The claims checked on a study."""
    from vibecore.studies.claims import read_findings

    return read_findings(Path(key[0]), study)


@st.cache_data(show_spinner=False, max_entries=8)
def comparison(key: tuple[str, tuple[int, ...]], first: str, second: str) -> Any:
    """The StudyComparison of `second` against `first`."""
    from vibecore.studies.claims import compare_studies

    return compare_studies(Path(key[0]), first, second)


@st.cache_data(show_spinner=False, max_entries=8)
def runs(key: tuple[str, tuple[int, ...]], study: str) -> list[Row]:
    """Runs of a study with their environment."""
    return vibecore.read_runs(Path(key[0]), study)


@st.cache_resource(show_spinner=False, max_entries=8)
def bench(key: tuple[str, tuple[int, ...]], study: str) -> list[Row]:
    """What `bench` measured; one object for all sessions, because profiles are long."""
    return vibecore.read_bench(Path(key[0]), study)
