"""Launch a run: choose what to run, see what it takes, start it, follow it, cancel or resume it.

Family, configs or a model of your own, suite, tokens, batch, engine, weights, device and name; the
time, memory and disk it would take; then progress by config, the place in the queue, and why a
config failed.
"""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from pages.parts import form, frame, run_view
from pages.parts.components import link, show_table
from vibecore.catalog.models import FAMILIES, listed_configs
from vibecore.catalog.suites import suite_names
from vibecore.core.errors import VibeError
from vibecore.core.paths import database_path
from vibecore.live import launch
from vibecore.live.form import in_form, required
from vibecore.live.launch import tables
from vibecore.studies.plan import DEFAULT_SUITE, Options

FAMILY, CONFIGS, OWN = "a family", "configs", "a model of my own"
FROM_FILE = "from a file …"


def choose_what() -> Options | None:
    """Which configs; None while nothing is chosen."""
    kind = st.radio("Run", (FAMILY, CONFIGS, OWN), horizontal=True, key="launch_kind")
    if kind == FAMILY:
        return Options(family=st.selectbox("Family", list(FAMILIES), key="launch_family"))
    if kind == CONFIGS:
        chosen = st.multiselect("Configs", list(listed_configs()), key="launch_configs")
        return Options(configs=tuple(chosen)) if chosen else None
    model, precisions = form.ask_own_model("launch", ["bf16"])
    return Options(models=(model,), precisions=precisions) if model and precisions else None


def choose_how(what: Options) -> Options:
    """The same with suite, protocol and name; texts that are not entered yet are ""."""
    left, middle, right = st.columns([2, 1, 1])
    names = [*suite_names(), FROM_FILE]
    suite = left.selectbox("Suite", names, index=names.index(DEFAULT_SUITE), key="launch_suite")
    if suite == FROM_FILE:
        suite = left.text_input("Suite file", placeholder="path of a YAML file", key="launch_file")
    tokens = form.ask_tokens(middle, "launch", value=200)
    batch = right.text_input(
        "Batch size",
        value="1",
        key="launch_batch",
        help="Prompts decoded together, or `auto` for what memory allows. A batched run has a "
        "throughput, which is never compared with a speed at batch 1.",
    )
    left, middle, right = st.columns([2, 1, 1])
    return replace(
        what,
        suite=suite,
        max_new_tokens=tokens,
        batch_size=batch.strip(),
        weights=form.ask_weights(left, "launch"),
        engine=form.ask_engine(middle, "launch"),
        device=form.ask_device(right, "launch"),
        execute_code=form.ask_execute_code("launch"),
        study=st.text_input("Study name", placeholder="what and when", key="launch_study").strip()
        or None,
    )


def refuse_blanks(options: Options) -> None:
    """Raise InputError for what was begun and not entered; `run` would take a default for it."""
    required(options.suite or "", "path of the suite file, or choose a suite")
    required(options.weights or "", "folder of the weights, or choose other weights")


def start(options: Options) -> None:
    """Start the run and show it; the button's callback, so that the form can be cleared."""
    try:
        refuse_blanks(options)
        run = launch.start(options, database_path())
    except VibeError as error:
        st.session_state[run_view.FAILURE] = str(error)
        return
    st.session_state["launch_study"] = ""
    run_view.open_run(run)


def show_form() -> None:
    """What to run and how, and below it what that takes, as it is now."""
    what = choose_what()
    options = choose_how(what or Options())
    if what is None:
        frame.show_note("Choose at least one config to see what it takes.")
        return
    try:
        refuse_blanks(options)
        estimate = launch.estimate(options, database_path())
    except VibeError as error:
        st.warning(frame.plain(in_form(str(error))))
    else:
        show_table(tables.estimate_table(estimate), key="estimate")
        frame.show_note(tables.estimate_sentence(estimate))
    st.button("Start", type="primary", on_click=start, args=(options,), key="launch_start")


frame.acting_page()
frame.show_html("h1", "Launch a run")
frame.show_note(
    "A run is a process of its own: it goes on when this page is closed, and when the server ends. "
    "Runs on one device are queued, and models that the Try page has loaded are unloaded first."
)
if failure := st.session_state.pop(run_view.FAILURE, None):
    st.error(frame.plain(in_form(failure)))
with frame.errors_in_words():
    runs = launch.list_runs(database_path())
    states = run_view.show_chosen(run_view.chosen_run(runs), runs)

frame.show_html("h2", "A new run")
show_form()

if runs:
    frame.show_html("h2", "Runs")
    shown = [(run, states[run.id]) for run in runs[: run_view.SHOWN_RUNS]]
    show_table(tables.run_table(shown, lambda run: link("launch", run=run.id)), key="runs")
with frame.errors_in_words():
    unfinished = launch.unfinished_studies(database_path())
if unfinished:
    frame.show_html("h2", "Unfinished studies from elsewhere")
    for name in unfinished:
        with frame.row():
            frame.show_html("span", name)
            run_view.show_resume(name, database_path(), key=f"resume-{name}")
