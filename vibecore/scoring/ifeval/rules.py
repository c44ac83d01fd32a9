"""The 25 rules of IFEval, each a function of a text and its arguments.

A rule gives the reference's verdict (`lm_eval/tasks/ifeval/instructions.py`) in linear time, where
the reference's pattern can be quadratic; oddities of the reference are kept and marked "odd".
Where it depends on the text whether more of it could turn the verdict, the verdict says so
(`Verdict.open`); for the other rules instructions.LONGER does.
"""

from __future__ import annotations

import json
import re

from vibecore.core.formats import counted
from vibecore.scoring.ifeval.words import count_capital_words, split_sentences
from vibecore.scoring.ifeval.words import count_words as count_word_runs
from vibecore.scoring.text.detection import detect_language
from vibecore.scoring.text.patterns import find_all, search
from vibecore.scoring.verdict import Undecided, Verdict, listed, quote

LESS, LEAST = "less than", "at least"
ANSWERS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")

# White space up to the mark is the line's own: `\s` there could take in blank lines before it,
# which changes no count and takes quadratic time. A star's next character may be a line break.
_STAR = re.compile(r"^[^\S\n]*\*[^*].*$", re.MULTILINE)
_DASH = re.compile(r"^[^\S\n]*-.*$", re.MULTILINE)
_HIGHLIGHT = re.compile(r"\*[^\n*]*\*")
_DOUBLE_HIGHLIGHT = re.compile(r"\*\*[^\n*]*\*\*")
_DIVIDER = re.compile(r"\s?\*\*\*\s?")
_POSTSCRIPTS = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
# What stands at a JSON reader's fault where only the rest is missing: nothing, a word, a number, an
# escape or a fence that has begun.
_UNFINISHED_JSON = re.compile(
    r"|t|tr|tru|f|fa|fal|fals|n|nu|nul|N|Na|-?I\w{0,6}|-|\.|[eE][-+]?|u[0-9a-fA-F]{0,3}|`{1,2}"
)
_ENDS_WORD = frozenset(".,?!'\"")


def keyword_existence(text: str, *, keywords: list[str]) -> Verdict:
    """Every keyword is found, as a pattern, in any case, also inside other words."""
    missing = [word for word in sorted(keywords) if not search(word, text, re.IGNORECASE)]
    if missing:
        return Verdict(False, f"missing {listed(missing)}, wanted all of {listed(keywords)}")
    return Verdict(True, f"found {listed(keywords)}")


def keyword_frequency(text: str, *, keyword: str, frequency: int, relation: str) -> Verdict:
    """How often a keyword, as a pattern, is found, in any case, also inside other words."""
    found = len(find_all(keyword.strip(), text, re.IGNORECASE))
    return _counted(found, relation, frequency, "time", f' "{keyword}"')


def forbidden_words(text: str, *, forbidden_words: list[str]) -> Verdict:
    """None of the words, as patterns between word boundaries, is found, in any case."""
    for word in sorted(forbidden_words):
        if search(rf"\b{word}\b", text, re.IGNORECASE):
            return Verdict(False, f'found "{word}", wanted none of {listed(forbidden_words)}')
    return Verdict(True, f"found none of {listed(forbidden_words)}")


def letter_frequency(text: str, *, letter: str, let_frequency: int, let_relation: str) -> Verdict:
    """How often a letter occurs once the text is in lower case."""
    found = text.lower().count(letter.lower())
    return _counted(found, let_relation, let_frequency, "time", f' the letter "{letter}"')


def response_language(text: str, *, language: str) -> Verdict:
    """The detected language is this one; a text with no language at all passes (odd)."""
    found = detect_language(text)
    if found is None:
        return Verdict(True, "no language can be told, which counts as followed")
    return Verdict(found == language, f"the language is {found}, wanted {language}")


def number_sentences(text: str, *, num_sentences: int, relation: str) -> Verdict:
    """The number of sentences, as Punkt splits them."""
    return _counted(len(split_sentences(text)), relation, num_sentences, "sentence")


def number_paragraphs(text: str, *, num_paragraphs: int) -> Verdict:
    """The pieces between *** are this many; only the first and the last may be blank."""
    pieces = _DIVIDER.split(text)
    if any(not piece.strip() for piece in pieces[1:-1]):
        return Verdict(False, "a paragraph between two *** is blank", open=False)
    # With no divider there is one piece, which is the first and the last at once.
    found = len(pieces) - sum(not pieces[i].strip() for i in {0, len(pieces) - 1})
    return _exact(found, num_paragraphs, "paragraphs parted by ***")


def number_words(text: str, *, num_words: int, relation: str) -> Verdict:
    """The number of runs of letters, digits and underscores ("don't" is two)."""
    return _counted(count_word_runs(text), relation, num_words, "word")


def nth_paragraph_first_word(
    text: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str
) -> Verdict:
    """The text has so many paragraphs between empty lines, and the nth begins with this word.

    The nth is counted among all pieces, blank ones included (odd).
    """
    pieces = text.split("\n\n")
    found = sum(bool(piece.strip()) for piece in pieces)
    wanted = f'wanted {num_paragraphs}, the {nth_paragraph}. beginning "{first_word}"'
    words = pieces[nth_paragraph - 1].split(maxsplit=1) if nth_paragraph <= found else []
    may_reach = found <= num_paragraphs
    if not words:
        explanation = f"found {found} paragraphs, none as the {nth_paragraph}., {wanted}"
        return Verdict(False, explanation, open=may_reach and nth_paragraph > found)
    word = words[0].lstrip("'").lstrip('"')
    end = next((i for i, letter in enumerate(word) if letter in _ENDS_WORD), len(word))
    begins = "".join(letter.lower() for letter in word[:end])
    begins_right = begins == first_word.lower()
    passed = found == num_paragraphs and begins_right
    # The word may be cut off in its middle.
    at_the_end = nth_paragraph == len(pieces) and len(words) == 1 and end == len(word)
    may_begin = begins_right or (at_the_end and first_word.lower().startswith(begins))
    return Verdict(
        passed,
        f"found {found} paragraphs and {quote(begins, 20)}, {wanted}",
        open=may_reach and may_begin,
    )


def number_placeholders(text: str, *, num_placeholders: int) -> Verdict:
    """At least so many [brackets], each closed on its own line; they may be empty (odd)."""
    found = 0
    for line in text.split("\n") if "[" in text else ():
        end = 0
        while (start := line.find("[", end)) >= 0 and (end := line.find("]", start) + 1):
            found += 1
    return _counted(found, LEAST, num_placeholders, "placeholder")


def postscript(text: str, *, postscript_marker: str) -> Verdict:
    """The marker is found anywhere, in any case (odd: it need not begin a line or be last)."""
    marker = postscript_marker.strip()
    pattern = _POSTSCRIPTS.get(marker, marker.lower())
    found = search(pattern, text.lower())
    return Verdict(
        found is not None, f"found {'a' if found else 'no'} postscript, wanted {quote(marker, 20)}"
    )


def number_bullet_lists(text: str, *, num_bullets: int) -> Verdict:
    """Exactly so many lines begin with one * or with a dash (also "---", odd)."""
    found = len(_STAR.findall(text)) + len(_DASH.findall(text))
    return _exact(found, num_bullets, "bullets")


def constrained_response(text: str) -> Verdict:
    """One of the three fixed answers occurs somewhere in the text."""
    found = next((answer for answer in ANSWERS if answer in text), None)
    if found is None:
        return Verdict(False, f"found none of {listed(ANSWERS)}")
    return Verdict(True, f'found "{found}"')


def number_highlighted_sections(text: str, *, num_highlights: int) -> Verdict:
    """At least so many *highlights* that are not blank."""
    single = sum(bool(match.strip("*").strip()) for match in _HIGHLIGHT.findall(text))
    double = sum(bool(match[2:-2].strip()) for match in _DOUBLE_HIGHLIGHT.findall(text))
    return _counted(single + double, LEAST, num_highlights, "highlighted section")


def multiple_sections(text: str, *, section_spliter: str, num_sections: int) -> Verdict:
    """At least so many section marks, each with a number; the mark is a pattern."""
    marks = find_all(rf"\s?{section_spliter.strip()}\s?\d+\s?", text)
    # The reference counts the pieces of a split, which has a piece more for each group.
    found = sum(1 + mark.re.groups for mark in marks)
    return _counted(found, LEAST, num_sections, "section")


def json_format(text: str) -> Verdict:
    """The whole text, but for a ``` fence around it, is JSON (NaN too, odd)."""
    body = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        body = body.removeprefix(fence)
    body = body.removesuffix("```").strip()
    try:
        json.loads(body)
    except RecursionError:
        raise Undecided("the JSON is nested too deeply to read") from None
    except json.JSONDecodeError as error:
        unfinished = (
            error.msg.startswith("Unterminated string")
            or _UNFINISHED_JSON.fullmatch(body, error.pos) is not None
        )
        return Verdict(False, f"the answer is not JSON ({str(error)[:60]})", open=unfinished)
    except ValueError as error:
        return Verdict(False, f"the answer is not JSON ({str(error)[:60]})")
    return Verdict(True, "the answer is JSON", open=True)


def title(text: str) -> Verdict:
    """A <<title>> that is not blank is on one line."""
    for line in text.split("\n"):
        # The reference's pattern is greedy: from the first << of the line to its last >>.
        start, end = line.find("<<"), line.rfind(">>")
        if 0 <= start <= end - 3:
            found = line[start : end + 2].lstrip("<").rstrip(">").strip()
            if found:
                return Verdict(True, f"found the title {quote(found)}")
    return Verdict(False, "found no title in << and >>")


def two_responses(text: str) -> Verdict:
    """Two different answers separated by ******; only the first and last piece may be blank."""
    pieces = text.split("******")
    if any(not piece.strip() for piece in pieces[1:-1]):
        return Verdict(False, "a response between two ****** is blank", open=False)
    answers = [piece.strip() for piece in pieces if piece.strip()]
    if len(answers) != 2:
        explanation = f"found {len(answers)} responses parted by ******, wanted 2"
        return Verdict(False, explanation, open=len(answers) < 2)
    differ = answers[0] != answers[1]
    explanation = f"found two responses, {'not' if differ else 'both'} the same"
    return Verdict(differ, explanation, open=True)


def repeat_prompt(text: str, *, prompt_to_repeat: str) -> Verdict:
    """The answer begins with the prompt, in any case."""
    answer, wanted = text.strip().lower(), prompt_to_repeat.strip().lower()
    passed = answer.startswith(wanted)
    return Verdict(
        passed,
        f"starts with {quote(text)}, wanted {quote(prompt_to_repeat)}",
        open=not passed and wanted.startswith(answer),
    )


def end_checker(text: str, *, end_phrase: str) -> Verdict:
    """The answer ends with the phrase, in any case, ignoring double quotes around the answer."""
    passed = text.strip().strip('"').lower().endswith(end_phrase.strip().lower())
    return Verdict(passed, f"ends with {quote(text[-40:])}, wanted {quote(end_phrase)}")


def capital_word_frequency(text: str, *, capital_frequency: int, capital_relation: str) -> Verdict:
    """The number of words all in capitals; "I" is one, "DON'T" is two."""
    return _counted(count_capital_words(text), capital_relation, capital_frequency, "capital word")


def english_capital(text: str) -> Verdict:
    """Every cased letter is a capital, and the language English, or none at all (odd)."""
    return _one_case(text, text.isupper(), "capital")


def english_lowercase(text: str) -> Verdict:
    """Every cased letter is a small one, and the language English, or none at all (odd)."""
    return _one_case(text, text.islower(), "small")


def no_comma(text: str) -> Verdict:
    """No comma: the ASCII one alone."""
    found = text.count(",")
    return Verdict(not found, f"found {counted(found, 'comma')}, wanted none")


def quotation(text: str) -> Verdict:
    """The answer begins and ends with a straight double quote."""
    body = text.strip()
    passed = len(body) > 1 and body[0] == body[-1] == '"'
    explanation = f"the answer is {'' if passed else 'not '}in double quotes"
    return Verdict(passed, explanation, open=body[:1] == '"')


def _counted(found: int, relation: str, wanted: int, noun: str, of: str = "") -> Verdict:
    passed = found < wanted if relation == LESS else found >= wanted
    explanation = f"found {counted(found, noun)}{of}, wanted {relation} {wanted}"
    # A longer text has more.
    return Verdict(passed, explanation, open=passed == (relation == LESS))


def _exact(found: int, wanted: int, nouns: str) -> Verdict:
    explanation = f"found {found} {nouns}, wanted exactly {wanted}"
    return Verdict(found == wanted, explanation, open=found <= wanted)


def _one_case(text: str, holds: bool, kind: str) -> Verdict:
    if not holds:
        # Where there is no cased letter yet, the rest may have them.
        return Verdict(False, f"not all letters are {kind} ones", open=text.lower() == text.upper())
    verdict = response_language(text, language="en")
    return Verdict(verdict.passed, f"all letters are {kind} ones; {verdict.explanation}")
