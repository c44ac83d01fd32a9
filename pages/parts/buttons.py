"""A button whose press is not lost.

The run of a page that a press causes can end before it reaches the button: frame.current_study
reruns the page where nothing has routed it yet. Noted in a callback, the press waits till then.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def pressed(label: str, key: str, **options: Any) -> bool:
    """Show a button (see st.button); whether it was pressed since it was last asked."""
    st.button(label, key=key, on_click=_note, args=(key,), **options)
    return st.session_state.pop(_noted(key), False)


def _note(key: str) -> None:
    st.session_state[_noted(key)] = True


def _noted(key: str) -> str:
    return f"{key} was pressed"
