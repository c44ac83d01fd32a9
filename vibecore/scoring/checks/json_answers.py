"""Checks on answers that are JSON: its keys, the type of a value, a schema."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from vibecore.scoring.checks import Check
from vibecore.scoring.text.json_objects import find_objects
from vibecore.scoring.text.json_schema import schema_defect, schema_violation
from vibecore.scoring.verdict import Verdict, listed, quote

_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}


def valid_json_with_keys(text: str, *, keys: list[str]) -> Verdict:
    """A JSON object at the top level of the answer, fenced or bare, has at least these keys.

    Text around it is ignored. Not at top level: an object in a list, in another object, or in a
    value that is broken or cut off. A block of another language counts where all of it is one
    object and nothing is fenced as JSON. No JSON: trailing commas, comments, single quotes, NaN. Of
    a key given twice the last value counts.

    Source: RFC 8259 for what is JSON; which object is meant is ours.
    """
    answer = find_objects(text)
    found = answer.meant(keys)
    if found is None:
        return Verdict(
            False, f"{answer.reason}, wanted one with the keys {listed(keys)}", open=True
        )
    missing = [key for key in keys if key not in found]
    if missing:
        # An object with none of the keys was not the answer yet.
        may_turn = answer.unfinished or len(missing) == len(keys)
        return Verdict(False, f"the JSON object lacks the keys {listed(missing)}", open=may_turn)
    return Verdict(True, f"found a JSON object with the keys {listed(keys)}", open=False)


def json_value_type(
    text: str, *, key: str, kind: Literal["string", "number", "boolean", "list", "object"]
) -> Verdict:
    """In the JSON object that has this key at the top level, its value is of this type.

    Found as by `valid_json_with_keys`. Of several with the key, the last in a block fenced as JSON
    counts, else the last in one fenced without a language, else the last in bare text: a draft
    stands before its correction. true and false are no numbers.

    Source: RFC 8259 for what is JSON; which object is meant is ours.
    """
    answer = find_objects(text)
    found = answer.meant([key])
    if found is None:
        return Verdict(False, f'{answer.reason}, wanted one whose "{key}" is a {kind}', open=True)
    if key not in found:
        explanation = f'the JSON object has no key "{key}", wanted a {kind} there'
        return Verdict(False, explanation, open=True)
    value = found[key]
    # bool is a kind of int in Python, and not a number in JSON.
    passed = isinstance(value, _JSON_TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)
    explanation = f'"{key}" is {quote(json.dumps(value)[:80])}, wanted a {kind}'
    return Verdict(passed, explanation, open=not passed and answer.unfinished)


def json_schema(text: str, *, schema: Annotated[dict[str, Any], schema_defect]) -> Verdict:
    """The JSON object at the top level of the answer fits a JSON Schema.

    Found as by `valid_json_with_keys`. Of several objects the one with most of the properties that
    the schema names counts, then the last as in `json_value_type`.

    Source: JSON Schema, draft 2020-12.
    """
    answer = find_objects(text)
    named = {*schema.get("properties", ()), *schema.get("required", ())}
    found = answer.meant(named)
    if found is None:
        return Verdict(False, f"{answer.reason}, wanted one that keeps the schema", open=True)
    violation = schema_violation(found, schema)
    if violation:
        may_turn = answer.unfinished or (bool(named) and not named & found.keys())
        return Verdict(False, violation, open=may_turn)
    return Verdict(True, "found a JSON object that keeps the schema", open=False)


CHECKS = (
    Check(valid_json_with_keys, "JSON"),
    Check(json_value_type, "JSON"),
    Check(json_schema, "JSON"),
)
