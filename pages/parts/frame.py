"""What is around every page: style, the study picker, and errors and empty states in words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from pages.parts import address, cached, page_table
from pages.parts.plain import plain
from vibecore.core.errors import VibeError
from vibecore.core.paths import DATABASE_VARIABLE, DEFAULT_DB, database_path
from vibecore.studies.bench.import_report import SUITE as BENCH_SUITE
from vibecore.studies.rescore import versions_note

Row = dict[str, Any]
STYLE = Path(__file__).resolve().parent / "page.css"
ROUTED = "current_study"
# The switch of both acting pages.
RUN_CODE = "Run the code that the models write, isolated from everything else"


@contextmanager
def errors_in_words(advice: str = "") -> Iterator[None]:
    """Show an error that Vibe check can explain as its message, and stop the page there."""
    try:
        yield
    except VibeError as error:
        st.error(plain(f"{error} {advice}".strip()))
        st.stop()


def show_style() -> None:
    """The few rules that the theme cannot say."""
    st.html(STYLE)


def show_html(tag: str, text: str, style: str = "") -> None:
    """One element with plain text in it."""
    st.html(f'<{tag} class="{escape(style)}">{escape(text)}</{tag}>')


def show_scorers(study: str) -> None:
    """A line that says which scorers a study's scores are from, where they are not today's."""
    with errors_in_words():
        note = versions_note(cached.runs(cached.content(), study), study)
    if note:
        show_html("p", note, "vc-soft")


def choose_study() -> None:
    """The sidebar's study picker with the study's facts, for current_study to give the pages."""
    st.session_state[ROUTED] = _picked_study()


def _picked_study() -> Row | None:
    with errors_in_words(f"The dashboard's database is the one that {DATABASE_VARIABLE} names."):
        found = {row["name"]: row for row in _studies()}
    if not found:
        return None
    with st.sidebar:
        given = address.given_study()
        if given is not None and given in found:
            st.session_state[address.STUDY] = given
        study = found[st.selectbox("Study", list(found), key=address.STUDY)]
        if given is not None and given not in found:
            st.warning(plain(f"There is no study '{given}'; this is '{study['name']}'."))
        st.html(_facts(study))
    return study


def current_study() -> Row:
    """The study chosen in the sidebar; without one, say what to do and stop the page."""
    study = _routed_study()
    if study is None:
        show_nothing()
        st.stop()
    return study


def acting_page() -> Row | None:
    """The study chosen in the sidebar, or None; where acting is off, say so and stop the page."""
    study = _routed_study()
    if not page_table.may_act():
        show_html("h1", "Switched off")
        show_html(
            "p",
            "This server only shows results: trying prompts and launching runs are switched off "
            f"({page_table.ACTING_VARIABLE}=off). Whoever runs it can start it without that "
            "setting, or use the command line: python -m vibecore run.",
        )
        st.stop()
    return study


def _routed_study() -> Row | None:
    if ROUTED not in st.session_state:
        # The first visit to a fresh server, when it goes straight to a page: Streamlit then runs
        # the file in pages/ alone, until a call of st.navigation has told it not to.
        page_table.navigation()
        st.rerun()
    return st.session_state.pop(ROUTED)


def in_form(text: str) -> str:
    """A message of the command line in the form's words: `--batch-size` is its batch size."""
    words = re.sub(r"--([a-z][a-z-]+)", lambda found: found[1].replace("-", " "), text)
    return words[:1].upper() + words[1:]


def show_nothing() -> None:
    """The empty state of a database without a study."""
    show_html("h1", "No study yet")
    show_html("p", "A study runs the same prompts through several configs. Make the demo study:")
    path = database_path()
    named = "" if path == DEFAULT_DB else f" --db {shlex.quote(str(path))}"
    st.code(f"python -m vibecore run --family demo{named}", language=None)
    show_html("p", "It takes a few minutes. Reload this page once it has begun.")


def _studies() -> list[Row]:
    key = cached.content()
    return cached.studies(key) if Path(key[0]).exists() else []


def _size(study: Row) -> dict[str, str]:
    if study["suite"] != BENCH_SUITE:
        return {"prompts": f"n = {study['prompt_count']}"}
    # Each sequence of a batch is stored as a prompt of its own.
    return {"repetitions": str(study["prompt_count"] // study["protocol"]["batch_size"])}


def _facts(study: Row) -> str:
    created = study["created_at"]
    done = study["complete"] + study["failed"]
    facts = {
        "source": study["source"],
        "hardware": study["hardware"] or "not recorded",
        "date": f"{created:%d %B %Y}".lstrip("0") if created else "not recorded",
        "suite": study["suite"],
        **_size(study),
        "configs": str(study["configs"])
        if done == study["configs"]
        else f"{study['complete']} of {study['configs']} complete",
    }
    if study["protocol"].get("execute_code"):
        facts["code"] = "run, in isolation"
    if study["failed"]:
        facts["failed"] = str(study["failed"])
    pairs = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    return f'<dl class="vc-facts">{pairs}</dl>'
