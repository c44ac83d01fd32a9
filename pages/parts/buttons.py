"""A button whose press is not lost.

The script run that a press starts can end before it reaches the button: frame.current_study reruns
the page where nothing has routed it yet. A callback records the press until the button is asked.
"""

from __future__ import annotations

from typing import Any

import streamlit as st


def pressed(label: str, key: str, **options: Any) -> bool:
    """Show a button (see st.button); returns whether it was pressed since the last call."""
    st.button(label, key=key, on_click=_note, args=(key,), **options)
    return st.session_state.pop(_noted(key), False)


def _note(key: str) -> None:
    st.session_state[_noted(key)] = True


def _noted(key: str) -> str:
    return f"{key} was pressed"
