"""A launched run on its page: its progress, refreshed while it runs, with Cancel and Resume.

The progress is a fragment that refreshes by itself; the whole page reruns when a state changes.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import streamlit as st

from pages.parts import frame, page_table
from pages.parts.components import show_table
from vibecore.core.errors import VibeError
from vibecore.live import launch
from vibecore.live.launch import tables
from vibecore.live.launch.progress import ALIVE
from vibecore.live.launch.record import LaunchedRun

RUN = "run"
REFRESH_SECONDS = 1.0
SHOWN_RUNS = 20
# Why the last start or resume failed, for the page to show once.
FAILURE = "launch failure"
ON_ONE_DEVICE = "Resume on one device"
_STATES = "states of the runs shown"


def open_run(run: LaunchedRun) -> None:
    """Make the page show a run."""
    st.query_params.from_dict({RUN: run.id})


def chosen_run(runs: list[LaunchedRun]) -> LaunchedRun | None:
    """The run that the address names; without one, the newest that is alive."""
    named = st.query_params.get(RUN)
    if named is None:
        return next((run for run in runs if launch.read_state(run) in ALIVE), None)
    try:
        return launch.find(named)
    except VibeError as error:
        st.warning(frame.plain(str(error)))
        return None


def show_chosen(run: LaunchedRun | None, runs: list[LaunchedRun]) -> dict[str, str]:
    """Show a run, refreshed while any of the runs is alive. Returns the states of all of them."""
    watched = {one.id: one for one in (*runs[:SHOWN_RUNS], *([run] if run else []))}
    states = {id_: launch.read_state(one) for id_, one in watched.items()}
    st.session_state[_STATES] = states
    alive = any(state in ALIVE for state in states.values())
    follow = st.fragment(_follow, run_every=REFRESH_SECONDS if alive else None)
    follow(run, list(watched.values()))
    return states


def _follow(run: LaunchedRun | None, watched: list[LaunchedRun]) -> None:
    if {one.id: launch.read_state(one) for one in watched} != st.session_state[_STATES]:
        st.rerun()
    if run is None:
        return
    try:
        progress = launch.read_progress(run)
    except VibeError as error:
        st.warning(frame.plain(str(error)))
        return
    frame.show_html("h2", f"Study {run.study}")
    frame.show_html("p", tables.progress_sentence(progress))
    show_table(tables.progress_table(progress), key="progress")
    _show_actions(run, progress)
    if progress.state in ("refused", "died") and progress.log:
        frame.show_note("The last lines of its log:")
        _show_log(progress)
    elif progress.measuring and progress.log:
        _show_log(progress)
    elif progress.state == "failed" and progress.log:
        # Why its configs failed is in the table.
        with st.expander("The last lines of its log"):
            _show_log(progress)


def _show_log(progress: launch.RunProgress) -> None:
    # Wrapped: the end of a long line says what to do.
    st.code("\n".join(progress.log), language=None, wrap_lines=True)


def _show_actions(run: LaunchedRun, progress: launch.RunProgress) -> None:
    with frame.row():
        if progress.alive:
            stopping = progress.state == "stopping"
            if st.button("Cancel", disabled=stopping, key="cancel"):
                # In a thread, because cancel returns only when the run has ended.
                threading.Thread(target=launch.cancel, args=(run,), daemon=True).start()
        elif progress.can_resume:
            show_resume(run.study, run.db, key="resume", type="primary")
            if words := tables.place_words(run):
                show_resume(
                    run.study, run.db, on_one_device=True, key="resume-on-one", label=ON_ONE_DEVICE
                )
                frame.show_note(f"It goes on where it ran: {words}.")
        if progress.done:
            st.page_link(
                page_table.file_of(page_table.FIRST_PAGE),
                label="Metrics of this study",
                query_params={"study": run.study},
            )


def show_resume(
    study: str, db: Path, *, label: str = "Resume", on_one_device: bool = False, **options: Any
) -> None:
    """A button that resumes a study, where it ran or on one device, and shows its run."""
    st.button(label, on_click=_resume, args=(study, db, on_one_device), **options)


def _resume(study: str, db: Path, on_one_device: bool) -> None:
    try:
        open_run(launch.resume(study, db, on_one_device=on_one_device))
    except VibeError as error:
        st.session_state[FAILURE] = str(error)
