"""A JSON value checked against a pydantic model, with errors in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from vibecore.core.errors import InputError

Model = TypeVar("Model", bound=BaseModel)
# The most of a wrong value that a message repeats.
MOST_SHOWN = 40


def checked(model: type[Model], value: Any, name: object) -> Model:
    """A JSON value as a model. Raises InputError with `name` and the first fault: where it is,
    what it must be and what is there instead."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    place, given = place_in_words(first["loc"]), repr(first["input"])
    words = first["msg"].removeprefix("Value error, ").replace(" after validation", "")
    words = re.sub(r"a valid dictionary( or instance of \w+)?", "an object", words)
    must = re.sub(r"^\w+ should ", "", words)
    if first["type"] == "missing":
        fault = f"{place} is missing"
    elif must == words:
        fault = f"{place}: {words}" if place else words
    else:
        shown = given if len(given) <= MOST_SHOWN else f"{given[:MOST_SHOWN]}…"
        fault = f"{place} must {must}" + ("" if ", not " in must else f", not {shown}")
    raise InputError(f"{name}: {fault}.")


def place_in_words(location: Sequence[int | str]) -> str:
    """Where a value is: "row 2: `model`" for ("rows", 1, "model")."""
    parts: list[str] = []
    names: list[str] = []
    for part in location:
        if isinstance(part, int):
            parts.append(f"{'.'.join(names).removesuffix('s')} {part + 1}")
            names = []
        elif part != "[key]":
            names.append(part)
    return ": ".join([*parts, *([f"`{'.'.join(names)}`"] if names else [])])
