"""The pages. A new page is one file in pages/ and one line here."""

from __future__ import annotations

import os

import streamlit as st

# file name in pages/ -> title; the first is the one without a path of its own
PAGES = {
    "metrics": "Metrics",
    "charts": "Charts",
    "findings": "Findings",
    "outputs": "Outputs",
    "compare": "Compare",
    "speed": "Speed",
    "try": "Try a prompt",
    "launch": "Launch a run",
    "about": "About",
}
FIRST_PAGE = next(iter(PAGES))
# The pages that load models and start runs, which a server open to others may switch off.
ACTING = ("try", "launch")
ACTING_VARIABLE = "VIBECHECK_ACTING"


def may_act() -> bool:
    """Whether the acting pages are on; VIBECHECK_ACTING=off switches them off."""
    return os.environ.get(ACTING_VARIABLE, "on").strip().lower() not in ("off", "0", "no", "false")


def file_of(page: str) -> str:
    """The file of a page, as Streamlit names it."""
    return f"pages/{page}.py"


def navigation() -> st.Page:
    """The page that the address asks for, and the menu of all of them.

    Acting pages that are off are not in the menu; their address still opens them, and they say that
    they are off (see frame.acting_page).
    """
    return st.navigation(
        [
            st.Page(
                file_of(page),
                title=title,
                default=page == FIRST_PAGE,
                visibility="visible" if page not in ACTING or may_act() else "hidden",
            )
            for page, title in PAGES.items()
        ]
    )
