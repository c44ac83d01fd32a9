"""The inputs that the forms of Try and Launch share. `page` begins the keys of their widgets."""

from __future__ import annotations

import itertools
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pages.parts import frame
from vibecore.catalog.engines import ENGINES
from vibecore.catalog.gguf_types import GGUF_TYPES
from vibecore.catalog.precisions import AS_IS, LISTED_PRECISIONS
from vibecore.live.form import (
    CHAT_SENTENCES,
    DEVICE_NAMES,
    FIDELITY_HELP,
    MEASURE_FIDELITY,
    OWN_SENTENCE,
    PLACES,
    RUN_CODE,
    SYSTEM_SENTENCE,
    THINKING_SENTENCES,
    WEIGHTS,
    OwnModel,
)
from vibecore.studies.limits import DEVICES
from vibecore.views.precision_words import described_as_list

# The precisions that a model of one's own may run at.
OWN_PRECISIONS = [*LISTED_PRECISIONS, *GGUF_TYPES, AS_IS]


def ask_own_models(page: str) -> tuple[OwnModel, ...]:
    """Models of the user's own, one a row; there is always an empty row for one more.

    The session state `PAGE_model` holds them as the texts of an address, and may be set before.
    """
    models = [OwnModel.from_address(text) for text in st.session_state.setdefault(_own(page), [])]
    came_by_address = st.session_state.get(_in_rows(page)) != models
    frame.show_note(OWN_SENTENCE)
    for row, model in enumerate([*models, OwnModel("")]):
        _ask_own_model(page, row, model, anew=came_by_address)
    st.session_state[_in_rows(page)] = models
    return tuple(models)


def _ask_own_model(page: str, row: int, model: OwnModel, *, anew: bool) -> None:
    source_key, name_key = _row_keys(page, row)
    # A page that was left has forgotten its widgets.
    if anew or source_key not in st.session_state:
        st.session_state[source_key], st.session_state[name_key] = model.source, model.name
    left, right = st.columns([3, 1])
    number = f" {row + 1}" if row else ""
    left.text_input(
        f"Folder, .gguf file or hub id{number}",
        key=source_key,
        placeholder="/models/mine or ORGANISATION/NAME",
        on_change=_take_rows,
        args=(page,),
    )
    right.text_input(
        f"Short name{number}",
        key=name_key,
        placeholder="optional",
        on_change=_take_rows,
        args=(page,),
    )


def _take_rows(page: str) -> None:
    """What stands in the rows is what is chosen; a row that was emptied goes, and its place with
    it."""
    models = []
    for row in itertools.count():
        keys = _row_keys(page, row)
        if keys[0] not in st.session_state:
            break
        source, name = (st.session_state.pop(key).strip() for key in keys)
        if source or name:
            models.append(OwnModel(source, name))
    st.session_state[_own(page)] = [model.to_address() for model in models]


def _own(page: str) -> str:
    return f"{page}_model"


def _in_rows(page: str) -> str:
    return f"{page} models in rows"


def _row_keys(page: str, row: int) -> tuple[str, str]:
    return f"{page}_model_{row}", f"{page}_name_{row}"


def ask_own_precisions(page: str, default: list[str]) -> tuple[str, ...]:
    """The precisions of the user's own models."""
    # A value in the session state and a default of the widget would contradict each other.
    st.session_state.setdefault(f"{page}_precisions", default)
    return tuple(
        st.multiselect(
            "Precisions",
            OWN_PRECISIONS,
            help=described_as_list(OWN_PRECISIONS),
            key=f"{page}_precisions",
        )
    )


def ask_asking(page: str) -> dict[str, Any]:
    """How prompts are put to the models: `chat`, `system` and `thinking`, as the command line
    takes them."""
    chat_place, thinking_place, system_place = st.columns([1, 1, 2])
    with chat_place:
        chat = st.selectbox("Chat template", list(CHAT_SENTENCES), key=f"{page}_chat")
        frame.show_note(CHAT_SENTENCES[chat])
    with thinking_place:
        thinking = st.selectbox("Thinking", list(THINKING_SENTENCES), key=f"{page}_thinking")
        frame.show_note(THINKING_SENTENCES[thinking])
    with system_place:
        system = st.text_input(
            "System text", key=f"{page}_system", placeholder="the template's own, if it has one"
        )
        frame.show_note(SYSTEM_SENTENCE)
    return {"chat": chat, "thinking": thinking, "system": system.strip() or None}


def ask_device(place: DeltaGenerator, page: str) -> str:
    """`auto`, `cpu` or `cuda`."""
    return place.selectbox(
        "Device", list(DEVICES), format_func=DEVICE_NAMES.__getitem__, key=f"{page}_device"
    )


def ask_place(place: DeltaGenerator, page: str) -> dict[str, Any]:
    """Where a study runs: `device`, `gpus` and `ray`, as the command line takes them."""
    names = DEVICE_NAMES | {option: name for option, (name, _, _) in PLACES.items()}
    chosen = place.selectbox(
        "Device", [*DEVICES, *PLACES], format_func=names.__getitem__, key=f"{page}_device"
    )
    if chosen not in PLACES:
        return {"device": chosen}
    _, label, first = PLACES[chosen]
    given = place.text_input(label, value=first, key=f"{page}_{chosen}").strip()
    return {"device": "auto", chosen: given}


def ask_engine(place: DeltaGenerator, page: str) -> str:
    """One of ENGINES."""
    return place.selectbox("Engine", list(ENGINES), key=f"{page}_engine")


def ask_weights(place: DeltaGenerator, page: str) -> str:
    """`hub`, `dummy` or a folder; "" while its folder is not entered."""
    known = WEIGHTS[place.selectbox("Weights", list(WEIGHTS), key=f"{page}_weights")]
    if known is not None:
        return known
    return place.text_input("Folder of the weights", key=f"{page}_folder").strip()


def ask_tokens(place: DeltaGenerator, page: str, **options: Any) -> int:
    """The most new tokens an output may have; any number, so that a wrong one gets a message."""
    return place.number_input("Max new tokens", step=50, key=f"{page}_tokens", **options)


def ask_fidelity(page: str) -> bool:
    """Whether fidelity is measured once a run is done."""
    return st.checkbox(MEASURE_FIDELITY, help=FIDELITY_HELP, key=f"{page}_fidelity")


def ask_execute_code(page: str) -> bool:
    """Whether the code in outputs is run."""
    return st.checkbox(RUN_CODE, key=f"{page}_execute")
