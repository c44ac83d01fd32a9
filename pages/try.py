"""Try a prompt: a text of your own or a suite's prompt on one to six configs; nothing is stored.

Instruct models are asked through their chat template, and the prompt as it was rendered can be
opened. Each config streams its answer, a thinking model its reasoning before it, with start-up
and load time, TTFT, tok/s, peak memory, scores and verdicts. Constraints get their verdict at once,
and a prompt can be saved to a suite of your own and run on all configs of a study.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import streamlit as st

from pages.parts import address, form, frame, keep, playground_view
from pages.parts.buttons import pressed
from vibecore.catalog.models import FAMILIES, Config, family_configs, offered_configs
from vibecore.catalog.suites import Prompt, Suite, suite_names
from vibecore.core.errors import VibeError
from vibecore.core.machine import likely_device
from vibecore.core.records import Asking
from vibecore.live.form import (
    CHAT_SENTENCES,
    THINKING_SENTENCES,
    in_form,
    refuse_empty_model,
    required,
    sources_and_names,
)
from vibecore.live.playground import (
    MOST_CONFIGS,
    Request,
    choose_configs,
    fit,
    make_request,
    own_prompt,
)
from vibecore.live.playground.constraint_form import constraint_words
from vibecore.live.playground.request import NEW_TOKENS
from vibecore.scoring import load_suite
from vibecore.studies.batches import workload_of_text

OWN_TEXT = "my own text"
FIRST_CONFIGS = ["5M-bf16", "5M-4bit"]
DECODINGS = ("greedy", "sampled")
SAMPLED = "Sampled outputs are not comparable with studies, which decode greedily."
# The user's own text is not part of the address; this key keeps it while other pages are shown.
KEPT_TEXT = "text to try"
SESSION = "session of the playground"
FAMILY_NOTE = "what of a family was taken"


def suites() -> dict[str, Suite]:
    """Every suite that can be read, by name; a broken one gets a warning and is left out."""
    found = {}
    for name in suite_names():
        try:
            found[name] = load_suite(name)
        except VibeError as error:
            st.warning(frame.plain(str(error)))
    return found


def parameters(known: dict[str, Suite]) -> dict[str, address.Parameter]:
    """What the address of this page holds."""
    return {
        "try_suite": address.member_of([OWN_TEXT, *known], OWN_TEXT),
        "try_prompt": address.text(),
        "try_configs": address.some_of(list(offered_configs()), FIRST_CONFIGS, MOST_CONFIGS),
        # Any number: one that cannot be used gets a message instead of a silent correction.
        "try_tokens": address.number(-(10**12), 10**12, NEW_TOKENS, int),
        "try_model": address.texts(),
        "try_precisions": address.some_of(form.OWN_PRECISIONS, [], len(form.OWN_PRECISIONS)),
        "try_chat": address.one_of(list(CHAT_SENTENCES), "auto"),
        "try_thinking": address.one_of(list(THINKING_SENTENCES), "auto"),
        "try_system": address.text(),
    }


def choose_prompt(known: dict[str, Suite]) -> Prompt | None:
    """A prompt of a suite with its constraints, or None for the user's own text."""
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
        frame.show_note(f"Constraints: {words}")
    st.button("Edit as my own text", on_click=_edit, args=(prompt,))
    return prompt


def _forget_prompt() -> None:
    """On a change of suite: no warning that the new suite lacks the old one's prompt."""
    st.session_state["try_prompt"] = ""


def _edit(prompt: Prompt) -> None:
    st.session_state["try_suite"] = OWN_TEXT
    st.session_state["try_text"] = prompt.text


def choose_models() -> dict[str, Any]:
    """The chosen configs, and models of one's own with their precisions."""
    st.multiselect(
        "Configs", list(offered_configs()), max_selections=MOST_CONFIGS, key="try_configs"
    )
    st.selectbox(
        "Take the configs of a family",
        list(FAMILIES),
        index=None,
        placeholder="Choose a family",
        key="try_family",
        on_change=_take_family,
    )
    if note := st.session_state.pop(FAMILY_NOTE, None):
        frame.show_note(note)
    with st.expander("Models of your own", expanded=bool(st.session_state.get("try_model"))):
        own = form.ask_own_models("try")
        precisions = form.ask_own_precisions("try", [])
    return {"ids": st.session_state["try_configs"], "own": own, "precisions": precisions}


def configs_of(models: dict[str, Any]) -> tuple[Config, ...]:
    """The configs of the filled form. Raises InputError that says what is wrong in it."""
    sources, names = sources_and_names(models["own"])
    refuse_empty_model(sources, models["ids"], models["precisions"])
    return choose_configs(models["ids"], sources, models["precisions"], names)


def _take_family() -> None:
    family = st.session_state["try_family"]
    if family is None:
        return
    configs = [config.id for config in family_configs(family)]
    st.session_state["try_configs"] = configs[:MOST_CONFIGS]
    st.session_state["try_family"] = None
    if len(configs) > MOST_CONFIGS:
        st.session_state[FAMILY_NOTE] = (
            f"The first {MOST_CONFIGS} of {len(configs)} configs of {family}: a prompt is tried "
            f"on at most {MOST_CONFIGS}."
        )


def choose_decoding() -> dict[str, Any]:
    """How to decode, where, and with which weights, as arguments of make_request."""
    tokens, how, device, weights, engine = st.columns([1, 1, 1.2, 1.6, 1])
    given: dict[str, Any] = {
        "max_new_tokens": form.ask_tokens(tokens, "try"),
        "device": form.ask_device(device, "try"),
        "engine": form.ask_engine(engine, "try"),
        "weights": form.ask_weights(weights, "try"),
    }
    if how.selectbox("Decoding", list(DECODINGS), key="try_decoding") == "sampled":
        first, second, third = st.columns(3)
        given["temperature"] = first.number_input(
            "Temperature", value=0.7, step=0.1, key="try_temperature"
        )
        given["top_p"] = second.number_input("Top-p", value=0.95, step=0.05, key="try_top_p")
        given["seed"] = third.number_input("Seed", value=0, step=1, key="try_seed")
        frame.show_note(SAMPLED)
    return {**given, **form.ask_asking("try"), "execute_code": form.ask_execute_code("try")}


def request_of(prompt: Prompt | None, models: dict[str, Any], decoding: dict[str, Any]) -> Request:
    """The request of the filled form. Raises VibeError that says what is wrong in it."""
    required(decoding["weights"], "folder of the weights, or choose other weights")
    configs = configs_of(models)
    return make_request(prompt or own_prompt(st.session_state["try_text"]), configs, **decoding)


def show_fit(configs: tuple[Config, ...], prompt: Prompt | None, decoding: dict[str, Any]) -> None:
    """Whether the chosen configs fit, before they are loaded."""
    device = likely_device(decoding["device"])
    kind = "dummy" if decoding["weights"] == "dummy" else "hub"
    available = playground_view.playground().available_bytes(device)
    text = prompt.text if prompt else st.session_state["try_text"]
    asking = Asking(decoding["chat"], decoding["system"], decoding["thinking"])
    new_tokens, sampled = max(1, decoding["max_new_tokens"]), "temperature" in decoding
    workload = workload_of_text(text, new_tokens, asking, sampled=sampled)
    line, refusals = fit.preview(configs, device, kind, available, workload, decoding["engine"])
    frame.show_note(line)
    for refusal in refusals:
        st.warning(frame.plain(refusal))


study = frame.acting_page()
frame.show_html("h1", "Try a prompt")
frame.show_note(
    "Configs run one after another, each in a process of its own, so none slows another down. "
    "Nothing is stored."
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
# A choice that cannot be used is explained when it is tried.
with suppress(VibeError):
    show_fit(configs_of(models), chosen, decoding)
session = st.session_state.get(SESSION)
active = session is not None and not session.finished.is_set()
if not active and pressed("Try it", key="try-it", type="primary"):
    try:
        request = request_of(chosen, models, decoding)
    except VibeError as error:
        st.error(frame.plain(in_form(str(error))))
    else:
        watch = playground_view.browser_watch()
        st.session_state[SESSION] = playground_view.playground().submit(request, watch)
        st.rerun()
playground_view.show(session)
if session is not None and not active:
    keep.show(session, study)
