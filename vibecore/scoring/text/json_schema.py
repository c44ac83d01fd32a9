"""JSON Schema for the check `json_schema`: which schemas may be used, and validating a value.

The rules are those of draft 2020-12 (json-schema.org), by the package jsonschema. Two keywords
are made safe: a pattern is bounded in time (see `patterns`), and uniqueItems is linear.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

from vibecore.scoring.text.patterns import search
from vibecore.scoring.verdict import quote


def schema_defect(schema: dict[str, Any]) -> str | None:
    """What makes a schema unfit: not valid, empty, or pointing outside itself; else None."""
    from jsonschema import SchemaError
    from jsonschema.validators import Draft202012Validator

    if not schema:
        return "is empty, so that it could not fail"
    for key, value in _entries(schema):
        if key in ("$ref", "$dynamicRef") and not str(value).startswith("#"):
            return f'has "{key}" to {value!r}, and nothing outside the schema is ever fetched'
        if key == "patternProperties":
            return 'has "patternProperties", which is not supported: use "properties"'
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"is not a JSON Schema: {error.message[:120]}"
    except RecursionError:
        return "is nested too deeply"
    return None


def schema_violation(value: Any, schema: dict[str, Any]) -> str | None:
    """The first way in which a value breaks a schema, in words; None when it is valid.

    Raises Undecided where a pattern takes too long.
    """
    error = next(_validator(json.dumps(schema)).iter_errors(value), None)
    if error is None:
        return None
    where = "/".join(map(str, error.absolute_path))
    # The package's own message quotes the whole value.
    shown = quote(json.dumps(error.instance, ensure_ascii=False)[:80])
    rule = quote(json.dumps(error.validator_value, ensure_ascii=False)[:80])
    return f"{where + ' ' if where else ''}{shown} breaks {error.validator} {rule}"


@lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    return _bounded_class()(json.loads(schema))


@cache
def _bounded_class() -> type:
    from jsonschema import ValidationError
    from jsonschema.validators import Draft202012Validator, extend

    def pattern(_: Any, wanted: str, value: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(value, str) and search(wanted, value) is None:
            yield ValidationError("")

    def unique(_: Any, wanted: bool, value: Any, __: Any) -> Iterator[ValidationError]:
        if wanted and isinstance(value, list):
            seen = {json.dumps(_canonical(item), sort_keys=True) for item in value}
            if len(seen) < len(value):
                yield ValidationError("")

    return extend(Draft202012Validator, {"pattern": pattern, "uniqueItems": unique})


def _canonical(value: Any) -> Any:
    """The value with 1.0 as 1, which are equal in JSON Schema."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    return value


def _entries(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        for key, value in schema.items():
            yield key, value
            yield from _entries(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _entries(item)
