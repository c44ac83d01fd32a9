"""The pages, in an order of use. A new page is one file in pages/ and one line here."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path
from threading import Lock

import streamlit as st

# section of the menu -> file name in pages/ -> title; the first page has no path of its own
SECTIONS = {
    "Results": {
        "metrics": "Metrics",
        "charts": "Charts",
        "outputs": "Outputs",
        "fidelity": "Fidelity",
        "compare": "Compare",
    },
    "Run": {
        "try": "Try a prompt",
        "launch": "Launch a run",
    },
    "Details": {
        "findings": "Findings",
        "speed": "Speed",
        "about": "About",
    },
}
# file name -> title
PAGES = {page: title for pages in SECTIONS.values() for page, title in pages.items()}
FIRST_PAGE = next(iter(PAGES))
# The pages that load models and start runs, which a server open to others may switch off.
ACTING = ("try", "launch")
ACTING_VARIABLE = "VIBECHECK_ACTING"
_importing = Lock()


def may_act() -> bool:
    """Whether the acting pages are on; VIBECHECK_ACTING=off switches them off."""
    return os.environ.get(ACTING_VARIABLE, "on").strip().lower() not in ("off", "0", "no", "false")


def file_of(page: str) -> str:
    """The file of a page, as Streamlit names it."""
    return f"pages/{page}.py"


@cache
def what_it_shows(page: str) -> str:
    """A page in a line: the first paragraph of its file's docstring, after the title."""
    file = Path(__file__).resolve().parents[2] / file_of(page)
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    line = " ".join(docstring.split("\n\n")[0].split()).partition(": ")[2]
    return (line[:1].upper() + line[1:]).replace("`", "")


def import_first(title: str) -> None:
    """Import what the page of a title imports, one visitor's thread at a time: several that import
    modules of one package for the first time can deadlock, which is an error of the page."""
    page = next(page for page, its_title in PAGES.items() if its_title == title)
    with _importing:
        _imported(page)


@cache
def _imported(page: str) -> None:
    file = Path(__file__).resolve().parents[2] / file_of(page)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, str(file), "exec"), {"__name__": page})


def navigation() -> st.Page:
    """The page that the address asks for, and the menu of all of them.

    Acting pages that are off are not in the menu; their address still opens them, and they say that
    they are off (see frame.acting_page).
    """
    return st.navigation(
        {section: [_page(*page) for page in pages.items()] for section, pages in SECTIONS.items()},
        expanded=True,
    )


def _page(page: str, title: str) -> st.Page:
    return st.Page(
        file_of(page),
        title=title,
        default=page == FIRST_PAGE,
        visibility="visible" if page not in ACTING or may_act() else "hidden",
    )
