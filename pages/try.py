"""Try a prompt: on one to six configs of any kind, watched as they write; nothing is stored."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages.parts import address, frame, keep, live
from pages.parts.buttons import pressed
from vibecore.catalog.configs import FAMILIES, PRECISIONS, family_configs, known_configs
from vibecore.catalog.suites import Prompt, Suite, suite_names
from vibecore.core.errors import VibeError
from vibecore.live.playground import MOST_CONFIGS, choose_configs, fit, make_request, own_prompt
from vibecore.live.playground.constraint_form import constraint_words
from vibecore.live.playground.request import NEW_TOKENS
from vibecore.scoring import load_suite
from vibecore.studies.plan import DEVICES, ENGINES

OWN_TEXT = "my own text"
FIRST_CONFIGS = ["5M-bf16", "5M-4bit"]
DECODINGS = ("greedy", "sampled")
SAMPLED = "Sampled outputs are not comparable with studies, which decode greedily."
# The same words as on the page that launches runs.
DEVICE_NAMES = {"auto": "GPU if there is one", "cpu": "CPU", "cuda": "GPU"}
WEIGHTS = {"real": "hub", "random: speed and memory only": "dummy", "from a folder …": ""}
# A text of one's own is no part of the address; it is kept while other pages are read.
KEPT_TEXT = "text to try"


def suites() -> dict[str, Suite]:
    """Every suite that can be read, by name; a broken one is told and left out."""
    found = {}
    for name in suite_names():
        try:
            found[name] = load_suite(name)
        except VibeError as error:
            st.warning(frame.plain(str(error)))
    return found


def parameters(known: dict[str, Suite]) -> dict[str, address.Parameter]:
    """What the address of a try holds."""
    return {
        "try_suite": address.member_of([OWN_TEXT, *known], OWN_TEXT),
        "try_prompt": address.text(),
        "try_configs": address.some_of(list(known_configs()), FIRST_CONFIGS, MOST_CONFIGS),
        # Any number, so that one that cannot be is told and not put right in silence.
        "try_tokens": address.number(-(10**12), 10**12, NEW_TOKENS, int),
    }


def choose_prompt(known: dict[str, Suite]) -> Prompt | None:
    """A prompt of a suite with its constraints, or None where the text is one's own."""
    source = st.selectbox(
        "Prompt from", [OWN_TEXT, *known], key="try_suite", on_change=_forget_prompt
    )
    if source == OWN_TEXT:
        st.session_state.setdefault("try_text", st.session_state.get(KEPT_TEXT, ""))
        st.session_state[KEPT_TEXT] = st.text_area(
            "Prompt",
            key="try_text",
            height=148,
            placeholder="Write a Python function that …",
        )
        return None
    prompts = {prompt.id: prompt for prompt in known[source].prompts}
    if (wanted := st.session_state["try_prompt"]) not in prompts:
        st.session_state["try_prompt"] = next(iter(prompts))
        if wanted:
            st.warning(frame.plain(f"The suite {source} has no prompt '{wanted}'."))
    prompt = prompts[st.selectbox("Prompt", list(prompts), key="try_prompt")]
    st.code(prompt.text, language=None, wrap_lines=True)
    if prompt.constraints:
        words = " · ".join(constraint_words(constraint) for constraint in prompt.constraints)
        frame.show_html("p", f"Held to: {words}", "vc-soft")
    st.button("Edit as my own text", on_click=_edit, args=(prompt,))
    return prompt


def _forget_prompt() -> None:
    """Another suite was chosen: that it lacks the last one's prompt is no news."""
    st.session_state["try_prompt"] = ""


def _edit(prompt: Prompt) -> None:
    st.session_state["try_suite"] = OWN_TEXT
    st.session_state["try_text"] = prompt.text


def choose_models() -> dict[str, Any]:
    """Which configs: known ones, and those of an own model."""
    st.multiselect("Configs", list(known_configs()), max_selections=MOST_CONFIGS, key="try_configs")
    with st.container(horizontal=True):
        for family in FAMILIES:
            st.button(f"All of {family}", on_click=_take_family, args=(family,))
    with st.expander("A model of your own"):
        left, right = st.columns([2, 1])
        model = left.text_input(
            "Folder or hub id", key="try_model", placeholder="/models/mine or ORGANISATION/NAME"
        )
        precisions = right.multiselect("Precisions", list(PRECISIONS), key="try_precisions")
    return {
        "ids": st.session_state["try_configs"],
        "model": model.strip() or None,
        "precisions": precisions,
    }


def _take_family(family: str) -> None:
    st.session_state["try_configs"] = [config.id for config in family_configs(family)]


def choose_decoding() -> dict[str, Any]:
    """How to decode, where, and with which weights."""
    tokens, how, device, weights, engine = st.columns([1, 1, 1.2, 1.6, 1])
    given: dict[str, Any] = {
        "max_new_tokens": tokens.number_input("Max new tokens", step=50, key="try_tokens"),
        "device": device.selectbox(
            "Device", DEVICES, format_func=DEVICE_NAMES.get, key="try_device"
        ),
        "engine": engine.selectbox("Engine", ENGINES, key="try_engine"),
    }
    kind = weights.selectbox("Weights", list(WEIGHTS), key="try_weights")
    given["weights"] = WEIGHTS[kind] or weights.text_input("Folder", key="try_folder").strip()
    if how.selectbox("Decoding", DECODINGS, key="try_decoding") == "sampled":
        first, second, third = st.columns(3)
        given["temperature"] = first.number_input(
            "Temperature", value=0.7, step=0.1, key="try_temperature"
        )
        given["top_p"] = second.number_input("Top-p", value=0.95, step=0.05, key="try_top_p")
        given["seed"] = third.number_input("Seed", value=0, step=1, key="try_seed")
        frame.show_html("p", SAMPLED, "vc-soft")
    given["execute_code"] = st.checkbox(frame.RUN_CODE, key="try_execute")
    return given


def request_of(prompt: Prompt | None, models: dict[str, Any], decoding: dict[str, Any]) -> Any:
    """What is wished for, or the sentence that says why it cannot be."""
    try:
        configs = choose_configs(**models)
        return make_request(prompt or own_prompt(st.session_state["try_text"]), configs, **decoding)
    except VibeError as error:
        return frame.in_form(str(error))


def show_fit(models: dict[str, Any], decoding: dict[str, Any]) -> None:
    """Whether what is chosen fits, before it is loaded."""
    try:
        configs = choose_configs(**models)
    except VibeError:
        return
    device = fit.likely_device(decoding["device"])
    kind = "dummy" if decoding["weights"] == "dummy" else "hub"
    line, refusals = fit.preview(configs, device, kind, live.playground().available_bytes(device))
    frame.show_html("p", line, "vc-soft")
    for refusal in refusals:
        st.warning(frame.plain(refusal))


study = frame.acting_page()
frame.show_html("h1", "Try a prompt")
frame.show_html(
    "p",
    "Each config loads in a process of its own. They run one after another, because there is one "
    "device: so no pane slows another. Nothing is stored.",
    "vc-soft",
)
known = suites()
described = parameters(known)
if study is not None:
    address.read("try", described)
else:
    for name, parameter in described.items():
        st.session_state.setdefault(name, parameter.default)
left, right = st.columns([2, 3], gap="medium")
with left:
    chosen = choose_prompt(known)
with right:
    models = choose_models()
decoding = choose_decoding()
if study is not None:
    address.write("try", described)
show_fit(models, decoding)
session = st.session_state.get("session")
active = session is not None and not session.finished.is_set()
if not active and pressed("Try it", key="try-it", type="primary"):
    request = request_of(chosen, models, decoding)
    if isinstance(request, str):
        st.error(frame.plain(request))
    else:
        st.session_state["session"] = live.playground().submit(request, live.session_watch())
        st.rerun()
live.show(session)
if session is not None and not active:
    keep.show(session, study)
