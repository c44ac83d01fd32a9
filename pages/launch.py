"""Launch a run: choose what to run, see what it takes, start it, follow it, cancel or resume it.

Families, configs and models of your own, alone or together, as a new study or added to one; suite,
tokens, batch, engine, weights, device, chat template, thinking, system text and name, and whether
fidelity is measured at the end; the time, memory and disk it would take; then progress by config,
the place in the queue, and why a config failed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from pages.parts import form, frame, run_view
from pages.parts.components import link, show_table
from vibecore.catalog.models import FAMILIES, offered_configs
from vibecore.catalog.suites import suite_names
from vibecore.core.errors import VibeError
from vibecore.core.paths import database_path
from vibecore.core.rows import StudyRow
from vibecore.live import launch
from vibecore.live.form import EMPTY_MODEL, OwnModel, in_form, required, sources_and_names
from vibecore.live.launch import tables
from vibecore.live.launch.like_study import can_be_extended
from vibecore.studies.plan import DEFAULT_SUITE, Options

NEW_STUDY = "a new study"
FROM_FILE = "from a file …"


@dataclass(frozen=True)
class Own:
    """Models of the user's own as they were entered, and their precisions."""

    models: tuple[OwnModel, ...]
    precisions: tuple[str, ...]


def choose_study() -> StudyRow | None:
    """A measured study to add configs to; None for a new one."""
    measured = {row.name: row for row in frame.studies() if can_be_extended(row)}
    if not measured:
        return None
    chosen = st.selectbox("Results go into", [NEW_STUDY, *measured], key="launch_into")
    if chosen == NEW_STUDY:
        return None
    frame.show_note(tables.protocol_sentence(measured[chosen]))
    return measured[chosen]


def choose_what() -> tuple[Options, Own]:
    """Which configs: those of families, others by id, and those of models of one's own."""
    left, right = st.columns(2)
    families = left.multiselect(
        "Families", list(FAMILIES), default=[next(iter(FAMILIES))], key="launch_families"
    )
    configs = right.multiselect("Configs", list(offered_configs()), key="launch_configs")
    with st.expander("Models of your own", expanded=bool(st.session_state.get("launch_model"))):
        own = Own(form.ask_own_models("launch"), form.ask_own_precisions("launch", ["bf16"]))
    return Options(family=tuple(families) or None, configs=tuple(configs)), own


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
        **form.ask_place(right, "launch"),
        **form.ask_asking("launch"),
        execute_code=form.ask_execute_code("launch"),
        study=st.text_input("Study name", placeholder="what and when", key="launch_study").strip()
        or None,
    )


def complete(options: Options, own: Own) -> Options:
    """The options with one's own models. Raises InputError for what was begun and not entered;
    `run` would take a default for it."""
    for value, what in (
        (options.suite, "path of the suite file, or choose a suite"),
        (options.weights, "folder of the weights, or choose other weights"),
        (options.gpus, "numbers of the GPUs, or `all`"),
        (options.ray, "address of the Ray cluster, or `auto`"),
    ):
        # None is not asked for, where the study has its own.
        if value is not None:
            required(value, what)
    sources, names = sources_and_names(own.models)
    precisions = own.precisions if sources else ()
    return replace(options, models=sources, names=names, precisions=precisions)


def start(options: Options, own: Own, extend: bool) -> None:
    """Start the run and show it; the button's callback, so that the form can be cleared."""
    try:
        run = launch.start(complete(options, own), database_path(), extend=extend)
    except VibeError as error:
        st.session_state[run_view.FAILURE] = str(error)
        return
    st.session_state["launch_into"] = NEW_STUDY
    st.session_state["launch_study"] = ""
    run_view.open_run(run)


def show_form(failure: str | None) -> str | None:
    """What to run and how, and below it what that takes, as it is now; or why it cannot be run,
    which is also returned. `failure` is why the last start failed."""
    into = choose_study()
    what, own = choose_what()
    options = replace(what, study=into.name) if into else choose_how(what)
    options = replace(options, fidelity=form.ask_fidelity("launch"))
    if not (what.family or what.configs or own.models):
        frame.show_note(
            "Choose at least one config to see what it takes, or enter a model of your own: "
            f"{EMPTY_MODEL}."
        )
        return None
    extend = into is not None
    why_not = None
    try:
        estimate = launch.estimate(complete(options, own), database_path(), extend=extend)
    except VibeError as error:
        why_not = str(error)
        # A start that failed for the same reason is not told a second time.
        show = st.error if why_not == failure else st.warning
        show(frame.plain(in_form(why_not)))
    else:
        show_table(tables.estimate_table(estimate), key="estimate")
        if estimate.fidelity:
            show_table(tables.fidelity_table(estimate), key="estimate_fidelity")
        frame.show_note(tables.estimate_sentence(estimate))
    st.button(
        "Add these configs" if extend else "Start",
        type="primary",
        on_click=start,
        args=(options, own, extend),
        key="launch_start",
    )
    return why_not


frame.acting_page()
frame.show_html("h1", "Launch a run")
frame.show_note(
    "A run is a process of its own: it goes on when this page is closed, and when the server ends. "
    "Runs on one device are queued, and models that the Try page has loaded are unloaded first."
)
failure_place = st.empty()
failure = st.session_state.pop(run_view.FAILURE, None)
with frame.errors_in_words():
    runs = launch.list_runs(database_path())
    states = run_view.show_chosen(run_view.chosen_run(runs), runs)

frame.show_html("h2", "A new run")
if show_form(failure) != failure and failure:
    failure_place.error(frame.plain(in_form(failure)))

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
