"""What a character is taken for: letters as they are read, not as they are encoded.

What a reader cannot see, or takes for the same, makes no difference: how an accented letter is
composed, the width or style of a letter, ligatures, what draws nothing (soft hyphens, zero-width
spaces, joiners), the form of an apostrophe, a quotation mark, a hyphen or a space, and case. In
Unicode's terms: NFKC_Casefold (The Unicode Standard, D146), but without taking superscripts,
fractions and circled signs for plain ones.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import regex

# Kinds of compatibility (Unicode's tags) that change how a letter looks, not which it is.
_SAME_LETTER = frozenset(
    f"<{kind}>"
    for kind in (
        *("compat", "font", "wide", "narrow", "noBreak"),
        *("initial", "medial", "final", "isolated"),
    )
)
_ALIKE = {
    **dict.fromkeys("’‘‛ʼ´ʹ′", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("‐‑−﹣", "-"),
}
_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
# Vowel points of Hebrew and Arabic, which most texts leave out, and the stroke that only widens.
_POINT = re.compile("[\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u0652\u0670]")
# Longer runs are no language's, and take quadratic time to order (UAX #15, stream-safe text).
_MARKS = regex.compile(r"(\p{M}{30})\p{M}++")
# Accents that compose with the letter before them, which is then another letter.
_ACCENT = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\ufe20-\ufe2f]")


# Folding makes full stops of an ellipsis and "ss" of ß, which readers do not.
_NO_LETTER_OF_THEIRS = re.compile("[…ßẞ]")


class _Characters(dict[int, str]):
    """What every character is taken for, found once a character."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        found = self[code] = _taken_for(character)
        return found


def _taken_for(character: str) -> str:
    if character in _ALIKE:
        return _ALIKE[character]
    if _IGNORABLE.match(character) or _POINT.match(character):
        return ""
    if unicodedata.category(character) == "Zs":
        return " "
    tag = unicodedata.decomposition(character).partition(" ")[0]
    if tag not in _SAME_LETTER:
        return character
    same = unicodedata.normalize("NFKC", character)
    # An accent that stands alone would become a space and an accent.
    return character if same.startswith(" ") else "".join(_ALIKE.get(c, c) for c in same)


_CHARACTERS = _Characters()


@lru_cache(maxsize=8)
def one_form(text: str) -> str:
    """The text with what looks the same written the same; case and markup stay."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", _MARKS.sub(r"\1", text.translate(_CHARACTERS)))


def fold(text: str) -> str:
    """The text in one form and one case."""
    if text.isascii():
        return text.lower()
    # Turkish capital İ is the capital of i, and case folding alone would make two letters of it.
    folded = one_form(text).replace("İ", "i").casefold()
    return unicodedata.normalize("NFC", folded)


def count_character(text: str, character: str) -> int:
    """How often the character occurs, in any case; "é" is no "e", however it is composed.

    An ellipsis is no full stop. What folds to several letters ("ß") is counted as it is written.
    """
    wanted = fold(character)
    if len(wanted) != 1:
        written = unicodedata.normalize("NFC", _MARKS.sub(r"\1", text))
        same = unicodedata.normalize("NFC", character).casefold()
        return sum(one.casefold() == same for one in written)
    folded = fold(text if text.isascii() else _NO_LETTER_OF_THEIRS.sub(" ", text))
    if folded.isascii() or not _ACCENT.search(folded):
        return folded.count(wanted)
    return len(re.findall(re.escape(wanted) + f"(?!{_ACCENT.pattern})", folded))
