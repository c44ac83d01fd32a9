"""A thinking model's reasoning told apart from its answer, where one text still holds both.

Our own runs split an output by its model's template as it is decoded (engine/reasoning.py). Here
nothing is known but the text: an answer made elsewhere, or by a model asked without its template.
"""

from __future__ import annotations

import re

from vibecore.catalog.chat import WRITTEN_MARKERS
from vibecore.scoring.text.fences import find_fences, has_fence, split_lines

_OPENINGS = {one.opening: one for one in WRITTEN_MARKERS}
# A text begins with one of these, after white space or a byte-order mark; the longest that fits.
_OPENING = re.compile(
    rf"[\s\ufeff]*({'|'.join(map(re.escape, sorted(_OPENINGS, key=len, reverse=True)))})"
)
# What some models wrap the answer in that follows their reasoning: Sky-T1 and OpenThinker,
# Command A Reasoning, and models trained as DeepSeek-R1-Zero was.
_ANSWER_TAGS = (
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ("<answer>", "</answer>"),
)
# What is left out before an answer: the rest of the marker's line and blank lines, but not the
# indentation of the answer's first line.
_GAP = re.compile(r"[^\S\n]*(?:\n(?:[^\S\n]*\n)*)?")
_SENTENCE_END = frozenset('.!?…)]}"”’`$。！？')
_QUOTES = frozenset("`'\"“”‘’«»")


def answer_of(text: str) -> str:
    """The answer in a text: the text without the reasoning that it begins with, unchanged where it
    begins with none (see `split_reasoning`)."""
    return split_reasoning(text)[1]


def split_reasoning(text: str) -> tuple[str | None, str]:
    """The reasoning that a text begins with, None where there is none, and the answer after it.

    Reasoning is what stands between the two markers of a model (catalog.chat.WRITTEN_MARKERS) at
    the very beginning; several such blocks are left out alike. Where the end marker is missing the
    whole text is reasoning and the answer empty: the tokens ran out. An end marker that nothing
    opened ends reasoning too, because some templates write the opening one in the prompt: it must
    begin its line, come after the end of a sentence, or before a blank line. Markers anywhere else,
    in code or in quotes are part of an answer, which may be about them. Tags around the whole
    answer ("<answer>") are left out with the reasoning.
    """
    start = 0
    while opening := _OPENING.match(text, start):
        closing = _OPENINGS[opening[1]].closing
        end = text.find(closing, opening.end())
        if end < 0:
            return text.strip("\n"), ""
        start = end + len(closing)
    if not start:
        found = _end_nothing_opened(text)
        if found is None:
            return None, text
        start = found
    gap = _GAP.match(text, start)
    return text[:start].strip("\n"), _unwrapped(text[gap.end() if gap else start :])


def _unwrapped(answer: str) -> str:
    """The answer without the tags around all of it; the end tag may be missing, cut off."""
    for opening, closing in _ANSWER_TAGS:
        if answer.startswith(opening):
            inside, _, after = answer[len(opening) :].partition(closing)
            return answer if after.strip() else inside.strip("\n")
    return answer


def _end_nothing_opened(text: str) -> int | None:
    """Where the answer begins after an end marker that nothing before it opened."""
    ends = []
    for markers in WRITTEN_MARKERS:
        at = text.find(markers.closing)
        if at < 0:
            continue
        opened = text.find(markers.opening)
        while at >= 0 and not 0 <= opened < at:
            after = at + len(markers.closing)
            if _ends_reasoning(text, at, after) and not _in_fence(text, at):
                ends.append((at, after))
                break
            at = text.find(markers.closing, after)
    return min(ends)[1] if ends else None


def _in_fence(text: str, at: int) -> bool:
    """Whether a place stands in a fenced block, and is no word of the text therefore."""
    if not has_fence(text):
        return False
    number = len(split_lines(text[:at])) - 1
    fences = find_fences(text).fenced
    return any(one.first < number <= one.last and not one.left_open for one in fences)


def _ends_reasoning(text: str, at: int, after: int) -> bool:
    """Whether an end marker from `at` to `after` ends something, and is not spoken of."""
    if text[at - 1 : at] in _QUOTES and text[after : after + 1] in _QUOTES:
        return at == 0
    before = at
    while before > 0 and text[before - 1] in " \t":
        before -= 1
    if before == 0 or text[before - 1] == "\n" or text[before - 1] in _SENTENCE_END:
        return True
    rest = _GAP.match(text, after)
    return rest is not None and rest[0].count("\n") > 1
