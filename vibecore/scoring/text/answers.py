"""The final answer of a piece of reasoning: where it is stated, and whether it is the right one.

The last statement counts: "Answer: 36", "the answer is 36", "\\boxed{36}" or "#### 36" (the form
of GSM8K). Without any, it is the last number of the text, or its last words. Numbers are compared
as numbers (1,200 = 1200.0, 1/2 = 0.5, seven = 7), ignoring the text around them (a currency, a
unit); other answers are compared as words, ignoring case, articles and a final stop.
"""

from __future__ import annotations

import re
from collections import deque
from fractions import Fraction

from vibecore.scoring.verdict import Verdict, quote

_STATED = re.compile(
    r"\banswer[*_`]*(?:\s+is\b\s*[:=]?|\s*[:=])[ \t*_`]*\n?[ \t*_`]*(?P<stated>[^\n]*)"
    r"|####[ \t]*(?P<marked>[^\n]*)"
    r"|\\boxed\s*(?P<boxed>\{)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.,])([-−]?)[$€£]?(\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:\s?/\s?(\d+))?")
_LATEX_FRACTION = re.compile(r"\\d?frac\{(\d+)\}\{(\d+)\}")
_LATEX_WORD = re.compile(r"\\(?:text|mathrm|mathbf)\{([^{}]*)\}")
_DIGIT_LIMIT = 40
_COUNTING = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {word: number for number, word in enumerate(_COUNTING.split())}
_ASIDE = re.compile(r"[,;(.]\s|[,;(]|\s+(?:because|since)\b|\s[-–—]\s", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:the|a|an)\s+", re.IGNORECASE)
_TRIM = " \t\"'“”‘’*_`$.!?:<>()[]{}\\"


def judge_final_answer(text: str, wanted: str) -> Verdict:
    """Whether the last answer stated in the text is the wanted one."""
    stated = stated_answer(text)
    number = parse_number(wanted)
    if stated is None:
        return _judge_end(text, wanted, number)
    explanation = f"the stated answer is {quote(stated)}, wanted {wanted}"
    if not stated.strip(_TRIM):
        return Verdict(False, f"the stated answer is blank, wanted {wanted}")
    if number is not None:
        return Verdict(first_number(stated) == number, explanation)
    # "no, because …" says no; the wanted answer itself is never cut.
    cut = _ASIDE.split(stated.lstrip(_TRIM), maxsplit=1)[0]
    return Verdict(_plain(wanted) in (_plain(stated), _plain(cut)), explanation)


def judge_number(text: str, wanted: float, tolerance: float) -> Verdict:
    """Whether the last answer stated, or else the last number, is within `tolerance`."""
    stated = stated_answer(text)
    if stated is not None:
        number, found = first_number(stated), f"the stated answer is {quote(stated)}"
    else:
        last = _last(_NUMBER, text)
        number = _value(last) if last else None
        found = f"no answer is stated; the last number is {quote(last[0] if last else 'none', 20)}"
    wants = f"wanted {wanted:g}" + (f" ± {tolerance:g}" if tolerance else "")
    # As decimals: 0.1 is a tenth here, and 0.3 is within 0.1 of 0.2.
    exact, margin = Fraction(str(wanted)), Fraction(str(tolerance))
    return Verdict(number is not None and abs(number - exact) <= margin, f"{found}, {wants}")


def stated_answer(text: str) -> str | None:
    """The text after the last "answer is", "Answer:" or "####", or in the last box; or None."""
    last = _last(_STATED, text)
    if last is None:
        return None
    if last["boxed"]:
        return _inside_braces(text, last.end())
    stated = last["stated"] if last["stated"] is not None else last["marked"]
    _, box, boxed = stated.rpartition("\\boxed{")
    return _inside_braces(boxed, 0) if box else stated


def parse_number(text: str) -> Fraction | None:
    """The number that is all of the text ("36", "1,200", "-0.5", "3/4", "$5"), or None."""
    match = _NUMBER.fullmatch(text.strip().removesuffix("%"))
    return _value(match) if match else None


def first_number(statement: str) -> Fraction | None:
    """The number a statement gives: its first, or the first after its last "="."""
    statement = _LATEX_FRACTION.sub(r"\1/\2", statement[:400])
    for part in (statement.rpartition("=")[2], statement):
        for match in _NUMBER.finditer(part):
            return _value(match)
    words = re.findall(r"[a-z]+", statement.lower())
    return next((Fraction(_NUMBER_WORDS[word]) for word in words if word in _NUMBER_WORDS), None)


def _judge_end(text: str, wanted: str, number: Fraction | None) -> Verdict:
    """No answer is stated: judge the last number, or the last words."""
    if number is not None:
        last = _last(_NUMBER, text)
        if last is None:
            return Verdict(False, f"no answer is stated and there is no number, wanted {wanted}")
        explanation = (
            f"no answer is stated; the last number is {quote(last[0], 20)}, wanted {wanted}"
        )
        return Verdict(_value(last) == number, explanation)
    length = len(_plain(wanted).split())
    end = " ".join(text[-400:].split()[-length:])
    explanation = f"no answer is stated; the end is {quote(end)}, wanted {wanted}"
    return Verdict(_plain(end) == _plain(wanted), explanation)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _value(match: re.Match[str]) -> Fraction | None:
    sign, digits, denominator = match.groups()
    if len(match[0]) > _DIGIT_LIMIT or (denominator is not None and not int(denominator)):
        return None
    value = Fraction(digits.replace(",", "")) / int(denominator or 1)
    return -value if sign else value


def _inside_braces(text: str, start: int) -> str:
    depth = 1
    for index in range(start, min(len(text), start + 400)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if not depth:
            return text[start:index]
    return text[start : start + 400]


def _plain(answer: str) -> str:
    """An answer in words in the form compared: without markup, article, case and final stop."""
    answer = _LATEX_WORD.sub(r"\1", answer[:400]).strip(_TRIM)
    return " ".join(_ARTICLE.sub("", answer, count=1).casefold().replace("’", "'").split())
