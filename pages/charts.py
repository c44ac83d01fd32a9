"""Charts: memory against speed and quality, speed, loss, repetition and adherence, prompts.

With 95 % intervals and the Pareto front, by category and prompt by prompt. Each chart says its
finding in its title, and a click opens the outputs behind a mark. Of a study of more than 50
configs so many are drawn, by name and order.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.parts import address, cached, drawing, frame, part
from pages.parts.components import link, open_view, show_table
from vibecore.analysis.metrics import known_metrics
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.prompts import category_figure, prompt_figure
from vibecore.views.charts.quality import (
    constraint_adherence_figure,
    prompt_adherence_figure,
    repetition_figure,
)
from vibecore.views.charts.speed import loss_figure, speed_figure
from vibecore.views.charts.tradeoff import tradeoff_figure
from vibecore.views.short_names import names_of
from vibecore.views.tables.metrics import prompt_table

OF_THESE = "What the charts and their titles say is of these configs, not of the others."
# A grid of more prompts than a person scans; Outputs has a list that filters.
MOST_PROMPTS = 200


def show(figure: Figure, key: str) -> None:
    """A figure; a click goes to what is behind the mark."""
    if picked := drawing.show(figure, key, opens=True):
        open_view(behind(picked))


def behind(picked: dict[str, Any]) -> dict[str, Any]:
    """The view behind a mark: outputs of its config, its category or its prompt."""
    return link(
        "outputs",
        study=study.name,
        prompt=picked.get("prompt_id"),
        configs=[picked["config"]],
        category=picked.get("category"),
    )


study = frame.current_study()
key = cached.content()
frame.show_html("h1", "Charts")
frame.show_warnings(study.name)
with frame.errors_in_words():
    summary = cached.summary(key, study.name)
    outcomes = cached.evidence(key, study.name).outcomes
known = known_metrics(summary.rows)
parameters = part.parameters(summary.rows, known)
address.read("charts", parameters)
shown = part.choose(summary.rows, known, summary.sweet_spot)
address.write("charts", parameters)
rows = shown.rows
if not rows:
    st.stop()
if not shown.whole:
    frame.show_note(OF_THESE)
few = study.prompt_count <= MOST_PROMPTS
with frame.errors_in_words():
    scores = cached.scores(key, study.name, shown.named) if few else []

wide = {
    "speed": speed_figure(rows, outcomes),
    "loss": loss_figure(rows, outcomes),
    "repetition": repetition_figure(rows),
    "by-prompt": prompt_adherence_figure(rows),
    "by-constraint": constraint_adherence_figure(rows),
}
show(tradeoff_figure(rows), "tradeoff")
for name, figure in wide.items():
    show(figure, name)
if study.source == "published":
    frame.show_html("h2", "By category and by prompt: not published")
    frame.show_html(
        "p", "The report gives totals and two outputs. Choose a measured study to see both charts."
    )
elif not few:
    frame.show_html("h2", f"{study.prompt_count:,} prompts are too many to draw one by one")
    frame.show_html("p", "Outputs lists them, with filters.")
else:
    show(category_figure(scores, rows), "category")
    show(prompt_figure(scores, rows), "prompts")
    if scores:
        with st.expander("The same grid as a table of links"):
            show_table(
                prompt_table(
                    scores,
                    lambda prompt: link("outputs", study=study.name, prompt=prompt),
                    names_of(summary.rows),
                ),
                key="grid",
            )
