"""The pages. A new page is one file in pages/ and one line here."""

from __future__ import annotations

import streamlit as st

# file name in pages/ -> title; the first is the one without a path of its own
PAGES = {
    "metrics": "Metrics",
    "charts": "Charts",
    "outputs": "Outputs",
    "about": "About",
}
FIRST_PAGE = next(iter(PAGES))


def file_of(page: str) -> str:
    """The file of a page, as Streamlit names it."""
    return f"pages/{page}.py"


def navigation() -> st.Page:
    """The page that the address asks for, and the menu of all of them."""
    return st.navigation(
        [
            st.Page(file_of(page), title=title, default=page == FIRST_PAGE)
            for page, title in PAGES.items()
        ]
    )
