"""Whether an answer leaves its script for another, which a model does when it drifts away.

A change of script is certain and cheap to see, where telling two languages of one script apart
is neither: English that turns French is not seen here.
"""

from __future__ import annotations

from bisect import bisect_right

SWITCH_LETTERS = 20
SWITCH_PURITY = 0.9

# First code point of each block of letters -> its script; "" where no letters of interest are.
# Han, kana and bopomofo are written together, so they are one. Source: Unicode's Scripts.txt.
_BLOCKS: tuple[tuple[int, str], ...] = (
    (0x0041, "Latin"),
    (0x0370, "Greek"),
    (0x0400, "Cyrillic"),
    (0x0530, "Armenian"),
    (0x0590, "Hebrew"),
    (0x0600, "Arabic"),
    (0x0700, "Syriac"),
    (0x0750, "Arabic"),
    (0x0780, "Thaana"),
    (0x07C0, ""),
    (0x0900, "Devanagari"),
    (0x0980, "Bengali"),
    (0x0A00, "Gurmukhi"),
    (0x0A80, "Gujarati"),
    (0x0B00, "Oriya"),
    (0x0B80, "Tamil"),
    (0x0C00, "Telugu"),
    (0x0C80, "Kannada"),
    (0x0D00, "Malayalam"),
    (0x0D80, "Sinhala"),
    (0x0E00, "Thai"),
    (0x0E80, "Lao"),
    (0x0F00, "Tibetan"),
    (0x1000, "Myanmar"),
    (0x10A0, "Georgian"),
    (0x1100, "Hangul"),
    (0x1200, "Ethiopic"),
    (0x13A0, ""),
    (0x1780, "Khmer"),
    (0x1800, "Mongolian"),
    (0x18B0, ""),
    (0x1E00, "Latin"),
    (0x1F00, "Greek"),
    (0x2000, ""),
    (0x2E80, "Han"),
    (0x3130, "Hangul"),
    (0x3190, "Han"),
    (0xA000, ""),
    (0xAC00, "Hangul"),
    (0xD7B0, ""),
    (0xF900, "Han"),
    (0xFB00, "Latin"),
    (0xFB1D, "Hebrew"),
    (0xFB50, "Arabic"),
    (0xFE00, ""),
    (0xFE70, "Arabic"),
    (0xFF00, "Latin"),
    (0xFF66, "Han"),
    (0xFFA0, ""),
    (0x20000, "Han"),
    (0x32000, ""),
)
_STARTS = [start for start, _ in _BLOCKS]


def script_of(letter: str) -> str:
    """The script of a letter, `""` for those of no script in the table."""
    place = bisect_right(_STARTS, ord(letter)) - 1
    return _BLOCKS[place][1] if place >= 0 else ""


def language_switch(text: str) -> int | None:
    """The character from which the answer goes on, to its end, in another script; None if none.

    At least 20 letters on either side, 90 % of each side's in one script, and not the same one.
    Ours; a translation that was asked for, at the end of an answer, counts too.
    """
    if text.isascii():
        return None
    letters = [(place, script_of(c)) for place, c in enumerate(text) if c.isalpha()]
    letters = [(place, script) for place, script in letters if script]
    if len(letters) < 2 * SWITCH_LETTERS:
        return None
    last = _main_script([script for _, script in letters[-SWITCH_LETTERS:]])
    # Where the rest holds the most of the last script over all others.
    balance = best = 0
    first = len(letters)
    for number in range(len(letters) - 1, -1, -1):
        balance += 1 if letters[number][1] == last else -1
        if balance > best:
            best, first = balance, number
    before, after = [s for _, s in letters[:first]], [s for _, s in letters[first:]]
    if min(len(before), len(after)) < SWITCH_LETTERS:
        return None
    main = _main_script(before)
    pure = before.count(main) >= SWITCH_PURITY * len(before)
    if main == last or not pure or after.count(last) < SWITCH_PURITY * len(after):
        return None
    return letters[first][0]


def _main_script(scripts: list[str]) -> str:
    return max(dict.fromkeys(scripts), key=scripts.count)
