"""The address of a view: the widgets' values are in the query string, and a link sets them.

An address that this session did not write last (a link, a bookmark, the back button) sets the
widgets; otherwise the widgets set the address. Streamlit's own `bind=` is not used,
because st.switch_page refuses to leave a page that has bound parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.parts.plain import plain, shortened

STUDY = "study"
# Named in a warning; a page has some ten parameters.
MOST_UNUSABLE = 10
_WRITTEN = "address written"
_REMEMBERED = "addresses of pages"
# What holds a study's name: the picker, the other study of Compare, and the one Launch adds to.
_STUDIES = (STUDY, "with", "launch_into")


@dataclass(frozen=True)
class Parameter:
    """One parameter: its default, and how its texts in the address become a value.

    `parse` returns None for what it cannot use; the default then applies.
    """

    default: Any
    parse: Callable[[list[str]], Any]


def one_of(options: Sequence[Any], default: Any = None) -> Parameter:
    """One of some options, written as text."""
    named = {str(option): option for option in options}
    return Parameter(default, lambda texts: named.get(texts[0]))


def member_of(options: Sequence[str], default: str) -> Parameter:
    """One of many texts, looked up directly because there may be a million."""
    return Parameter(default, lambda texts: texts[0] if texts[0] in options else None)


def some_of(options: Sequence[str], default: Sequence[str], most: int) -> Parameter:
    """Several of some options, in the order of the address."""

    def parse(texts: list[str]) -> list[str] | None:
        return [text for text in dict.fromkeys(texts) if text in options][:most] or None

    return Parameter(list(default), parse)


def number(lowest: float, highest: float, default: float | None, kind: type = float) -> Parameter:
    """A number within bounds."""

    def parse(texts: list[str]) -> float | None:
        try:
            value = kind(texts[0])
        except ValueError:
            return None
        return value if lowest <= value <= highest else None

    return Parameter(default, parse)


def text(default: str = "") -> Parameter:
    """Any text."""
    return Parameter(default, lambda texts: texts[0])


def texts() -> Parameter:
    """Any texts, each once, in the order of the address."""
    return Parameter([], lambda given: list(dict.fromkeys(given)))


def given_study() -> str | None:
    """The study that a new address names; None where the picker's choice applies."""
    return st.query_params.get(STUDY) if _is_new() else None


def read(page: str, parameters: dict[str, Parameter]) -> None:
    """Set the session state of a page's widgets before they are made; warn of unusable values."""
    given, new = _given(), _is_new()
    remembered = st.session_state.get(_REMEMBERED, {}).get(page)
    # Only the menu leads to a page without parameters; every address written here has the study.
    came_by_menu = new and not given
    if came_by_menu and remembered and remembered[STUDY] == [st.session_state[STUDY]]:
        given = remembered
    unusable = []
    for name, parameter in parameters.items():
        if new or name not in st.session_state:
            value = parameter.parse(given[name]) if given.get(name) else None
            st.session_state[name] = parameter.default if value is None else value
            unusable += [
                f"{name}={shortened(text)}" for text in _unused(given.get(name, []), value)
            ]
        elif texts := _texts(st.session_state[name]):
            # The study may have changed under the widget, and its options with it.
            value = parameter.parse(texts)
            st.session_state[name] = parameter.default if value is None else value
    if unusable:
        more = len(unusable) - MOST_UNUSABLE
        said = "; ".join(unusable[:MOST_UNUSABLE]) + (f" and {more} more" if more > 0 else "")
        st.warning(plain(f"Not usable in this address, and left out: {said}."))


def write(page: str, parameters: dict[str, Parameter]) -> None:
    """Put the widgets' values into the address; defaults are left out."""
    address = {STUDY: [st.session_state[STUDY]]}
    for name, parameter in parameters.items():
        value = st.session_state[name]
        if value != parameter.default and (texts := _texts(value)):
            address[name] = texts
    if address != _given():
        st.query_params.from_dict(address)
    st.session_state[_WRITTEN] = address
    st.session_state.setdefault(_REMEMBERED, {})[page] = address


def follow_rename(old: str, new: str) -> None:
    """Put a study's new name in the place of its old one: in the picker, in the address, and in the
    addresses that this session's pages remember. For callbacks, before widgets are made."""
    addresses = [
        st.session_state.get(_WRITTEN, {}),
        *st.session_state.get(_REMEMBERED, {}).values(),
    ]
    for name in _STUDIES:
        if st.session_state.get(name) == old:
            st.session_state[name] = new
        for one in addresses:
            if one.get(name) == [old]:
                one[name] = [new]
        if st.query_params.get_all(name) == [old]:
            st.query_params[name] = new


def _texts(value: Any) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [
        f"{one:g}" if isinstance(one, float) else str(one)
        for one in several
        if one not in (None, "")
    ]


def _unused(texts: list[str], value: Any) -> list[str]:
    """The texts of an address that are not part of a value."""
    if value is None:
        return texts
    return [text for text in texts if text not in value] if isinstance(value, list) else texts[1:]


def _given() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _is_new() -> bool:
    return _given() != st.session_state.get(_WRITTEN)
