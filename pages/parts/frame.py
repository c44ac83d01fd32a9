"""What surrounds every page: style, the study picker, and errors and empty states in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import address, cached, manage, page_table
from pages.parts.components import close_menu
from pages.parts.plain import plain, shortened
from vibecore.analysis.asked import ModelAsked
from vibecore.core.errors import VibeError
from vibecore.core.paths import DATABASE_VARIABLE, DEFAULT_DB, database_path, state_note
from vibecore.core.rows import StudyRow
from vibecore.studies.rescore import versions_note
from vibecore.views.models_asked import asking_notes, asking_warnings
from vibecore.views.short_names import names_of
from vibecore.views.study_facts import study_facts
from vibecore.views.study_order import in_order, opens_with

STYLE = Path(__file__).resolve().parent / "page.css"
ROUTED = "current_study"


@contextmanager
def errors_in_words(advice: str = "") -> Iterator[None]:
    """Show an error that Vibe check can explain as its message, and stop the page there."""
    try:
        yield
    except VibeError as error:
        st.error(plain(f"{error} {advice}".strip()))
        st.stop()


def show_style() -> None:
    """The few CSS rules that a theme cannot express."""
    st.html(STYLE)


def show_html(tag: str, text: str, style: str = "") -> None:
    """One element with plain text in it."""
    st.html(f'<{tag} class="{escape(style)}">{escape(text)}</{tag}>')


def show_note(text: str) -> None:
    """A paragraph of plain text in the softer style of notes."""
    show_html("p", text, "vc-soft")


def row(alignment: Literal["center", "bottom"] = "center") -> DeltaGenerator:
    """A container that lays its elements out in a row."""
    return st.container(horizontal=True, vertical_alignment=alignment)


def show_scorers(study: str) -> None:
    """A line on which scorer versions a study's scores are from, where those are not the newest."""
    with errors_in_words():
        note = versions_note(cached.runs(cached.content(), study), study)
    if note:
        show_note(note)


def show_loss(study: str) -> None:
    """A warning where a study's rows are not those that it ended with."""
    with errors_in_words():
        loss = cached.loss(cached.content(), study)
    if loss:
        st.warning(plain(loss))


def show_warnings(study: str) -> None:
    """What makes a study's figures wrong, or its models look worse than they are, where anything
    does."""
    show_loss(study)
    for sentence in asking_warnings(_models_of(study)):
        st.warning(plain(sentence))


def show_model_notes(study: str) -> None:
    """What has to be known of a study's models: base, demo, random weights."""
    for sentence in asking_notes(_models_of(study)):
        show_note(sentence)


def _models_of(study: str) -> list[ModelAsked]:
    with errors_in_words():
        return cached.models(cached.content(), study)


def show_names(study: StudyRow | None) -> None:
    """What the study's short names stand for, where the sidebar, which says so too, is closed."""
    key = names_of(_models_of(study.name)).key() if study is not None else ""
    if key:
        show_html("p", f"Short names: {key}", "vc-soft vc-narrow")


def choose_study(page: str) -> StudyRow | None:
    """The sidebar's study picker with the study's facts; pages get its study by current_study.

    On a phone the sidebar closes when another study, or another `page`, has been chosen.
    """
    study = _picked_study()
    st.session_state[ROUTED] = study
    with st.sidebar:
        close_menu(f"{page} {study.name if study else ''}")
    return study


def _picked_study() -> StudyRow | None:
    with errors_in_words(f"The dashboard's database is the one that {DATABASE_VARIABLE} names."):
        found = {study.name: study for study in studies()}
    if not found:
        return None
    with st.sidebar:
        given, had = address.given_study(), st.session_state.get(address.STUDY)
        if given is not None and given in found:
            st.session_state[address.STUDY] = given
        elif had not in found:
            # None is chosen yet, or the one that was has been renamed or deleted elsewhere.
            st.session_state[address.STUDY] = opens_with(list(found))
        study = found[st.selectbox("Study", in_order(found), key=address.STUDY)]
        gone = next((name for name in (given, had) if name and name not in found), None)
        if gone is not None:
            st.warning(plain(f"There is no study '{shortened(gone)}'; this is '{study.name}'."))
        manage.show(study)
        st.html(_facts(study, _models_of(study.name)))
        if study.note:
            show_note(study.note)
    manage.show_question()
    return study


def current_study() -> StudyRow:
    """The study chosen in the sidebar; where there is none, say what to do and stop the page."""
    study = _routed_study()
    if study is None:
        show_nothing()
        st.stop()
    return study


def acting_page() -> StudyRow | None:
    """The study chosen in the sidebar, or None; where acting is off, say so and stop the page.
    Where the state folder cannot be written, say what that means and go on."""
    study = _routed_study()
    if not page_table.may_act():
        show_html("h1", "Switched off")
        show_html(
            "p",
            "This server only shows results: trying prompts and launching runs are switched off "
            f"({page_table.ACTING_VARIABLE}=off). Start it without that setting, or use the "
            "command line: python -m vibecore run.",
        )
        st.stop()
    try:
        note = state_note()
    except VibeError as error:
        note = str(error)
    if note:
        st.warning(plain(note))
    return study


def _routed_study() -> StudyRow | None:
    if ROUTED not in st.session_state:
        # On a fresh server the first visit, if it goes straight to a page, runs that file alone:
        # Streamlit discovers pages/ by itself until st.navigation has been called once.
        page_table.navigation()
        st.rerun()
    return st.session_state.pop(ROUTED)


def show_nothing() -> None:
    """The empty state of a database without a study."""
    show_html("h1", "No study yet")
    show_html("p", "A study runs the same prompts through several configs. Make the demo study:")
    path = database_path()
    named = "" if path == DEFAULT_DB else f" --db {shlex.quote(str(path))}"
    st.code(f"python -m vibecore run --family demo{named}", language=None, wrap_lines=True)
    show_html("p", "It takes a few minutes. Reload this page once it has begun.")


def studies() -> list[StudyRow]:
    """Every study of the dashboard's database; none where there is no database."""
    key = cached.content()
    return cached.studies(key) if Path(key[0]).exists() else []


def _facts(study: StudyRow, models: list[ModelAsked]) -> str:
    facts = study_facts(study, models).items()
    pairs = "".join(f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in facts)
    return f'<dl class="vc-facts">{pairs}</dl>'
