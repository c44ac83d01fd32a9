"""Duplicate lines, paragraphs and n-grams, with the cuts that Gopher's authors published.

Rae et al. 2021, "Scaling Language Models" (arXiv 2112.11446), A1.1 "Repetition Removal" and
table A1: a document over any of these cuts was dropped from their training text as repetitive.
The paper leaves some details open; here a piece is a duplicate when it occurred before (so the
first of its kind is not one), n-grams are of pieces between white space, white space does not
count as characters, an n-gram that occurs once is not repeated, and no character counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import compress
from operator import add

from vibecore.scoring.text.words import lines, paragraphs, word_codes

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
    coded, codes = word_codes(text)
    length_of = {chr(code): len(word) for word, code in codes.items()}
    lengths = list(map(length_of.__getitem__, coded))
    total = sum(lengths)
    grams = list(map(add, coded, coded[1:]))
    # Where an n-gram begins that may occur twice; what the end cuts off is shorter, so unique.
    places: Sequence[int] = range(len(grams))
    for n in range(2, _SHORTEST_DUPLICATE):
        if n > 2:
            grams = [coded[place : place + n] for place in places]
        times = Counter(grams)
        most = max(times.values(), default=1)
        if most == 1:
            # Nothing longer occurs twice either.
            return shares
        often = [gram for gram, number in times.items() if number == most]
        top = often[0] if len(often) == 1 else _longest(often, length_of)
        marks = _marks_of(top, coded)
        shares[f"top_{n}_gram"] = _covered(marks, n, lengths) / total
        places = [place for place, gram in zip(places, grams, strict=True) if times[gram] > 1]
    for n, marks in _duplicates(coded, places):
        shares[f"duplicate_{n}_grams"] = _covered(marks, n, lengths) / total
    return shares


def _longest(grams: list[str], length_of: dict[str, int]) -> str:
    """The n-gram of most characters; of several, the earliest."""
    return max(grams, key=lambda gram: sum(map(length_of.__getitem__, gram)))


def _marks_of(gram: str, coded: str) -> bytearray:
    """A mark where the n-gram begins, one byte for each word."""
    marks = bytearray(len(coded))
    start = coded.find(gram)
    while start >= 0:
        marks[start] = 1
        start = coded.find(gram, start + 1)
    return marks


def _duplicates(coded: str, places: Sequence[int]) -> Iterator[tuple[int, bytearray]]:
    """For n from 10 down to 5, marks where an n-gram begins that occurred before; all that occur
    twice begin at the places.

    Where a longer n-gram occurred before, its beginning did too; and each n-gram that begins there
    begins at an earlier place where the longer one did not. So only the other places are looked at
    for the shorter n. What the end cuts off is shorter, so unique.
    """
    marks = bytearray(len(coded))
    for n in range(_LONGEST, _SHORTEST_DUPLICATE - 1, -1):
        if not places:
            return
        seen: dict[str, int] = {}
        firsts = map(seen.setdefault, [coded[place : place + n] for place in places], places)
        unseen = []
        for place, first in zip(places, firsts, strict=True):
            if place == first:
                unseen.append(place)
            else:
                marks[place] = 1
        places = unseen
        if any(marks):
            yield n, marks


def _repeated(items: Sequence[str]) -> tuple[float, float]:
    """Shares of the items, and of their characters, that occurred before."""
    times = Counter(items)
    sizes = {item: len("".join(item.split())) for item in times}
    everything = sum(sizes[item] * number for item, number in times.items())
    again = everything - sum(sizes.values())
    return (len(items) - len(times)) / len(items), again / everything


def _covered(marks: bytearray, n: int, lengths: Sequence[int]) -> int:
    """Characters of the words in the n-grams that begin at the marks, each word once."""
    # One byte a word: shifting by a byte moves every mark to the next word.
    covered = int.from_bytes(marks, "big")
    reach = 1
    while reach < n:
        step = min(reach, n - reach)
        covered |= covered >> (8 * step)
        reach += step
    return sum(compress(lengths, covered.to_bytes(len(marks), "big")))
