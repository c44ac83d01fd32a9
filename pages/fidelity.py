"""Fidelity: how far each precision moves a model from its 16-bit self: how much it changed, not how
good it is.

Mean KLD by config on a log scale, with 95 % intervals and the noise floor as a band; how the KLD of
tokens is distributed; by category; same top token, Δp and perplexity. Flips, verdicts that are not
the 16-bit parent's, each opening both outputs; after how many tokens the texts differ. On a study
without these figures, why, and how to measure them.
"""

from __future__ import annotations

import shlex
from typing import Any

import streamlit as st

from pages.parts import address, cached, downloads, drawing, frame
from pages.parts.components import link, open_view, show_table
from vibecore.core.fidelity import Reference
from vibecore.core.paths import DEFAULT_DB, database_path
from vibecore.views import fidelity as words
from vibecore.views.charts.fidelity import (
    REFERENCE_WORDS,
    category_figure,
    distribution_figure,
    kld_figure,
)
from vibecore.views.charts.figure import Figure
from vibecore.views.short_names import names_of
from vibecore.views.tables.fidelity import (
    MOST_FLIPS,
    MOST_PAIRS,
    figure_table,
    flip_rows,
    flip_table,
    floor_table,
    pair_table,
    spread_table,
)
from vibecore.views.token_marks import OTHERWISE

# How the figures of a config are read, under their table.
READING = (
    "KLD in nats, names and definitions as llama.cpp's llama-perplexity --kl-divergence has them. "
    "Same top: both would choose the same next token. Δp: the config's probability of the "
    "reference token minus the parent's, in percentage points; RMS is its root mean square. Under "
    "a figure its 95 % interval. Above the noise floor: a test at α = 0.05, adjusted for all "
    "configs of the model. A row opens the outputs beside the parent's."
)
PAIR_NOTE = (
    "The ratio of two mean KLDs over the prompts that both have, the larger first, with its 95 % "
    "interval. Further from the parent: p under 0.05, Holm-adjusted over all pairs of the model."
)
FLOOR_NOTE = (
    "What a parent differs from itself by the order of its arithmetic alone. Nothing below that "
    "can be laid to a precision."
)
FLIP_NOTE = (
    "Lost: passes at the 16-bit parent and fails here; gained: the other way. p: whether flips go "
    "one way more than chance would have them, by exact McNemar where a prompt has one verdict, "
    "else by an exact sign test in which a prompt's flips go together. Texts differ: by so many "
    "tokens half of the outputs have parted from the parent's, each going on from its own."
)


def command(arguments: str) -> str:
    """A command of Vibe check on the database that is shown."""
    shown = database_path()
    place = "" if shown == DEFAULT_DB else f" --db {shlex.quote(str(shown))}"
    return f"python -m vibecore {arguments} --study {shlex.quote(study.name)}{place}"


def show(figure: Figure, key: str) -> None:
    """A figure; a click goes to the outputs of its config beside its parent's."""
    if picked := drawing.show(figure, key, opens=True):
        config = picked["config"]
        open_view(outputs_of(config, results.parents[config], category=picked.get("category")))


def outputs_of(config: str, parent: str, **more: Any) -> dict[str, Any]:
    """The outputs of a parent and a config, with the tokens marked at which the config would have
    chosen otherwise, where that was measured."""
    marked = config in {row.config for row in results.of("outputs")}
    return link(
        "outputs",
        study=study.name,
        configs=[parent, config],
        mark=OTHERWISE if marked else None,
        **more,
    )


def show_how_to_measure() -> None:
    """Why nothing is measured, and the commands that would."""
    never = words.why_never(study, runs)
    frame.show_html("p", never or words.why_not_yet(results, runs))
    if never:
        return
    lines = [command("fidelity")]
    if not results.parents:
        model = shlex.quote(f"{runs[0].model}-bf16") if runs else "MODEL-bf16"
        lines.insert(0, command(f"run --extend --config {model}"))
    elif not results.children:
        lines.insert(0, command("run --extend --config " + shlex.quote(f"{runs[0].model}-4bit")))
    st.code("\n".join(lines), language=None, wrap_lines=True)
    frame.show_note(words.LAUNCH)


def show_measured() -> None:
    """What was measured along the chosen reference."""
    along = st.session_state["along"]
    found = results.of(along)
    if not found:
        frame.show_html("p", f"No config is measured along {REFERENCE_WORDS[along]} yet.")
        show_left_out(along)
        return
    show(kld_figure(found, summary.rows), "kld")
    show_table(figure_table(found, precisions, names, outputs_of), key="figures")
    frame.show_note(READING)
    show_left_out(along)
    show(distribution_figure(found, summary.rows), "distribution")
    show_table(spread_table(found, precisions, names), key="spread")
    if any(one.by_category for one in found):
        show(category_figure(found, summary.rows), "category")
    show_pairs()


def show_left_out(along: Reference) -> None:
    """What is not measured along a reference, or not on all of it."""
    for sentence in words.left_out(results, runs, along):
        frame.show_note(names.in_text(sentence))


def show_pairs() -> None:
    """Every two configs of one model, paired by prompt."""
    pairs = [one for one in results.pairs if one.reference == st.session_state["along"]]
    if not pairs:
        return
    with st.expander(f"Config against config of one model ({len(pairs):,})"):
        show_table(pair_table(pairs, names), key="pairs")
        frame.show_note(PAIR_NOTE)
        if len(pairs) > MOST_PAIRS:
            frame.show_note(f"{MOST_PAIRS} of {len(pairs):,} pairs are shown.")


def show_floors() -> None:
    """Each parent against itself."""
    floors = results.floors(st.session_state["along"])
    frame.show_html("h2", "The noise floor")
    if floors:
        frame.show_note(FLOOR_NOTE)
        show_table(floor_table(floors, names), key="floors")
    else:
        frame.show_html("p", "No noise floor was measured.")
    frame.show_note(words.cost_words(results.summaries))


def show_flips() -> None:
    """What flipped, config by config, and the flips of one as rows that open both outputs."""
    frame.show_html("h2", names.in_text(words.flips_title(results.flips)))
    frame.show_note(FLIP_NOTE)
    show_table(flip_table(results.flips, results.divergences, precisions, names), key="flip-counts")
    if not flipped:
        return
    config = st.selectbox("Flips of", list(flipped), format_func=names.short, key="flips")
    one = flipped[config]
    show_table(
        flip_rows(one, lambda prompt: outputs_of(config, one.against, prompt=prompt), names),
        key="flip-rows",
    )
    if len(one.flips) > MOST_FLIPS:
        frame.show_note(f"{MOST_FLIPS} of {len(one.flips):,} flips are shown.")


study = frame.current_study()
# First: at many prompts what follows takes a second or two to be read.
frame.show_html("h1", "Fidelity")
frame.show_html("p", words.WHAT)
frame.show_note(words.SOURCES)
key = cached.content()
with frame.errors_in_words():
    summary = cached.summary(key, study.name)
    runs = cached.runs(key, study.name)
    results = cached.fidelity(key, study.name)
names = names_of(summary.rows)
precisions = {row.config: row.precision for row in summary.rows}
flipped = {one.config: one for one in results.flips if one.flips}
most = max(flipped, key=lambda config: len(flipped[config].flips), default=None)
references = results.references
PARAMETERS = {
    "along": address.one_of(references, next(iter(references), None)),
    "flips": address.one_of(list(flipped), most),
}
address.read("fidelity", PARAMETERS)
frame.show_warnings(study.name)
if len(references) > 1:
    st.radio(
        "Compared along",
        references,
        format_func=REFERENCE_WORDS.__getitem__,
        horizontal=True,
        key="along",
    )
if any(results.of(reference) for reference in references):
    show_measured()
else:
    show_how_to_measure()
if references:
    show_floors()
    downloads.show(downloads.fidelity(results.summaries), study.name, "fidelity")
if results.flips and words.why_never(study, runs) is None:
    show_flips()
address.write("fidelity", PARAMETERS)
