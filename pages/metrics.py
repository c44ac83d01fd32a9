"""Metrics: which config to run, in plain words, and one row a config with its figures.

First the choice, what it did on the prompts, what is bad about it, how sure it is and why it was
chosen, with Python code that runs it. Then speed, TTFT, TPOT and MBU where they are known, loss
against bf16, broken outputs by kind, adherence at both levels, memory; what excluded each other
config, and what would change the choice. Controls: memory cap, speed floor and, where fidelity was
measured, a cap on mean KLD. Under "How this was decided": tests, α, stability, and every config
judged against the best on each metric. Of a study of more than 50 configs so many are shown, by
name and order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import address, cached, downloads, frame, part
from pages.parts.components import link, show_table
from vibecore.analysis import Decision, Rule
from vibecore.analysis.metrics import known_metrics
from vibecore.analysis.switches import sentences_by_control
from vibecore.views.beside import read_beside
from vibecore.views.headline import Headline, headline, page_line
from vibecore.views.shown_configs import Shown
from vibecore.views.snippet import snippet_of
from vibecore.views.tables.hardware import NOTE, hardware_kinds, hardware_table
from vibecore.views.tables.metrics import exclusion_table, judgement_table, metric_table

SPEED_NOTE = "Speed is new tokens ÷ total time, and configs write texts of different length."
SCORED_NOTE = (
    "Under each rate, its 95 % interval over prompts: Wilson's, and of constraints one that takes "
    f"those of a prompt together. {SPEED_NOTE} A row opens its outputs; a heading sorts."
)
UNSCORED_NOTE = f"Quality was not scored. {SPEED_NOTE} A heading sorts."
CUT_NOTE = (
    "Decided by the token limit: the answer was cut off there, and its rest could have had the "
    "other verdict. It counts as it stands; Outputs lists them."
)
# metric -> what its abbreviation means, said where the study has it
ABBREVIATIONS = {
    "ttft_seconds": "TTFT is the time to the first token.",
    "tpot_seconds": "TPOT is the time per output token after the first, with its 99th percentile "
    "over outputs.",
    "mbu": "MBU, model bandwidth utilisation, is the share of the GPU's memory bandwidth that "
    "reading the weights for each token takes: the nearer to 100 %, the less is left to gain.",
    "mean_kld": "Mean KLD, same top token and flips say how much a precision changed its model, "
    "not how good it is: see Fidelity.",
}
JUDGEMENT_NOTE = (
    "A difference is the config's rate minus the best one's; a ratio is its figure over the best "
    "one's. Better and worse need a p under α: on broken outputs and adherence the decision's own, "
    "adjusted for all its comparisons and for picking the best one on the same data, and that of "
    "the config's whole model where models were compared; on speed Holm-adjusted. Equivalent needs "
    "two one-sided tests within the margin, each at α. Intervals are of one comparison alone, and "
    "cover other prompts of this kind, not another run on another day. How many prompts would "
    "resolve a difference is for that comparison alone."
)
STABILITY_NOTE = (
    "In each resampled study the whole rule is applied again. What happened on no prompt, or on "
    "all, never varies in a resample."
)
# What stays on a line with its figure.
UNIT = re.compile(r"(?<=\d) (%|[GM]iB)")
ALPHAS = [0.01, 0.05, 0.1]
PARAMETERS = {
    "cap": address.number(0, 10_000, None),
    "floor": address.number(0, 100, 85, int),
    "alpha": address.one_of(ALPHAS, 0.05),
}
KLD_PARAMETER = {"kld": address.number(0, 10_000, None)}


def show_headline(shown: Headline) -> None:
    """The answer in plain words."""
    style = "vc-spot" if shown.config else "vc-spot vc-none"
    texts = ((line.role, UNIT.sub("\u00a0\\1", line.text)) for line in shown.lines)
    lines = "".join(f'<p class="vc-{role}">{escape(text)}</p>' for role, text in texts)
    st.html(f'<div class="{style}"><strong>{escape(shown.title)}</strong>{lines}</div>')


def show_how_to_run(config: str) -> None:
    """Code that runs a config without Vibe check, to be copied."""
    run = next(run for run in cached.runs(content, study.name) if run.config == config)
    prompt = cached.first_prompt(content, study.name)
    found = snippet_of(run, study.protocol, *([prompt] if prompt else []))
    if found is None:
        return
    with st.expander(f"How to run {frame.plain(config)}: Python code to copy"):
        st.code(found.code, language="python", wrap_lines=True)
        for note in found.notes:
            frame.show_note(note)


def show_list(sentences: Sequence[str]) -> None:
    """Sentences as a list."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    st.html(f'<ul class="vc-list">{items}</ul>')


def show_decision(decision: Decision, shown: Shown) -> None:
    """The statistics behind the answer: tests, level, stability, every judgement of the configs
    that are shown."""
    spot = decision.sweet_spot
    for sentence in (spot.reason, spot.how):
        if sentence:
            frame.show_html("p", sentence)
    if decision.stability is not None:
        frame.show_html("p", decision.stability.sentence())
        frame.show_note(STABILITY_NOTE)
    if decision.pairs:
        frame.show_html("h3", "Against the best, metric by metric")
        show_table(judgement_table(decision, summary.rows, shown.rows), key="judgements")
        frame.show_note(JUDGEMENT_NOTE)


def choose_rule(limits: DeltaGenerator, level: DeltaGenerator, *, by_kld: bool) -> Rule:
    """The rule's thresholds: what a person has and wants among the `limits`, α at `level`; `by_kld`
    says whether there is a mean KLD to cap."""
    cap, floor, *nearness = limits.columns(3 if by_kld else 2)
    return Rule(
        cap.number_input(
            "Memory cap, GiB",
            min_value=0.0,
            value=None,
            step=0.25,
            placeholder="no cap",
            help="Configs that need more are dropped.",
            key="cap",
        ),
        floor.slider(
            "Speed floor, % of the fastest",
            min_value=0,
            max_value=100,
            step=5,
            help="Of the configs that are left, those slower than this are dropped.",
            key="floor",
        )
        / 100,
        level.selectbox(
            "Significance level α",
            ALPHAS,
            help="A config is dropped on quality only where it is significantly worse than the "
            "best usable one. This is the chance that the whole decision drops any though all are "
            "alike.",
            key="alpha",
        ),
        nearness[0].number_input(
            "KLD cap, nats",
            min_value=0.0,
            value=None,
            step=0.005,
            format="%g",
            placeholder="no cap",
            help="Configs whose mean KLD from 16 bit is larger are dropped. It says how much a "
            "model changed, not how good it is, so by default the rule does not ask about it.",
            key="kld",
        )
        if by_kld
        else None,
    )


def outputs_of(config: str) -> dict:
    """The view of a config's outputs beside those that it is read against."""
    beside = read_beside(
        config, summary.rows, summary.sweet_spot.config or summary.sweet_spot.best_that_fits
    )
    return link("outputs", study=study.name, configs=beside)


study = frame.current_study()
with frame.errors_in_words():
    content = cached.content()
    summary = cached.summary(content, study.name)
frame.show_html("h1", study.title)
frame.show_note(page_line(study, summary.rows))
answer, limits, figures = st.container(), st.container(), st.container()
fold = st.expander("How this was decided: tests, significance level and stability")
by_kld = any(row.mean_kld is not None for row in summary.rows)
known = known_metrics(summary.rows)
parameters = PARAMETERS | (KLD_PARAMETER if by_kld else {}) | part.parameters(summary.rows, known)
address.read("metrics", parameters)
rule = choose_rule(limits, fold.container(), by_kld=by_kld)
thresholds = (rule.vram_gib, rule.speed_floor, rule.alpha, rule.kld_cap)
with frame.errors_in_words():
    decision = cached.decision(content, study.name, *thresholds)
spot, stability = decision.sweet_spot, decision.stability
summary = summary.with_choice(spot)

with answer:
    said = headline(study, summary.rows, spot, rule, stability)
    show_headline(said)
    frame.show_warnings(study.name)
    if said.config is not None:
        show_how_to_run(said.config)

with figures:
    shown = part.choose(summary.rows, known, spot)
    show_table(metric_table(summary, outputs_of, shown.rows), key="metrics")
    scored = any(row.broken is not None for row in summary.rows)
    frame.show_note(SCORED_NOTE if scored else UNSCORED_NOTE)
    if terms := [ABBREVIATIONS[one.name] for one in known if one.name in ABBREVIATIONS]:
        frame.show_note(" ".join(terms))
    if any(row.adherence_cut or row.constraints_cut for row in summary.rows):
        frame.show_note(CUT_NOTE)
    if hardware_kinds(summary.rows):
        show_table(hardware_table(summary.rows, shown.rows), key="hardware")
        frame.show_note(NOTE)
    frame.show_model_notes(study.name)
    frame.show_scorers(study.name)
    downloads.show(
        {**downloads.metrics(summary), **downloads.report(content[0], study.name, thresholds)},
        study.name,
        "metrics",
    )
    excluded = exclusion_table(summary, shown.rows)
    if excluded["rows"]:
        frame.show_html("h2", "Not chosen, and why")
        show_table(excluded, key="excluded")
    changes = sentences_by_control(decision.switches, rule)
    if stability is not None:
        frame.show_html("h2", "What would change it")
        show_list([changes[name] for name in ("cap", "floor", "kld") if name in changes])
address.write("metrics", parameters)

with fold:
    if stability is not None:
        show_list([changes["alpha"]])
    if shown.rows:
        with frame.errors_in_words():
            decision = cached.judged(content, study.name, *thresholds, shown.named)
    show_decision(decision, shown)
