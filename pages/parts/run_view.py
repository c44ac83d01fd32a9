"""A launched run on its page: how it stands, refreshed while it runs, and what can be done to it.

Streamlit runs the refreshed part by itself; where a run has changed its state, the whole page.
"""

from __future__ import annotations

import threading
from pathlib import Path

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
_STATES = "states of the runs shown"


def open_run(run: LaunchedRun) -> None:
    """Make the page show a run."""
    st.query_params.from_dict({RUN: run.id})


def chosen_run(runs: list[LaunchedRun]) -> LaunchedRun | None:
    """The run that the address names; without one, the newest that is under way."""
    named = st.query_params.get(RUN)
    if named is None:
        return next((run for run in runs if launch.read_state(run) in ALIVE), None)
    try:
        return launch.find(named)
    except VibeError as error:
        st.warning(frame.plain(str(error)))
        return None


def show_chosen(run: LaunchedRun | None, runs: list[LaunchedRun]) -> dict[str, str]:
    """Show a run, and follow it and the others while any is under way. Returns their states."""
    watched = {one.id: one for one in (*runs[:SHOWN_RUNS], *([run] if run else []))}
    states = {id_: launch.read_state(one) for id_, one in watched.items()}
    st.session_state[_STATES] = states
    moving = any(state in ALIVE for state in states.values())
    follow = st.fragment(_follow, run_every=REFRESH_SECONDS if moving else None)
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
    if progress.state in ("refused", "died", "failed") and progress.log:
        frame.show_html("p", "The last lines that it printed:", "vc-soft")
        st.code("\n".join(progress.log), language=None)


def _show_actions(run: LaunchedRun, progress: launch.RunProgress) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if progress.alive:
            stopping = progress.state == "stopping"
            if st.button("Cancel", disabled=stopping, key="cancel"):
                # It waits for the run to end; the page shows that it is stopping meanwhile.
                threading.Thread(target=launch.cancel, args=(run,), daemon=True).start()
        elif progress.can_resume:
            st.button(
                "Resume", type="primary", key="resume", on_click=resume, args=(run.study, run.db)
            )
        if progress.done:
            st.page_link(
                page_table.file_of(page_table.FIRST_PAGE),
                label="Metrics of this study",
                query_params={"study": run.study},
            )


def resume(study: str, db: Path) -> None:
    """Go on with a study and show its run; a button's callback."""
    try:
        open_run(launch.resume(study, db))
    except VibeError as error:
        st.session_state["launch_error"] = str(error)
