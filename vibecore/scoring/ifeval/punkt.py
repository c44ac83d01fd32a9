"""Sentences as the reference counts them: Punkt.

Kiss & Strunk 2006, "Unsupervised Multilingual Sentence Boundary Detection", Computational
Linguistics 32, as implemented in nltk 3.10.4 (`nltk/tokenize/punkt.py`), with the `regex` engine
that it uses, because engines differ in what counts as a letter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import regex

from vibecore.scoring.ifeval.punkt_english import (
    LOWER,
    LOWER_FIRST,
    UPPER,
    UPPER_INSIDE,
    Model,
    english,
)

_STOPS = ".?!"
_NEVER_FIRST = frozenset(";:,.!?")
_WHITE = " \t\n\r\x0b\x0c"
_CLOSING = r"[)\";}\]*:@'({\[‘’“”«»?!]"
_RUN = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_CANDIDATE = regex.compile(rf"[.?!](?=(?P<after>{_CLOSING}|\s+(?P<next>\S+)))")
_TOKEN = regex.compile(
    rf"{_RUN}|(?=[^(\"`{{\[:;&#*@)}}\]\-,])\S+?"
    rf"(?=\s|$|{_CLOSING}|{_RUN}|,(?=$|\s|{_CLOSING}|{_RUN}))|\S"
)
_NUMBER = regex.compile(r"-?[.,]?\d[\d,.\-]*\.?")
_INITIAL = regex.compile(r"[^\W\d]\.")
_ELLIPSIS = regex.compile(r"\.\.+")
# Closing quotes and brackets after a stop, which belong to its sentence.
_BELONGS = regex.compile(r"[\"')\]}‘’“”«»]+?(?:\s+|(?=--)|$)", regex.MULTILINE)
_NUMBER_TYPE = "##number##"


@dataclass
class _Token:
    text: str
    type: str
    ends: bool = False
    short: bool = False  # an abbreviation or an ellipsis


@lru_cache(maxsize=16)
def split_sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, in the model that `english` gives."""
    return tuple(text[start:end] for start, end in _aligned(text, _spans(text, english())))


def _spans(text: str, model: Model) -> Iterator[tuple[int, int]]:
    start = 0
    for stop, context in _contexts(text):
        if _breaks(context, model):
            yield start, stop.end()
            start = stop.start("next") if stop["next"] else stop.end()
    yield start, len(text.rstrip())


def _contexts(text: str) -> Iterator[tuple[regex.Match, str]]:
    """Each stop that may end a sentence, with the word before it and what comes after.

    Of several stops in one word the last alone counts.
    """
    previous = None
    begin = end = 0
    for stop in _CANDIDATE.finditer(text):
        between = text[end : stop.start()]
        white = max(map(between.rfind, _WHITE))
        word = end + white + 1 if white > 0 else begin
        if previous is not None and end <= word:
            yield previous, text[begin:end] + previous[0] + previous["after"]
        previous, begin, end = stop, word, stop.start()
    if previous is not None:
        yield previous, text[begin:end] + previous[0] + previous["after"]


def _breaks(context: str, model: Model) -> bool:
    """Whether a token of the context, but for the last, ends a sentence."""
    tokens = [
        _token(found, model)
        for line in context.split("\n")
        if line.strip()
        for found in _TOKEN.findall(line)
    ]
    for token, following in pairwise(tokens):
        _reconsider(token, following, model)
        if token.ends:
            return True
    return False


def _token(text: str, model: Model) -> _Token:
    """A token, classified by its own form."""
    lower = text.lower()
    token = _Token(text, _NUMBER_TYPE if _NUMBER.fullmatch(lower) else lower)
    if len(text) == 1 and text in _STOPS:
        token.ends = True
    elif _ELLIPSIS.fullmatch(text):
        token.short = True
    elif text.endswith(".") and not text.endswith(".."):
        word = text[:-1].lower()
        known = model.abbreviations
        token.short = word in known or word.split("-")[-1] in known
        token.ends = not token.short
    return token


def _reconsider(token: _Token, following: _Token, model: Model) -> None:
    """Reclassify a token that ends in a full stop by the token after it."""
    if not token.text.endswith("."):
        return
    kind = _without_stop(token.type)
    next_kind = _without_stop(following.type) if following.ends else following.type
    if (kind, next_kind) in model.pairs:
        token.ends = False
        return
    seen = model.seen.get(next_kind, 0)
    upper, lower = following.text[0].isupper(), following.text[0].islower()
    begins: bool | None = None
    if following.text in _NEVER_FIRST:
        begins = False
    elif upper and seen & LOWER and not seen & UPPER_INSIDE:
        begins = True
    elif lower and (seen & UPPER or not seen & LOWER_FIRST):
        begins = False
    initial = len(token.text) == 2 and _INITIAL.match(token.text)
    if token.short and not initial and (begins or (upper and next_kind in model.starters)):
        token.ends = True
        return
    if initial or kind == _NUMBER_TYPE:
        name = initial and begins is None and upper and not seen & LOWER
        if begins is False or name:
            token.ends = False


def _without_stop(kind: str) -> str:
    return kind[:-1] if len(kind) > 1 and kind.endswith(".") else kind


def _aligned(text: str, spans: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans, quotes and brackets after a stop moved to the sentence that it ends."""
    start, end = next(spans)
    for following, following_end in spans:
        closing = _BELONGS.match(text[following:following_end])
        if closing:
            yield start, following + len(closing[0].rstrip())
            moved = closing.end()
        else:
            if text[start:end]:
                yield start, end
            moved = 0
        start, end = following + moved, following_end
    if text[start:end]:
        yield start, end
