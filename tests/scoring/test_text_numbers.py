"""Reading numbers: every way to write one, and what is none."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vibecore.scoring.text.numbers import find_numbers, parse_number, tidy


@pytest.mark.parametrize(
    ("value", "spellings"),
    [
        ("1200", "1200|1,200|1 200|1\u202f200|1'200|1’200|1_200|1200.0|1.200,00|1.2e3|1{,}200"),
        (
            "1200",
            "twelve hundred|one thousand two hundred|$1,200|1,200€|1.2k|1.2 thousand|１２００",
        ),
        ("100000", "1,00,000|100,000|1 lakh|a hundred thousand|10^5|10**5|10⁵|1 × 10^5|1·10^{5}"),
        ("2000000", "2 million|two million|2M|$2M|2 Million|2e6|2.000.000"),
        ("1/2", "1/2|½|0.5|.5|0,5|one half|a half|half|\\frac{1}{2}|\\dfrac12|zero point five"),
        ("7/2", "3 1/2|3½|3 and a half|three and a half|3\\frac{1}{2}|3.5|3,5"),
        ("3/4", "3/4|¾|three quarters|three-quarters|0.75|\\tfrac{3}{4}"),
        ("-5", "-5|−5|–5|‑5|minus five|negative 5|-$5|$-5|− 5|-5.0"),
        ("-1/2", "-1/2|-\\frac{1}{2}|minus one half"),
        (
            "25",
            "twenty-five|twenty five|Twenty-Five|**25**|$25$|\\(25\\)|\\boxed{25}|\\text{25}|+25",
        ),
        ("105", "one hundred and five|a hundred and five|one hundred five"),
        ("999000000", "nine hundred ninety-nine million|999 million"),
        ("24", "two dozen|2 dozen"),
        ("1500000", "one and a half million|1.5 million|1.5M"),
        ("1/1000", "1e-3|10^-3|10⁻³|10^{-3}"),
        ("1024", "2^10|2¹⁰"),
        ("50", "50%|50 percent|fifty percent|50\\%"),
    ],
)
def test_spellings_of_one_number(value, spellings):
    for spelling in spellings.split("|"):
        number = parse_number(spelling)
        assert number is not None, spelling
        assert number.value == Fraction(value), spelling


@pytest.mark.parametrize(
    "text",
    [
        *("3:45", "9:40:10", "3:1", "2024-01-15", "1/2/2024", "1.2.3", "H2O", "GPT-4", "A4"),
        *("2x", "2π", "2\\pi", "2\\sqrt{3}", "√2", "5 km", "90-95", "36 or 37", "2nd", "third"),
        *("twenty-third", "five six", "1/0", "word", ""),
    ],
)
def test_what_is_not_one_number(text):
    assert parse_number(text) is None


def test_numbers_are_exact_and_bounded():
    digits = "9" * 900
    number = parse_number(digits)
    assert number is not None
    assert number.value == int(digits)
    for huge in ("9" * 5000, "9^9999", "2^99999"):
        assert parse_number(huge) is None


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("36 cm^2", [36]),
        ("36 cm²", [36]),
        ("x_1 = 5", [None, 5]),
        ("2,3,5", [2, 3, 5]),
        ("from 9:40 to 11:15", [None, None]),
        ("five apples and 6 pears", [5, 6]),
        ("8 * 5 = 40", [8, 5, 40]),
    ],
)
def test_numbers_in_a_text(text, numbers):
    assert [number.value for number in find_numbers(tidy(text))] == numbers


def test_a_percentage_is_its_number_and_its_hundredth():
    def same(one: str, other: str) -> bool:
        first, second = parse_number(one), parse_number(other)
        assert first is not None and second is not None
        return first.is_same(second) and second.is_same(first)

    assert same("50%", "50")
    assert same("50%", "0.5")
    assert same("50%", "1/2")
    assert not same("0.5%", "50%")
    assert not same("0.5", "50")
