"""Whether the final answer of a text is the right one.

`statements` says which statement counts, `numbers` how numbers are written. A stated number is the
one that the statement begins with, or that stands after "=" or its verb; without a statement, the
last number of the text counts, or its last words. No single number is a range (90-95), a choice
(36 or 37), a list, a time span of two units (1 hour 35 minutes), a calculation without its value
(8 × 5), a root or function (√81), a bound (more than 36), and what is denied ("not 36"). The same
number given twice counts as either: 1/6 ≈ 0.167, 1.5 hours (90 minutes). An answer in words is
compared ignoring case, articles, Markdown and a final stop.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from vibecore.scoring.text.numbers import Number, find_numbers, has_number, parse_number, tidy
from vibecore.scoring.text.statements import find_answer
from vibecore.scoring.verdict import Verdict, quote

_LIMIT = 400
_FILLER = re.compile(
    r"(?:[\s\"'“”‘’(\[{<$€£¥₹:=≈~.…→⇒]|[-=]+>)*(?:\b(?:it|that|this|there)(?:['’]s|\s+(?:is|are|was|were|will\s+be"
    r"|must\s+be|should\s+be))\b|\b(?:about|approximately|approx|around|roughly|nearly|almost|exactly"
    r"|precisely|only|just|simply|still|therefore|thus|so|hence|now|the|a\s+total\s+of|option|number"
    r"|at\s+(?:least|most)|is|equal\s+to|equals|be)\b\.?|[\s\"'“”‘’(\[{<$€£¥₹:=≈~.,#])*"
    r"(?:[a-zA-Z]\s*(?:=|≈)\s*)?\s*",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r"[,;(.:\n]\s|[;(]|,(?!\d)|\s+(?:because|since|as|which|so)\b|\s[-–—]+\s(?!\d)", re.I
)
_OPERATOR = re.compile(
    r"\s*[)²³]*(?:\s?[^\W\d]+){0,3}[)}]?\s*(?:[+×÷·⋅∙*/^]|[xX](?=\s*[\d(])|-(?=\s)|\bplus\b|\bminus\b"
    r"|\btimes\b|\b(?:multiplied|divided)\s+by\b)\s*[({]*\s*",
    re.IGNORECASE,
)
_UNIT = (
    r"(?:hours?|hrs?|h|minutes?|mins?|seconds?|secs?|s|days?|weeks?|months?|years?|feet|foot|ft"
    r"|inch(?:es)?|yards?|miles?|pounds?|lbs?|ounces?|oz|stones?|dollars?|cents?|euros?|pence"
    r"|kg|g|km|cm|mm|m|met(?:er|re)s?|degrees?|[°'’\"″′])"
)
_COMPOUND = re.compile(rf"\s?-?{_UNIT}\.?,?\s*(?:and\s*)?", re.IGNORECASE)
_RANGE = re.compile(
    r"\s?(?:[^\W\d]{1,12}\s?|[%°])?(?:[-–—~]|(?:\b|(?<=\d))(?:to|up\s+to|through|until)\b|…|\.\.+)\s*[$€£]?",
    re.IGNORECASE,
)
_PLACES = re.compile(r"\s*(?:decimal|significant|d\.?p|s\.?f|places|digits|figures)", re.IGNORECASE)
_CHOICE = re.compile(
    r"(?:\s?[^\W\d]+\.?|%){0,3},?\s*(?:\b(?:and/or|or)\b|/)\s*(?:maybe|perhaps|possibly|even)?\s*[$€£]?"
    r"|(?:\s?[^\W\d]+\.?|%){0,2},?\s*(?:\band\b|&)\s*[$€£]?|\s*[,;]\s*[$€£]?|\s+",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"(?:\b(?:is|are|was|were|be|equals?|costs?|takes?|makes?|gives?|giving|making|leaves?|leaving|has"
    r"|have|had|remains?|totals?|get|gets|needs?|pays?|paid|earns?|earned|yields?|becomes?)|=|≈)"
    r"(?:\s+(?:now|then|about|approximately|around|roughly|exactly|only|just|still|equal|to|a|an"
    r"|total(?:\s+of)?|the|left\s+with|with|him|her|them|us|you|me|at|least|most))*\s*[:$€£(]*\s*\Z",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"(?:\bnot|n['’]t|\bcannot|\bnever|\bneither|\bnor|\brather\s+than|\binstead\s+of|\bexcept"
    r"|\banything\s+but)\s+"
    r"(?!only\b)(?:(?!but\b|so\b|it\b|rather\b)[\w=.%]+[\s]+){0,4}[≈$€£=(]*\Z",
    re.IGNORECASE,
)
_DENIED_AFTER = re.compile(
    r"\s*(?:(?:is|was)\s+(?:not|wrong|incorrect|false|too\s+\w+)|isn['’]t|wasn['’]t|(?:cannot|can['’]t)\s+be)\b"
    r"|\s*(?:[^\W\d]+\s+)?(?:is|are|was|were|would\s+be)\s+(?:not\s+(?:enough|sufficient)|too\s+(?:few|little|many|much)|insufficient)\b",
    re.IGNORECASE,
)
_BOUND = re.compile(
    r"(?:\b(?:more|less|fewer|greater|larger|smaller|higher|lower|bigger|shorter|longer|other)\s+than"
    r"|\b(?:over|under|above|below|exceeds|exceeding)"
    r"|(?<![-=])[<>≤≥≠])\s*[$€£]?\Z",
    re.IGNORECASE,
)
_BOUND_AFTER = re.compile(
    r"\+(?![\s(]*[\w.($])|\s*(?:[^\W\d]+\s+)?(?:or|and)\s+(?:more|fewer|less|higher|lower|greater|above"
    r"|below|up|over|under)\b(?!\s+less)",
    re.IGNORECASE,
)
_APPLIED = re.compile(
    r"(?:√|\b(?:sqrt|cbrt|log|ln|lg|exp|sin|cos|tan)[\d_]*)\s*\(?\s*\Z"
    r"|\b(?:square|cube|\w+th)\s+root\s+of\s+(?:the\s+)?(?:number\s+)?\Z|\blog(?:arithm)?\s+of\s+\Z",
    re.IGNORECASE,
)
_FUNCTIONS = ("√", "sqrt", "root", "cbrt", "log", "ln", "lg", "exp", "sin", "cos", "tan")
_TIME = re.compile(
    r"\s?-?(?:(s|secs?|seconds?)|(m|mins?|minutes?)|(h|hrs?|hours?)|(days?))\b", re.I
)
_SECONDS = (1, 60, 3600, 86400)
NO_NUMBER = "no answer is stated and there is no number"
NO_LAST_NUMBER = 'no answer is stated; the last number is "none"'
# Two values within a hundredth are one, rounded.
_ROUNDED = Fraction(1, 100)
# What follows "I don't know." may still be an answer.
_ANSWERS = re.compile(
    r"[=≈]|\b(?:so|however|therefore|thus|hence|then|maybe|perhaps|probably)\b|[.\n]\s*but\b",
    re.IGNORECASE,
)
# "11.5, rounded up to 12"
_ROUNDED_TO = re.compile(
    r"\bround(?:ed|s|ing)?\s+(?:it\s+)?(?:up|down|off)?\s*to\s+(?=[$€£]?\d)", re.I
)
_DECLINES = re.compile(
    r"\s*(?:(?:i['’]m|i am|we are)\s+(?:sorry,?\s+but\s+i\b|unable\b|not\s+able\b)"
    r"|(?:sorry,?\s+(?:but\s+)?)?(?:i|we)\s+(?:do\s+not|don['’]t)\s+know(?=[.!])"
    r"|(?:sorry,?\s+(?:but\s+)?)?(?:i|we|it|this)\s+(?:cannot|can['’]t|can\s+not)\s+"
    r"(?:be\s+)?(?:answer|determine|solve|help|tell|say|know|calculate)"
    r"|(?:there\s+is|(?:i|we)\s+do\s*(?:n['’]t|\s+not)\s+have)?\s*(?:not\s+)?(?:enough|insufficient)\s+information"
    r"|it\s+is\s+(?:impossible|not\s+possible)\b)[^.\n\d]*(?:[.\n]|\Z)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:.(—!?]\s|(?<!anything )\bbut\b", re.IGNORECASE)
_LABEL = re.compile(
    r"\b(?:step|problem|question|example|option|figure|equation|exercise|part|chapter|case|page|line"
    r"|rule|phase|stage|section)s?\s*[#(]?\Z",
    re.IGNORECASE,
)
_POINTING = re.compile(
    r"\b(?:the|these|those|both|other|no|any|each|this|that|every|which)\s+\Z", re.I
)
_PRONOUN = re.compile(
    r"one\s+(?:of|can|could|may|might|must|should|would|has|needs|gets|who|that|which|way)\b", re.I
)
_ITEM = re.compile(r"\s*(?:[-*+•>#]+\s+)?\**(\d{1,3})[.)]\**(?=\s|\Z)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_COMPARED = re.compile(r"\s*[^\W\d]*\s*(?:more|less|fewer)\s+than\b|\s+of\b", re.IGNORECASE)
_NAMED = re.compile(r"\d[^=]*(?:,|;|\bor\b|\band\b)\s*[A-Za-z]\w{0,3}\s*\Z")
_PARENTHESIS = re.compile(r"\([^()]*\)")

_TRIM = " \t\n\"'“”‘’*_`$.!?:;,<>()[]{}\\"
_ARTICLE = re.compile(r"\A(?:the|a|an)\s+", re.IGNORECASE)
_LATEX_WORD = re.compile(r"\\(?:text|mathrm|mathbf|textbf|boxed)\{([^{}]*)\}")
_WORD_ASIDE = re.compile(r"[,;(.:!?]\s|[,;(]|\s+(?:because|since)\b|\s[-–—]+\s|—", re.IGNORECASE)
_LEAD = re.compile(
    r"(?:(?:so|thus|therefore|hence|then|definitely|clearly|certainly|simply)\b,?\s*)*"
    r"(?:that\s+(?!is\b|was\b|must\b|should\b|has\b|will\b))?"
    r"(?:(?:it|that|this|he|she)(?:['’]s|\s+(?:is|was|must\s+be|should\s+be|has\s+to\s+be|will\s+be))\s+"
    r"|option\s+|choice\s+)?",
    re.IGNORECASE,
)
_POLAR = {"yes", "no", "true", "false"}
# "The tallest of them is Ben, who …": what is said of one subject alone.
_SAID_OF = re.compile(
    r"\s(?:is|was|(?:must|should|will|would)\s+be|has\s+to\s+be)\s+(?:called\s+|named\s+"
    r"|(?:most\s+)?(?:probably|likely|clearly|therefore|thus|definitely|actually|indeed)\s+)?"
)
_TWO_SAID = re.compile(r"[,;:.()]|\b(?:and|or|but|nor|not|while|whereas|if)\b|n['’]t\b")
_CONCLUDES = re.compile(
    r"(?:.*,\s*)?(?:\b(?:so|thus|therefore|hence|then|this\s+means(?:\s+that)?)\b,?\s*)", re.DOTALL
)
_IS_THE = re.compile(r"\s+(?:is|was|must\s+be|has\s+to\s+be)\s+the\s")
_SUBJECT = re.compile(
    r"\s+(?:is|was|has|will\s+be|must\s+be|would\s+be)\s+(?!not\b|neither\b|n['’]t)"
)
_CLAUSE_OPENS = re.compile(
    r"\s+(?:we|you|they|it|he|she|i|this|that|there|the|an?|all|every|each|these|those|if|when)\b"
)
_OTHER = re.compile(r"\s*(?:,\s*)?(?:\bor\b|\band\b|/|&)\s*\S|(?:\s*,\s*\w+){2,}")
_NOT_THE_END = re.compile(
    r"(?:\b(?:than|not|or|and|nor|neither|except|cannot|never)|n['’]t|/|&)(?:\s+(?:be|necessarily|by))?\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Reading:
    """What was read: the number or None, and the piece of text that it stands in."""

    number: Number | None
    text: str


def judge_final_answer(text: str, wanted: str) -> Verdict:
    """Whether the answer that the text gives is the wanted one."""
    number = parse_number(wanted)
    if number is not None:
        return _judge(text, number, Fraction(0), f"wanted {wanted}", NO_NUMBER)
    statement, own = find_answer(text, _could_answer)
    if statement is None:
        return _judge_end(own, wanted, not _is_over(own, text))
    explanation = f"the stated answer is {quote(statement.text)}, wanted {wanted}"
    if not statement.text.strip(_TRIM):
        return Verdict(False, f"the stated answer is blank, wanted {wanted}", open=True)
    is_open = not (statement.complete or _is_over(own, text))
    return Verdict(_says(statement.text, wanted), explanation, open=is_open)


def judge_number(text: str, wanted: float, tolerance: float) -> Verdict:
    """Whether the number that the text gives is within `tolerance` of the wanted one."""
    wants = f"wanted {wanted:g}" + (f" ± {tolerance:g}" if tolerance else "")
    # As decimals: 0.1 is a tenth here, and 0.3 is within 0.1 of 0.2.
    exact = Number(Fraction(str(wanted)), 0, 0)
    return _judge(text, exact, Fraction(str(tolerance)), wants, NO_LAST_NUMBER)


def _judge(text: str, wanted: Number, margin: Fraction, wants: str, nothing: str) -> Verdict:
    """The verdict on a number; `nothing` is what is said of a text that has none."""
    statement, own = find_answer(text, has_number)
    if statement is not None:
        if not statement.text.strip(_TRIM):
            return Verdict(False, f"the stated answer is blank, {wants}", open=True)
        number = read_statement(statement.text)
        passed = number is not None and number.is_same(wanted, margin)
        explanation = f"the stated answer is {quote(statement.text)}, {wants}"
        is_open = not (statement.complete or _is_over(own, text))
        return Verdict(passed, explanation, open=is_open)
    declined = _DECLINES.match(own)
    if declined is not None and not _ANSWERS.search(own, declined.end() - 1):
        said = quote(declined[0].strip(), 40)
        return Verdict(False, f"no answer is stated; the text begins {said}, {wants}", open=True)
    is_open = not _is_over(own, text)
    last = _last_number(own)
    if last is None:
        return Verdict(False, f"{nothing}, {wants}", open=True)
    found = f"no answer is stated; the last number is {quote(last.text, 20)}"
    if last.number is None:
        return Verdict(False, f"{found}, no single number, {wants}", open=is_open)
    return Verdict(last.number.is_same(wanted, margin), f"{found}, {wants}", open=is_open)


def _is_over(own: str, text: str) -> bool:
    """Whether the answer ended before the text did: a longer text does not change it."""
    return bool(own.strip()) and not text.rstrip().endswith(own.rstrip())


def read_statement(statement: str) -> Number | None:
    """The single number that a statement gives, or None."""
    tidied = tidy(statement[:_LIMIT]).split("\n")[0]
    item = re.match(r"\s*1[.)]\s+(?=[-–$€£]?\d)", tidied)
    if item:
        tidied = tidied[item.end() :]
    line = _Line(tidied)
    if not line.numbers:
        return None
    rounded = _ROUNDED_TO.search(tidied)
    if rounded and line.numbers[0].start < rounded.start():
        to = _Line(tidied[rounded.end() :])
        if to.numbers and not _PLACES.match(to.text, to.numbers[0].end):
            return to._single(0)
    if (time := line.of_time()) is not None:
        return time
    if (lead := line.lead()) is not None:
        return line.of_lead(lead)
    return line.of_sentence()


class _Line:
    """The numbers of one tidied line and how they stand to one another."""

    def __init__(self, text: str) -> None:
        self.text = text
        numbers = find_numbers(text)
        lower = text.lower()
        applied = any(map(lower.__contains__, _FUNCTIONS))
        self.numbers = [
            replace(n, value=None) if applied and self._is_applied(n) else n
            for n in numbers
            if not self._is_denied(n) and not _PRONOUN.match(text, n.start)
        ]

    def between(self, index: int) -> str:
        """The text between a number and the next one."""
        return self.text[self.numbers[index].end : self.numbers[index + 1].start]

    def lead(self) -> int | None:
        """The index of the number that the line begins with, words such as "about" aside."""
        filler = _FILLER.match(self.text)
        start = filler.end() if filler else 0
        first = self.numbers[0]
        return 0 if first.start <= start and not self._is_bound(first) else None

    def of_lead(self, index: int) -> Number | None:
        """The number that the line begins with, or what its equation or verb gives."""
        first = self.numbers[index]
        rest = self.text[first.end :]
        aside = _ASIDE.search(rest)
        main = first.end + aside.start() if aside else len(self.text)
        equates = self.text[first.end : main]
        if (
            "=" in equates
            or "≈" in equates
            or (self._is_calculation(index) and "=" in self.text[first.end :])
        ):
            return self.of_equation()
        end = self.group_end(index)
        if end > index:
            # "12 × 3 gives 36"
            if self._is_calculation(index) and end + 1 < len(self.numbers):
                between = self.between(end)
                return self._single(end + 1) if _VERB.search(between) else None
            # "1 hour 35 minutes (95 minutes)" says it again as one number.
            again = re.match(
                r"[^\d(=]{0,20}?(?:\(|=|,?\s+or\b|i\.e\.|that\s+is|which\s+is)",
                self.text[self.numbers[end].end :],
            )
            if self._is_compound(index) and again and end + 1 < len(self.numbers):
                return self._single(end + 1)
            is_choice = _CHOICE.fullmatch(self.between(index)) is not None
            return first if is_choice and _agree(self.numbers[index : end + 1]) else None
        # "18 pens cost 12 dollars"
        for other in range(index + 1, len(self.numbers)):
            number = self.numbers[other]
            if number.start < main and _VERB.search(self.text[first.end : number.start]):
                return self._single(other)
        return first if first.value is not None else None

    def of_sentence(self) -> Number | None:
        """The number that the line gives in a sentence: after its verb, or its only one."""
        if "=" in self.text or "≈" in self.text:
            return self.of_equation()
        usable = [index for index, number in enumerate(self.numbers) if self._is_usable(index)]
        if any(not self.numbers[index].worded for index in usable):
            usable = [index for index in usable if not self.numbers[index].worded]
        sentence = _SENTENCE.split(self.text, maxsplit=1)[0]
        after_verb = [
            index
            for index in usable
            if self.numbers[index].start <= len(sentence)
            and _VERB.search(
                self.text[max(0, self.numbers[index].start - 80) : self.numbers[index].start]
            )
            and not self._is_calculation(index)
        ]
        if after_verb:
            return self._single(after_verb[-1])
        return self._single(usable[0]) if usable else None

    def of_equation(self) -> Number | None:
        """The value of an equation: of its last side that is a number, else of its first."""
        sides = re.split("[=≈]", self.text)
        if any(_NAMED.search(side) for side in sides[1:-1]):
            return None
        is_calculation = _Line(sides[0]).has_calculation()
        last = _Line(sides[-1])
        if last.numbers and not last._is_calculation(0):
            if last.group_end(0) > 0 and not is_calculation:
                group = last.numbers[: last.group_end(0) + 1]
                return last.numbers[0] if _agree(group) else None
            if last.numbers[0].value is not None:
                return self._with_rounded(last.numbers[0], sides[-2])
            if not self._is_applied(last.numbers[0], sides[-1]):
                return None
        for side in sides[:-1]:
            line = _Line(side)
            if line.numbers and not line.has_calculation():
                return line._single(len(line.numbers) - 1)
        return None

    def _with_rounded(self, number: Number, side: str) -> Number:
        """The number of an equation, also as the one in the side before that it rounds."""
        line = _Line(side)
        other = line.numbers[0] if len(line.numbers) == 1 else None
        if other is None or other.value is None or line._is_calculation(0):
            return number
        is_plain = re.fullmatch(r"[\s(]*", side[other.end :])
        rounds = is_plain and other.is_same(number, abs(other.value) * _ROUNDED)
        return replace(number, also=(other,)) if rounds else number

    def of_time(self) -> Number | None:
        """The number of a line that gives one time in several units; None for any other line."""
        amounts: list[Fraction] = []
        single: list[Number] = []
        for index, number in enumerate(self.numbers):
            unit = _TIME.match(self.text, number.end)
            if unit is None or unit.lastindex is None or number.value is None:
                return None
            seconds = number.value * Fraction(_SECONDS[unit.lastindex - 1])
            joined = index > 0 and self._is_compound(index - 1)
            if joined:
                amounts[-1] += seconds
                if single and single[-1] is self.numbers[index - 1]:
                    single.pop()
            else:
                amounts.append(seconds)
                single.append(number)
        if len(amounts) < 2 or not single or len(set(amounts)) > 1:
            return None
        return replace(single[0], also=tuple(single[1:]))

    def has_calculation(self) -> bool:
        """Whether two of the numbers are joined by an operator."""
        return any(self._is_calculation(index) for index in range(len(self.numbers) - 1))

    def group_end(self, index: int) -> int:
        """The index of the last number of a range, choice, list or calculation that begins here."""
        end = index
        while end + 1 < len(self.numbers) and self._joins(end):
            end += 1
        return end

    def group_start(self, index: int) -> int:
        """The index of the first number of the group that ends here."""
        while index > 0 and self._joins(index - 1):
            index -= 1
        return index

    def _single(self, index: int) -> Number | None:
        number = self.numbers[index]
        if self.group_start(index) < index or self.group_end(index) > index:
            group = self.numbers[self.group_start(index) : self.group_end(index) + 1]
            return number if _agree(group) else None
        before = self.text[: number.start]
        if re.search(r"\bbetween\b[^,.;]{0,30}\Z", before, re.IGNORECASE):
            return None
        return number if number.value is not None and not self._is_bound(number) else None

    def _joins(self, index: int) -> bool:
        between = self.text[self.numbers[index].end : self.numbers[index + 1].start]
        if not between or self._is_calculation(index) or _COMPOUND.fullmatch(between):
            return True
        if _RANGE.fullmatch(between):
            return _PLACES.match(self.text, self.numbers[index + 1].end) is None
        return _CHOICE.fullmatch(between) is not None and not (
            # "…, 3 × 4", "…, 12 more than 24": what follows the comma explains.
            between.strip() in (",", ";")
            and index + 2 < len(self.numbers)
            and (self._is_calculation(index + 1) or _COMPARED.match(self.between(index + 1)))
        )

    def _is_compound(self, index: int) -> bool:
        return _COMPOUND.fullmatch(self.between(index)) is not None

    def _is_calculation(self, index: int) -> bool:
        if index + 1 >= len(self.numbers):
            return _OPERATOR.match(self.text[self.numbers[index].end :][:12]) is not None and (
                re.match(r"\s*[×÷+·*]", self.text[self.numbers[index].end :]) is not None
            )
        between = self.between(index)
        return bool(_OPERATOR.fullmatch(between)) or (
            not between.strip() and self.text[self.numbers[index + 1].start] in "-–"
        )

    def _is_usable(self, index: int) -> bool:
        number = self.numbers[index]
        if number.ordinal or self._is_bound(number):
            return False
        before = self.text[max(0, number.start - 20) : number.start]
        if number.worded and number.value is not None and number.value <= 12:
            return not _POINTING.search(before)
        return number.value is not None or self.text[number.start].isdigit()

    def _is_bound(self, number: Number) -> bool:
        if (
            self.text[max(0, number.start - 1) : number.start]
            == "<"
            == self.text[number.end : number.end + 1].replace(">", "<")
        ):
            return False  # "<36>" fills a form in.
        if _BOUND_AFTER.match(self.text, number.end):
            return True
        return _BOUND.search(self.text[max(0, number.start - 20) : number.start]) is not None

    def _is_applied(self, number: Number, text: str | None = None) -> bool:
        """Whether a root or function is taken of the number."""
        text = self.text if text is None else text
        return _APPLIED.search(text[max(0, number.start - 30) : number.start]) is not None

    def _is_denied(self, number: Number) -> bool:
        before = self.text[max(0, number.start - 60) : number.start]
        clause = _CLAUSE.split(before)[-1]
        return bool(_DENIED_BEFORE.search(clause) or _DENIED_AFTER.match(self.text, number.end))


def _agree(numbers: list[Number]) -> bool:
    """Whether all of them are the same number."""
    return all(numbers[0].is_same(number) for number in numbers)


def _last_number(text: str) -> _Reading | None:
    """The last number of a text, in a range or calculation as a whole; None where there is none."""
    items = 0
    lines = []
    for line in text.split("\n"):
        item = _ITEM.match(line)
        rest = line[item.end() :].strip() if item else line
        if item and int(item[1]) <= items + 1 and (rest or items):
            items += 1
            line = line[item.end() :]
        lines.append(line)
    for line in reversed(lines):
        if has_number(line):
            for sentence in _sentences_back(tidy(line)):
                reading = _last_of_sentence(sentence)
                if reading is not None:
                    return reading
    return None


def _sentences_back(tidied: str) -> Iterator[str]:
    for sentence in reversed(_SENTENCE.split(tidied)):
        bare = _PARENTHESIS.sub(" ", sentence)
        yield bare if has_number(bare) else sentence


def _last_of_sentence(sentence: str) -> _Reading | None:
    line = _Line(sentence[-_LIMIT:])
    if line.numbers and (time := line.of_time()) is not None:
        return _Reading(time, line.text[time.start : time.end])
    usable = [
        index
        for index, number in enumerate(line.numbers)
        if line._is_usable(index)
        and number.value is not None
        and not _LABEL.search(line.text[max(0, number.start - 20) : number.start])
    ]
    if any(not line.numbers[index].worded for index in usable):
        usable = [index for index in usable if not line.numbers[index].worded]
    if not usable:
        return None
    last = usable[-1]
    first = line.group_start(last)
    shown = line.text[line.numbers[first].start : line.numbers[last].end]
    if "=" in line.text or "≈" in line.text:
        return _Reading(line.of_equation(), shown)
    # "1 hour and 35 minutes, or 95 minutes"
    if first + 2 == last and line._is_compound(first) and " or " in line.between(first + 1):
        return _Reading(line.numbers[last], shown)
    return _Reading(line._single(last), shown)


def _could_answer(text: str) -> bool:
    """Whether text without a statement could be an answer in words, not the lead to one."""
    lead = text.strip()
    return bool(lead) and not lead.endswith(":") and not re.search(r"\bquestion\b", lead, re.I)


def _judge_end(text: str, wanted: str, is_open: bool) -> Verdict:
    """No answer in words is stated: judge the last words, or for yes and no the first."""
    target = _plain(wanted)
    length = len(target.split())
    words = text[-_LIMIT:].split()
    end = " ".join(words[-length:])
    explanation = f"no answer is stated; the end is {quote(end)}, wanted {wanted}"
    passed = _plain(end) == target and not _NOT_THE_END.search(" ".join(words[:-length][-4:]))
    if not passed and target in _POLAR and _plain(end) not in _POLAR:
        first = text.strip()[:_LIMIT]
        opening = _plain(_WORD_ASIDE.split(first.lstrip(_TRIM), maxsplit=1)[0].split("\n")[0])
        if opening in _POLAR:
            explanation = (
                f"no answer is stated; the text begins with {quote(opening)}, wanted {wanted}"
            )
            passed = opening == target
    if not passed and target not in ("yes", "no"):
        sentence = _plain(_SENTENCE.split(text.strip()[-_LIMIT:])[-1])
        clause = sentence[_end_of(_CONCLUDES, sentence) :]
        rest = clause.removeprefix(target)
        names = rest != clause and _IS_THE.match(rest) and not _TWO_SAID.search(rest)
        passed = bool(names) or _is_said_of_one(clause, target)
    return Verdict(passed, explanation, open=is_open)


def _is_said_of_one(clause: str, target: str) -> bool:
    """Whether a clause says of one subject that it is the target: "the tallest is Ben"."""
    for verb in _SAID_OF.finditer(clause):
        if _TWO_SAID.search(clause, 0, verb.start()):
            return False
        said = _ARTICLE.sub("", clause[verb.end() :], count=1)
        rest = said.removeprefix(target)
        if rest != said and not _OTHER.match(rest):
            return not rest or _WORD_ASIDE.match(rest) is not None
    return False


def _says(stated: str, wanted: str) -> bool:
    """Whether a statement in words gives the wanted answer."""
    target = _plain(wanted)
    full = _plain(stated)
    if full == target:
        return True
    # "no, because …" says no; the wanted answer itself is never cut.
    for reading in (full, full[_end_of(_LEAD, full) :]):
        reading = _ARTICLE.sub("", reading, count=1)
        if reading == target:
            return True
        if not reading.startswith(target):
            continue
        rest = reading[len(target) :]
        if _OTHER.match(rest):
            return False
        if (
            _WORD_ASIDE.match(rest)
            or rest.startswith(" (")
            or (len(target) == 1 and rest[0] in ").:")
        ):
            return True
        if target in _POLAR and _CLAUSE_OPENS.match(rest):
            return True
        if target not in _POLAR and _SUBJECT.match(rest):
            return True
        if target[-1].isdigit() and re.match(r"\s|[a-z%°]", rest):
            return True
    return _is_said_of_one(full, target)


def _end_of(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.match(text)
    return match.end() if match else 0


def _plain(answer: str) -> str:
    """An answer in words in the form compared: without markup, article, case and final stop."""
    answer = _LATEX_WORD.sub(r"\1", answer[:_LIMIT])
    answer = unicodedata.normalize("NFC", answer).replace("**", "").strip(_TRIM)
    return " ".join(_ARTICLE.sub("", answer, count=1).casefold().replace("’", "'").split())
