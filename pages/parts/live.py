"""The live playground on a page: the panes of a try as they fill, and what is loaded."""

from __future__ import annotations

import time
from datetime import datetime

import streamlit as st
from streamlit import runtime

from pages.parts import frame
from pages.parts.buttons import pressed
from pages.parts.components import show_panes
from vibecore.core.formats import memory, to_json
from vibecore.live.playground import Playground, Session
from vibecore.live.playground.cards import pane_card, pane_row

# While panes fill, and while models are merely loaded.
POLL_SECONDS = 0.4
IDLE_POLL_SECONDS = 5.0
NOTICE_SECONDS = 900.0


@st.cache_resource(show_spinner=False)
def playground() -> Playground:
    """The playground of this server: one for all sessions."""
    return Playground()


def session_watch():
    """Whether the browser of this session is still there: a hidden tab polls rarely, or never."""
    context = st.runtime.scriptrunner.get_script_run_ctx()
    session = context.session_id if context else ""
    return lambda: runtime.exists() and runtime.get_instance().is_active_session(session)


def show(session: Session | None) -> None:
    """The panes of a try, its stop button, and what is loaded; by themselves while there is
    something to follow."""
    active = session is not None and not session.finished.is_set()
    every = POLL_SECONDS if active else IDLE_POLL_SECONDS if playground().loaded() else None
    st.fragment(_show, run_every=every)(session, active)


def _show(session: Session | None, was_active: bool) -> None:
    if session is not None:
        session.seen()
        ended = session.finished.is_set()
        _show_try(session, ended)
        if ended and was_active:
            # Nothing is left to follow: the whole page says so, and this stops running by itself.
            st.rerun()
    _show_loaded()


def _show_try(session: Session, ended: bool) -> None:
    if not ended:
        with st.container(horizontal=True, vertical_alignment="center"):
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


def _show_loaded() -> None:
    loaded = playground().loaded()
    for at, notice in list(playground().notices):
        if time.time() - at < NOTICE_SECONDS:
            said = f"{datetime.fromtimestamp(at):%H:%M}: {notice}."
            frame.show_html("p", said, "vc-soft")
    if not loaded:
        return
    frame.show_html("h2", "Loaded")
    for one in loaded:
        with st.container(horizontal=True, vertical_alignment="center"):
            if pressed(f"Unload {one.config}", key=f"unload-{one.pid}", disabled=one.busy):
                playground().unload(one.config)
                st.rerun()
            idle = "in use" if one.busy else f"idle for {_duration(one.idle_seconds)}"
            facts = (
                f"{one.device}, weights {memory(one.weight_bytes)}, process "
                f"{memory(one.process_bytes)}, {idle}"
            )
            frame.show_html("span", facts, "vc-soft")
    with st.container(horizontal=True, vertical_alignment="center"):
        if pressed("Unload all", key="unload-all"):
            playground().unload()
            st.rerun()
        minutes = playground().idle_seconds / 60
        frame.show_html(
            "span",
            f"They stay warm for the next prompt of anyone here, and leave after {minutes:g} idle "
            "minutes, when memory is short, and when a run needs the device.",
            "vc-soft",
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
