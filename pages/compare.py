"""Compare: two studies of one suite, on two machines or at two times, config by config.

What changed in speed, memory, repetition and adherence, and how many outputs are the same tokens.
What does not compare is said.
"""

from __future__ import annotations

import streamlit as st

from pages.parts import address, cached, frame
from pages.parts.components import show_table
from vibecore.analysis.claims.evidence import EvidenceRow
from vibecore.analysis.claims.wording import beside, verdict_text
from vibecore.analysis.comparison import NothingShared, StudyComparison
from vibecore.core.rows import StudyRow
from vibecore.views.charts.findings import evidence_figure
from vibecore.views.findings import rows_in_short
from vibecore.views.short_names import names_of

# measure of the comparison -> its column's heading
MEASURES = {
    "speed": "speed",
    "memory": "memory",
    "repetitive": "repetition",
    "adherent": "adherence",
    "identical outputs": "identical outputs",
}


def show_sentences(title: str, sentences: tuple[str, ...]) -> None:
    """A heading and its sentences, where there are any."""
    if sentences:
        frame.show_html("h2", title)
    for sentence in sentences:
        frame.show_html("p", names.in_text(sentence))


def show_changes(found: StudyComparison) -> None:
    """A row a config: what changed on each measure, and what the verdict rests on."""
    measures = [name for name in MEASURES if any(row.measure == name for row in found.rows)]
    by_config: dict[str, dict[str, EvidenceRow]] = {}
    for row in found.rows:
        by_config.setdefault(row.compared, {})[row.measure] = row
    show_table(
        {
            "caption": f"{second} against {first}",
            "sortable": False,
            "columns": [{"label": "config"}, *({"label": MEASURES[name]} for name in measures)],
            "rows": [
                {
                    "id": config,
                    "cells": [
                        {"text": names.short(config), "full": names.full(config)},
                        *(cell(rows.get(name)) for name in measures),
                    ],
                }
                for config, rows in by_config.items()
            ],
        },
        key="changes",
    )


def cell(row: EvidenceRow | None) -> dict[str, str]:
    """A verdict, or a figure that has none, with what it rests on beneath."""
    if row is None:
        return {"text": "–", "note": "not compared"}
    if not row.verdict:
        return {"text": row.figures, "note": beside(row).removeprefix(f"{row.figures}, ")}
    return {"text": verdict_text(row), "note": beside(row)}


def best_other(study: StudyRow, others: list[StudyRow]) -> str | None:
    """The study that compares best: one with a config of this one's, of its suite, at its batch
    size, with most of its configs, and the newest of those alike."""

    def likeness(number: int) -> tuple[bool, bool, bool, int, int]:
        other = others[number]
        shared = len(set(other.complete_configs) & set(study.complete_configs))
        same_batch = _batch_size(other) == _batch_size(study)
        return shared > 0, other.suite == study.suite, same_batch, shared, number

    return others[max(range(len(others)), key=likeness)].name if others else None


def _batch_size(study: StudyRow) -> int:
    return study.protocol.batch_size if study.protocol else 1


study = frame.current_study()
frame.show_html("h1", "Compare studies")
with frame.errors_in_words():
    key = cached.content()
    other_studies = [row for row in cached.studies(key) if row.name != study.name]
others = [row.name for row in other_studies]
PARAMETERS = {"with": address.one_of(others, best_other(study, other_studies))}
address.read("compare", PARAMETERS)
if not others:
    frame.show_html("p", "There is only one study in this database. Run a second to compare with:")
    st.code("python -m vibecore run --family demo --study second", language=None, wrap_lines=True)
    address.write("compare", PARAMETERS)
    st.stop()
frame.show_html(
    "p",
    "The same suite on two machines, or at two times: what changed, config by config, in the "
    "sidebar's study against the one chosen here. Only what is comparable is compared.",
)
first = st.selectbox("Compare with", others, key="with")
address.write("compare", PARAMETERS)
second = study.name
with frame.errors_in_words():
    names = names_of([*cached.runs(key, second), *cached.runs(key, first)])
    try:
        found = cached.comparison(key, first, second)
    except NothingShared as error:
        # Studies that share no config are no fault: some of the shipped ones share none.
        frame.show_html("p", f"{error} Choose another study to compare with.")
        st.stop()
frame.show_loss(second)
frame.show_loss(first)
frame.show_html("h2", f"What changed in {second} against {first}")
if found.rows:
    show_changes(found)
    speeds = [row for row in found.rows if row.measure == "speed"]
    figure = evidence_figure(rows_in_short(speeds, names), "ratio")
    if figure.chart is not None:
        finding = figure.title.removeprefix("Speed: ")
        frame.show_html("h2", f"Speed, one run each: {finding}")
        frame.show_note(figure.note)
        st.altair_chart(figure.chart, width="stretch", key="change-speed")
else:
    frame.show_html("p", "Nothing can be compared between these two.")
show_sentences("Not compared", found.left_out)
show_sentences(
    "What differs",
    tuple(f"{sentence[:1].upper()}{sentence[1:]}." for sentence in found.differences),
)
frame.show_note(
    "Better and worse describe the sidebar's study relative to the other. Speed's interval is over "
    "prompts, from one run each: how a machine varies from run to run is not in it. Comparisons "
    "of counts are Holm-adjusted, measure by measure; those of speed are not.",
)
