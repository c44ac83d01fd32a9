"""The inputs that the forms of Try and Launch share. `page` begins the keys of their widgets."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from vibecore.catalog.engines import ENGINES
from vibecore.catalog.precisions import LISTED_PRECISIONS
from vibecore.live.form import DEVICE_NAMES, RUN_CODE, WEIGHTS
from vibecore.studies.limits import DEVICES


def ask_own_model(page: str, precisions: list[str]) -> tuple[str, tuple[str, ...]]:
    """A model of the user's own, "" for none, and its precisions."""
    left, right = st.columns([2, 1])
    model = left.text_input(
        "Folder or hub id", key=f"{page}_model", placeholder="/models/mine or ORGANISATION/NAME"
    )
    chosen = right.multiselect(
        "Precisions", LISTED_PRECISIONS, default=precisions, key=f"{page}_precisions"
    )
    return model.strip(), tuple(chosen)


def ask_device(place: DeltaGenerator, page: str) -> str:
    """`auto`, `cpu` or `cuda`."""
    return place.selectbox(
        "Device", list(DEVICES), format_func=DEVICE_NAMES.__getitem__, key=f"{page}_device"
    )


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


def ask_execute_code(page: str) -> bool:
    """Whether the code in outputs is run."""
    return st.checkbox(RUN_CODE, key=f"{page}_execute")
