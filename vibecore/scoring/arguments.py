"""The arguments of a check: their schema, read from its signature, and whether values fit.

A check's keyword-only parameters are its arguments: all required, none with a default. Their
annotations say what is allowed: int (at least 0), float, bool, str and list[str] (neither
empty), list[dict] (not empty), a Literal of words, or one of the pattern types below.
"""

from __future__ import annotations

import inspect
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal

from vibecore.scoring.text.patterns import pattern_defect


def patterns_defect(patterns: list[str]) -> str | None:
    """The first defect of several patterns; None when all are fit."""
    return next(filter(None, map(pattern_defect, patterns)), None)


def positive_defect(number: int) -> str | None:
    """What is wrong with a position: they are counted from 1."""
    return None if number > 0 else f"is {number}; the first is 1"


def margin_defect(number: float) -> str | None:
    """What is wrong with a tolerance: it is not negative."""
    return None if number >= 0 else f"is {number}, wanted 0 or more"


Pattern = Annotated[str, pattern_defect]
Patterns = Annotated[list[str], patterns_defect]
Position = Annotated[int, positive_defect]
Margin = Annotated[float, margin_defect]


@cache
def schema_of(check: Callable) -> dict[str, Any]:
    """Argument name → annotation, in order; raises TypeError if a check is not of the form."""
    hints = typing.get_type_hints(check, include_extras=True)
    text, *arguments = inspect.signature(check).parameters.values()
    if text.name != "text" or any(
        p.kind is not p.KEYWORD_ONLY or p.default is not p.empty for p in arguments
    ):
        raise TypeError(f"{check.__name__}: wanted (text, *, required keyword arguments)")
    return {parameter.name: hints[parameter.name] for parameter in arguments}


def find_defect(check: Callable, arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first argument that does not fit, as (key, what is wrong); None when all fit."""
    schema = schema_of(check)
    allowed = ", ".join(schema) or "none"
    for key in arguments:
        if key not in schema:
            return key, f"is not an argument of {check.__name__}; its arguments: {allowed}"
    for key, annotation in schema.items():
        if key not in arguments:
            return key, f"is missing; the arguments of {check.__name__}: {allowed}"
        defect = _value_defect(annotation, arguments[key])
        if defect:
            return key, defect
    if {"relation", "count"} <= schema.keys():
        case = arguments["relation"], arguments["count"]
        if case in {("ge", 0), ("lt", 0)}:
            return "count", f"{case[0]} 0 is {'always' if case[0] == 'ge' else 'never'} met"
    return None


def _value_defect(annotation: Any, value: Any) -> str | None:
    validators: Sequence[Callable[[Any], str | None]] = ()
    if typing.get_origin(annotation) is Annotated:
        annotation, *validators = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        allowed = typing.get_args(annotation)
        return None if value in allowed else f"is {value!r}; allowed: {', '.join(allowed)}"
    wanted, fits = _TYPES[annotation]
    if not fits(value):
        return f"is {value!r}, wanted {wanted}"
    return next(filter(None, (validate(value) for validate in validators)), None)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_list(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and bool(value) and all(map(fits, value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


_TYPES: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    int: (
        "a whole number, 0 or more",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    ),
    float: ("a number", _is_number),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    str: ("text, not empty, in quotes if it looks like anything else", _is_text),
    dict[str, Any]: ("a mapping", _is_mapping),
    list[str]: (
        "a list of texts, none empty, none twice",
        lambda value: _is_list(value, _is_text) and len(set(value)) == len(value),
    ),
    list[dict]: ("a list of mappings, not empty", lambda value: _is_list(value, _is_mapping)),
}
