"""A thinking model's reasoning told apart from its answer, whole or while it streams.

By the markers' text and not by one token's id: some tokenizers write a marker in several tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from vibecore.catalog.chat import ReasoningMarkers
from vibecore.core.records import TextPiece
from vibecore.engine.chat import Begins, PromptFormat


@dataclass(frozen=True)
class Split:
    """An output in two parts. `tokens`: how many leading ones are the reasoning's, its end marker
    included. `ended`: whether that marker was written."""

    reasoning: str
    answer: str
    tokens: int
    ended: bool


def split(
    tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, token_ids: Sequence[int]
) -> Split | None:
    """An output's reasoning and answer; None for one without reasoning.

    `token_ids` come without the end of sequence. See `find_reasoning` for what is reasoning.
    """
    if ask.markers is None:
        return None
    text = visible(tokenizer, ask, token_ids)
    found = find_reasoning(text, ask.markers, ask.begins)
    if found is None:
        return None
    start, end = found
    if end is None:
        return Split(text[start:].strip("\n"), "", len(token_ids), ended=False)
    after = end + len(ask.markers.closing)

    def holds_the_marker(count: int) -> bool:
        return visible(tokenizer, ask, token_ids[:count])[:after] == text[:after]

    return Split(
        text[start:end].strip("\n"),
        text[after:].lstrip("\n"),
        bisect_left(range(len(token_ids)), True, key=holds_the_marker),
        ended=True,
    )


def find_reasoning(
    text: str, markers: ReasoningMarkers, begins: Begins
) -> tuple[int, int | None] | None:
    """Where an output's reasoning starts and where its end marker stands, None while there is
    none; None for an output without reasoning.

    Reasoning is what an output opens with: after the opening marker where the output begins with
    it, or from the start where the prompt wrote that marker (`open`). It goes to the first end
    marker. Where the prompt left it to the model (`free`), an end marker alone on its line that
    nothing opened ends reasoning too: some models leave out the opening one. Markers anywhere
    else are part of an answer, which may be about them.
    """
    opening = text.find(markers.opening)
    if opening >= 0 and not text[:opening].strip():
        start = opening + len(markers.opening)
    elif begins == "open":
        start = 0
    elif begins == "free" and (end := _line_alone(text, markers.closing)) is not None:
        return (0, end) if opening < 0 or end < opening else None
    else:
        return None
    end = text.find(markers.closing, start)
    return start, None if end < 0 else end


class ReasoningStream:
    """The pieces of one output as its text comes, by the rule of `find_reasoning`.

    What may yet be part of a marker is held back. A marker that nothing opened is not waited for:
    until the whole output is split, text before it counts as answer.
    """

    def __init__(self, markers: ReasoningMarkers, begins: Begins) -> None:
        self.markers = markers
        # What is being read: the beginning, where it is not yet known; then one of the two.
        self.part = "beginning"
        self.opened = begins == "open"
        self.held = ""
        # Whether something of the part was emitted: newlines before it are left out.
        self.begun = False

    def feed(self, text: str) -> Iterator[TextPiece]:
        """The pieces that are certain now that `text` was added."""
        self.held += text
        if self.part == "beginning":
            self._begin()
        if self.part == "reasoning":
            yield from self._reason()
        if self.part == "answer":
            yield from self._emit(self.held, reasoning=False)
            self.held = ""

    def _begin(self) -> None:
        stripped = self.held.lstrip()
        if stripped.startswith(self.markers.opening):
            self.held = stripped.removeprefix(self.markers.opening)
            self.part = "reasoning"
        elif not self.markers.opening.startswith(stripped):
            self.part = "reasoning" if self.opened else "answer"
            # An answer without reasoning is left as the model wrote it.
            self.begun = self.part == "answer"

    def _reason(self) -> Iterator[TextPiece]:
        before, closing, after = self.held.partition(self.markers.closing)
        if closing:
            yield from self._emit(before.rstrip("\n"), reasoning=True)
            self.part, self.held, self.begun = "answer", after, False
            return
        certain = _certain(self.held, self.markers.closing)
        yield from self._emit(self.held[:certain], reasoning=True)
        self.held = self.held[certain:]

    def _emit(self, text: str, *, reasoning: bool) -> Iterator[TextPiece]:
        text = text if self.begun else text.lstrip("\n")
        if text:
            self.begun = True
            yield TextPiece(text, reasoning)


def _certain(text: str, marker: str) -> int:
    """How much of a text cannot be the marker's beginning, or the newlines before it."""
    length = next(
        (size for size in range(len(marker) - 1, 0, -1) if text.endswith(marker[:size])), 0
    )
    return len(text[: len(text) - length].rstrip("\n"))


def _line_alone(text: str, marker: str) -> int | None:
    """Where the first marker stands that has a line to itself."""
    position = 0
    for line in text.splitlines(keepends=True):
        if line.strip() == marker:
            return position + line.index(marker)
        position += len(line)
    return None


def visible(tokenizer: PreTrainedTokenizerBase, ask: PromptFormat, ids: Sequence[int]) -> str:
    """The text of some tokens; of special ones only markers of reasoning are shown."""
    shown = [id_ for id_ in ids if id_ not in ask.hidden]
    return str(tokenizer.decode(shown, clean_up_tokenization_spaces=False))
