"""Outputs: one prompt, two to six configs side by side, with scores, verdicts and differences.

The text with repetition, loops or differences marked, how it ended, every constraint's verdict in a
sentence; filters, search, previous and next.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

import vibecore
from pages.parts import address, cached, downloads, frame
from pages.parts.components import link, show_cards
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core.formats import counted
from vibecore.core.rows import PromptResult
from vibecore.views.cards import MARKINGS, Card, missing_card, output_card, prompt_rows

MOST_CONFIGS = 6
FIRST_CONFIGS = 3
LISTED_PROMPTS = 200
SHOW = {"all": "all prompts", "differ": "configs differ", "repetitive": "repetitive"}
# Offered where a study has such outputs.
NO_ANSWER = "no answer"
LEGENDS = {
    "repetition": "Marked: word pairs that occurred earlier in the same text; their share is the "
    "repetition score.",
    "difference": "Marked: words that the baseline {baseline} does not have there, by a "
    "word-by-word diff.",
    "nothing": None,
}


def first_configs(sweet_spot: str | None) -> list[str]:
    """What is shown before anything is chosen: the sweet spot among the first with outputs."""
    with_outputs = [config for config, run in runs.items() if run.prompts]
    if study.source == "published":
        rows = cached.outputs(key, study.name, everything.ids[0])
        with_outputs = [row.config for row in rows]
    chosen = (with_outputs or list(runs))[:FIRST_CONFIGS]
    if sweet_spot and sweet_spot not in chosen:
        chosen = [*chosen[: FIRST_CONFIGS - 1], sweet_spot]
    return chosen


def parameters(sweet_spot: str | None) -> dict[str, address.Parameter]:
    """The parameters of a view's address."""
    configs = list(runs)
    return {
        "prompt": address.member_of(everything.ids, everything.ids[0]),
        "configs": address.some_of(configs, first_configs(sweet_spot), MOST_CONFIGS),
        "mark": address.one_of(MARKINGS, MARKINGS[0]),
        "baseline": address.one_of(configs, configs[0]),
        "category": address.one_of(everything.categories),
        "show": address.one_of(list(shows()), "all"),
        "failing": address.one_of(everything.checks),
        "search": address.text(),
    }


def shows() -> dict[str, str]:
    """What the list can be limited to, with its words."""
    missing = any(row.no_answer or row.non_finite for row in runs.values())
    return {**SHOW, NO_ANSWER: NO_ANSWER} if missing else SHOW


def choose_configs() -> tuple[list[str], str, str]:
    """Which configs, what is marked in their texts, and the baseline of a difference."""
    left, middle, right = st.columns([3, 1.2, 1.2])
    configs = list(runs)
    chosen = left.multiselect("Configs", configs, max_selections=MOST_CONFIGS, key="configs")
    marking = middle.selectbox("Mark in the texts", MARKINGS, key="mark")
    baseline = right.selectbox(
        "Baseline",
        configs,
        key="baseline",
        disabled=marking != "difference",
        help="What a difference is marked against.",
    )
    return sorted(chosen, key=configs.index), marking, baseline


def choose_filter(configs: list[str]) -> vibecore.PromptFilter:
    """Which prompts are listed."""
    category, only, failing, search = st.columns([1.2, 1.2, 1.4, 1.6])
    return vibecore.PromptFilter(
        configs=tuple(configs),
        category=category.selectbox(
            "Category", everything.categories, index=None, placeholder="all", key="category"
        ),
        only=only.selectbox("Show", list(shows()), format_func=shows().__getitem__, key="show"),
        failing=failing.selectbox(
            "Failing a check",
            everything.checks,
            index=None,
            placeholder="any or none",
            key="failing",
        ),
        search=search.text_input("Text in prompt or output", key="search", placeholder="any")
        or None,
    )


def step_through(prompt: str, listed: list[str]) -> None:
    """Buttons and keys for the previous and the next prompt of the list."""
    at = listed.index(prompt) if prompt in listed else None
    with st.container(horizontal=True, vertical_alignment="center"):
        back = st.button(
            "Previous", shortcut="Left", key="previous", disabled=not listed or at in (None, 0)
        )
        onward = st.button(
            "Next", shortcut="Right", key="next", disabled=not listed or at == len(listed) - 1
        )
        where = f"{at + 1} of {len(listed)}" if at is not None else f"not among {len(listed)}"
        frame.show_html("span", f"{prompt} · {where} listed", "vc-soft")
    if back or onward:
        step = (at - 1 if back else at + 1) if at is not None else 0
        go_to(listed[step])


def go_to(prompt: str) -> None:
    """Show a prompt."""
    st.session_state["prompt"] = prompt
    st.rerun()


def near(prompt: str, listed: list[str]) -> tuple[str, ...]:
    """The part of the list around a prompt, with the prompt itself."""
    at = listed.index(prompt) if prompt in listed else 0
    start = max(0, min(at - LISTED_PROMPTS // 2, len(listed) - LISTED_PROMPTS))
    part = listed[start : start + LISTED_PROMPTS]
    return tuple(part if prompt in part else [*part, prompt])


def list_around(
    prompt: str, listed: list[str], results: list[PromptResult], configs: list[str]
) -> dict[str, Any]:
    """The prompt list around the current prompt."""
    members = set(listed)
    rows = prompt_rows([row for row in results if row.prompt_id in members], configs)
    for row in rows:
        row["current"] = row["id"] == prompt
        view = link("outputs", study=study.name, prompt=row["id"], configs=configs)
        row["href"] = view["href"]
    note = counted(len(listed), "prompt")
    if len(rows) < len(listed):
        note += f", {len(rows)} of them shown"
    return {"rows": rows, "configs": configs, "note": note}


def make_cards(prompt: str, configs: list[str], marking: str, baseline: str) -> list[Card]:
    """One card a config, with a word of explanation where there is no output."""
    outputs = {row.config: row for row in cached.outputs(key, study.name, prompt)}
    published = study.source == "published"
    against = outputs.get(baseline)
    cards = []
    for config in configs:
        run = runs[config]
        if config not in outputs:
            why = "No output of this config was published." if published else _why_none(run)
            cards.append(missing_card(config, run.precision, why))
            continue
        cards.append(
            output_card(
                outputs[config],
                run.precision,
                sweet_spot=run.sweet_spot,
                published=published,
                marking=marking,
                baseline=against,
                same_tokenizer=run.model == runs[baseline].model,
            )
        )
    return cards


def _why_none(run: ConfigMetrics) -> str:
    if run.status == "failed":
        return f"This config failed: {run.error}"
    return f"No output yet: the run is {run.status}."


study = frame.current_study()
key = cached.content()
with frame.errors_in_words():
    summary = cached.summary(key, study.name)
    everything = cached.prompt_list(key, study.name)
runs = {row.config: row for row in summary.rows}
frame.show_html("h1", "Outputs")
frame.show_warnings(study.name)
if not everything.ids or not runs:
    frame.show_html("p", "This study has no prompts stored, so there is nothing to read here.")
    st.stop()

described = parameters(summary.sweet_spot.config)
address.read("outputs", described)
configs, marking, baseline = choose_configs()
wanted = choose_filter(configs) if len(everything.ids) > 1 else None
address.write("outputs", described)
prompt = st.session_state["prompt"]
with frame.errors_in_words():
    filtered = wanted is not None and wanted != vibecore.PromptFilter(configs=wanted.configs)
    found = cached.prompt_list(key, study.name, wanted) if filtered else everything
if len(everything.ids) > 1:
    step_through(prompt, found.ids)
if not found.ids:
    frame.show_html("p", "No prompt matches. Clear a filter to see the list again.", "vc-soft")
if not configs:
    frame.show_html("p", "Choose at least one config to read its output.", "vc-soft")
with frame.errors_in_words():
    results = cached.prompt_results(key, study.name, near(prompt, found.ids))
    shown = next(row for row in results if row.prompt_id == prompt)
    chosen = show_cards(
        {
            "list": list_around(prompt, found.ids, results, configs),
            "prompt": {
                "id": prompt,
                "category": shown.category,
                "text": shown.prompt,
                "note": "The one published prompt; two of its outputs were published."
                if study.source == "published"
                else None,
            },
            "legend": (LEGENDS[marking] or "").format(baseline=baseline) or None,
            "cards": make_cards(prompt, configs, marking, baseline),
        },
        key="cards",
    )
if chosen:
    go_to(chosen)
with frame.errors_in_words():
    rows = [row for row in cached.outputs(key, study.name, prompt) if row.config in configs]
frame.show_scorers(study.name)
if rows:
    downloads.show(downloads.outputs(rows), f"{study.name}-{prompt}")
