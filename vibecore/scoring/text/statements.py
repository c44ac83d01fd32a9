r"""Which statement of a text is its final answer.

Stated is what follows "Answer:", "the answer is" or a heading "Answer", and what stands in a
\boxed{}, in <answer> tags or after "####" (the form of GSM8K); where nothing else is, also what a
sequence's "next number" or "missing number" is said to be. The last statement of the first
answer counts. So a model may correct itself ("Answer: 5 … Answer: 6", "Wait, it should be 6"), but
what a base model goes on to invent does not count: the answer ends at a chat template's token, at
a line that begins another question ("Question:", "Q:", "Problem 2", "Human:" …), at a line that
asks one, and after "#### number", which ends every answer of GSM8K.

Source: lm-evaluation-harness, task gsm8k: the first "####" counts ("strict-match") and generation
stops at "Question:", "</s>" and "<|im_end|>"; the further forms are ours.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass

_LIMIT = 400
_LINE_LIMIT = 80
# A line of so many words that asks something new, after a statement.
_ASKED = 3
# Where nothing is stated, a new question tells something first; one that asks alone is a step.
_TOLD = re.compile(r"[.!]\s")
_MARKS = r"[ \t*_`]*"
_STATED = re.compile(
    r"(?P<quoted>[\"'“‘]?)\b(?:answer|ans)\b(?![^\n]{0,80}<answer>)"
    r"(?:[ ]?\([^()\n]{1,30}\))?[*_`]*(?:"
    r"(?P<is>(?:[ ,]+(?:then|therefore|thus|so|here|now)\b,?)?"
    r"(?:[ ]+(?:to|of|for|in|that|which|we|you|i)\b[^.!?:;\n=,]{0,60}?)?[ ]+(?:is|was|equals"
    r"|(?:would|should|must|will|can|could|may|might)\s+be)\b"
    r"(?:[ ]+(?:then|therefore|thus|simply|just)\b)?"
    r"|(?:[ ]+is|[ ]+ca|[ ]+could|[ ]+would|[ ]+wo)(?=n['’]t\b)|[ ]+can(?=not\b)|'s\b)\s*[:=]?"
    r"|\s*[:=](?![\"'”’]))"
    rf"{_MARKS}"
    r"|^[#*_ \t]*(?:the\s+)?(?:final\s+)?answer[*_ \t]*(?P<heading>\n)"
    r"|(?<!\#)\#{4}(?!\#)[ \t]*(?=(?P<marked>[^\n]*))"
    r"|\\(?:boxed|fbox)\s*(?P<boxed>\{)"
    r"|<answer>(?P<tagged>[^<]{0,400})(?P<tag></answer>)?"
    r"|(?:^|[.!?,;(\n—][ \n]{0,3})(?P<correction>(?:(?:no|oh|but),?[ ])?(?:wait|actually|correction"
    r"|sorry|oops|scratch[ ]that|on[ ]second[ ]thought|i[ ]mean|or[ ]rather|make[ ]that)\b"
    # "Many say 36, but it is actually 42", "However, the correct answer is 42"
    r"|\b(?:but|however)\b(?=,?[ ](?:it|that|this|the[ ](?:\w{4,7}[ ]){0,2}answer)"
    r"(?:['’]s|[ ](?:is|was|(?:should|must)[ ]be))[ ]"
    r"(?:(?:actually|really|in[ ]fact)[ ]\S"
    r"|[*$\\(]*[-−]?\d[\d.,/]*[*$)%]*(?:[ ]\w+)?[*.!]*[ ]*$)))",
    re.IGNORECASE | re.MULTILINE,
)
# Less than a statement, and looked for only where there is none: it may be a step on the way.
_NAMED = re.compile(
    r"\b(?:next|missing)\s+(?:number|term|value|element)\b[^.!?\n=]{0,60}?\s"
    r"(?:is|(?:would|should|must|will)\s+be)\s*:?\s*(?=[*$\\(`]*[-−]?\d)(?P<named>[^\n]*)",
    re.IGNORECASE,
)
# Without one of these nothing is stated: a correction alone corrects nothing.
_BEGINNINGS = ("ans", "####", "box")
_NUMBER_ENDS = re.compile(r"\d[.,*$)]*\s+\S")
# "The answer is found by adding 2 to 3" says how, not what; "the answer is as follows" neither.
_HOW = re.compile(
    r"(?:found|obtained|calculated|computed|given|determined|derived|worked\s+out|reached)\b"
    r"(?!\s+to\s+be)|(?:as\s+follows|below|above|shown|the\s+following)\b",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"[^\n]{0,80}?\b(?:it|that|this|answer|result|number)(?:['’]s|\s+(?:is|was|(?:should|must)\s+be"
    r"(?:\s+have\s+been)?))\s+(?:actually\s+|really\s+|in\s+fact\s+)?"
    r"(?P<be>(?!(?:all\s+)?(?:right|correct|wrong|incorrect|not|fine|true|false|good|ok|okay)\b)"
    r"\S[^\n]*)"
    r"|[ ,.:!—]*(?:no[ ,.:!—]+)?(?P<bare>[*$]*[-−]?\d[^\n]*)",
    re.IGNORECASE,
)
# What is only supposed is no statement, what is called wrong denies one.
_SUPPOSED = re.compile(
    r"\b(?:if|suppose|supposing|assume|assuming|imagine)(?:\s+that)?\s+(?:the\s+)?(?:\w+\s+)?\Z",
    re.I,
)
_DENIED = re.compile(
    r"(?:(?:n['’]t|\bnot)\s+(?:think|believe|say|true|correct|right|the\s+case)"
    r"|(?<!not )(?<!n't )\b(?:wrong|incorrect|false|untrue)"
    r"(?:\s+to\s+(?:say|think|claim|assume|believe))?)"
    r"(?:\s+that)?\s+(?:(?:the|my|your)\s+)?(?:(?:final|right|correct)\s+)?\Z",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(r"[\s*_`]*[<\[{][a-z][a-z ]{0,30}[>\]}][\s*_`.\"']*", re.IGNORECASE)
_GSM8K = re.compile(
    r"(?![*_\s]*\d{1,2}[.)]\s+[^\W\d])"
    r"[*_$\s]*[-−–]?[$€£]?\s?[\d.][\d.,/ ]*\s?(?:[^\W\d]+|%)?[.*_$\s]*"
)
_WORD_MARKED = re.compile(r"[*_\s]*[^\W\d]+(?:[ '’-][^\W\d]+){0,2}[.*_\s]*")
_TEMPLATE = re.compile(
    r"<\|[a-z_]{2,20}\|>|</?s>|\[/?INST\]|<end_of_turn>|<start_of_turn>|<eos>", re.IGNORECASE
)
_NEXT = re.compile(
    r"^[ \t]*(?:\#{1,6}[ \t]*)?[*_\[(<]*(?:"
    r"(?:next|new|another|second)\s+(?:question|problem|exercise|task)\b"
    r"|(?:question|problem|exercise|query|puzzle)[ \t]*(?:\#?\d+[ \t]*)?[*_]*[:.)\]>]"
    r"|(?:problem|question|exercise|task)[ \t]+\#?\d+[*_ \t]*$"
    r"|q[ \t]*\d*[*_]*[:.)]|(?:human|user)[*_]*:)"
    r"|^[ \t]*\#{2,6}[ \t]*(?:instruction|question|problem|input|exercise|task|query)s?\b",
    re.IGNORECASE | re.MULTILINE,
)
_TASK = re.compile(
    r"(?:^|[.!][ ])(?:find|calculate|compute|determine|write|explain|list|describe|solve|state|give"
    r"|show)[ ][^=.!?]*[^=]*\.\s*\Z",
    re.IGNORECASE,
)
# A question that a model asks about its own answer is no new one.
_OWN_QUESTION = re.compile(
    r"[\s*_\"']*(?:wait|hmm+|but|is|does|did|do|let|are|am|can|should|right|correct|why|how\s+"
    r"(?:did|do|can)\s+(?:i|we)|sure|so|what\s+if|what\s+about|ok|okay|really|or|and|have\s+i)\b",
    re.IGNORECASE,
)
_SENTENCE_LEAD = re.compile(
    r"[.!]\s+(?:(?:so|therefore|thus|hence|but),?\s+)?(?:(?:the|my|our)\s+)?(?:(?:final|correct)\s+)?\Z",
    re.IGNORECASE,
)
_INLINE_QUESTION = re.compile(r"\?|\b(?:question|problem|q)\s*\d*\s*:", re.IGNORECASE)
_BETWEEN_BOXES = re.compile(r"[\s$,;\\()]*(?:or|and)?[\s$,;\\()]*(?:[a-z]\s*=\s*)?", re.IGNORECASE)
_BRACE = re.compile("[{}]")
_VISIBLE = re.compile(r"\S")
_SKIPPED = re.compile(r"(?:[ \t]*+(?:\$\$|\\\[|\\\(|>|```\w*|\*\*|__)?[ \t]*+\n){0,4}[ \t]*+")


@dataclass(frozen=True)
class Statement:
    """A stated answer; `complete` says that a longer text could not change it."""

    text: str
    complete: bool


def find_answer(text: str, has_candidate: Callable[[str], bool]) -> tuple[Statement | None, str]:
    """The statement that counts, and the text of the answer, which ends where it goes on.

    `has_candidate` says whether a text without a statement could hold an answer.
    """
    first = ""
    for piece in _pieces(text):
        statement, own = _stated(piece)
        if statement is not None:
            return statement, own
        own = _until_next_question(piece, has_candidate)
        if has_candidate(own):
            folded = own.casefold()
            may_name = "next" in folded or "missing" in folded
            named = [*_NAMED.finditer(own)] if may_name else []
            if named:
                last = named[-1]
                goes_on = _NUMBER_ENDS.search(last["named"]) or _has_text(own, last.end())
                return Statement(last["named"], bool(goes_on)), own
            return None, own
        first = first or own
    return None, first


def stated_answer(text: str) -> str | None:
    """The text of the statement that counts, or None."""
    statement, _ = find_answer(text, lambda _: False)
    return statement.text if statement is not None else None


def _pieces(text: str) -> list[str]:
    """The text cut where a template's token or the label of another question stands."""
    pieces = []
    begin = 0
    for one in _TEMPLATE.split(text):
        begin = 0
        for mark in _NEXT.finditer(one):
            if one[begin : mark.start()].strip():
                pieces.append(one[begin : mark.start()])
                begin = mark.start()
        if one[begin:].strip():
            pieces.append(one[begin:])
    return pieces


def _until_next_question(text: str, has_candidate: Callable[[str], bool]) -> str:
    """The text before a paragraph that tells and asks something, if an answer stands before it."""
    begin = 0
    for blank in re.finditer(r"\n[ \t]*\n", text):
        line = text[blank.end() : text.find("\n", blank.end()) % (len(text) + 1)].rstrip()
        if line.endswith("?") and _TOLD.search(line) and _is_new(line):
            if has_candidate(text[begin : blank.start()]):
                return text[: blank.start()]
            begin = blank.start()
    return text


def _stated(piece: str) -> tuple[Statement | None, str]:
    """The last statement of the piece's first answer, and the text up to its end."""
    current: Statement | None = None
    begins = ends = 0
    closed = False
    box_end = -1
    folded = piece.casefold()
    places = [place for word in _BEGINNINGS if (place := folded.find(word)) >= 0]
    if not places:
        return None, piece
    start = piece.rfind("\n", 0, min(places)) + 1 if len(folded) == len(piece) else 0
    # Looked for only where a statement is followed by another.
    questions: list[tuple[int, int]] | None = None
    for match in _STATED.finditer(piece, start):
        if match.start() < ends and not (
            match["boxed"] or match["correction"] or _restates(piece, begins, match.start())
        ):
            continue
        if current is not None:
            questions = _questions(piece) if questions is None else questions
            following = bisect_left(questions, (ends, 0))
            asked = following < len(questions) and questions[following][1] < match.start()
            if asked or (closed and not match["correction"]):
                return current, piece[:ends]
        closed = closed and not match["correction"]
        found, end = _statement(piece, match, current is not None)
        if found is None:
            continue
        if match["boxed"]:
            between = piece[box_end : min(match.start(), box_end + 40)] if box_end >= 0 else "."
            if current is not None and _BETWEEN_BOXES.fullmatch(between):
                found = Statement(f"{current.text} or {found.text}", found.complete)
            box_end = end
        if current is not None and _is_blank(found.text) and not _is_blank(current.text):
            continue
        current, begins, ends = found, match.end(), max(end, ends)
        closed = match["marked"] is not None and _is_of_gsm8k(match["marked"])
    return current, piece


def _restates(piece: str, begins: int, start: int) -> bool:
    """Whether a sentence of its own in the line of a statement states an answer again."""
    between = piece[max(begins, start - _LIMIT) : start]
    return _SENTENCE_LEAD.search(between) is not None and not _INLINE_QUESTION.search(between)


def _questions(text: str) -> list[tuple[int, int]]:
    """Where lines that ask a new question or set a task begin, and where they ask it."""
    found = []
    begin = 0
    for line in text.split("\n"):
        at = line.find("?")
        if at > 0 and len(line[:at].split()) >= _ASKED and _is_new(line[: at + 1]):
            found.append((begin, begin + at))
        elif at < 0 and line.rstrip().endswith(".") and _TASK.search(line[-200:]):
            found.append((begin, begin + len(line) - 1))
        begin += len(line) + 1
    return found


def _statement(piece: str, match: re.Match[str], corrects: bool) -> tuple[Statement | None, int]:
    """What one match states, and where that ends; None where it states nothing."""
    if match["boxed"]:
        return _inside_braces(piece, match.end())
    if match["tagged"] is not None:
        return Statement(match["tagged"].strip(), match["tag"] is not None), match.end()
    if match["marked"] is not None:
        return _marked(piece, match)
    if match["correction"]:
        line = _CORRECTED.match(piece, match.end()) if corrects else None
        if line is None:
            return None, match.end()
        stated = line["be"] if line["be"] is not None else line["bare"]
        return Statement(stated, _has_text(piece, line.end())), line.end()
    start = match.end()
    if match["quoted"] and piece[start : start + 1] in ("\"'”’"):
        return None, start
    if match["is"] is not None and _HOW.match(piece, start):
        return None, start
    before = piece[max(0, match.start() - 60) : match.start()]
    if _SUPPOSED.search(before):
        return None, start
    skipped = _SKIPPED.match(piece, start)
    start = skipped.end() if skipped else start
    end = piece.find("\n", start)
    end = len(piece) if end < 0 else end
    stated = piece[start : min(end, start + 2 * _LIMIT)].strip(" \t").lstrip("*_`")
    if _PLACEHOLDER.fullmatch(stated) and corrects:
        return None, end
    if match["is"] is not None and _DENIED.search(before):
        stated = f"not {stated}"
    return Statement(stated, _has_text(piece, end)), end


def _marked(piece: str, match: re.Match[str]) -> tuple[Statement | None, int]:
    """ "#### 72", or a word where nothing follows; other lines of that form are headings."""
    stated, end = match["marked"], match.end("marked")
    goes_on = _has_text(piece, end)
    if _is_of_gsm8k(stated) or (_WORD_MARKED.fullmatch(stated[:_LINE_LIMIT]) and not goes_on):
        return Statement(stated.strip(), goes_on), end
    return None, match.end()


def _is_of_gsm8k(line: str) -> bool:
    return len(line) <= _LINE_LIMIT and _GSM8K.fullmatch(line) is not None


def _is_new(question: str) -> bool:
    last = re.split(r"[.!]\s", question)[-1]
    return not _OWN_QUESTION.match(question) and not _OWN_QUESTION.match(last)


def _is_blank(text: str) -> bool:
    return not re.search(r"\w", text)


def _inside_braces(text: str, start: int) -> tuple[Statement, int]:
    depth = 1
    for brace in _BRACE.finditer(text, start, start + _LIMIT):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return Statement(text[start : brace.start()], True), brace.end()
    end = min(len(text), start + _LIMIT)
    return Statement(text[start:end], False), end


def _has_text(text: str, start: int) -> bool:
    return _VISIBLE.search(text, start) is not None
