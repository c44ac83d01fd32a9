"""About: the pages, the protocol, each score with its source, the limits, words, and where studies
ran.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import zip_longest
from typing import Any

import streamlit as st

from pages.parts import address, cached, frame, page_table
from pages.parts.components import link, show_table
from vibecore.analysis.asked import HASH_LENGTH, model_asked
from vibecore.analysis.flag_accuracy import Agreement, measure_flags
from vibecore.core import formats
from vibecore.core.rows import RunRow
from vibecore.scoring import CHECKS, SCORER_VERSION
from vibecore.studies.rescore import versions_note
from vibecore.views.decoding_facts import decoding_facts
from vibecore.views.glossary import FLAG_NAMES, LABELLED, LIMITS, PROTOCOL, RULE, SCORES, WORDS
from vibecore.views.precision_words import HEADS, precision_rows
from vibecore.views.tables.metrics import shape


def show_list(items: Iterable[str], tag: str = "ul") -> None:
    """A list of sentences."""
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    st.html(f'<{tag} class="vc-list">{lines}</{tag}>')


def show_plain_table(
    caption: str,
    columns: list[str],
    rows: list[list[Any]],
    key: str,
    look: str = "plain",
    links: Sequence[dict[str, Any]] = (),
) -> None:
    """A small table of text; a cell is text or a cell of the table component. Of many columns it
    needs the `look` "", which has one block a row where the page is narrow. `links` are what the
    rows open."""
    show_table(
        {
            "caption": caption,
            "look": look,
            "sortable": False,
            "columns": [{"label": column} for column in columns],
            "rows": [
                {
                    "id": str(number),
                    "link": link_,
                    "cells": [
                        cell if isinstance(cell, dict) else {"text": str(cell)} for cell in row
                    ],
                }
                for number, (row, link_) in enumerate(zip_longest(rows, links))
            ],
        },
        key=key,
    )


@st.cache_data(show_spinner=False)
def measured_flags(scorer_version: int) -> list[Agreement]:
    """Each flag against the labelled set, by this version of the scorers."""
    return measure_flags()


def show_pages() -> None:
    """The pages in the order of use, each a link."""
    shown = [
        (section, page, title)
        for section, pages in page_table.SECTIONS.items()
        for page, title in pages.items()
        if page not in page_table.ACTING or page_table.may_act()
    ]
    show_plain_table(
        "Pages",
        ["page", "what it shows", "section"],
        [
            [{"text": title, "opens": True}, page_table.what_it_shows(page), section]
            for section, page, title in shown
        ],
        "pages",
        links=[link(page, study=study.name) for _, page, _ in shown],
    )


def show_flags() -> None:
    """How well the flags find what a reader called looping."""
    flags = measured_flags(SCORER_VERSION)
    frame.show_html("h2", "How well the flags find loops")
    counts = {"outputs": flags[0].outputs, "looping": flags[0].looping}
    frame.show_html("p", LABELLED.format(**counts))
    show_plain_table(
        "Flags against the labelled outputs",
        ["flag", "flagged", "precision", "recall"],
        [
            [
                FLAG_NAMES[found.flag],
                f"{found.flagged} of {found.outputs}",
                _share(found.both, found.flagged, found.precision_interval),
                _share(found.both, found.looping, found.recall_interval),
            ]
            for found in flags
        ],
        "flags",
    )


def _share(part: int, whole: int, interval: tuple[float, float] | None) -> dict[str, str]:
    if interval is None:
        return {"text": "–"}
    low, high = (100 * bound for bound in interval)
    return {
        "text": f"{100 * part / whole:.0f} % ({part} of {whole})",
        "note": f"{low:.0f}–{high:.0f} %",
    }


def show_environment() -> None:
    """Where the chosen study was made, as it was recorded."""
    frame.show_html("h2", f"This study: {study.title}")
    frame.show_warnings(study.name)
    if study.note:
        frame.show_html("p", study.note)
    frame.show_model_notes(study.name)
    with frame.errors_in_words():
        runs = cached.runs(cached.content(), study.name)
    note = versions_note(runs, study.name)
    frame.show_html("p", note or f"Scored by scorer version {SCORER_VERSION}.", "vc-soft")
    environment = next((run.environment for run in runs if run.environment), {})
    machine = environment.get("machine") or {}
    gpu = environment.get("gpu") or {}
    protocol = formats.to_record(study)["protocol"]
    facts = {
        "hardware": study.hardware,
        "processor": machine.get("cpu") or environment.get("cpu"),
        "cores": machine.get("cores"),
        "memory": formats.memory(machine.get("memory_bytes")) if machine else None,
        "system": machine.get("system"),
        "GPU": gpu.get("name"),
        "driver": machine.get("driver"),
        "packages": ", ".join(
            f"{name} {version}"
            for name, version in (environment.get("packages") or {}).items()
            if version
        ),
        "Python": environment.get("python"),
        "decoding": ", ".join(f"{name} {value}" for name, value in protocol.items()),
        **decoding_facts(environment, study.protocol),
        "suite hash": (study.suite_sha256 or "")[:12],
        "code": (study.code_commit or "")[:12],
    }
    known = [[name, value] for name, value in facts.items() if value not in (None, "")]
    show_plain_table("Environment of this study", ["what", "recorded"], known, "environment")
    show_plain_table(
        "Runs of this study",
        ["config", "model", "asked", "weights", "computed in", "loaded in", "status"],
        [_run(run) for run in runs],
        "runs",
        look="",
    )


def _run(run: RunRow) -> list[Any]:
    seconds = run.load_seconds
    status = run.status + (f": {run.error}" if run.error else "")
    model = model_asked(run)
    revision = f"revision {run.revision[:HASH_LENGTH]}" if run.revision else None
    return [
        {"text": run.config, "shape": shape(run.precision)},
        {"text": run.source, "note": ", ".join(filter(None, (revision, model.identity)))},
        {
            "text": ", ".join(filter(None, (model.kind, model.asked))) or "not recorded",
            "note": model.system,
        },
        model.stored or run.weights,
        run.dtype or "not recorded",
        "not recorded" if seconds is None else f"{seconds:.1f} s",
        status,
    ]


study = frame.current_study()
address.read("about", {})
address.write("about", {})
frame.show_html("h1", "About")
frame.show_html(
    "p",
    "Which small model, at which precision, should run on one consumer GPU? The same prompts go "
    "through every config, every output is scored, and one rule chooses.",
)
frame.show_html("h2", "Where to look")
show_pages()
frame.show_html("h2", "How it is measured")
show_list(PROTOCOL)
frame.show_html("h2", "How the sweet spot is chosen")
show_list(RULE, "ol")
frame.show_html("h2", "What the scores are")
show_plain_table(
    "Scores",
    ["score", "formula", "source"],
    [[score.name, score.formula, score.source] for score in SCORES],
    "scores",
)
show_flags()
frame.show_html("h2", "What the precisions are")
show_plain_table(
    "Precisions",
    [*HEADS, "defined in"],
    [
        [
            {"text": row.name, "shape": shape(row.name.split(", ")[0])},
            row.title,
            row.bits,
            row.unquantised,
            row.calibration,
            row.hardware,
            row.install or "–",
            row.link.removeprefix("https://"),
        ]
        for row in precision_rows()
    ],
    "precisions",
    look="",
)
frame.show_html("h2", "What this cannot say")
show_list(LIMITS)
frame.show_html("h2", "Words")
show_plain_table(
    "Words", ["word", "means"], [[word, meaning] for word, meaning in WORDS.items()], "words"
)
show_environment()
with st.expander(f"The {len(CHECKS)} checks that a constraint can name"):
    show_plain_table(
        "Checks",
        ["check", "what it demands"],
        [[name, check.sentence.replace("`", "")] for name, check in CHECKS.items()],
        "checks",
    )
