"""The JSON objects of an answer: in which order they are meant, and in bounded time."""

from __future__ import annotations

import time

import pytest

from vibecore.scoring.text.json_objects import DEPTH_LIMIT, find_objects


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ('{"a": 1} {"b": 2}', [{"a": 1}, {"b": 2}]),
        ('```json\n{"a": 1}\n```\nlike {"b": 2}', [{"b": 2}, {"a": 1}]),
        ('```\n{"a": 1}\n```\n```json\n{"b": 2}\n```\n{"c": 3}', [{"c": 3}, {"a": 1}, {"b": 2}]),
        ('```python\n{"a": 1}\n```', [{"a": 1}]),
        ('```python\nx = {"a": 1}\n```', []),
        ('[{"a": 1}]', []),
        ('{"a": {"b": 1}', []),
        ('{see {"a": 1}}', [{"a": 1}]),
        ("no object", []),
    ],
)
def test_objects_with_the_likeliest_last(text, objects):
    assert list(find_objects(text).objects) == objects


def test_the_object_that_the_keys_ask_for():
    found = find_objects('{"a": 1, "b": 1} {"a": 2} {"c": 3}')
    assert found.meant(["a"]) == {"a": 2}
    assert found.meant(["a", "b"]) == {"a": 1, "b": 1}
    assert found.meant(["d"]) == {"c": 3}
    assert find_objects("none").meant(["a"]) is None


@pytest.mark.parametrize(
    ("text", "unfinished"),
    [('{"a": 1', True), ('```json\n{"a": ', True), ('{"a": 1}', False), ('{"a": 1,}', False)],
)
def test_unfinished(text, unfinished):
    assert find_objects(text).unfinished is unfinished


def test_depth_does_not_depend_on_the_decoder():
    def nested(levels: int) -> str:
        return '{"a":' * levels + "1" + "}" * levels

    assert find_objects(nested(DEPTH_LIMIT)).objects
    assert find_objects(nested(DEPTH_LIMIT + 1)).reason == "the JSON object is nested too deeply"


@pytest.mark.parametrize(
    "unit",
    [
        "{",
        "[{",
        '{"a":\n\n',
        "[1, ",
        '{"a',
        '{"a":1}',
        "[",
        "{{",
        '["',
        '\n\n{"a',
        "```json\n{",
        "[1",
    ],
)
def test_linear_time(unit):
    least = 1.0
    for _ in range(3):
        start = time.process_time()
        find_objects.cache_clear()
        find_objects(unit * (50_000 // len(unit)))
        least = min(least, time.process_time() - start)
    assert least < 0.5
