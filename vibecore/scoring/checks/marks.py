"""Checks on the marked parts of an answer: placeholders, postscripts, highlights, sections, titles.

The demands are IFEval's (Zhou et al. 2023, arXiv 2311.07911, table 1), judged by what they mean
and not by its patterns, which the check `ifeval` applies: a postscript comes last, a section's
mark begins a line, a placeholder has a name in it.
"""

from __future__ import annotations

import re

from vibecore.scoring.arguments import Position
from vibecore.scoring.checks import Check
from vibecore.scoring.text.characters import fold, one_form
from vibecore.scoring.text.layout import text_lines, text_paragraphs, without_code, without_fences
from vibecore.scoring.text.matching import plain, without_emphasis
from vibecore.scoring.text.places import begins, may_begin
from vibecore.scoring.verdict import Relation, Verdict, compare, numbering_defect, quote

# Brackets directly after each other; not a Markdown link ([text](address)), its definition or a
# footnote, nor an index (x[i][j]), nor mathematics (\[ x \]).
_BRACKETS = re.compile(
    r"(?<![\w\])\\])(?:\[(?!\^)[^\[\]\n]*(?<!\\)\])++(?!\(|\[|:[ \t]*(?:https?:|<))"
)
_BRACKET = re.compile(r"\[[^\[\]\n]*[^\W\d_][^\[\]\n]*\]")
# What makes a link of [text][label].
_DEFINITION = re.compile(r"^ {0,3}\[[^\[\]\n]+\]:[ \t]*\S", re.MULTILINE)
# A task's box; [X] only at the beginning of its line, for it may be a name too ("Dear [X],").
_BOX = re.compile(
    r"^(?:[ \t>]*(?:[-*+•][ \t]+|\d{1,3}[.)][ \t]+)?)\[X\](?=[ \t])|\[x\]", re.MULTILINE
)
_HIGHLIGHT = re.compile(
    r"(?<![*\\])(\*{1,3})(?=[^\s*])(?P<inside>[^*\n]*)(?<=[^\s*\\])\1(?!\*)"
    r"|(?<![\w\\])(_{1,3}+)(?=[^\s_])(?:[^_\n]|(?<=\w)_(?=[^\W_]))*+(?<=[^\s_\\])\3(?!\w)"
)
_CODE_SPAN = re.compile(r"`[^`\n]++`")
_QUOTES = {'"': '"', "“": "”", "„": "“”", "”": "”", "«": "»", "»": "«", "「": "」", "『": "』"}
_EDGE = " \t\r\n*_\ufeff\u200b"


def nth_paragraph_starts_with(text: str, *, number: Position, prefix: str) -> Verdict:
    """The nth paragraph, counted from 1, begins with this, by the rule of `starts_with`.

    Paragraphs are those of `paragraph_count`.
    """
    found = text_paragraphs(text)
    if not 1 <= number <= len(found):
        missing = f"found {len(found)} paragraphs, wanted a {number}. one"
        return Verdict(False, missing, open=True)
    paragraph = found[number - 1]
    passed = begins(paragraph, prefix)
    unfinished = not passed and number == len(found) and may_begin(paragraph, prefix)
    start = quote(paragraph.lstrip()[:40])
    explanation = f'paragraph {number} starts with {start}, wanted "{prefix}"'
    return Verdict(passed, explanation, open=unfinished)


def placeholder_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of [placeholders]: brackets with a letter in them, except links and task boxes.

    Nor are footnotes, an index ("x[i]"), mathematics ("\\[ x \\]") and what stands in fenced code
    that names a language.
    """
    shown = _BOX.sub("", without_code(text, unlabelled=True))
    runs = _BRACKETS.findall(shown)
    if _DEFINITION.search(shown):
        runs = [run for run in runs if "][" not in run]
    found = sum(len(_BRACKET.findall(run)) for run in runs)
    return compare(found, relation, count, "placeholder")


def has_postscript(text: str, *, marker: str) -> Verdict:
    """A line begins with the marker ("P.S.", in any case), with text before it and after it.

    Spaces inside the marker, emphasis around it and the marks of a heading or a quotation are
    ignored.
    """
    shown = one_form(text)
    pattern = r"\s?".join(map(re.escape, re.sub(r"\s", "", one_form(marker))))
    marks = list(re.finditer(rf"^[ \t*_>#]*{pattern}", shown, re.MULTILINE | re.IGNORECASE))
    if not marks:
        wanted = f"no line begins with {quote(marker, 20)}, wanted a postscript"
        return Verdict(False, wanted, open=True)
    said = shown[marks[-1].end() :].lstrip(" \t\r\n*_:.").rstrip()
    before = shown[: marks[0].start()].strip()
    if not said or not before:
        where = "after" if before else "before"
        return Verdict(False, f"nothing stands {where} the postscript", open=bool(before))
    return Verdict(True, f"found the postscript {quote(said)}")


def highlight_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of pieces *emphasised* by one to three asterisks or _underscores_.

    A bullet's star is none, nor one that multiplies ("2*x*3"), an underscore inside a word
    (snake_case) or a mark in code. Part of a word may be emphasised ("un*believ*able"), and text
    without spaces between its words.

    Source: CommonMark 0.31, 6.2, on one line.
    """
    prose = _CODE_SPAN.sub(" ", without_code(text))
    return compare(sum(map(_is_emphasis, _HIGHLIGHT.finditer(prose))), relation, count, "highlight")


def _is_emphasis(found: re.Match[str]) -> bool:
    """Whether a pair of marks is none of stars that multiply: a letter of ASCII may stand before
    them where a word is between them, and no digit before or after them."""
    before = found.string[max(0, found.start() - 1) : found.start()]
    after = found.string[found.end() : found.end() + 1]
    inside = found["inside"]
    if inside is None or not (before + after).isascii():
        return True
    if before.isdigit() or after.isdigit():
        return False
    return not before.isalpha() or (len(inside) > 1 and inside.isalpha())


def section_count(text: str, *, heading: str, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with the heading word and a number, counting up from 1.

    In any case, with or without emphasis or the marks of a heading ("## **Section 1**"), of a
    bullet or a quotation; a part of a section ("Section 1.2") and lines in fenced code are none.
    """
    word = r"\s+".join(map(re.escape, fold(heading).split()))
    pattern = rf"^[ \t#>]*(?:[-*+•][ \t]+)?{word}[ \t]?(\d{{1,4}})\b(?!\.\d)"
    shown = without_emphasis(fold(without_code(text)))
    numbers = [int(number) for number in re.findall(pattern, shown, re.MULTILINE)]
    if misnumbered := numbering_defect(numbers):
        wanted = "wanted them to count up from 1"
        return Verdict(False, f"the sections are numbered {misnumbered}, {wanted}")
    return compare(len(numbers), relation, count, "section")


def has_title(text: str, *, opening: str, closing: str) -> Verdict:
    """The first line is a title between these marks ("<<" and ">>") that is not blank.

    Emphasis and the marks of a heading around it are ignored; a code fence is no line.
    """
    found = text_lines(text) or ("",)
    first = one_form(found[0]).strip().strip("*_# \t")
    opening, closing = one_form(opening), one_form(closing)
    opens = len(first) > len(opening) + len(closing) - 1 and first.startswith(opening)
    inside = first[len(opening) : len(first) - len(closing)].strip()
    if opens and first.endswith(closing) and inside:
        return Verdict(True, f"found the title {quote(inside)}")
    unfinished = len(found) == 1 and (first.startswith(opening) or opening.startswith(first))
    wanted = f"wanted {opening}title{closing}"
    return Verdict(False, f"the first line is {quote(first)}, {wanted}", open=unfinished)


def different_answers(text: str, *, separator: str, count: int) -> Verdict:
    """The separator divides the text into `count` answers, none blank and all different.

    Answers are compared in any case, without emphasis and however their letters are composed.
    """
    answers = [" ".join(plain(piece).split()) for piece in text.split(separator)]
    while answers and not answers[-1]:
        answers.pop()
    answers = answers[1:] if answers and not answers[0] else answers
    wanted = f'wanted {count} different ones parted by "{separator}"'
    if not all(answers):
        return Verdict(False, f"an answer is blank, {wanted}")
    different = len(set(answers))
    if different < len(answers):
        # The last one may go on otherwise than the one that it is like so far.
        unfinished = len(set(answers[:-1])) == len(answers) - 1 and len(answers) <= count
        explanation = f"found {len(answers)} answers, {different} different, {wanted}"
        return Verdict(False, explanation, open=unfinished)
    return Verdict(
        different == count, f"found {different} answers, {wanted}", open=different <= count
    )


def repeats_prompt(text: str, *, prompt: str) -> Verdict:
    """The answer repeats the prompt word for word, ignoring white space, and then goes on.

    `prompt` is the text to repeat, which is often only a part of what was asked. Emphasis, the
    form of quotation marks and apostrophes, and how letters are composed are ignored.
    """
    wanted = without_emphasis(one_form(prompt)).split()
    shown = without_emphasis(one_form(text)).strip()
    words = shown.lstrip("\"'*_>").split()
    wanted[0] = wanted[0].lstrip("\"'*_>") or wanted[0]
    if (
        shown[:1] in ('"', "'")
        and len(words) > len(wanted)
        and words[len(wanted) - 1] != wanted[-1]
    ):
        # The prompt is quoted as a whole.
        words[len(wanted) - 1] = words[len(wanted) - 1].rstrip("\"'")
    same = next((i for i, (a, b) in enumerate(zip(wanted, words, strict=False)) if a != b), None)
    if same is not None:
        unfinished = same == len(words) - 1 and wanted[same].startswith(words[same])
        other = f"word {same + 1} is {quote(words[same], 20)}, wanted the prompt's"
        return Verdict(False, other, open=unfinished)
    if len(words) <= len(wanted):
        missing = "the prompt is repeated and no answer follows, wanted both"
        return Verdict(False, missing, open=True)
    return Verdict(True, f"the prompt's {len(wanted)} words are repeated and an answer follows")


def in_quotation_marks(text: str) -> Verdict:
    """The whole answer is inside one pair of double quotes, straight, curly or angular.

    Emphasis and a code fence around them are ignored; single quotation marks are none.
    """
    body = without_fences(text).strip(_EDGE)
    closing = _QUOTES.get(body[:1], "")
    inside = body[1:-1]
    early = bool(closing) and _closes_early(inside, body[0], closing)
    passed = len(body) > 2 and body[-1] in closing and bool(inside.strip()) and not early
    explanation = f"the answer is {quote(text)}, wanted it all in double quotes"
    return Verdict(passed, explanation, open=passed or (bool(closing) and not early))


def _closes_early(inside: str, opening: str, closing: str) -> bool:
    """Whether the quotation ends before the last mark: "a" b "c" is more than one pair."""
    if opening in closing:
        # The first mark inside closes when it stands right after what it quotes.
        first = inside.find(opening)
        if first < 0:
            return False
        opens = first == 0 or inside[first - 1].isspace() or inside[first - 1] in "([—–-"
        return not opens or inside.count(opening) % 2 == 1
    depth = 1
    for character in inside:
        depth += (character == opening) - (character in closing)
        if depth == 0:
            return True
    return False


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
