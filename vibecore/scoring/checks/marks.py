"""Checks on the marked parts of an answer: placeholders, postscripts, highlights, sections, titles.

The demands are IFEval's (Zhou et al. 2023, arXiv 2311.07911, table 1), judged by what they mean
and not by its patterns, which the check `ifeval` applies: a postscript comes last, a section's
mark begins a line, a placeholder has a name in it.
"""

from __future__ import annotations

import re

from vibecore.scoring.arguments import Position
from vibecore.scoring.checks import Check
from vibecore.scoring.checks.text import starts_with
from vibecore.scoring.text.words import paragraphs
from vibecore.scoring.verdict import Relation, Verdict, compare, numbering_defect, quote

# Not a Markdown link, [text](address), nor a task-list box, [x].
_PLACEHOLDER = re.compile(r"\[[^\[\]\n]*[^\W\d_][^\[\]\n]*\](?!\()")
_BOX = re.compile(r"\[[xX]\]")
_HIGHLIGHT = re.compile(r"(?<![*\w])(\*{1,3})(?=[^\s*])[^*\n]*(?<=[^\s*])\1(?![*\w])")
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」"}


def nth_paragraph_starts_with(text: str, *, number: Position, prefix: str) -> Verdict:
    """The nth paragraph, counted from 1, begins with this, by the rule of `starts_with`."""
    found = paragraphs(text)
    if not 1 <= number <= len(found):
        return Verdict(False, f"found {len(found)} paragraphs, wanted a {number}. one")
    verdict = starts_with(found[number - 1], prefix=prefix)
    return Verdict(verdict.passed, f"paragraph {number} {verdict.explanation}")


def placeholder_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of [placeholders]: brackets with a letter in them, except links and task boxes."""
    found = [mark for mark in _PLACEHOLDER.findall(text) if not _BOX.fullmatch(mark)]
    return compare(len(found), relation, count, "placeholder")


def has_postscript(text: str, *, marker: str) -> Verdict:
    """A line begins with the marker ("P.S.", in any case), with text before it and after it."""
    pattern = r"\s?".join(map(re.escape, re.sub(r"\s", "", marker)))
    marks = list(re.finditer(rf"^[ \t*_]*{pattern}", text, re.MULTILINE | re.IGNORECASE))
    if not marks:
        return Verdict(False, f"no line begins with {quote(marker, 20)}, wanted a postscript")
    said = text[marks[-1].end() :].lstrip(" \t\r\n*_:.").rstrip()
    before = text[: marks[0].start()].strip()
    if not said or not before:
        return Verdict(False, f"nothing stands {'after' if before else 'before'} the postscript")
    return Verdict(True, f"found the postscript {quote(said)}")


def highlight_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of pieces *emphasised* by one to three asterisks; a bullet's star is not one."""
    return compare(sum(1 for _ in _HIGHLIGHT.finditer(text)), relation, count, "highlight")


def section_count(text: str, *, heading: str, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with the heading word and a number, counting up from 1."""
    word = r"\s+".join(map(re.escape, heading.split()))
    pattern = rf"^[ \t#*_]*{word}[ \t]?(\d{{1,4}})\b"
    numbers = [int(number) for number in re.findall(pattern, text, re.MULTILINE | re.IGNORECASE)]
    if misnumbered := numbering_defect(numbers):
        wanted = "wanted them to count up from 1"
        return Verdict(False, f"the sections are numbered {misnumbered}, {wanted}")
    return compare(len(numbers), relation, count, "section")


def has_title(text: str, *, opening: str, closing: str) -> Verdict:
    """The first line is a title between these marks ("<<" and ">>") that is not blank."""
    first = text.strip().splitlines()[0].strip().strip("*_# \t")
    opens = len(first) > len(opening) + len(closing) - 1 and first.startswith(opening)
    inside = first[len(opening) : len(first) - len(closing)].strip()
    if opens and first.endswith(closing) and inside:
        return Verdict(True, f"found the title {quote(inside)}")
    return Verdict(False, f"the first line is {quote(first)}, wanted {opening}title{closing}")


def different_answers(text: str, *, separator: str, count: int) -> Verdict:
    """The separator divides the text into `count` answers, none blank and all different."""
    pieces = text.split(separator)
    answers = [" ".join(piece.split()).casefold() for piece in pieces]
    while answers and not answers[-1]:
        answers.pop()
    answers = answers[1:] if answers and not answers[0] else answers
    wanted = f'wanted {count} different ones parted by "{separator}"'
    if not all(answers):
        return Verdict(False, f"an answer is blank, {wanted}")
    different = len(set(answers))
    if different < len(answers):
        return Verdict(False, f"found {len(answers)} answers, {different} different, {wanted}")
    return Verdict(different == count, f"found {different} answers, {wanted}")


def repeats_prompt(text: str, *, prompt: str) -> Verdict:
    """The answer repeats the prompt word for word, ignoring white space, and then goes on.

    `prompt` is the text to repeat, which is often only a part of what was asked.
    """
    wanted, words = prompt.split(), text.strip().lstrip("\"'“‘*_>").split()
    same = next((i for i, (a, b) in enumerate(zip(wanted, words, strict=False)) if a != b), None)
    if same is not None:
        return Verdict(False, f"word {same + 1} is {quote(words[same], 20)}, wanted the prompt's")
    if len(words) <= len(wanted):
        return Verdict(False, "the prompt is repeated and no answer follows, wanted both")
    return Verdict(True, f"the prompt's {len(wanted)} words are repeated and an answer follows")


def in_quotation_marks(text: str) -> Verdict:
    """The whole answer is inside one pair of double quotes, straight, curly or angular."""
    body = text.strip()
    closing = _QUOTES.get(body[0])
    inside = body[1:-1]
    passed = len(body) > 2 and body[-1] == closing and bool(inside.strip())
    if passed and body[0] == '"' and inside.count('"') % 2:
        passed = False  # '"a" b "c' opens and closes more than one pair
    return Verdict(passed, f"the answer is {quote(body)}, wanted it all in double quotes")


CHECKS = (
    Check(nth_paragraph_starts_with, "places"),
    Check(placeholder_count, "parts"),
    Check(has_postscript, "parts"),
    Check(highlight_count, "parts"),
    Check(section_count, "parts"),
    Check(has_title, "parts"),
    Check(different_answers, "parts"),
    Check(repeats_prompt, "parts"),
    Check(in_quotation_marks, "parts"),
)
