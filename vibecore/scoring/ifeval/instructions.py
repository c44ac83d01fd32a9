"""The table of IFEval's instructions, and what their arguments must be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from vibecore.scoring.arguments import schema_of
from vibecore.scoring.checks import Longer
from vibecore.scoring.ifeval import rules
from vibecore.scoring.verdict import Verdict

INSTRUCTIONS: dict[str, Callable[..., Verdict]] = {
    "keywords:existence": rules.keyword_existence,
    "keywords:frequency": rules.keyword_frequency,
    "keywords:forbidden_words": rules.forbidden_words,
    "keywords:letter_frequency": rules.letter_frequency,
    "language:response_language": rules.response_language,
    "length_constraints:number_sentences": rules.number_sentences,
    "length_constraints:number_paragraphs": rules.number_paragraphs,
    "length_constraints:number_words": rules.number_words,
    "length_constraints:nth_paragraph_first_word": rules.nth_paragraph_first_word,
    "detectable_content:number_placeholders": rules.number_placeholders,
    "detectable_content:postscript": rules.postscript,
    "detectable_format:number_bullet_lists": rules.number_bullet_lists,
    "detectable_format:constrained_response": rules.constrained_response,
    "detectable_format:number_highlighted_sections": rules.number_highlighted_sections,
    "detectable_format:multiple_sections": rules.multiple_sections,
    "detectable_format:json_format": rules.json_format,
    "detectable_format:title": rules.title,
    "combination:two_responses": rules.two_responses,
    "combination:repeat_prompt": rules.repeat_prompt,
    "startend:end_checker": rules.end_checker,
    "startend:quotation": rules.quotation,
    "change_case:capital_word_frequency": rules.capital_word_frequency,
    "change_case:english_capital": rules.english_capital,
    "change_case:english_lowercase": rules.english_lowercase,
    "punctuation:no_comma": rules.no_comma,
}
# What the rest of an answer that the token limit cut off could do to a verdict, where the rule does
# not say it of the text (counts, places, JSON): for the others, nothing.
LONGER: dict[str, Longer] = {
    "keywords:existence": "mends",
    "detectable_content:postscript": "mends",
    "detectable_format:constrained_response": "mends",
    "detectable_format:title": "mends",
    "startend:end_checker": "either",
}
RELATIONS = (rules.LESS, rules.LEAST)
# The languages that IFEval names; the codes are langdetect's.
_CODES = """
ar bg bn de en es fa fi fr gu he hi it ja kn ko ml mr ne pa pl pt ru sw ta te th uk ur vi
"""
LANGUAGES = tuple(_CODES.split())


def instruction_defect(instruction_id: Any, kwargs: Any) -> tuple[str, str] | None:
    """The first thing that is wrong with an instruction, as (key, what); None when it is valid.

    Every argument is required: for a missing one the reference draws a value at random.
    """
    if instruction_id not in INSTRUCTIONS:
        return (
            "instruction_id",
            f"{instruction_id!r} is unknown; allowed: {', '.join(INSTRUCTIONS)}",
        )
    if not isinstance(kwargs, Mapping):
        return "kwargs", f"is {kwargs!r}, wanted a mapping"
    names = schema_of(INSTRUCTIONS[instruction_id])
    known = f"the arguments of {instruction_id}: {', '.join(names) or 'none'}"
    for name in kwargs:
        if name not in names:
            return name, f"is unknown; {known}"
    for name in names:
        if name not in kwargs:
            return name, f"is missing; {known}"
        defect = _value_defect(name, kwargs[name])
        if defect:
            return name, f"is {kwargs[name]!r}, {defect}"
    return None


def sound_kwargs(instruction_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one instruction, from a row of the published file.

    There each row may name every argument of every instruction, the ones that do not apply as
    null; whole numbers may have become 3.0.
    """
    rule = INSTRUCTIONS.get(instruction_id)
    names = schema_of(rule) if rule else {}
    kept = {k: v for k, v in given.items() if v is not None and (v or k in names)}
    return {k: int(v) if isinstance(v, float) and v.is_integer() else v for k, v in kept.items()}


def _value_defect(name: str, value: Any) -> str | None:
    if name in ("keywords", "forbidden_words"):
        if not isinstance(value, list) or not value:
            return "wanted a list of texts"
        return next(filter(None, map(_pattern_defect, value)), None)
    if name.endswith("relation"):
        return None if value in RELATIONS else f"wanted one of {', '.join(RELATIONS)}"
    if name.startswith("num_") or name.endswith("frequency") or name == "nth_paragraph":
        least = int(name == "nth_paragraph")
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        return None if fits else f"wanted a whole number, {least} or more"
    if not isinstance(value, str) or not value.strip():
        return "wanted text, not empty"
    if name == "letter":
        return None if len(value) == 1 else "wanted one letter"
    if name == "language":
        return None if value in LANGUAGES else f"wanted one of {', '.join(LANGUAGES)}"
    if name in ("keyword", "section_spliter", "postscript_marker"):
        return _pattern_defect(value.strip())
    return None


def _pattern_defect(pattern: Any) -> str | None:
    """IFEval reads keywords as regular expressions, unescaped."""
    if not isinstance(pattern, str) or not pattern:
        return "wanted text, not empty"
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return f"which IFEval reads as a regular expression, and it is none: {error}"
    return None
