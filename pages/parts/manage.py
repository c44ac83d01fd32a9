"""Manage the chosen study from the sidebar: rename it, write its note, export it, delete it.

Where acting is off (page_table.may_act) there is nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages.parts import address, page_table
from pages.parts.plain import plain
from vibecore.core.errors import VibeError
from vibecore.core.paths import database_path, is_tracked
from vibecore.core.rows import StudyRow
from vibecore.live.launch import manage
from vibecore.views.export import export_database, export_zip

# A page shows the message rather than wait longer than this for a writer.
WAIT_SECONDS = 5.0
_ASKED = "study that may be deleted"
_DONE = "what was done to a study"
_FAILED = "why a study was not changed"


def show(study: StudyRow) -> None:
    """The popover, and what became of the last thing done in it."""
    if not page_table.may_act():
        return
    with st.popover("Manage this study", width="stretch"):
        if _ASKED not in st.session_state and (failure := st.session_state.pop(_FAILED, None)):
            st.error(plain(failure))
        _show_name(study)
        _show_note(study)
        _show_export(study)
        st.button("Delete this study …", on_click=_ask_first, args=(study.name,), key="manage-ask")
    if done := st.session_state.pop(_DONE, None):
        st.toast(plain(done))


def show_question() -> None:
    """The dialog that asks before a study is deleted, where that was pressed. Outside the sidebar,
    because a dialog stands over the page."""
    if (name := st.session_state.pop(_ASKED, None)) is not None:
        _ask(name)


def _show_name(study: StudyRow) -> None:
    key = f"manage-name-{study.name}"
    with st.form("manage-rename", border=False):
        st.text_input("Name", value=study.name, key=key)
        st.form_submit_button("Rename", on_click=_rename, args=(study.name, key))


def _show_note(study: StudyRow) -> None:
    key = f"manage-note-{study.name}"
    with st.form("manage-note", border=False):
        st.text_area(
            "Note", value=study.note or "", key=key, placeholder="What a reader has to know"
        )
        st.form_submit_button("Keep the note", on_click=_annotate, args=(study.name, key))


def _show_export(study: StudyRow) -> None:
    db = database_path()
    for label, ending, mime, make in (
        ("Export tables (ZIP)", "zip", "application/zip", export_zip),
        ("Export as a database", "duckdb", "application/octet-stream", export_database),
    ):
        st.download_button(
            label,
            data=_made(make, db, study.name),
            file_name=f"{study.name}.{ending}",
            mime=mime,
            on_click="ignore",
            key=f"manage-export-{ending}",
        )


def _made(make: Callable[[Path, str], bytes], db: Path, study: str) -> Callable[[], bytes]:
    """What makes a file once its button is pressed."""
    return lambda: make(db, study)


def _rename(old: str, key: str) -> None:
    db = database_path()
    try:
        new = manage.rename(db, old, st.session_state[key], wait_seconds=WAIT_SECONDS)
    except VibeError as error:
        st.session_state[_FAILED] = str(error)
        return
    address.follow_rename(old, new)
    tracked = f" {db.name} is tracked by git." if is_tracked(db) else ""
    st.session_state[_DONE] = f"The study '{old}' is now '{new}'.{tracked}"


def _annotate(name: str, key: str) -> None:
    try:
        manage.annotate(database_path(), name, st.session_state[key], wait_seconds=WAIT_SECONDS)
    except VibeError as error:
        st.session_state[_FAILED] = str(error)
        return
    st.session_state[_DONE] = "The note is kept."


def _ask_first(name: str) -> None:
    st.session_state[_ASKED] = name


@st.dialog("Delete this study?")
def _ask(name: str) -> None:
    if _DONE in st.session_state:
        # Its button was pressed, and the study is gone.
        st.rerun()
    st.session_state.pop(_ASKED, None)
    if failure := st.session_state.pop(_FAILED, None):
        st.error(plain(failure))
    try:
        loss = manage.loss_of(database_path(), name)
    except VibeError as error:
        st.error(plain(str(error)))
        return
    st.text(loss.sentence())
    with st.container(horizontal=True):
        st.button("Delete it", type="primary", on_click=_delete, args=(name,), key="manage-delete")
        if st.button("Keep it", key="manage-keep"):
            st.rerun()


def _delete(name: str) -> None:
    try:
        manage.delete(database_path(), name, wait_seconds=WAIT_SECONDS)
    except VibeError as error:
        # The question stays, with why it was not done.
        st.session_state[_FAILED], st.session_state[_ASKED] = str(error), name
        return
    st.session_state[_DONE] = f"The study '{name}' is deleted."
