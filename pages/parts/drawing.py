"""A figure on a page: its finding as a heading, how to read it, and the drawing."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.parts import frame
from vibecore.views.charts.figure import PICKED, Figure

# The colour of words inside a drawing, which Streamlit's chart theme leaves black.
INKS = {"light": "#23262a", "dark": "#e6e4df"}


def show(figure: Figure, key: str, opens: bool = False) -> dict[str, Any] | None:
    """A figure under its title; where it `opens` something, the mark that was clicked, if any."""
    if figure.chart is None:
        frame.show_html("p", f"{figure.title}.", "vc-soft")
        return None
    frame.show_html("h2", figure.title)
    frame.show_html("p", figure.note, "vc-soft")
    chart = figure.chart.configure_text(color=INKS.get(st.context.theme.type or "", INKS["light"]))
    if not opens:
        st.altair_chart(chart, width="stretch", key=key)
        return None
    state = st.altair_chart(
        chart, width="stretch", key=key, on_select="rerun", selection_mode=PICKED
    )
    picked = state["selection"].get(PICKED)
    return picked[0] if picked else None
