"""Speed: what `bench` measured: whole answers, decoding against the memory's bandwidth, and where
one step's time goes, with the machine and the date.

Each engine against the other, host time against GPU time, one decode step by layer and by kernel,
every figure with its bottleneck (overhead-bound, memory-bound, …). On a study without a bench,
links to those that have one.
"""

from __future__ import annotations

import shlex

import streamlit as st

from pages.parts import address, cached, frame
from pages.parts.components import link, show_table
from pages.parts.drawing import show
from vibecore.core.paths import DEFAULT_DB, database_path
from vibecore.core.rows import StudyRow
from vibecore.views.charts.engine_speed import (
    batch_sizes,
    engine_figure,
    host_figure,
    mbu_figure,
)
from vibecore.views.charts.step_time import kernel_figure, layer_figure
from vibecore.views.charts.whole_answers import answer_figure
from vibecore.views.short_names import names_of
from vibecore.views.tables.speed import (
    bottlenecks_met,
    measured_where,
    model_table,
    profiles,
    speed_table,
)

MEASURE = (
    "python -m vibecore bench --family qwen2.5 --weights dummy --engine eager --engine graph "
    "--profile --out bench.json"
)


def import_command() -> str:
    """The command that imports a bench into the database that is shown."""
    shown = database_path()
    place = "" if shown == DEFAULT_DB else f" --db {shlex.quote(str(shown))}"
    return f"python -m vibecore import bench.json{place}"


def show_benches(benches: list[StudyRow]) -> None:
    """The studies that have a bench, each a link to its Speed page."""
    frame.show_html(
        "p",
        "This study has no bench: its speeds are on Metrics and Charts. A bench measures decoding "
        "alone, against the memory's bandwidth, as a study of its own."
        + (" This database has these:" if benches else ""),
    )
    if benches:
        show_table(
            {
                "caption": "Studies with a bench",
                "look": "plain prose",
                "sortable": False,
                "columns": [{"label": "study"}, {"label": "what"}],
                "rows": [
                    {
                        "id": bench.name,
                        "link": link("speed", study=bench.name),
                        "cells": [{"text": bench.name, "opens": True}, {"text": bench.title}],
                    }
                    for bench in benches
                ],
            },
            key="benches",
        )
    frame.show_html("p", "Make one and import it:")
    st.code(f"{MEASURE}\n{import_command()}", language=None, wrap_lines=True)


study = frame.current_study()
with frame.errors_in_words():
    results = cached.bench(cached.content(), study.name)
found = profiles(results)
PARAMETERS = {"step": address.one_of(list(found), next(iter(found), None))}
address.read("speed", PARAMETERS)
frame.show_html("h1", "Speed")
frame.show_loss(study.name)
if not results:
    with frame.errors_in_words():
        benches = cached.benches(cached.content())
    show_benches(benches)
    address.write("speed", PARAMETERS)
    st.stop()
frame.show_html("p", measured_where(study, results))
if study.note:
    frame.show_html("p", study.note, "vc-soft")
with frame.errors_in_words():
    names = names_of(cached.runs(cached.content(), study.name))
measured = [
    {**result, "config": names.short(result["config"])} for result in results if not result["error"]
]
sizes = batch_sizes(measured)
for size in sizes:
    show(answer_figure(measured, size), f"answers-{size}")
    show(mbu_figure(measured, size), f"mbu-{size}")
    show(engine_figure(measured, size), f"engines-{size}")
    host = host_figure(measured, size)
    if host.chart is not None or size == sizes[-1]:
        show(host, f"host-{size}")
if found:
    frame.show_html("h2", "Where one step's time goes")
    chosen = st.selectbox("Config and engine", list(found), format_func=names.in_text, key="step")
    show(layer_figure(found[chosen], names.in_text(chosen)), "layers")
    show(kernel_figure(found[chosen], names.in_text(chosen)), "kernels")
address.write("speed", PARAMETERS)
frame.show_html("h2", "The figures")
show_table(speed_table(results, names), key="speeds")
for sentence in bottlenecks_met(measured):
    frame.show_html("p", sentence, "vc-soft")
show_table(model_table(results, names), key="models")
