"""Whether an answer switches from one script to another, as a model does when it drifts.

A change of script is certain and cheap to detect; telling two languages of one script apart is
neither, so English that turns into French is not found here.
"""

from __future__ import annotations

from functools import lru_cache

import regex

SWITCH_LETTERS = 20
SWITCH_PURITY = 0.9

# The scripts that are distinguished, by Unicode's names. Han, kana and bopomofo are written
# together, so they count as one.
_SCRIPTS = (
    "Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Devanagari Bengali Gurmukhi "
    "Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian "
    "Hangul Ethiopic Khmer Mongolian"
)
# Extensions (UAX 24): a letter of several scripts, as the Japanese "ー", counts as one of them.
_SCRIPT = regex.compile(
    r"(?P<Han>[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}])|"
    + "|".join(rf"(?P<{name}>\p{{scx={name}}})" for name in _SCRIPTS.split())
)


@lru_cache(maxsize=4096)
def script_of(letter: str) -> str:
    """The script of a letter, by Unicode's name; `""` for those of no script in the table."""
    found = _SCRIPT.match(letter)
    return found.lastgroup or "" if found else ""


def language_switch(text: str) -> int | None:
    """Index of the character from which the answer is, to its end, in another script, or None.

    At least 20 letters on either side, 90 % of each side's in one script, and not the same one.
    Our own rule; a translation that was asked for, at the end of an answer, counts too.
    """
    if text.isascii():
        return None
    letters = [(place, script_of(c)) for place, c in enumerate(text) if c.isalpha()]
    letters = [(place, script) for place, script in letters if script]
    if len(letters) < 2 * SWITCH_LETTERS:
        return None
    last = _main_script([script for _, script in letters[-SWITCH_LETTERS:]])
    # The start of the tail in which the last script leads all others by most.
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
