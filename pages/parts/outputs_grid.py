"""The grid view of Outputs: prompts × configs, a page of prompts at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from pages.parts import cached, frame
from pages.parts.components import show_grid
from vibecore.core.rows import StudyRow
from vibecore.studies.queries import PromptList, Summary
from vibecore.views.disagreement import order_note
from vibecore.views.grid import Link, column_heads, grid_rows

AT_ONCE = 20
LEGEND = (
    "● all constraints met, ○ not, – not judged. Broken is empty, repetitive, ending in a loop, "
    "saying one thing over, not made of words, or with logits that are not finite. So far: the "
    "answer was cut off at the token limit, and only that decided. An answer or a prompt opens "
    "side by side."
)


def show(
    study: StudyRow,
    found: PromptList,
    configs: Sequence[str],
    summary: Summary,
    names: Mapping[str, str],
    order: str,
    link: Link,
) -> None:
    """A page of the prompts, the one with the prompt of the session's number `start`."""
    runs = {row.config: row for row in summary.rows}
    start = _first_shown(len(found.ids))
    shown = tuple(found.ids[start - 1 : start - 1 + AT_ONCE])
    _step_through(start, len(found.ids))
    with frame.errors_in_words():
        outputs = cached.prompt_outputs(cached.content(), study.name, shown, tuple(configs))
    note = f"Under each name: its totals over all {study.prompt_count:,} prompts."
    if len(found.ids) > 1:
        note = f"{order_note(order, found.compares_words)} {note}"
    if study.protocol and study.protocol.samples > 1:
        note += f" Of {study.protocol.samples} samples the first is shown."
    show_grid(
        {
            "caption": f"Outputs of {study.name}: prompts by configs",
            "note": note,
            "legend": LEGEND,
            "columns": column_heads(
                [runs[config] for config in configs], names, summary.sweet_spot
            ),
            "rows": grid_rows(outputs, runs, names, link, published=study.source == "published"),
        },
        key="grid",
    )


def _first_shown(total: int) -> int:
    """The number, from 1, of the first prompt shown: where a page of the grid begins."""
    start = min(st.session_state["start"], max(total, 1))
    return (start - 1) // AT_ONCE * AT_ONCE + 1


def _step_through(start: int, total: int) -> None:
    if total <= AT_ONCE:
        return
    last = min(start + AT_ONCE - 1, total)
    with frame.row():
        for label, key, to, there in (
            ("Previous", "Left", start - AT_ONCE, start > 1),
            ("Next", "Right", start + AT_ONCE, last < total),
        ):
            st.button(
                label,
                shortcut=key,
                key=label.lower(),
                disabled=not there,
                on_click=_turn,
                args=(to,),
            )
        frame.show_note(f"prompts {start:,} to {last:,} of {total:,}")


def _turn(start: int) -> None:
    st.session_state["start"] = start
