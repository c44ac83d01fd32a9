"""The playground on a page: a session's panes as their texts grow, and the loaded models."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

import streamlit as st
from streamlit import runtime

from pages.parts import frame
from pages.parts.buttons import pressed
from pages.parts.components import show_panes
from vibecore.core.formats import to_json
from vibecore.live.playground import Playground, Session
from vibecore.live.playground.cards import loaded_facts, pane_card, pane_row

# The page refreshes often while texts grow, seldom while models are only loaded.
POLL_SECONDS = 0.4
IDLE_POLL_SECONDS = 5.0
NOTICE_SECONDS = 900.0


@st.cache_resource(show_spinner=False)
def playground() -> Playground:
    """The playground of this server, shared by every browser."""
    return Playground()


def browser_watch() -> Callable[[], bool]:
    """Whether this browser is still connected; a hidden tab refreshes rarely, or never."""
    context = st.runtime.scriptrunner.get_script_run_ctx()
    browser = context.session_id if context else ""
    return lambda: runtime.exists() and runtime.get_instance().is_active_session(browser)


def show(session: Session | None) -> None:
    """A session's panes with its stop button, and the loaded models, as a fragment that refreshes
    by itself while there is anything to follow."""
    active = session is not None and not session.finished.is_set()
    every = POLL_SECONDS if active else IDLE_POLL_SECONDS if playground().loaded() else None
    st.fragment(_show, run_every=every)(session, active)


def _show(session: Session | None, was_active: bool) -> None:
    if session is not None:
        session.seen()
        ended = session.finished.is_set()
        _show_session(session, ended)
        if ended and was_active:
            # The whole page changes, and this fragment no longer refreshes by itself.
            st.rerun()
    _show_notices()
    _show_loaded()


def _show_session(session: Session, ended: bool) -> None:
    if not ended:
        with frame.row():
            stopping = session.cancelled.is_set()
            if pressed("Stop", key="try-stop", type="primary", disabled=stopping):
                playground().stop(session)
            current = session.current
            if stopping:
                frame.show_html("span", "Stopping.", "vc-soft")
            elif current is not None and current.ahead:
                words = f"Place {len(current.ahead)} in the queue, after "
                frame.show_html("span", f"{words}{', '.join(current.ahead)}.", "vc-soft")
    cards = [pane_card(session, pane) for pane in session.panes]
    show_panes({"session": session.id, "cards": cards}, key="panes")
    if ended:
        st.download_button(
            "Download JSON",
            data=lambda: to_json([pane_row(session, pane) for pane in session.panes]),
            file_name="try.json",
            mime="application/json",
            on_click="ignore",
            key="try-download",
        )


def _show_notices() -> None:
    for at, notice in list(playground().notices):
        if time.time() - at < NOTICE_SECONDS:
            frame.show_note(f"{datetime.fromtimestamp(at):%H:%M}: {notice}.")


def _show_loaded() -> None:
    loaded = playground().loaded()
    if not loaded:
        return
    frame.show_html("h2", "Loaded")
    for one in loaded:
        with frame.row():
            if pressed(f"Unload {one.config}", key=f"unload-{one.pid}", disabled=one.busy):
                playground().unload(one.config)
                st.rerun()
            frame.show_html("span", loaded_facts(one), "vc-soft")
    with frame.row():
        if pressed("Unload all", key="unload-all"):
            playground().unload()
            st.rerun()
        minutes = playground().idle_seconds / 60
        frame.show_html(
            "span",
            "Models stay loaded for the next prompt from any browser, until they are idle for "
            f"{minutes:g} minutes, memory runs short, or a run needs the device.",
            "vc-soft",
        )
