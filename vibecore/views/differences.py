"""Where one output diverges from another, and what in it the other does not have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import takewhile

_WORD = re.compile(r"\S+")


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
    """Character spans of the words that a word-by-word diff finds in the text alone."""
    words = list(_WORD.finditer(text))
    matcher = SequenceMatcher(
        None, baseline.split(), [word.group() for word in words], autojunk=False
    )
    return [
        (words[start].start(), words[end - 1].end())
        for operation, _, _, start, end in matcher.get_opcodes()
        if operation in ("replace", "insert")
    ]


def _common(first: Sequence[object], second: Sequence[object]) -> int:
    pairs = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return sum(1 for _ in pairs)
