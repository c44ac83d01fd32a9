"""Words, lines and paragraphs: one definition each, for the scores and the checks."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import count, groupby
from typing import TypeVar

Item = TypeVar("Item")

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zs", "Zl", "Zp"})
# Fillers, the braille blank, the grapheme joiner and the variation selectors: their categories
# are usually visible, but they draw nothing.
_INVISIBLE_CHARACTERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
# Four fillers, which Unicode classes as letters.
FILLERS = "\u115f\u1160\u3164\uffa0"
_PLAIN = re.compile(r"[!-~]")

_MOST_CODED = 1_000_000

# What begins a line and is no word: the marker of a list (CommonMark 5.2, and "(a)", "iv)"), a
# ticked box, a fence with its label; bullets, quotation marks and headings have no letter anyway.
_MARKER = re.compile(
    r"\n(?:[ \t\u00a0\u3000>*_]|[-+•–—●▪◦‣·#]++[ \t\u00a0])*+"
    r"(?:\\?\(?(?:\d{1,3}(?:\.\d{1,3})*+(?:\.\)|\\?[.):）])|(?:[ivxIVX]{1,5}|[a-zA-Z])\\?\)|(?:[ivx]{1,5}|[IVX]{2,5}|[a-z])\\?\.)[*_]*+"
    r"(?=[ \t\u00a0]+\S)|\d{1,3}[、．]|\[[xX]\](?=[ \t])"
    r"|(?:```+|~~~+)[ \t]*[^\s`]*[ \t\r]*(?=\n|\Z))"
)
# Capital letters with a full stop are markers where several begin lines; one may be an initial.
_LETTERED = re.compile(r"\n[ \t>*_]*+(?:A|I)\.(?=[*_]*+[ \t])")
_NEXT_LETTERED = re.compile(r"\n[ \t>*_]*+(?:B|II)\.(?=[*_]*+[ \t])")
_CAPITAL_MARKER = re.compile(r"\n[ \t>*_]*+[A-Z]\.(?=[*_]*+[ \t])")
# Dashes, an ellipsis, a table's bars and a comma without a space ("red,green") part words as white
# space does; a hyphen and a comma between digits do not.
_COMMAS = re.compile(r"[,;，；、،؛](?=[^\W_])(?<=[^\W_].)(?<!\d.(?=\d))")
_PARTING = re.compile(rf"[–—―‒⸺⸻…|{FILLERS}]|--+|\.{{3,}}|<br ?/?>|&nbsp;|{_COMMAS.pattern}")
_PARTING_ASCII = ("--", "...", "|", "<br", "&nbsp;")
# A digit in a box, as an emoji; digits in circles and the like that number a line.
_BOXED = re.compile("[0-9]\ufe0f?\u20e3|(?m:^[ \t]*[①-⓿❶-➓])")
# Han and kana are written without spaces: each character counts as a word, as in word processors.
_EACH_A_WORD = re.compile(
    "[\u3005-\u3007\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff]"
)
# Thai, Lao, Burmese and Khmer, where only a dictionary tells the words.
_UNPARTED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# A piece between white space, from its first letter or digit on.
_WORD = re.compile(r"[^\W_]\S*+")
# ASCII characters that are no letter, digit or white space; and the white space that `bytes` does
# not know as such, as spaces.
_SIGNS = bytes(code for code in range(128) if not (chr(code).isalnum() or chr(code).isspace()))
_SEPARATORS = bytes.maketrans(b"\x1c\x1d\x1e\x1f", b"    ")
# What may stand around a word; "C++" and "C#" keep their ends.
_BEFORE = string.punctuation
_AFTER = string.punctuation.replace("+", "").replace("#", "")


def is_visible(character: str) -> bool:
    """Whether the character draws something: not white space, control, zero-width or filler."""
    return (
        unicodedata.category(character) not in _INVISIBLE_CATEGORIES
        and character not in _INVISIBLE_CHARACTERS
    )


def has_visible(text: str) -> bool:
    """Whether any character of the text is visible."""
    # Nearly every text has an ASCII one, which is quicker to find than to classify.
    return _PLAIN.search(text) is not None or any(map(is_visible, text))


def n_grams(items: Sequence[Item], n: int) -> Iterator[tuple[Item, ...]]:
    """Every run of n items that follow each other, in order."""
    return zip(*(items[start:] for start in range(n)), strict=False)


@lru_cache(maxsize=8)
def pieces(text: str) -> tuple[str, ...]:
    """The pieces between white space, split once for all measures of a text."""
    return tuple(text.split())


@lru_cache(maxsize=8)
def word_codes(text: str) -> tuple[str, dict[str, int]]:
    """The text's pieces, each distinct one as one character, and the number of that character.

    So n-grams are short strings, quick to cut and hash. Unicode has 1.1 million characters: pieces
    beyond the first million are left out.
    """
    codes: dict[str, int] = {}
    coded = map(codes.setdefault, pieces(text)[:_MOST_CODED], count())
    return "".join(map(chr, coded)), codes


@lru_cache(maxsize=8)
def count_words(text: str) -> int:
    """How many words the text has: pieces with a letter or a digit.

    Words are parted by white space, dashes (– — --), an ellipsis and a table's bars; not by a
    hyphen, slash or point ("well-known", "and/or", "3.5", an address are one each). The marker of
    a list at the beginning of a line and the label of a code fence are no words; each character
    of Han and kana is one.
    """
    if text.isascii() and not _has_parting(text):
        # Nearly every text: what is left of its pieces without their signs, less the markers.
        left = text.encode().translate(_SEPARATORS, _SIGNS)
        markers = _markers(text)
        return len(left.split()) - sum(any(map(str.isalnum, marker)) for marker in markers)
    return len(_WORD.findall(_parted(text)))


def words(text: str) -> list[str]:
    """The words that `count_words` counts, in order, without the punctuation around them."""
    return [word for piece in _parted(text).split() if (word := _bare(piece))]


def can_count_words(text: str) -> bool:
    """Whether most of the text is in a script whose words can be told without a dictionary."""
    if text.isascii():
        return True
    unparted = len(_UNPARTED.findall(text))
    return not unparted or 2 * unparted < sum(not c.isspace() for c in text)


def _parted(text: str) -> str:
    """The text with white space between its words and without what is none."""
    text = _MARKER.sub("\n", "\n" + text)
    if _is_lettered(text):
        text = _CAPITAL_MARKER.sub("\n", text)
    if text.isascii():
        if _has_parting(text):
            text = _PARTING.sub(" ", text)
        return text
    return _EACH_A_WORD.sub(r" \g<0> ", _PARTING.sub(" ", _BOXED.sub(" ", text)))


def _markers(text: str) -> list[str]:
    """The markers of lists at the beginning of lines."""
    text = "\n" + text
    found = _MARKER.findall(text)
    return found + _CAPITAL_MARKER.findall(text) if _is_lettered(text) else found


def _is_lettered(text: str) -> bool:
    """Whether lines of the text begin with A. and B., or with I. and II."""
    return (
        ("B." in text or "II." in text)
        and _NEXT_LETTERED.search(text) is not None
        and _LETTERED.search(text) is not None
    )


def _has_parting(text: str) -> bool:
    """Whether anything in an ASCII text but white space parts words."""
    return any(sign in text for sign in _PARTING_ASCII) or _COMMAS.search(text) is not None


def _bare(piece: str) -> str:
    """A piece without the punctuation around it; "" where that is all."""
    piece = piece.lstrip(_BEFORE).rstrip(_AFTER)
    if not piece.isascii():
        start, end = 0, len(piece)
        while start < end and not piece[start].isalnum():
            start += 1
        # A mark belongs to the letter before it.
        while end > start and unicodedata.category(piece[end - 1])[0] not in "LMN":
            end -= 1
        piece = piece[start:end]
    return piece if any(map(str.isalnum, piece)) else ""


@lru_cache(maxsize=8)
def lines(text: str) -> tuple[str, ...]:
    """Lines with a visible character, stripped."""
    plain = _PLAIN.search
    found = [line for line in text.splitlines() if plain(line) or has_visible(line)]
    return tuple(map(str.strip, found))


def paragraphs(text: str) -> list[str]:
    """Runs of lines with a visible character between lines without one."""
    runs = groupby(text.splitlines(), key=has_visible)
    return ["\n".join(run) for visible, run in runs if visible]
