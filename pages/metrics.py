"""Metrics: one row a config, with the sweet spot, its reason and how stable it is.

Speed, TTFT, TPOT and MBU where they are known, loss against bf16, repetitive, degenerate and empty
outputs, adherence at both levels, memory. Below: what excluded each other config, what would change
the choice, every config judged against the best on each metric. Controls: memory cap, speed floor,
α.
"""

from __future__ import annotations

from html import escape

import streamlit as st

from pages.parts import address, cached, downloads, frame
from pages.parts.components import link, show_table
from vibecore.analysis import Decision, switch_sentences
from vibecore.analysis.metrics import known_metrics
from vibecore.views.beside import read_beside
from vibecore.views.tables.metrics import exclusion_table, judgement_table, metric_table

SPEED_NOTE = "Speed is new tokens ÷ total time, and configs write texts of different length."
SCORED_NOTE = (
    f"Under each rate, its 95 % Wilson interval. {SPEED_NOTE} A row opens its outputs; a heading "
    "sorts."
)
UNSCORED_NOTE = f"Quality was not scored. {SPEED_NOTE} A heading sorts."
# metric -> what its abbreviation means, said where the study has it
ABBREVIATIONS = {
    "ttft_seconds": "TTFT is the time to the first token.",
    "tpot_seconds": "TPOT is the time per output token after the first, with its 99th percentile "
    "over outputs.",
    "mbu": "MBU, model bandwidth utilisation, is the share of the GPU's memory bandwidth that "
    "reading the weights for each token takes: the nearer to 100 %, the less is left to gain.",
}
JUDGEMENT_NOTE = (
    "A difference is the config's rate minus the best one's; a ratio is its figure over the best "
    "one's. Better and worse need a p under α, Holm-adjusted over the comparisons of a metric; "
    "equivalent needs two one-sided tests within the margin, each at α. p-values are not corrected "
    "for picking the best one on the same data. Intervals cover other prompts of this "
    "kind, not another run on another day. How many prompts would resolve a difference is for that "
    "comparison alone."
)
STABILITY_NOTE = (
    "In each resampled study the whole rule is applied again. What happened on no prompt, or on "
    "all, never varies in a resample."
)
ALPHAS = [0.01, 0.05, 0.1]
PARAMETERS = {
    "cap": address.number(0, 10_000, None),
    "floor": address.number(0, 100, 85, int),
    "alpha": address.one_of(ALPHAS, 0.05),
}


def show_sweet_spot(decision: Decision) -> None:
    """The choice, its reason in one sentence, and how stable it is."""
    spot = decision.sweet_spot
    title = f"Sweet spot: {spot.config}" if spot.config else "No sweet spot"
    style = "vc-spot" if spot.config else "vc-spot vc-none"
    reason = spot.reason
    if not spot.config:
        reason = reason.removeprefix("No sweet spot: ")
        reason = reason[:1].upper() + reason[1:]
    stability = f"<p>{escape(decision.stability.sentence())}</p>" if decision.stability else ""
    st.html(
        f'<div class="{style}"><strong>{escape(title)}</strong><span>{escape(reason)}</span>'
        f"{stability}</div>"
    )


def show_switches(decision: Decision) -> None:
    """Where each threshold would give another answer."""
    frame.show_html("h2", "What would change it")
    lines = switch_sentences(decision.switches, decision.rule)
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    st.html(f'<ul class="vc-list">{items}</ul>')
    frame.show_html("p", STABILITY_NOTE, "vc-soft")


def choose_rule() -> tuple[float | None, float, float]:
    """The rule's three thresholds."""
    address.read("metrics", PARAMETERS)
    cap, floor, alpha = st.columns(3)
    rule = (
        cap.number_input(
            "Memory cap, GiB",
            min_value=0.0,
            value=None,
            step=0.25,
            placeholder="no cap",
            help="Configs that need more are dropped first.",
            key="cap",
        ),
        floor.slider(
            "Speed floor, % of the fastest",
            min_value=0,
            max_value=100,
            step=5,
            help="Of the configs not significantly worse, those slower than this are dropped.",
            key="floor",
        )
        / 100,
        alpha.selectbox(
            "Significance level α",
            ALPHAS,
            help="A config is dropped on quality only where it is significantly worse than the "
            "best one left, at this level.",
            key="alpha",
        ),
    )
    address.write("metrics", PARAMETERS)
    return rule


def outputs_of(config: str) -> dict:
    """The view of a config's outputs beside those that it is read against."""
    beside = read_beside(config, summary.rows, summary.sweet_spot.config)
    return link("outputs", study=study.name, configs=beside)


study = frame.current_study()
frame.show_html("h1", study.title)
frame.show_warnings(study.name)
spot_place = st.container()
rule = choose_rule()
with frame.errors_in_words():
    content = cached.content()
    decision = cached.decision(content, study.name, *rule)
    summary = cached.summary(content, study.name).with_choice(decision.sweet_spot)
with spot_place:
    show_sweet_spot(decision)

show_table(metric_table(summary, outputs_of), key="metrics")
scored = any(row.repetitive is not None for row in summary.rows)
frame.show_html("p", SCORED_NOTE if scored else UNSCORED_NOTE, "vc-soft")
if terms := [ABBREVIATIONS[m.name] for m in known_metrics(summary.rows) if m.name in ABBREVIATIONS]:
    frame.show_html("p", " ".join(terms), "vc-soft")
frame.show_model_notes(study.name)
frame.show_scorers(study.name)
downloads.show(
    {**downloads.metrics(summary), **downloads.report(content[0], study.name, rule)},
    f"{study.name}-metrics",
)

if summary.sweet_spot.excluded:
    frame.show_html("h2", "Not chosen, and why")
    show_table(exclusion_table(summary), key="excluded")
if decision.stability is not None:
    show_switches(decision)
if decision.pairs:
    frame.show_html("h2", "Against the best, metric by metric")
    show_table(judgement_table(decision, summary.rows), key="judgements")
    frame.show_html("p", JUDGEMENT_NOTE, "vc-soft")
