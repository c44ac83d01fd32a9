"""What of a comparison is stored, what is missing, and in which portions it is measured."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vibecore import store
from vibecore.core.fidelity import BATCH_TEXTS, Reference, ReferenceText, Way
from vibecore.studies.fidelity.plan import Comparison

# Only the store knows whose connections they are.
Connection = Any

_PART = re.compile(r"(?P<text>[0-9a-f]{8}) \d+/(?P<parts>\d+)")


@dataclass(frozen=True)
class Item:
    """One reference text under its name; `prompt_tokens` is how many its prompt had when its
    output was made, None where that is not known."""

    name: str
    sample: int
    text: ReferenceText
    prompt_tokens: int | None = None


@dataclass(frozen=True)
class Portion:
    """Items of one kind that are measured together and stored in one transaction."""

    way: Way
    reference: Reference
    items: tuple[Item, ...]


def part_names(text: str, parts: int) -> list[str]:
    """Names of the parts that a tokenizer cuts a text into, from which both can be told: which text
    it was, and how many parts it has."""
    return [f"{_mark(text)} {number:03d}/{parts:03d}" for number in range(1, parts + 1)]


def is_done(connection: Connection, comparison: Comparison, text: str | None) -> bool:
    """Whether nothing of a comparison is missing over the parent's outputs and, unless it is None,
    a running text, as far as is known without a tokenizer."""
    ids = comparison.run_id, comparison.against_run_id
    for way in comparison.ways:
        if store.missing_fidelity(connection, *ids, way):
            return False
        if text is not None:
            parts = {name for name, _ in store.stored_fidelity(connection, *ids, way, "text")}
            if not _is_whole(parts, text):
                return False
    return True


def count_done(
    connection: Connection, comparison: Comparison, ways: Sequence[Way], names: Collection[str]
) -> tuple[int, int]:
    """(How many items are stored, how many there are) of a comparison in some ways, over the
    parent's outputs and the parts `names` of the running text."""
    ids = comparison.run_id, comparison.against_run_id
    outputs = len(store.reference_outputs(connection, comparison.against_run_id))
    done = 0
    for way in ways:
        done += outputs - len(store.missing_fidelity(connection, *ids, way))
        stored = {name for name, _ in store.stored_fidelity(connection, *ids, way, "text")}
        done += len(stored & set(names))
    return done, len(ways) * (outputs + len(names))


def missing_portions(
    connection: Connection,
    comparison: Comparison,
    ways: Sequence[Way],
    parts: Sequence[tuple[str, ReferenceText]],
) -> list[Portion]:
    """What is missing of a comparison in some ways; `parts` are the named ones of the running
    text."""
    ids = comparison.run_id, comparison.against_run_id
    portions: list[Portion] = []
    for way in ways:
        outputs = [
            Item(
                output.prompt_id,
                output.sample,
                ReferenceText(output.token_ids, output.text),
                output.prompt_tokens,
            )
            for output in store.missing_fidelity(connection, *ids, way)
        ]
        portions += (Portion(way, "outputs", some) for some in _together(outputs, way))
        stored = {name for name, _ in store.stored_fidelity(connection, *ids, way, "text")}
        texts = [Item(name, 0, text) for name, text in parts if name not in stored]
        portions += (Portion(way, "text", some) for some in _together(texts, way))
    return portions


def _together(items: Sequence[Item], way: Way) -> Iterator[tuple[Item, ...]]:
    """Items by prompt, all its samples together, or as many as are read in one batch."""
    if way == "batch":
        return (
            tuple(items[start : start + BATCH_TEXTS]) for start in range(0, len(items), BATCH_TEXTS)
        )
    return (tuple(some) for _, some in itertools.groupby(items, key=lambda item: item.name))


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _is_whole(names: Collection[str], text: str) -> bool:
    """Whether these are all parts of a text."""
    found = [match for name in names if (match := _PART.fullmatch(name))]
    own = [match for match in found if match["text"] == _mark(text)]
    return bool(own) and len(own) == int(own[0]["parts"])
