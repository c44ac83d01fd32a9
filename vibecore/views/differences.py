"""Where one output diverges from another, and what in it the other does not have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from itertools import takewhile

_WORD = re.compile(r"\S+")
# Pairs of equal words that a diff looks at, about a second's worth. A text of a few words over and
# over has more pairs than any machine could look at; one of 2,000 ordinary words has 10,000.
MOST_PAIRS = 2_000_000
# Of all words: as in difflib, where such a word begins no match in a text of 200 words or more.
FREQUENT = 0.01


@dataclass(frozen=True)
class Divergence:
    """The first difference: its token, word and character, each counted from 0.

    `token` is None where token ids are not known or do not compare. A text that ends where the
    other goes on diverges at its end.
    """

    token: int | None
    word: int
    character: int


def find_divergence(
    text: str,
    baseline: str,
    token_ids: Sequence[int] | None = None,
    baseline_ids: Sequence[int] | None = None,
) -> Divergence | None:
    """The first place at which a text diverges from a baseline; None where the two are the same.

    Give token ids only for two outputs of one tokenizer. `character` is the start of the word
    in which the texts differ.
    """
    token = None
    if token_ids is not None and baseline_ids is not None:
        token = _common(token_ids, baseline_ids)
        if token == len(token_ids) == len(baseline_ids):
            return None
    elif text == baseline:
        return None
    start = _common(text, baseline)
    if start < len(text):
        while start > 0 and not text[start - 1].isspace():
            start -= 1
    return Divergence(token, len(text[:start].split()), start)


def spans_not_in(text: str, baseline: str) -> list[tuple[int, int]]:
    """Character spans of the words that a word-by-word diff finds in the text alone.

    Where the texts have more than MOST_PAIRS pairs of equal words to look at, what stands between
    their common beginning and end is compared by its rarer words, and what is left when so many
    pairs were looked at counts as not in the baseline.
    """
    places = list(_WORD.finditer(text))
    old, new = baseline.split(), [place.group() for place in places]
    matcher, begin = _Bounded(old, new), 0
    spans = matcher.spans()
    if matcher.pairs_left < 0:
        begin = _common(old, new)
        end = _common(old[begin:][::-1], new[begin:][::-1])
        old, new = old[begin : len(old) - end], new[begin : len(new) - end]
        most = FREQUENT * len(new)
        frequent = {word for word, count in Counter(new).items() if count > most}
        spans = _Bounded(old, new, frequent).spans()
    return [(places[begin + start].start(), places[begin + end - 1].end()) for start, end in spans]


class _Bounded(SequenceMatcher[str]):
    """A diff of words that finds no further match once it has looked at MOST_PAIRS pairs. Words
    that are `left_out` only belong to a match beside others."""

    def __init__(
        self, old: Sequence[str], new: Sequence[str], left_out: Container[str] = frozenset()
    ) -> None:
        super().__init__(left_out.__contains__, old, new, autojunk=False)
        self.pairs_left = MOST_PAIRS
        equal = {word: count for word, count in Counter(new).items() if word not in left_out}
        self._pairs = [equal.get(word, 0) for word in old]

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        """As difflib has it."""
        if self.pairs_left >= 0:
            self.pairs_left -= sum(self._pairs[alo:ahi])
        if self.pairs_left < 0:
            return Match(alo, blo, 0)
        return super().find_longest_match(alo, ahi, blo, bhi)

    def spans(self) -> list[tuple[int, int]]:
        """Runs of words that are in the new text alone, as from and to."""
        return [
            (start, end)
            for operation, _, _, start, end in self.get_opcodes()
            if operation in ("replace", "insert")
        ]


def _common(first: Sequence[object], second: Sequence[object]) -> int:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return sum(1 for _ in pairs)
