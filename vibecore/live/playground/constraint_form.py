"""The form of a check: which kind of input each argument needs, and the constraint it makes.

Read from the checks' own signatures, so a new check has a form without any change here.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from vibecore.catalog.suites import Constraint
from vibecore.core.errors import InputError
from vibecore.core.text_files import no_character
from vibecore.scoring import CHECKS, RELATIONS, constraint_defect
from vibecore.scoring.verdict import Relation

# Longer arguments are cut where constraints are listed.
SHOWN_CHARACTERS = 40
# type of an argument -> kind of its input; any other type is JSON
KINDS: dict[Any, str] = {
    int: "whole",
    float: "number",
    bool: "yes or no",
    str: "text",
    list[str]: "lines",
}


@dataclass(frozen=True)
class Field:
    """One argument: its name, `kind` (of KINDS, `choice` or `JSON`) and, for a choice, each option
    with its meaning."""

    name: str
    kind: str
    options: Mapping[str, str]


def fields_of(check: str) -> tuple[Field, ...]:
    """The arguments of a check of the table, in order."""
    return tuple(_field(name, hint) for name, hint in CHECKS[check].arguments.items())


def rule_of(check: str) -> str:
    """What the check demands, in a sentence."""
    return CHECKS[check].sentence


def constraint_of(check: str, given: Mapping[str, Any]) -> Constraint:
    """The constraint of a filled form. Raises InputError that names the argument at fault."""
    arguments = {field.name: _value(field, given.get(field.name)) for field in fields_of(check)}
    constraint = Constraint(check, arguments)
    defect = constraint_defect(constraint)
    if defect:
        raise InputError(f"This constraint cannot be used: {defect}.")
    return constraint


def constraint_words(constraint: Constraint) -> str:
    """A constraint on one line: `word count: relation le, count 50`."""
    arguments = ", ".join(
        f"{name.replace('_', ' ')} {_short(value)}" for name, value in constraint.arguments.items()
    )
    name = constraint.check.replace("_", " ")
    return f"{name}: {arguments}" if arguments else name


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 1]}…"


def _field(name: str, hint: Any) -> Field:
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is Literal:
        words = {option: option for option in typing.get_args(hint)}
        if hint == Relation:
            words = {option: meaning for option, (_, meaning) in RELATIONS.items()}
        return Field(name, "choice", words)
    return Field(name, KINDS.get(hint, "JSON"), {})


def _value(field: Field, given: Any) -> Any:
    if field.kind == "lines":
        return [line.strip() for line in str(given or "").splitlines() if line.strip()]
    if field.kind == "JSON":
        try:
            found = json.loads(given or "")
        except (ValueError, RecursionError) as error:
            raise InputError(f"'{field.name}' is not JSON: {error}.") from None
        if (defect := no_character(found)) is not None:
            raise InputError(f"'{field.name}': {defect}.")
        return found
    return given
