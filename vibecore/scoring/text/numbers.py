"""Reading numbers in text: numerals, fractions, powers of ten and number words, exactly.

Read as one number: 1,200 = 1 200 = 1'200 = 1_200 = 1.200,00; 3,14 = 3.14 (a comma that cannot part
thousands is a decimal comma); 1e3 = 10^3 = 10³ = 1 × 10^3; 1/2 = ½ = \\frac{1}{2} = one half;
3 1/2 = 3½; 2 million = 2M; 5k = 5000; twenty-five; minus five = -5. A currency or unit is left out.
No number: a time (3:45), a ratio, a date, a version, a digit in a word (H2O, GPT-4), a multiple of
a variable or root (2x, 2π), an ordinal word (third). Values are fractions, never floats.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: number for number, word in enumerate(_UNITS.split())} | {
    word: 20 + 10 * number for number, word in enumerate(_TENS.split())
}
_SCALES = {
    "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12,
    "dozen": 12, "lakh": 10**5, "crore": 10**7, "hundreds": 0, "thousands": 0, "millions": 0,
}  # fmt: skip
_ABBREVIATED = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "B": 10**9, "bn": 10**9}
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4,
    "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "eighth": 8, "eighths": 8,
    "tenth": 10, "tenths": 10, "hundredth": 100, "hundredths": 100,
}  # fmt: skip
_PLACES = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
    "thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth thousandth"
)
_ORDINALS = frozenset(_PLACES.split())
# Longer numerals, and powers of more digits, are not read.
_DIGIT_LIMIT = 1000
_DASH = "-–"
_EXPONENT = r"[({]?([-+–]?\d{1,4})[)}]?"
_NUMERAL = re.compile(
    # What has digits and is no number: in a word, a time or ratio, a version, a date.
    rf"""(?P<opaque>
        (?<!\w)(?!(?:USD|EUR|GBP|CHF|INR|Rs)\.?\d)[^\W\d]\w*(?:-\d[\w.]*)?(?<=\d)\w*(?:[-.]\d+)*
        | \d{{1,4}}(?::\d+)+ | \d{{1,3}}(?:\.\d{{1,2}}){{2,}}(?![\d])
        | (?<!\d)\d+(?:[-–/]\d+){{2,}}
      )
    | (?<![^\W\d]\^)(?<![^\W\d]\^-)(?P<sign>(?:(?<![\w)%^])[{_DASH}]|\b(?:minus|negative)\s+)?)
      (?P<currency>(?:(?:\b(?:USD|EUR|GBP|CHF|INR|Rs\.?|US|CA|AU|NZ|HK)[$€£¥₹]?|[$€£¥₹])\s?)?)
      (?P<sign2>(?:(?<=[$€£¥₹])[{_DASH}])?)
      (?P<digits>
        \d{{1,3}}(?:\.\d{{3}})+,\d+ | \d{{1,3}}(?:\.\d{{3}}){{2,}}(?![.\d])
        | \d{{1,3}}(?:,\d{{3}})+(?!\d|,\d)(?:\.\d+)?
        | \d{{1,2}}(?:,\d{{2}})+,\d{{3}}(?![,\d])(?:\.\d+)?
        | \d{{1,3}}(?P<gap>[ \xa0_'’])\d{{3}}(?:(?P=gap)\d{{3}})*(?![\d/:])(?:\.\d+)?
        | (?<!\d,)(?:0,\d+|\d+,\d{{1,2}}|\d+,\d{{4,}})(?![,\d])
        | \d+(?:\.\d+)? | (?<![\w.])\.\d+
      )
      (?:[eE](?P<e>[-+]?\d{{1,4}})(?!\w))?
      (?:\s*[×xX·⋅]\s*10\s*\^\s*(?P<ten>{_EXPONENT})|\s*\^\s*(?P<power>{_EXPONENT}))?
      (?:\s?[/⁄]\s?(?P<denominator>\d+)(?![\d.,]*\d*[/]))?
      (?:(?<=\d)(?:\s+|\s+and\s+|-)(?P<up>\d+)/(?P<down>\d+))?
      (?P<times>(?i:[\s-]*\b(?:hundred|thousand|million|billion|trillion|dozen|lakh|crore)\b)*)
      (?P<short>(?:(?:(?<=\d)(?:[kKMB]|[bm]n)|\s[km](?=\s*[$€£])|\s?k)(?![\w²³^/]))?)
      (?P<half>(?:\s+and\s+(?:a\s+half|(?:a|one|three)[\s-]quarters?))?)
      (?P<percent>\s?%|\s(?:percent|per\scent|pct)\b)?
      (?P<ordinal>(?:st|nd|rd|th)\b)?
      (?P<algebra>\s?[πx§√](?![A-Za-z])(?!\s*\d)|[abeijnyz](?![A-Za-z])|\s?\^\s?[({{]?[a-z]\b|\s?pi\b|\s?sqrt\b|\s?√)?
    """,
    re.VERBOSE,
)
_WORD = "|".join(
    sorted((*_SMALL, *(s for s, size in _SCALES.items() if size), *_PARTS, *_ORDINALS), key=len)[
        ::-1
    ]
)
_WORDS = re.compile(
    rf"(?P<sign>\b(?:minus|negative)\s+)?\b(?P<words>(?:(?:a|an)\s+(?=hundred|thousand|million|"
    rf"billion|trillion|dozen|half|quarter|third))?(?:{_WORD})\b"
    rf"(?:(?:[\s–-]+|\s+and\s+|\s+point\s+)(?:an?\s+)?(?:{_WORD})\b)*)"
    r"(?P<percent>\s?%|\s(?:percent|per\scent)\b)?",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_HAS_NUMBER = re.compile(rf"[¼-¾⅐-⅞]|\b(?!(?:{'|'.join(_ORDINALS)})\b)(?:{_WORD})\b", re.IGNORECASE)

_HIDDEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_SUPERSCRIPT = re.compile("([⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_VULGAR = re.compile("([¼-¾⅐-⅞])")
_CHARACTERS = str.maketrans("‐‑﹣－＋\u2007\u2009\u202f∙∗％＝", "----+\xa0\xa0\xa0·×%=")
_LATEX = tuple(
    (re.compile(pattern), put)
    for pattern, put in (
        (r"\\[()\[\]]|\\\\", " "),
        (r"\{,\}", ","),
        (r"\^\s*\{?\s*\\circ\s*\}?", "°"),
        (
            r"\\(?:text|mathrm|mathbf|mathit|mathsf|textbf|textit|textrm|emph|boldsymbol|bm|mbox"
            r"|operatorname|boxed|fbox|underline)\s*\{([^{}]*)\}",
            r"\1",
        ),
        (r"(?<=\d)\s*\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}", r" \1/\2"),
        (r"\\[dtc]?frac\s*\{\s*(-?[\d.,]+)\s*\}\s*\{\s*([\d.,]+)\s*\}", r"\1/\2"),
        (r"\\[dtc]?frac\s*(\d)\s*(\d)", r"\1/\2"),
        (r"\\[dtc]?frac\s*\{[^{}]*\}\s*\{[^{}]*\}", "§"),
        (r"\\sqrt\s*(?:\[[^\[\]]*\])?\s*(?:\{[^{}]*\}|\d)?|\\pi\b", "§"),
        (r"\^\s*\{([^{}]*)\}", r"^\1"),
        (r"\\(?:times|cdot|ast)\b", "×"),
        (r"\\div\b", "÷"),
        (r"\\(?:approx|simeq|sim|cong)\b", "≈"),
        (r"\\(?:leq?|leqslant)\b", "≤"),
        (r"\\(?:geq?|geqslant)\b", "≥"),
        (r"\\(?:lt)\b", "<"),
        (r"\\(?:gt)\b", ">"),
        (r"\\(?:neq?)\b", "≠"),
        (r"\\pm\b", "±"),
        (r"\\([%$#&_])", r"\1"),
        (r"\\[,!]", ""),
        (r"\\[a-zA-Z]+|\\[;: ]", " "),
    )
)
_MARKUP = re.compile(r"\*+|__+|`+|~~|(?<!\w)_|_(?!\w)")
_POWER = re.compile(r"(?<=\d)\*\*(?=-?\d)")
_PRODUCT = re.compile(r"(?<=[\d)])(\s?)\*(\s?)(?=[\d(.])")
_FACTOR = re.compile(r"(?<=\d)\((\d+(?:\.\d+)?)\)")
# "1 in 6" is a sixth.
_CHANCE = re.compile(r"(?<![\w.,/$€£-])(?:1|[Oo]ne) in (?:every )?(\d+)\b(?![.,/:]\d)")
_MINUS = re.compile(r"(^\s*|[=(:≈]\s*)(?:−\s+|(?<!^)(?<=[=(:≈ ])-\s+)(?=[\d.$])")


@dataclass(frozen=True)
class Number:
    """A number in a text; `value` is None where digits are no number (a time) or too many.

    `worded` says that it is written in words, `ordinal` that it is the place in an order (2nd).
    `also` holds the other values that the text gives it as: what it rounds, or in another unit.
    """

    value: Fraction | None
    start: int
    end: int
    percent: bool = False
    worded: bool = False
    ordinal: bool = False
    also: tuple[Number, ...] = ()

    def is_same(self, wanted: Number, margin: Fraction = Fraction(0)) -> bool:
        """Whether the two are the same; a percentage is also its number and its hundredth."""
        if any(other.is_same(wanted, margin) for other in self.also):
            return True
        if self.value is None or wanted.value is None:
            return False
        if abs(self.value - wanted.value) <= margin:
            return True
        if self.percent == wanted.percent:
            return False
        mine = self.value / 100 if self.percent else self.value
        theirs = wanted.value / 100 if wanted.percent else wanted.value
        return abs(mine - theirs) <= margin


def tidy(text: str) -> str:
    """The text without Markdown and LaTeX around its numbers, in the characters that are read."""
    text = _HIDDEN.sub("", text).translate(_CHARACTERS)
    if "\\" in text or "{" in text:
        # Twice: a \\text{} stands in a \\boxed{}.
        for pattern, put in (*_LATEX[:5], *_LATEX):
            text = pattern.sub(put, text)
    text = _MINUS.sub(r"\1-", text).replace("−", "-")
    if not text.isascii():
        text = _SUPERSCRIPT.sub(lambda m: "^" + unicodedata.normalize("NFKC", m[0]), text)
        text = text.replace("^−", "^-")
        text = _VULGAR.sub(
            lambda m: " " + unicodedata.normalize("NFKC", m[0]).replace("⁄", "/"), text
        )
    text = _CHANCE.sub(r"1/\1", text)
    text = _FACTOR.sub(r"×\1", _PRODUCT.sub(r"\1×\2", _POWER.sub("^", text)))
    return _MARKUP.sub("", text)


def has_number(text: str) -> bool:
    """Whether there is a digit or a number word at all."""
    return _DIGIT.search(text) is not None or _HAS_NUMBER.search(text) is not None


def find_numbers(tidied: str) -> list[Number]:
    """The numbers of a tidied text, in order."""
    numerals = [number for m in _NUMERAL.finditer(tidied) if (number := _numeral(m)) is not None]
    worded = [
        number
        for m in _WORDS.finditer(tidied)
        if (number := _worded(m)) is not None
        and not any(number.start < one.end and one.start < number.end for one in numerals)
    ]
    return sorted((*numerals, *worded), key=lambda number: number.start)


def parse_number(text: str) -> Number | None:
    """The number that is all of the text ("36", "1,200", "-0.5", "3/4", "$5", "50%"), or None."""
    tidied = tidy(text).strip()
    numbers = find_numbers(tidied)
    if len(numbers) != 1 or numbers[0].value is None or numbers[0].ordinal:
        return None
    number = numbers[0]
    rest = tidied[: number.start] + tidied[number.end :]
    return None if rest.strip(" $€£¥₹.+\xa0") else number


def _numeral(match: re.Match[str]) -> Number | None:
    end = match.end()
    start = match.start() + len(match[0]) - len(match[0].lstrip())
    if match["opaque"] is not None:
        return Number(None, start, end) if any(c.isdigit() for c in match["opaque"]) else None
    nothing = Number(None, start, end)
    if match["algebra"] is not None or end - start > _DIGIT_LIMIT:
        return nothing
    value = _digits(match["digits"])
    try:
        if match["e"]:
            value *= Fraction(10) ** int(match["e"])
        if match["ten"]:
            value *= Fraction(10) ** _exponent(match["ten"])
        if match["power"]:
            exponent = _exponent(match["power"])
            if abs(exponent) * len(match["digits"]) > _DIGIT_LIMIT:
                return nothing
            value **= exponent
        if match["denominator"]:
            value /= int(match["denominator"])
        if match["up"]:
            value += Fraction(int(match["up"]), int(match["down"]))
    except ZeroDivisionError:
        return nothing
    for scale in re.findall(r"[a-z]+", match["times"].lower()):
        value *= _SCALES[scale]
    if match["short"]:
        value *= _ABBREVIATED[match["short"].strip()]
    if match["half"]:
        quarters = 3 if "three" in match["half"] else 2 if "half" in match["half"] else 1
        value += Fraction(quarters, 4)
    if match["sign"] or match["sign2"]:
        value = -value
    ordinal = match["ordinal"] is not None
    return Number(value, start, end, match["percent"] is not None, ordinal=ordinal)


def _digits(digits: str) -> Fraction:
    if digits.isdecimal():
        return Fraction(int(digits))
    plain = re.sub(r"[ \xa0_'’]", "", digits)
    if "," in plain and "." in plain:
        # The later one is the decimal mark.
        thousands = "," if plain.rfind(".") > plain.rfind(",") else "."
        plain = plain.replace(thousands, "").replace(",", ".")
    elif "," in plain:
        groups = plain.split(",")
        is_decimal = len(groups) == 2 and (len(groups[1]) != 3 or groups[0] == "0")
        plain = plain.replace(",", "." if is_decimal else "")
    elif plain.count(".") > 1:
        plain = plain.replace(".", "")
    return Fraction(plain)


def _exponent(text: str) -> int:
    return int(text.strip("(){}").replace("–", "-"))


def _worded(match: re.Match[str]) -> Number | None:
    words = re.findall(r"[a-z]+", match["words"].lower())
    if words[-1] in _ORDINALS and _value_of_words(words) is None:
        return None
    number = Number(
        _value_of_words(words), *match.span(), match["percent"] is not None, worded=True
    )
    return replace(number, value=-number.value) if match["sign"] and number.value else number


def _value_of_words(words: list[str]) -> Fraction | None:
    """The value of number words, or None where they are not one number (two, an ordinal)."""
    if "point" in words:
        at = words.index("point")
        whole, places = _value_of_words(words[:at]), words[at + 1 :]
        if whole is None or not places or any(_SMALL.get(word, 10) > 9 for word in places):
            return None
        decimals = "".join(str(_SMALL[word]) for word in places)
        return whole + Fraction(int(decimals), 10 ** len(decimals))
    if words[-1] in _PARTS:
        return _fraction_of_words(words)
    if words[:2] == ["half", "a"] or (words[0] == "half" and words[1:2] and words[1] in _SCALES):
        rest = _value_of_words(words[1:])
        return rest / 2 if rest is not None else None
    if len(words) > 2 and words[-1] in _SCALES and words[-2] in _PARTS and words[0] != "half":
        share = _fraction_of_words(words[:-1])
        return share * _SCALES[words[-1]] if share is not None else None
    total = current = Fraction(0)
    last = 0
    for index, word in enumerate(words):
        if word in ("a", "an"):
            if words[index + 1] not in _SCALES:
                return None
            current, last = current + 1, 1
        elif word in _SMALL:
            small = _SMALL[word]
            # "twenty five" is one number, "five six" and "five twenty" are two.
            if last and not (last >= 20 and small < 10 and small and last % 10 == 0):
                return None
            current, last = current + small, small
        elif word in _SCALES:
            scale = _SCALES[word]
            current = max(current, Fraction(1)) * scale
            if scale > 100:
                total, current = total + current, Fraction(0)
            last = 0
        elif word != "and":
            return None
    return total + current


def _fraction_of_words(words: list[str]) -> Fraction | None:
    """ "half", "one half", "three quarters", "two and a half"; None for "third", "twenty-third"."""
    part = Fraction(1, _PARTS[words[-1]])
    before = words[:-1]
    if not before:
        return part if words[-1] == "half" else None
    whole = Fraction(0)
    if "and" in before:
        at = len(before) - 1 - before[::-1].index("and")
        read = _value_of_words(before[:at])
        if read is None or not before[at + 1 :]:
            return None
        whole, before = read, before[at + 1 :]
    count = Fraction(1) if before in (["a"], ["an"]) else _value_of_words(before)
    if count is None or (count > 1 and not words[-1].endswith("s")):
        return None
    return whole + count * part
