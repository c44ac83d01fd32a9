"""From a tried prompt to a suite: constraints judged at once, a suite file, a run of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.parts import frame, page_table
from pages.parts.buttons import pressed
from pages.parts.components import show_table
from vibecore.catalog.suites import CATEGORIES, Constraint, Prompt
from vibecore.core.errors import VibeError
from vibecore.core.paths import database_path
from vibecore.core.rows import StudyRow
from vibecore.live import launch
from vibecore.live.launch.like_study import command_line, options_like
from vibecore.live.playground import Session
from vibecore.live.playground.cards import verdict_table
from vibecore.live.playground.constraint_form import (
    Field,
    constraint_of,
    constraint_words,
    fields_of,
    rule_of,
)
from vibecore.scoring import CHECKS
from vibecore.studies import own_suites

NEW_SUITE = "a new suite"
_CONSTRAINTS = "constraints of a session"
_SAVED = "saved to a suite"


def show(session: Session, study: StudyRow | None) -> None:
    """The forms below a session that has ended."""
    frame.show_html("h2", "Keep this prompt")
    frame.show_note(
        "Add the constraints that an output must meet, see which of these outputs meet them, and "
        "save the prompt to a suite of your own."
    )
    constraints = _constraints(session)
    if constraints:
        show_table(verdict_table(session, constraints), key="verdicts")
    _add_constraint(constraints)
    _save(session, constraints)
    _run_suite(study)


def _constraints(session: Session) -> list[Constraint]:
    """The constraints so far; a new session begins with those of its prompt."""
    given = st.session_state.get(_CONSTRAINTS)
    if given is None or given[0] != session.id:
        given = (session.id, list(session.request.prompt.constraints))
        st.session_state[_CONSTRAINTS] = given
    return given[1]


def _add_constraint(constraints: list[Constraint]) -> None:
    with frame.row("bottom"):
        check = st.selectbox(
            "Check",
            list(CHECKS),
            format_func=lambda name: name.replace("_", " "),
            key="keep-check",
            width=260,
        )
        given = {field.name: _ask(check, field) for field in fields_of(check)}
        added = pressed("Add constraint", key="keep-add")
    frame.show_note(rule_of(check))
    if added:
        try:
            constraints.append(constraint_of(check, given))
        except VibeError as error:
            st.error(frame.plain(str(error)))
        else:
            st.rerun()
    if constraints:
        with frame.row():
            for index, constraint in enumerate(constraints):
                words = constraint_words(constraint)
                if pressed(f"Drop {index + 1}", key=f"keep-drop-{index}", help=words):
                    constraints.pop(index)
                    st.rerun()


def _ask(check: str, field: Field) -> Any:
    """A widget for one argument."""
    label, key = field.name.replace("_", " "), f"keep-{check}-{field.name}"
    if field.kind == "choice":
        return st.selectbox(
            label, list(field.options), format_func=field.options.__getitem__, key=key, width=160
        )
    if field.kind == "whole":
        return st.number_input(label, min_value=0, value=1, step=1, key=key, width=150)
    if field.kind == "number":
        return st.number_input(label, value=0.0, key=key, width=150)
    if field.kind == "yes or no":
        return st.checkbox(label, key=key)
    if field.kind == "text":
        return st.text_input(label, key=key, width=260)
    note = "one a line" if field.kind == "lines" else field.kind
    return st.text_area(f"{label}, {note}", key=key, height=90, width=300)


def _save(session: Session, constraints: list[Constraint]) -> None:
    own = own_suites.own_suite_names()
    with frame.row("bottom"):
        chosen = st.selectbox("Save to", [NEW_SUITE, *own], key="keep-suite", width=200)
        name = chosen
        if chosen == NEW_SUITE:
            name = st.text_input("Name of the suite", key="keep-name", width=200).strip()
        id_ = st.text_input("Id of the prompt", key="keep-id", width=200).strip()
        category = st.selectbox("Category", CATEGORIES, key="keep-category", width=170)
        wanted = pressed("Save prompt", key="keep-save")
    if wanted:
        prompt = Prompt(id_, category, session.request.prompt.text, tuple(constraints))
        try:
            path = own_suites.save_prompt(name, prompt, append=chosen != NEW_SUITE)
        except VibeError as error:
            st.error(frame.plain(str(error)))
        else:
            st.session_state[_SAVED] = f"Saved as {id_} in the suite {name}: {path}"
            st.rerun()
    if _SAVED in st.session_state:
        st.success(frame.plain(st.session_state.pop(_SAVED)))


def _run_suite(study: StudyRow | None) -> None:
    own = own_suites.own_suite_names()
    if not own or study is None:
        return
    studies = [one.name for one in frame.studies()]
    frame.show_html("h2", "Run a suite of your own")
    frame.show_note(
        "On every config of a study, with its settings, in the background, as a new study."
    )
    with frame.row("bottom"):
        suite = st.selectbox("Suite", own, key="backfill-suite", width=200)
        of = st.selectbox(
            "Configs of the study",
            studies,
            index=studies.index(study.name),
            key="backfill-of",
            width=220,
        )
        named = st.text_input("Name of the new study", f"{of}-{suite}", width=240).strip()
        wanted = pressed("Run it", key="backfill-run")
    db = database_path()
    try:
        options = options_like(db, of, suite, named)
        st.code(command_line(options, db), language=None, wrap_lines=True)
        if wanted:
            run = launch.start(options, db)
            st.success(frame.plain(f"The run of {named} has started, in the background."))
            st.page_link(
                page_table.file_of("launch"), label="Follow it", query_params={"run": run.id}
            )
    except VibeError as error:
        st.error(frame.plain(str(error)))
