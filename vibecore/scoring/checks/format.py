"""Checks on the format of an answer: bullets, numbered lists, JSON, and a final answer."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from vibecore.scoring.arguments import Margin
from vibecore.scoring.checks import Check
from vibecore.scoring.text.answers import judge_final_answer, judge_number
from vibecore.scoring.text.json_schema import schema_defect, schema_violation
from vibecore.scoring.verdict import Relation, Verdict, compare, listed, numbering_defect, quote

_BULLET = re.compile(r"^[ \t]*[-*+•][ \t]+\S", re.MULTILINE)
_NUMBERED = re.compile(r"^[ \t]*\**(\d{1,3})[.)]\**[ \t]+\S", re.MULTILINE)
_FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_JSON_TRIES = 20
_JSON_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "object": (dict,),
}


def bullet_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with -, *, + or • and a space."""
    return compare(len(_BULLET.findall(text)), relation, count, "bullet")


def numbered_list_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with "1.", "2." … (or "1)"), which must count up from 1."""
    numbers = [int(number) for number in _NUMBERED.findall(text)]
    if misnumbered := numbering_defect(numbers):
        return Verdict(False, f"the list is numbered {misnumbered}, wanted it to count up from 1")
    return compare(len(numbers), relation, count, "numbered item")


def valid_json_with_keys(text: str, *, keys: list[str]) -> Verdict:
    """The first JSON object in the answer, fenced or bare, has at least these keys."""
    found, reason = _find_object(text)
    if found is None:
        return Verdict(False, f"{reason}, wanted one with the keys {listed(keys)}")
    missing = [key for key in keys if key not in found]
    if missing:
        return Verdict(False, f"the JSON object lacks the keys {listed(missing)}")
    return Verdict(True, f"found a JSON object with the keys {listed(keys)}")


def json_value_type(
    text: str, *, key: str, kind: Literal["string", "number", "boolean", "list", "object"]
) -> Verdict:
    """In the first JSON object of the answer, the value of this key is of this type."""
    found, reason = _find_object(text)
    if found is None:
        return Verdict(False, f'{reason}, wanted one whose "{key}" is a {kind}')
    if key not in found:
        return Verdict(False, f'the JSON object has no key "{key}", wanted a {kind} there')
    value = found[key]
    # bool is a kind of int in Python, and not a number in JSON.
    passed = isinstance(value, _JSON_TYPES[kind]) and (kind == "boolean") == isinstance(value, bool)
    return Verdict(passed, f'"{key}" is {quote(json.dumps(value)[:80])}, wanted a {kind}')


def final_answer(text: str, *, answer: str) -> Verdict:
    """The last answer stated is this one, numbers compared as numbers.

    `vibecore.scoring.text.answers` says how the statement is found and compared.
    """
    return judge_final_answer(text, answer)


def numeric_answer(text: str, *, answer: float, tolerance: Margin) -> Verdict:
    """The last answer stated, or else the last number, is within `tolerance` of this one."""
    return judge_number(text, answer, tolerance)


def json_schema(text: str, *, schema: Annotated[dict[str, Any], schema_defect]) -> Verdict:
    """The first JSON object in the answer, fenced or bare, fits a JSON Schema (2020-12)."""
    found, reason = _find_object(text)
    if found is None:
        return Verdict(False, f"{reason}, wanted one that keeps the schema")
    violation = schema_violation(found, schema)
    if violation:
        return Verdict(False, violation)
    return Verdict(True, "found a JSON object that keeps the schema")


def _find_object(text: str) -> tuple[dict[str, Any] | None, str]:
    """The first JSON object, or None and why there is none."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    reason = "found no JSON object"
    for candidate in (*_FENCED.findall(text)[:_JSON_TRIES], text):
        start = candidate.find("{")
        for _ in range(_JSON_TRIES):
            if start < 0:
                break
            try:
                return decoder.raw_decode(candidate, start)[0], ""
            except RecursionError:
                return None, "the JSON object is nested too deeply"
            except json.JSONDecodeError as error:
                reason = f"found no valid JSON object (line {error.lineno}: {error.msg})"
            except ValueError as error:  # NaN, or a number of thousands of digits
                reason = f"found no valid JSON object ({str(error)[:40]})"
            start = candidate.find("{", start + 1)
    return None, reason


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


CHECKS = (
    Check(bullet_count, "counts"),
    Check(numbered_list_count, "counts"),
    Check(valid_json_with_keys, "JSON"),
    Check(json_value_type, "JSON"),
    Check(final_answer, "reasoning"),
    Check(numeric_answer, "reasoning"),
    Check(json_schema, "JSON"),
)
