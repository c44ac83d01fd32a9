"""The live panel on a page: the panes of a try as they fill, and what is loaded."""

from __future__ import annotations

import time
from datetime import datetime

import streamlit as st
from streamlit import runtime

from pages.parts import frame
from pages.parts.buttons import pressed
from pages.parts.components import show_panes
from vibecore.core.formats import memory, to_json
from vibecore.live.playground import Panel, Try
from vibecore.live.playground.cards import pane_card, pane_row

# While panes fill, and while models are merely loaded.
POLL_SECONDS = 0.4
IDLE_POLL_SECONDS = 5.0
NOTICE_SECONDS = 900.0


@st.cache_resource(show_spinner=False)
def panel() -> Panel:
    """The panel of this server: one for all sessions."""
    return Panel()


def session_watch():
    """Whether the browser of this session is still there: a hidden tab polls rarely, or never."""
    context = st.runtime.scriptrunner.get_script_run_ctx()
    session = context.session_id if context else ""
    return lambda: runtime.exists() and runtime.get_instance().is_active_session(session)


def show(tried: Try | None) -> None:
    """The panes of a try, its stop button, and what is loaded; by themselves while there is
    something to follow."""
    active = tried is not None and not tried.finished.is_set()
    every = POLL_SECONDS if active else IDLE_POLL_SECONDS if panel().loaded() else None
    st.fragment(_show, run_every=every)(tried, active)


def _show(tried: Try | None, was_active: bool) -> None:
    if tried is not None:
        tried.seen()
        ended = tried.finished.is_set()
        _show_try(tried, ended)
        if ended and was_active:
            # Nothing is left to follow: the whole page says so, and this stops running by itself.
            st.rerun()
    _show_loaded()


def _show_try(tried: Try, ended: bool) -> None:
    if not ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            stopping = tried.cancelled.is_set()
            if pressed("Stop", key="try-stop", type="primary", disabled=stopping):
                panel().stop(tried)
            current = tried.current
            if stopping:
                frame.show_html("span", "Stopping.", "vc-soft")
            elif current is not None and current.ahead:
                words = f"Place {len(current.ahead)} in the queue, after "
                frame.show_html("span", f"{words}{', '.join(current.ahead)}.", "vc-soft")
    cards = [pane_card(tried, pane) for pane in tried.panes]
    show_panes({"tried": tried.id, "cards": cards}, key="panes")
    if ended:
        st.download_button(
            "Download JSON",
            data=lambda: to_json([pane_row(tried, pane) for pane in tried.panes]),
            file_name="try.json",
            mime="application/json",
            on_click="ignore",
            key="try-download",
        )


def _show_loaded() -> None:
    loaded = panel().loaded()
    for at, notice in list(panel().notices):
        if time.time() - at < NOTICE_SECONDS:
            said = f"{datetime.fromtimestamp(at):%H:%M}: {notice}."
            frame.show_html("p", said, "vc-soft")
    if not loaded:
        return
    frame.show_html("h2", "Loaded")
    for one in loaded:
        with st.container(horizontal=True, vertical_alignment="center"):
            if pressed(f"Unload {one.config}", key=f"unload-{one.pid}", disabled=one.busy):
                panel().unload(one.config)
                st.rerun()
            idle = "in use" if one.busy else f"idle for {_duration(one.idle_seconds)}"
            facts = (
                f"{one.device}, weights {memory(one.weight_bytes)}, process "
                f"{memory(one.process_bytes)}, {idle}"
            )
            frame.show_html("span", facts, "vc-soft")
    with st.container(horizontal=True, vertical_alignment="center"):
        if pressed("Unload all", key="unload-all"):
            panel().unload()
            st.rerun()
        minutes = panel().idle_seconds / 60
        frame.show_html(
            "span",
            f"They stay warm for the next prompt of anyone here, and leave after {minutes:g} idle "
            "minutes, when memory is short, and when a run needs the device.",
            "vc-soft",
        )


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
