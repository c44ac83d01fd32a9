"""An output's text cut into pieces for display: repeated word pairs, the loop, differences."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NotRequired, TypedDict

from vibecore.core.formats import counted
from vibecore.scoring.measures.loops import find_loop
from vibecore.views.differences import find_divergence, spans_not_in


class Piece(TypedDict):
    """A piece of a text as the page's component takes it: its marks, and a remark at its start;
    also one after it, and what the pointer shows of it."""

    text: str
    marks: list[str]
    here: str | None
    after: NotRequired[str]
    title: NotRequired[str]


Span = tuple[int, int, str]
Remark = tuple[int, str]

_WORD = re.compile(r"\S+")


def repeated_spans(text: str) -> list[tuple[int, int]]:
    """Character spans of the word pairs that occurred earlier in the text.

    They are what `repetition_ratio` counts: its value is their number over all pairs.
    """
    words = list(_WORD.finditer(text))
    seen: set[tuple[str, str]] = set()
    spans: list[tuple[int, int]] = []
    for first, second in pairwise(words):
        pair = (first.group(), second.group())
        if pair in seen:
            if spans and first.start() <= spans[-1][1]:
                spans[-1] = (spans[-1][0], second.end())
            else:
                spans.append((first.start(), second.end()))
        seen.add(pair)
    return spans


def loop_start(text: str) -> int | None:
    """The character from which the text repeats itself to its end; None where it does not."""
    loop = find_loop([ord(character) for character in text])
    return loop.onset if loop else None


def mark_repetition(text: str, loop_onset: int | None, *, loops: bool = False) -> list[Piece]:
    """The text with repeated word pairs marked and, where a loop was found, its beginning.

    `loop_onset` is the score of that name: the index of the token at which the loop begins.
    `loops`: it ends in a loop, which may be one of characters and have no such token. The character
    is found on the text itself, because a token's place in it is not stored.
    """
    spans = [(start, end, "repeated") for start, end in repeated_spans(text)]
    remarks: list[Remark] = []
    start = loop_start(text) if loops or loop_onset is not None else None
    if start is not None:
        after = "loops from here"
        if loop_onset is not None:
            after = f"loops after {counted(loop_onset, 'token')}"
        remarks.append((start, after))
    return cut(text, spans, remarks)


def mark_difference(
    text: str,
    baseline: str,
    token_ids: Sequence[int] | None = None,
    baseline_ids: Sequence[int] | None = None,
) -> list[Piece]:
    """The text with what the baseline does not have marked, and the first divergence named."""
    divergence = find_divergence(text, baseline, token_ids, baseline_ids)
    if divergence is None:
        return cut(text, [], [])
    token, word = divergence.token, divergence.word
    place = counted(word, "word") if token is None else counted(token, "token")
    spans = [(start, end, "different") for start, end in spans_not_in(text, baseline)]
    return cut(text, spans, [(divergence.character, f"diverges after {place}")])


def cut(text: str, spans: Sequence[Span], remarks: Sequence[Remark] = ()) -> list[Piece]:
    """Cut a text at every edge of a span and at every remark; the pieces joined are the text."""
    begins: defaultdict[int, list[str]] = defaultdict(list)
    ends: defaultdict[int, list[str]] = defaultdict(list)
    for start, end, name in spans:
        begins[start].append(name)
        ends[end].append(name)
    order = sorted({0, len(text), *begins, *ends, *(place for place, _ in remarks)})
    pieces: list[Piece] = []
    # A text may have thousands of spans: those that are open are counted on the way.
    marks: Counter[str] = Counter()
    for start, end in pairwise(order):
        marks.update(begins[start])
        marks.subtract(ends[start])
        pieces.append(
            {
                "text": text[start:end],
                "marks": sorted(name for name in marks if marks[name] > 0),
                "here": "; ".join(note for place, note in remarks if place == start) or None,
            }
        )
    last = "; ".join(note for place, note in remarks if place == len(text))
    if last or not pieces:
        pieces.append({"text": "", "marks": [], "here": last or None})
    return pieces
