"""Launch a run: choose what, see what it takes, start it, leave, and come back to it finished."""

from __future__ import annotations

import streamlit as st

from pages.parts import frame, run_view
from pages.parts.components import link, show_table
from vibecore.catalog.configs import FAMILIES, PRECISIONS, known_configs
from vibecore.catalog.suites import suite_names
from vibecore.core.errors import VibeError
from vibecore.core.paths import database_path
from vibecore.live import launch
from vibecore.live.launch import tables
from vibecore.studies.plan import DEFAULT_SUITE, DEVICES, ENGINES, Options

FAMILY, CONFIGS, OWN = "a family", "configs", "a model of my own"
FROM_FILE = "from a file …"
# What the form calls the weights -> what `run` does; a folder is given apart.
WEIGHTS = {"real": None, "random: speed and memory only": "dummy", "from a folder …": ""}
DEVICE_NAMES = {"auto": "GPU if there is one", "cpu": "CPU", "cuda": "GPU"}


def choose_what() -> dict[str, object] | None:
    """Which configs, as fields of Options; None while nothing is chosen."""
    kind = st.radio("Run", (FAMILY, CONFIGS, OWN), horizontal=True, key="launch_kind")
    if kind == FAMILY:
        return {"family": st.selectbox("Family", list(FAMILIES), key="launch_family")}
    if kind == CONFIGS:
        chosen = st.multiselect("Configs", list(known_configs()), key="launch_configs")
        return {"configs": tuple(chosen)} if chosen else None
    left, right = st.columns([2, 1])
    model = left.text_input(
        "Model", placeholder="folder, or hub id ORGANISATION/NAME", key="launch_model"
    ).strip()
    precisions = right.multiselect(
        "Precisions", list(PRECISIONS), default=["bf16"], key="launch_precisions"
    )
    return {"model": model, "precisions": tuple(precisions)} if model and precisions else None


def choose_how() -> dict[str, object]:
    """Suite, protocol and name, as fields of Options."""
    left, middle, right = st.columns([2, 1, 1])
    names = [*suite_names(), FROM_FILE]
    suite = left.selectbox("Suite", names, index=names.index(DEFAULT_SUITE), key="launch_suite")
    if suite == FROM_FILE:
        suite = left.text_input("Suite file", placeholder="path of a YAML file", key="launch_file")
    tokens = middle.number_input("Max new tokens", value=200, step=50, key="launch_tokens")
    batch = right.text_input(
        "Batch size",
        value="1",
        key="launch_batch",
        help="Prompts decoded together, or `auto` for what memory allows. A batched run has a "
        "throughput, which is never compared with a speed at batch 1.",
    )
    left, middle, right = st.columns([2, 1, 1])
    kind = left.selectbox("Weights", list(WEIGHTS), key="launch_weights")
    weights = WEIGHTS[kind]
    if weights == "":
        weights = left.text_input("Folder of weights", key="launch_folder").strip()
    engine = middle.selectbox("Engine", ENGINES, key="launch_engine")
    device = right.selectbox(
        "Device", DEVICES, format_func=DEVICE_NAMES.__getitem__, key="launch_device"
    )
    execute = st.checkbox(frame.RUN_CODE, key="launch_execute")
    name = st.text_input("Study name", placeholder="what and when", key="launch_study").strip()
    return {
        "suite": suite,
        "max_new_tokens": int(tokens),
        "batch_size": batch.strip(),
        "execute_code": execute,
        "weights": weights or None,
        "engine": engine,
        "device": device,
        "study": name or None,
    }


def start(options: Options) -> None:
    """Start the run and show it; the button's callback, so that the form can be cleared."""
    try:
        run = launch.start(options, database_path())
    except VibeError as error:
        st.session_state["launch_error"] = str(error)
        return
    st.session_state["launch_study"] = ""
    run_view.open_run(run)


def show_form() -> None:
    """What to run and how, and below it what that takes, as it is now."""
    what, how = choose_what(), choose_how()
    if what is None:
        frame.show_html("p", "Choose at least one config to see what it takes.", "vc-soft")
        return
    options = Options(**what, **how)
    try:
        found = launch.estimate(options, database_path())
    except VibeError as error:
        st.warning(frame.plain(frame.in_form(str(error))))
    else:
        show_table(tables.estimate_table(found), key="estimate")
        frame.show_html("p", tables.estimate_sentence(found), "vc-soft")
    st.button("Start", type="primary", on_click=start, args=(options,), key="launch_start")


frame.acting_page()
frame.show_html("h1", "Launch a run")
frame.show_html(
    "p",
    "A run is a process of its own: it goes on when this page is closed, and when the server ends. "
    "Runs on one device take turns, and what the Try page has loaded is unloaded first.",
    "vc-soft",
)
if failure := st.session_state.pop("launch_error", None):
    st.error(frame.plain(frame.in_form(failure)))
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
    frame.show_html("h2", "Studies begun elsewhere and not finished")
    for name in unfinished:
        with st.container(horizontal=True, vertical_alignment="center"):
            frame.show_html("span", name)
            st.button(
                "Resume",
                key=f"resume-{name}",
                on_click=run_view.resume,
                args=(name, database_path()),
            )
