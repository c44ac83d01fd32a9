"""Checks on letters, capitals, commas and the language of an answer."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import Annotated

from vibecore.core.formats import counted
from vibecore.scoring.checks import Check
from vibecore.scoring.text.characters import count_character
from vibecore.scoring.text.detection import detect_language
from vibecore.scoring.text.layout import without_code
from vibecore.scoring.text.words import has_visible, words
from vibecore.scoring.verdict import Relation, Undecided, Verdict, compare

# Comma, Arabic, ideographic, full-width, half-width, small, Armenian-like and Ethiopic commas.
_COMMAS = ",،、，､﹐﹑՝፣"
# Code in a line, addresses.
_NO_PROSE = re.compile(r"`[^`\n]++`|https?://\S++|www\.\S++")
# About two words: on fewer letters langdetect guesses.
LEAST_LETTERS = 12
DETECTED_CHARACTERS = 2_000
_CODES = """
af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr
ne nl no pa pl pt ro ru sk sl so sq sv sw ta te th tl tr uk ur vi zh-cn zh-tw
"""
LANGUAGES = tuple(_CODES.split())


def letter_defect(letter: str) -> str | None:
    """What is wrong with the letter of `letter_count`: it must be one character."""
    composed = unicodedata.normalize("NFC", letter)
    return None if len(composed) == 1 else f"is {letter!r}, wanted one character"


def language_defect(language: str) -> str | None:
    """What is wrong with a language's code: it must be one that langdetect knows."""
    return None if language in LANGUAGES else f"is {language!r}; allowed: {', '.join(LANGUAGES)}"


def letter_count(
    text: str, *, letter: Annotated[str, letter_defect], relation: Relation, count: int
) -> Verdict:
    """How often a letter or other character occurs, in any case; "é" does not count as "e".

    "é" is one letter whether it is written as one character or as e and an accent. Full-width
    letters, curly quotation marks and apostrophes count as their plain ones.
    """
    found = count_character(text, unicodedata.normalize("NFC", letter))
    verdict = compare(found, relation, count, "time")
    return replace(verdict, explanation=f'the letter "{letter}": {verdict.explanation}')


def capital_word_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of words of two letters or more, all capitals ("U.S.", "X-RAY", not "I").

    Words are those of `word_count`; digits ("B2B") and emphasis do not matter, nor does an
    ending "'s".
    """
    found = sum(
        sum(map(str.isalpha, word)) > 1 and word.removesuffix("'s").removesuffix("’s").isupper()
        for word in words(text)
    )
    return compare(found, relation, count, "capital word")


def no_commas(text: str) -> Verdict:
    """No comma of any script occurs, not even between digits ("1,200")."""
    found = sum(map(text.count, _COMMAS))
    return Verdict(not found, f"found {counted(found, 'comma')}, wanted none")


def response_language(text: str, *, language: Annotated[str, language_defect]) -> Verdict:
    """The answer is in this language (a code such as "en"), by langdetect's verdict on its start.

    The start is 2,000 characters, without code and addresses unless there is nothing else. With
    too few letters to detect a language in, it raises Undecided, where IFEval counts the
    instruction as followed.
    """
    prose = _NO_PROSE.sub(" ", without_code(text))
    sample = (prose if any(map(str.isalpha, prose)) else text)[:DETECTED_CHARACTERS]
    letters = sum(map(str.isalpha, sample))
    # A script without spaces says as much in a third of the letters.
    least = LEAST_LETTERS if sample.isascii() else LEAST_LETTERS // 3
    found = detect_language(sample) if letters >= least and has_visible(sample) else None
    if found in (None, "unknown"):
        raise Undecided("no language can be told: there are too few letters")
    return Verdict(found == language, f"the language is {found}, wanted {language}")


CHECKS = (
    Check(letter_count, "letters and language"),
    Check(capital_word_count, "letters and language"),
    Check(no_commas, "letters and language"),
    Check(response_language, "letters and language"),
)
