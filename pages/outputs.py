"""Outputs: what the configs wrote, one prompt side by side or many as a grid, with verdicts.

Side by side: one prompt at one to eight configs, the text with repetition, loops or differences
marked, or the 16-bit parent's with the tokens at which a config would have chosen otherwise; how it
ended, every constraint's verdict in a sentence. The grid: prompts × configs, each
answer's beginning with its verdicts, sorted by how much the configs disagree. Filters, search,
previous and next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

import vibecore
from pages.parts import address, cached, downloads, frame, outputs_grid
from pages.parts.components import link, show_cards
from vibecore.core.fidelity import TokenMarks
from vibecore.core.formats import counted
from vibecore.core.rows import PromptResult
from vibecore.views.badge import choice_badge
from vibecore.views.cards import MARKINGS, Card, missing_card, output_card, prompt_rows, why_missing
from vibecore.views.cut_off import DECIDED
from vibecore.views.disagreement import ORDERS, differences, texts_differ
from vibecore.views.short_names import names_of
from vibecore.views.token_marks import OTHERWISE, leading, led_along

# As many as a study of formats has, and one more.
MOST_CONFIGS = 8
LISTED_PROMPTS = 200
SIDE, GRID = "side by side", "grid"
# view -> how its prompts are sorted, and how many configs it shows, before anything is chosen
FIRST_ORDER = {SIDE: "suite", GRID: "disagreement"}
FIRST_CONFIGS = {SIDE: 3, GRID: MOST_CONFIGS}
SHOW = {
    "all": "all prompts",
    "differ": "configs differ in a verdict",
    "differ in adherence": "configs differ in adherence",
    "differ in broken": "configs differ in broken",
    "differ in text": "configs differ in text",
    "broken": "broken",
}
# Offered where a study has such outputs.
NO_ANSWER = "no answer"
LEGENDS = {
    "repetition": "Marked: word pairs that occurred earlier in the same text; their share is the "
    "repetition score.",
    "difference": "Marked: words that the baseline {baseline} does not have there, by a "
    "word-by-word diff.",
    OTHERWISE: "In the place of a config's answer stands its 16-bit parent's, read along. Marked: "
    "where the config would have chosen another next token than the parent; after it that token, "
    "with the probability that the config gives it.",
    "nothing": None,
}
NO_MARKS = "None of these configs was compared with its 16-bit parent on this prompt."
# Set by a filter that was changed: the first prompt it leaves is shown.
_FILTERED = "a filter was changed"


def first_configs(sweet_spot: str | None, view: str) -> list[str]:
    """What is shown before anything is chosen: the sweet spot among the first with outputs."""
    most = FIRST_CONFIGS[view]
    with_outputs = [config for config, run in runs.items() if run.prompts]
    if study.source == "published":
        rows = cached.outputs(key, study.name, everything.ids[0])
        with_outputs = [row.config for row in rows]
    chosen = (with_outputs or list(runs))[:most]
    if sweet_spot and sweet_spot not in chosen:
        chosen = [*chosen[: most - 1], sweet_spot]
    return chosen


def parameters(sweet_spot: str | None, view: str) -> dict[str, address.Parameter]:
    """The parameters of a view's address."""
    configs = list(runs)
    return {
        "sort": address.one_of(list(ORDERS), FIRST_ORDER[view]),
        "prompt": address.member_of(everything.ids, everything.ids[0]),
        "configs": address.some_of(configs, first_configs(sweet_spot, view), MOST_CONFIGS),
        "mark": address.one_of(markings(), MARKINGS[0]),
        "baseline": address.one_of(configs, configs[0]),
        "category": address.one_of(everything.categories),
        "show": address.one_of(list(shows()), "all"),
        "failing": address.one_of(everything.checks),
        "search": address.text(),
        "start": address.number(1, len(everything.ids), 1, int),
    }


def markings() -> list[str]:
    """What can be marked in this study's texts."""
    with frame.errors_in_words():
        return [*MARKINGS, *([OTHERWISE] if cached.compared(key, study.name) else [])]


def shows() -> dict[str, str]:
    """What the list can be limited to, with its words."""
    offered = dict(SHOW)
    if any(row.no_answer or row.non_finite for row in runs.values()):
        offered[NO_ANSWER] = NO_ANSWER
    if any(row.adherence_cut for row in runs.values()):
        offered[DECIDED] = DECIDED
    return offered


def choose_view() -> tuple[str, list[str]]:
    """Side by side or the grid, and of which configs; side by side also what is marked in their
    texts, and against which one."""
    grid = st.session_state["view"] == GRID
    with st.container(key="view-row"):
        left, wide, *marks = st.columns([1.3, 5.4] if grid else [1.3, 3, 1.2, 1.2])
    view = left.radio(
        "View", list(FIRST_ORDER), horizontal=True, key="view", on_change=_view_changed
    )
    configs = list(runs)
    chosen = wide.multiselect(
        "Configs",
        configs,
        max_selections=MOST_CONFIGS,
        format_func=names.short,
        key="configs",
    )
    if marks:
        marking = marks[0].selectbox("Mark in the texts", markings(), key="mark")
        marks[1].selectbox(
            "Baseline",
            configs,
            format_func=names.short,
            key="baseline",
            disabled=marking != "difference",
            help="What a difference is marked against.",
        )
    return view, sorted(chosen, key=configs.index)


def _view_changed() -> None:
    """The order and the configs of a view's first sight, where nothing else was chosen."""
    spot, view = summary.sweet_spot.config, st.session_state["view"]
    other = SIDE if view == GRID else GRID
    st.session_state["sort"] = FIRST_ORDER[view]
    if st.session_state["configs"] == first_configs(spot, other):
        st.session_state["configs"] = first_configs(spot, view)


def choose_filter(configs: list[str]) -> vibecore.PromptFilter:
    """Which prompts are listed, and in which order."""
    with st.container(key="filters"):
        category, only, failing, search, order = st.columns([1, 1.4, 1.2, 1.2, 1.4])
    return vibecore.PromptFilter(
        configs=tuple(configs),
        category=category.selectbox(
            "Category",
            everything.categories,
            index=None,
            placeholder="all",
            key="category",
            on_change=_filter_changed,
        ),
        only=only.selectbox(
            "Show",
            list(shows()),
            format_func=shows().__getitem__,
            key="show",
            on_change=_filter_changed,
        ),
        failing=failing.selectbox(
            "Failing a check",
            everything.checks,
            index=None,
            placeholder="any or none",
            key="failing",
            on_change=_filter_changed,
        ),
        search=search.text_input(
            "Search", key="search", placeholder="prompt or output", on_change=_filter_changed
        )
        or None,
        order=order.selectbox(
            "Sort",
            list(ORDERS),
            format_func=ORDERS.__getitem__,
            key="sort",
            on_change=_filter_changed,
        ),
    )


def _filter_changed() -> None:
    st.session_state[_FILTERED] = True


def move_to_first(listed: list[str]) -> None:
    """After a filter was changed, show the first prompt that it leaves."""
    if st.session_state.pop(_FILTERED, False):
        st.session_state["start"] = 1
        if listed:
            st.session_state["prompt"] = listed[0]


def step_through(prompt: str, listed: list[str]) -> None:
    """Buttons and keys for the previous and the next prompt of the list."""
    at = listed.index(prompt) if prompt in listed else None
    with frame.row():
        back = st.button(
            "Previous", shortcut="Left", key="previous", disabled=not listed or at in (None, 0)
        )
        onward = st.button(
            "Next", shortcut="Right", key="next", disabled=not listed or at == len(listed) - 1
        )
        where = f"{at + 1} of {len(listed)}" if at is not None else f"not among {len(listed)}"
        frame.show_note(f"{prompt} · {where} listed")
    if back or onward:
        step = (at - 1 if back else at + 1) if at is not None else 0
        go_to(listed[step])


def go_to(prompt: str) -> None:
    """Show a prompt."""
    st.session_state["prompt"] = prompt
    st.rerun()


def view_of(prompt: str, configs: Sequence[str]) -> dict[str, Any]:
    """The side-by-side view of a prompt, with the filters and the order as they are."""
    kept = {name: st.session_state[name] for name in ("category", "failing", "search")}
    for name, default in (("show", "all"), ("sort", FIRST_ORDER[SIDE])):
        kept[name] = st.session_state[name] if st.session_state[name] != default else None
    return link("outputs", study=study.name, prompt=prompt, configs=list(configs), **kept)


def near(prompt: str, listed: list[str]) -> tuple[str, ...]:
    """The part of the list around a prompt, with the prompt itself."""
    at = listed.index(prompt) if prompt in listed else 0
    start = max(0, min(at - LISTED_PROMPTS // 2, len(listed) - LISTED_PROMPTS))
    part = listed[start : start + LISTED_PROMPTS]
    return tuple(part if prompt in part else [*part, prompt])


def list_around(
    prompt: str, listed: list[str], results: list[PromptResult], configs: list[str]
) -> dict[str, Any]:
    """The prompt list around the current prompt, in its order."""
    place = {id_: number for number, id_ in enumerate(listed)}
    rows = prompt_rows([row for row in results if row.prompt_id in place], configs)
    rows.sort(key=lambda row: place[row["id"]])
    for row in rows:
        row["current"] = row["id"] == prompt
        row["href"] = view_of(row["id"], configs)["href"]
    note = counted(len(listed), "prompt")
    if len(rows) < len(listed):
        note += f", {len(rows)} of them shown"
    by_difference = st.session_state["show"].startswith("differ")
    return {
        "rows": rows,
        "configs": [names.short(config) for config in configs],
        "note": note,
        "differ": by_difference,
    }


def marks_of(prompt: str, configs: list[str]) -> dict[str, TokenMarks]:
    """By config, what it would have chosen along its parent's output, where that is to be marked
    and was measured."""
    if st.session_state["mark"] != OTHERWISE:
        return {}
    return cached.token_marks(key, study.name, tuple(configs), prompt)


def legend_of(prompt: str, configs: list[str]) -> str | None:
    """What is marked in the texts."""
    marking = st.session_state["mark"]
    if marking == OTHERWISE and not marks_of(prompt, configs):
        return NO_MARKS
    baseline = names.short(st.session_state["baseline"])
    return (LEGENDS[marking] or "").format(baseline=baseline) or None


def make_cards(prompt: str, configs: list[str]) -> list[Card]:
    """One card a config, with a word of explanation where there is no output."""
    marking, baseline = st.session_state["mark"], st.session_state["baseline"]
    # The baseline may be none of those shown.
    outputs = first_outputs(prompt, [*configs, baseline])
    marks = marks_of(prompt, configs)
    published = study.source == "published"
    cards = []
    for config in configs:
        run = runs[config]
        if config not in outputs:
            cards.append(missing_card(config, run.precision, why_missing(run, published)))
            continue
        card = output_card(
            outputs[config],
            run.precision,
            badge=choice_badge(summary.sweet_spot, config),
            published=published,
            marking=marking,
            baseline=outputs.get(baseline),
            same_tokenizer=run.model == runs[baseline].model,
        )
        found = marks.get(config)
        if found:
            card = led_along(card, found, names.short(found.against))
        elif any(config == one.against for one in marks.values()):
            card = leading(card)
        cards.append(card)
    return [
        {**card, "name": names.short(card["config"]), "full": names.full(card["config"])}
        for card in cards
    ]


def first_outputs(prompt: str, configs: Sequence[str]) -> dict[str, Any]:
    """By config, its first output of a prompt."""
    rows = cached.outputs(key, study.name, prompt, tuple(sorted(set(configs))))
    return {row.config: row for row in reversed(rows)}


def difference_note(
    prompt: str, results: Sequence[PromptResult], configs: Sequence[str]
) -> str | None:
    """In what these configs differ on a prompt, in one sentence; None with fewer than two."""
    outputs = first_outputs(prompt, [*configs, st.session_state["baseline"]])
    written = [config for config in configs if config in outputs]
    if len(written) < 2:
        return None
    here = [
        row
        for row in results
        if row.prompt_id == prompt and row.config in written and not row.sample
    ]
    differ = differences(here)
    if texts_differ([outputs[config].text for config in written]):
        differ.append("text")
    return f"These configs differ here in {', '.join(differ)}." if differ else "No difference here."


def show_side_by_side(configs: list[str], found: list[str]) -> None:
    """The current prompt at the configs, beside the list of prompts."""
    prompt = st.session_state["prompt"]
    if len(everything.ids) > 1:
        step_through(prompt, found)
    with frame.errors_in_words():
        # Of one config where none is chosen: what the prompts are is read all the same.
        read = tuple(configs or list(runs)[:1])
        results = cached.prompt_results(key, study.name, near(prompt, found), read)
        shown = next(row for row in results if row.prompt_id == prompt)
        chosen = show_cards(
            {
                "list": list_around(prompt, found, results, configs),
                "prompt": {
                    "id": prompt,
                    "category": shown.category,
                    "text": shown.prompt,
                    "note": "The one published prompt; two of its outputs were published."
                    if study.source == "published"
                    else None,
                    "differ": difference_note(prompt, results, configs),
                },
                "legend": legend_of(prompt, configs),
                "cards": make_cards(prompt, configs),
            },
            key="cards",
        )
    if chosen:
        go_to(chosen)


study = frame.current_study()
key = cached.content()
with frame.errors_in_words():
    summary = cached.summary(key, study.name)
    everything = cached.prompt_list(key, study.name)
runs = {row.config: row for row in summary.rows}
names = names_of(summary.rows)
frame.show_html("h1", "Outputs")
frame.show_warnings(study.name)
if not everything.ids or not runs:
    frame.show_html("p", "This study has no prompts stored, so there is nothing to read here.")
    st.stop()

seen = {"view": address.one_of(list(FIRST_ORDER), SIDE)}
address.read("outputs", seen)
described = parameters(summary.sweet_spot.config, st.session_state["view"])
address.read("outputs", described)
view, configs = choose_view()
several = len(everything.ids) > 1
wanted = choose_filter(configs) if several else None
with frame.errors_in_words():
    filtered = wanted is not None and wanted != vibecore.PromptFilter(configs=wanted.configs)
    found = cached.prompt_list(key, study.name, wanted) if filtered else everything
move_to_first(found.ids)
address.write("outputs", {**seen, **described})
if not found.ids:
    frame.show_note("No prompt matches. Clear a filter to see the list again.")
if not configs:
    frame.show_note("Choose at least one config to read its output.")
if view == GRID:
    if found.ids and configs:
        outputs_grid.show(
            study,
            found,
            configs,
            summary,
            names.configs,
            st.session_state["sort"],
            view_of,
        )
else:
    show_side_by_side(configs, found.ids)
frame.show_scorers(study.name)
if view == SIDE:
    prompt = st.session_state["prompt"]
    with frame.errors_in_words():
        rows = cached.outputs(key, study.name, prompt, tuple(configs)) if configs else []
    if rows:
        downloads.show(downloads.outputs(rows), study.name, prompt)
