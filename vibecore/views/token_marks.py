"""A parent's output with the tokens marked at which a config would have chosen otherwise."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TypedDict

from vibecore.core import formats
from vibecore.core.fidelity import TokenMarks
from vibecore.views.cards import Card
from vibecore.views.text_marks import Piece

# What is marked in the texts, beside cards.MARKINGS, where a study has such marks.
OTHERWISE = "other choices"
# White space of a token, written so that it is seen.
LINE_END, SPACE, TAB = "⏎", "␣", "⇥"
OWN = "Its own output, the one that is judged"
LED_BY = "Its own output, along which the others are read"


def led_along(card: Card, marks: TokenMarks, parent: str) -> Card:
    """A config's card with its parent's output, as the config reads it, in the place of its own,
    which is folded. `parent` is the parent's short name."""
    own = {"name": "own", "label": OWN, "text": card["text"] or card["instead"] or ""}
    others = len(marks.same_top) - sum(marks.same_top)
    return {
        **card,
        "folds": [*card["folds"], own],
        "heading": f"{parent}'s output: another choice at {others} of "
        f"{formats.counted(len(marks.pieces), 'token')}",
        "instead": None,
        "text": "".join(marks.pieces),
        "pieces": list(_pieces(marks)),
    }


def leading(card: Card) -> Card:
    """The card of a parent whose output others are read along."""
    return {**card, "heading": LED_BY}


def _pieces(marks: TokenMarks) -> Iterator[Piece]:
    """The output cut at every mark; the pieces joined are the output."""
    plain = ""
    for place, text in enumerate(marks.pieces):
        if marks.same_top[place]:
            plain += text
            continue
        # The space before a word is not underlined: at a line's end it would stand alone.
        word = text.lstrip(" ") or text
        plain += text[: len(text) - len(word)]
        if plain:
            yield {"text": plain, "marks": [], "here": None}
        # What stands after a mark stays on its line: a token's line end comes after it.
        head, end, rest = word.partition("\n")
        plain = f"{end}{rest}" if head else ""
        word = head or word
        yield {"text": word, "marks": ["otherwise"], "here": None, **_remarks(marks, place)}
    if plain:
        yield {"text": plain, "marks": [], "here": None}


class _Remarks(TypedDict):
    after: str
    title: str


def _remarks(marks: TokenMarks, place: int) -> _Remarks:
    """What stands after a marked token, and what the pointer shows of it."""
    choice = marks.top_pieces[place]
    # None: the config keeps to what stands there, from which the parent's own choice now departs.
    chosen = "this one" if choice is None else f"“{visible(choice)}”"
    here, there = (math.exp(one[place]) for one in (marks.log_p, marks.parent_log_p))
    return {
        "after": f"{chosen} {_percent(marks.top_p[place])}",
        "title": f"“{visible(marks.pieces[place])}”: {_percent(here)} here, {_percent(there)} at "
        f"the parent; KLD {formats.divergence(marks.kld[place])}",
    }


def visible(token: str) -> str:
    """A token as it can be read: white space that is all of it, and a line's end, by signs."""
    signs = {"\n": LINE_END, "\t": TAB, **({} if token.strip() else {" ": SPACE})}
    return "".join(signs.get(character, character) for character in token)


def _percent(share: float) -> str:
    """A probability; one that is not nothing does not read as that."""
    shown = formats.percent(min(share, 1.0))
    return "< 0.1 %" if shown == "0 %" and share > 0 else shown
