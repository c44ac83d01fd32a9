"""Duplicate lines, paragraphs and n-grams, with the cuts that Gopher's authors published.

Rae et al. 2021, "Scaling Language Models" (arXiv 2112.11446), A1.1 "Repetition Removal" and
table A1: a document over any of these cuts was dropped from their training text as repetitive.
The paper leaves some details open; here a piece is a duplicate when it occurred before (so the
first of its kind is not one), n-grams are of pieces between white space, white space does not
count as characters, an n-gram that occurs once is not repeated, and no character counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress, count

from vibecore.scoring.text.words import lines, paragraphs, pieces

# Table A1: name here -> the largest share that passes.
GOPHER_CUTS: dict[str, float] = {
    "duplicate_lines": 0.30,
    "duplicate_paragraphs": 0.30,
    "duplicate_line_characters": 0.20,
    "duplicate_paragraph_characters": 0.20,
    "top_2_gram": 0.20,
    "top_3_gram": 0.18,
    "top_4_gram": 0.16,
    "duplicate_5_grams": 0.15,
    "duplicate_6_grams": 0.14,
    "duplicate_7_grams": 0.13,
    "duplicate_8_grams": 0.12,
    "duplicate_9_grams": 0.11,
    "duplicate_10_grams": 0.10,
}
_SHORTEST_DUPLICATE, _LONGEST = 5, 10
# Each distinct word is coded as one character, of which Unicode has 1.1 million; words beyond
# this are ignored.
_MOST_WORDS = 1_000_000
_NONE = dict.fromkeys(GOPHER_CUTS, 0.0)


def duplicate_shares(text: str) -> dict[str, float]:
    """Every share of table A1, by the names of GOPHER_CUTS, each in [0, 1]."""
    shares = _NONE.copy()
    found = lines(text)
    if len(set(found)) < len(found):
        shares["duplicate_lines"], shares["duplicate_line_characters"] = _repeated(found)
        # Without a duplicate line there is no duplicate paragraph.
        both = _repeated(paragraphs(text))
        shares["duplicate_paragraphs"], shares["duplicate_paragraph_characters"] = both
    words = pieces(text)[:_MOST_WORDS]
    lengths = list(map(len, words))
    total = sum(lengths)
    # Each word becomes one character, so that n-grams are short strings: quick to cut and hash.
    places: dict[str, int] = {}
    coded = "".join(map(chr, map(places.setdefault, words, count())))
    # Starts of n-grams that may occur twice. Those cut off by the end are shorter, so unique.
    alive: Sequence[int] = range(len(coded))
    for n in range(2, _LONGEST + 1):
        seen: dict[str, int] = {}
        grams = [coded[start : start + n] for start in alive]
        firsts = list(map(seen.setdefault, grams, alive))
        again = {start: first for start, first in zip(alive, firsts, strict=True) if start != first}
        if not again:
            # Nothing longer occurs twice either.
            return shares
        if n < _SHORTEST_DUPLICATE:
            starts = _starts_of_top(again, n, lengths)
            shares[f"top_{n}_gram"] = _covered(starts, n, lengths) / total
        else:
            shares[f"duplicate_{n}_grams"] = _covered(again, n, lengths) / total
        if 2 * len(again) < len(alive):
            alive = sorted({*again, *again.values()})
    return shares


def _repeated(items: Sequence[str]) -> tuple[float, float]:
    """Shares of the items, and of their characters, that occurred before."""
    seen: set[str] = set()
    count = characters = everything = 0
    for item in items:
        length = len("".join(item.split()))
        everything += length
        if item in seen:
            count += 1
            characters += length
        seen.add(item)
    return count / len(items), characters / everything


def _starts_of_top(again: Mapping[int, int], n: int, lengths: Sequence[int]) -> list[int]:
    """Where the most frequent n-gram starts; of several, the longest in characters,
    then the earliest.

    `again` maps the start of each repeated n-gram to the start of its first occurrence.
    """
    times = Counter(again.values())
    most = max(times.values())
    top = max(
        (first for first, number in times.items() if number == most),
        key=lambda first: (sum(lengths[first : first + n]), -first),
    )
    return [top, *(start for start, first in again.items() if first == top)]


def _covered(starts: Iterable[int], n: int, lengths: Sequence[int]) -> int:
    """Characters of the words in the n-grams that begin at `starts`, each word once."""
    marks = bytearray(len(lengths))
    for start in starts:
        marks[start] = 1
    # One byte a word: shifting by a byte moves every mark to the next word.
    covered = int.from_bytes(marks, "big")
    reach = 1
    while reach < n:
        step = min(reach, n - reach)
        covered |= covered >> (8 * step)
        reach += step
    return sum(compress(lengths, covered.to_bytes(len(marks), "big")))
