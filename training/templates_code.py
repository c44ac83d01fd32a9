# ruff: noqa: E501 (a body reads best as one literal)
"""Coding prompts with small, correct, documented Python functions as answers.

`ALL_TASKS` is a literal table of small functions, edge cases and examples; `code_pair` draws one
and words its prompt. In bodies, descriptions and edges, the capitals ITEMS, WORDS, TEXT, NUMBER
and MAPPING stand for an argument's name and are replaced by one chosen at random.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """One coding task; `examples` are (arguments, expected result) as source text."""

    names: tuple[str, ...]
    arguments: tuple[tuple[str, str], ...]
    hints: tuple[str, ...]
    returns: str
    descriptions: tuple[str, ...]
    summaries: tuple[str, ...]
    result: str
    bodies: tuple[str, ...]
    examples: tuple[tuple[str, str], ...]
    edge: str | None = None
    edge_requests: tuple[str, ...] = ()
    edge_note: str | None = None


EMPTY_LIST_NONE = (
    "Handle an empty list by returning None.",
    "Return None for an empty list.",
    "Handle empty lists by returning None.",
    "If the list is empty, return None.",
)
EMPTY_LIST_ZERO = ("Handle an empty list by returning 0.", "Return 0 for an empty list.", "If the list is empty, return 0.")  # fmt: skip
EMPTY_LIST_EMPTY = (
    "Handle an empty list.",
    "Return an empty list if the input is empty.",
    "Handle empty lists.",
)
EMPTY_TEXT_ZERO = ("Handle empty strings by returning 0.", "Return 0 for an empty string.")
EMPTY_TEXT_SAME = (
    "Handle empty strings.",
    "Handle the empty string.",
    "Return an empty string if the input is empty.",
)
NEGATIVE_ERROR = (
    "Raise a ValueError for negative numbers.",
    "Raise ValueError if the number is negative.",
    "Handle negative numbers by raising a ValueError.",
)
ITEMS = (("ITEMS", "The list to use."),)
NUMBERS = (("ITEMS", "A list of numbers."),)
WORDS = (("WORDS", "A list of strings."),)
TEXT = (("TEXT", "The string to use."),)
NUMBER = (("NUMBER", "A whole number."),)
MAPPING = (("MAPPING", "A dictionary."),)
NONE_IF_EMPTY = "if not ITEMS:\n    return None"
ZERO_IF_EMPTY = "if not ITEMS:\n    return 0"
LIST_IF_EMPTY = "if not ITEMS:\n    return []"
NEGATIVE = 'if NUMBER < 0:\n    raise ValueError("the number must not be negative")'


def list_task(
    names: tuple[str, ...],
    descriptions: tuple[str, ...],
    summary: str,
    bodies: tuple[str, ...],
    examples: tuple[tuple[str, str], ...],
    returns: str = "float",
    edge: str = "none",
) -> Task:
    """A task over one list, whose edge case is the empty list."""
    edges = {
        "none": (NONE_IF_EMPTY, EMPTY_LIST_NONE, "Returns None if the list is empty."),
        "zero": (ZERO_IF_EMPTY, EMPTY_LIST_ZERO, "Returns 0 if the list is empty."),
        "list": (LIST_IF_EMPTY, EMPTY_LIST_EMPTY, "Returns an empty list if there are no items."),
    }
    code, requests, note = edges[edge]
    return Task(
        names, NUMBERS, ("list",), f"{returns} | None" if edge == "none" else returns,
        descriptions, (summary,), summary.replace("Return t", "T", 1), bodies, examples,
        code, requests, note,
    )  # fmt: skip


def text_task(
    names: tuple[str, ...],
    descriptions: tuple[str, ...],
    summary: str,
    bodies: tuple[str, ...],
    examples: tuple[tuple[str, str], ...],
    returns: str = "str",
    empty: str = '""',
) -> Task:
    """A task over one string, whose edge case is the empty string."""
    requests = {'""': EMPTY_TEXT_SAME, "0": EMPTY_TEXT_ZERO}.get(
        empty, ("Handle empty strings.", "Handle the empty string.", "Handle an empty string.")
    )
    return Task(
        names, TEXT, ("str",), returns, descriptions, (summary,),
        summary.replace("Return t", "T", 1), bodies, examples,
        f"if not TEXT:\n    return {empty}", requests,
        f"Returns {empty} if the string is empty.",
    )  # fmt: skip


def number_task(
    names: tuple[str, ...],
    descriptions: tuple[str, ...],
    summary: str,
    bodies: tuple[str, ...],
    examples: tuple[tuple[str, str], ...],
    returns: str = "int",
    checked: bool = True,
) -> Task:
    """A task over one whole number, whose edge case is a negative one."""
    return Task(
        names, NUMBER, ("int",), returns, descriptions, (summary,),
        summary.replace("Return t", "T", 1), bodies, examples,
        NEGATIVE if checked else None, NEGATIVE_ERROR if checked else (),
        "Raises ValueError if the number is negative." if checked else None,
    )  # fmt: skip


LIST_TASKS = (
    list_task(("find_maximum", "largest", "maximum", "find_max"),
        ("returns the largest number in a list", "finds the maximum of a list of numbers"),
        "Return the largest number in the list.",
        ("largest = ITEMS[0]\nfor item in ITEMS:\n    if item > largest:\n        largest = item\nreturn largest", "return max(ITEMS)"),
        (("[3, 9, 2]", "9"), ("[1, 5, 4]", "5"))),
    list_task(("find_minimum", "smallest", "minimum", "find_min"),
        ("returns the smallest number in a list", "finds the minimum of a list of numbers"),
        "Return the smallest number in the list.",
        ("smallest = ITEMS[0]\nfor item in ITEMS:\n    if item < smallest:\n        smallest = item\nreturn smallest", "return min(ITEMS)"),
        (("[3, 9, 2]", "2"), ("[7, 5, 8]", "5"))),
    list_task(("average", "mean", "calculate_average", "compute_mean"),
        ("calculates the average of a list of numbers", "returns the mean of a list of numbers", "computes the average of the numbers in a list"),
        "Return the average of the numbers.",
        ("return sum(ITEMS) / len(ITEMS)", "total = 0\nfor item in ITEMS:\n    total += item\nreturn total / len(ITEMS)"),
        (("[2, 4, 6]", "4"), ("[1, 3]", "2"))),
    list_task(("median", "find_median", "middle_value"),
        ("returns the median of a list of numbers", "finds the middle value of a list of numbers"),
        "Return the median of the numbers.",
        ("ordered = sorted(ITEMS)\nmiddle = len(ordered) // 2\nif len(ordered) % 2 == 1:\n    return ordered[middle]\nreturn (ordered[middle - 1] + ordered[middle]) / 2",),
        (("[3, 1, 2]", "2"), ("[4, 1, 9]", "4"))),
    list_task(("sum_list", "total", "add_all", "sum_numbers"),
        ("returns the sum of a list of numbers", "adds up all numbers in a list"),
        "Return the sum of the numbers.",
        ("total = 0\nfor item in ITEMS:\n    total += item\nreturn total", "return sum(ITEMS)"),
        (("[1, 2, 3]", "6"), ("[4, 5]", "9")), "int", "zero"),
    list_task(("sum_of_squares", "square_sum", "sum_squares"),
        ("returns the sum of the squares of a list of numbers", "adds up the squares of all numbers in a list"),
        "Return the sum of the squares.",
        ("return sum(item * item for item in ITEMS)", "total = 0\nfor item in ITEMS:\n    total += item ** 2\nreturn total"),
        (("[1, 2, 3]", "14"), ("[2, 2]", "8")), "int", "zero"),
    list_task(("sum_even", "sum_even_numbers", "even_sum"),
        ("returns the sum of the even numbers in a list", "adds up only the even numbers of a list"),
        "Return the sum of the even numbers.",
        ("return sum(item for item in ITEMS if item % 2 == 0)", "total = 0\nfor item in ITEMS:\n    if item % 2 == 0:\n        total += item\nreturn total"),
        (("[1, 2, 4]", "6"), ("[3, 8]", "8")), "int", "zero"),
    list_task(("count_positive", "count_positives", "positive_count"),
        ("counts the positive numbers in a list", "returns how many numbers in a list are positive"),
        "Return the number of positive values.",
        ("return sum(1 for item in ITEMS if item > 0)", "count = 0\nfor item in ITEMS:\n    if item > 0:\n        count += 1\nreturn count"),
        (("[1, -2, 3]", "2"), ("[-1, 5]", "1")), "int", "zero"),
    list_task(("product", "multiply_all", "list_product"),
        ("returns the product of all numbers in a list", "multiplies all numbers in a list"),
        "Return the product of the numbers.",
        ("result = 1\nfor item in ITEMS:\n    result *= item\nreturn result",),
        (("[2, 3, 4]", "24"), ("[5, 2]", "10")), "int", "none"),
    list_task(("remove_duplicates", "unique", "deduplicate", "unique_items"),
        ("removes duplicates from a list while keeping the order", "returns the distinct items of a list in order"),
        "Return the distinct items in their first order.",
        ("seen = set()\nresult = []\nfor item in ITEMS:\n    if item not in seen:\n        seen.add(item)\n        result.append(item)\nreturn result", "return list(dict.fromkeys(ITEMS))"),
        (("[1, 2, 1]", "[1, 2]"), ("[3, 3, 4]", "[3, 4]")), "list", "list"),
    list_task(("filter_even", "even_numbers", "get_evens", "only_even"),
        ("returns only the even numbers of a list", "filters the even numbers from a list"),
        "Return the even numbers of the list.",
        ("return [item for item in ITEMS if item % 2 == 0]", "result = []\nfor item in ITEMS:\n    if item % 2 == 0:\n        result.append(item)\nreturn result"),
        (("[1, 2, 4]", "[2, 4]"), ("[3, 8]", "[8]")), "list", "list"),
    list_task(("filter_odd", "odd_numbers", "get_odds", "only_odd"),
        ("returns only the odd numbers of a list", "filters the odd numbers from a list"),
        "Return the odd numbers of the list.",
        ("return [item for item in ITEMS if item % 2 != 0]", "result = []\nfor item in ITEMS:\n    if item % 2 == 1:\n        result.append(item)\nreturn result"),
        (("[1, 2, 5]", "[1, 5]"), ("[3, 8]", "[3]")), "list", "list"),
    list_task(("reverse_list", "reversed_items", "reverse_items"),
        ("reverses a list without changing the original", "returns a reversed copy of a list"),
        "Return a reversed copy of the list.",
        ("return ITEMS[::-1]", "result = []\nfor item in ITEMS:\n    result.insert(0, item)\nreturn result"),
        (("[1, 2, 3]", "[3, 2, 1]"),), "list", "list"),
    list_task(("square_all", "squares", "square_list"),
        ("squares every number in a list", "returns a list with the square of each number"),
        "Return the square of each number.",
        ("return [item * item for item in ITEMS]", "return [item ** 2 for item in ITEMS]"),
        (("[1, 2, 3]", "[1, 4, 9]"),), "list", "list"),
    list_task(("second_largest", "find_second_largest", "second_highest"),
        ("returns the second largest number in a list", "finds the second highest value in a list"),
        "Return the second largest number.",
        ("ordered = sorted(set(ITEMS))\nif len(ordered) < 2:\n    return None\nreturn ordered[-2]",),
        (("[3, 9, 2]", "3"), ("[1, 5, 4]", "4"))),
    list_task(("bubble_sort", "sort_numbers", "sort_list"),
        ("sorts a list of numbers with bubble sort", "sorts a list using the bubble sort algorithm"),
        "Return the list sorted with bubble sort.",
        ("result = list(ITEMS)\nfor end in range(len(result) - 1, 0, -1):\n    for i in range(end):\n        if result[i] > result[i + 1]:\n            result[i], result[i + 1] = result[i + 1], result[i]\nreturn result",),
        (("[3, 1, 2]", "[1, 2, 3]"),), "list", "list"),
    list_task(("most_common", "mode", "most_frequent", "find_mode"),
        ("returns the most common item in a list", "finds the most frequent element of a list"),
        "Return the most common item of the list.",
        ("counts = {}\nfor item in ITEMS:\n    counts[item] = counts.get(item, 0) + 1\nreturn max(counts, key=counts.get)", "return max(set(ITEMS), key=ITEMS.count)"),
        (("[1, 2, 2]", "2"), ("[5, 5, 4]", "5"))),
    list_task(("running_total", "cumulative_sum", "running_sums"),
        ("returns the running totals of a list of numbers", "computes the cumulative sum of a list"),
        "Return the running totals of the list.",
        ("result = []\ntotal = 0\nfor item in ITEMS:\n    total += item\n    result.append(total)\nreturn result",),
        (("[1, 2, 3]", "[1, 3, 6]"),), "list", "list"),
    list_task(("flatten", "flatten_list", "flatten_lists"),
        ("flattens a list of lists into one list", "turns a nested list into a flat list"),
        "Return one flat list of all inner items.",
        ("return [item for inner in ITEMS for item in inner]", "result = []\nfor inner in ITEMS:\n    result.extend(inner)\nreturn result"),
        (("[[1], [2, 3]]", "[1, 2, 3]"),), "list", "list"),
    list_task(("is_sorted", "check_sorted", "is_ascending"),
        ("checks if a list is sorted in ascending order", "checks whether a list is sorted"),
        "Return True if the list is in ascending order.",
        ("for i in range(len(ITEMS) - 1):\n    if ITEMS[i] > ITEMS[i + 1]:\n        return False\nreturn True", "return list(ITEMS) == sorted(ITEMS)"),
        (("[1, 2, 3]", "True"), ("[3, 1]", "False")), "bool", "none"),
)  # fmt: skip

TEXT_TASKS = (
    text_task(("reverse_string", "reverse_text", "reverse"),
        ("reverses a string", "returns a string in reverse order", "returns the characters of a string in reverse"),
        "Return the string reversed.",
        ("return TEXT[::-1]", 'result = ""\nfor letter in TEXT:\n    result = letter + result\nreturn result'),
        (('"abc"', '"cba"'), ('"cat"', '"tac"'))),
    text_task(("count_vowels", "vowel_count", "number_of_vowels"),
        ("counts the vowels in a string", "returns the number of vowels in a string", "counts how many vowels a word has"),
        "Return the number of vowels in the string.",
        ('vowels = "aeiou"\nreturn sum(1 for letter in TEXT.lower() if letter in vowels)', 'count = 0\nfor letter in TEXT.lower():\n    if letter in "aeiou":\n        count += 1\nreturn count'),
        (('"banana"', "3"), ('"sky"', "0")), "int", "0"),
    text_task(("count_words", "word_count", "number_of_words"),
        ("counts the words in a string", "returns the number of words in a sentence"),
        "Return the number of words in the string.",
        ("return len(TEXT.split())", "count = 0\nfor word in TEXT.split():\n    count += 1\nreturn count"),
        (('"a red car"', "3"), ('"hello"', "1")), "int", "0"),
    text_task(("is_palindrome", "check_palindrome", "reads_same_backwards"),
        ("checks whether a word is a palindrome", "returns True if a word reads the same backwards", "tests if a text is a palindrome, ignoring case"),
        "Return True if the text reads the same backwards.",
        ("cleaned = TEXT.lower()\nreturn cleaned == cleaned[::-1]", 'cleaned = "".join(c for c in TEXT.lower() if c.isalnum())\nreturn cleaned == cleaned[::-1]', "left = 0\nright = len(TEXT) - 1\nwhile left < right:\n    if TEXT[left] != TEXT[right]:\n        return False\n    left += 1\n    right -= 1\nreturn True"),
        (('"level"', "True"), ('"car"', "False")), "bool", "True"),
    text_task(("capitalize_words", "title_case", "capitalise_words"),
        ("capitalizes the first letter of each word in a string", "capitalizes every word of a sentence"),
        "Return the string with each word capitalized.",
        ('return " ".join(word.capitalize() for word in TEXT.split())', 'words = []\nfor word in TEXT.split():\n    words.append(word[0].upper() + word[1:])\nreturn " ".join(words)'),
        (('"red car"', '"Red Car"'),)),
    text_task(("remove_vowels", "without_vowels", "strip_vowels"),
        ("removes all vowels from a string", "returns a string without its vowels"),
        "Return the string without its vowels.",
        ('return "".join(letter for letter in TEXT if letter.lower() not in "aeiou")', 'result = ""\nfor letter in TEXT:\n    if letter.lower() not in "aeiou":\n        result += letter\nreturn result'),
        (('"banana"', '"bnn"'), ('"tree"', '"tr"'))),
    text_task(("remove_spaces", "strip_spaces", "without_spaces"),
        ("removes all spaces from a string", "returns a string without spaces"),
        "Return the string without spaces.",
        ('return TEXT.replace(" ", "")', 'return "".join(TEXT.split())'),
        (('"a b c"', '"abc"'),)),
    text_task(("count_letters", "letter_counts", "character_frequency", "char_count"),
        ("counts how often each character occurs in a string", "returns a dictionary with the count of each letter"),
        "Return a dictionary of character counts.",
        ("counts = {}\nfor letter in TEXT:\n    counts[letter] = counts.get(letter, 0) + 1\nreturn counts",),
        (('"aab"', "{'a': 2, 'b': 1}"),), "dict", "{}"),
    text_task(("longest_word", "find_longest_word", "get_longest_word"),
        ("returns the longest word in a sentence", "finds the longest word of a string"),
        "Return the longest word of the sentence.",
        ("return max(TEXT.split(), key=len)", 'longest = ""\nfor word in TEXT.split():\n    if len(word) > len(longest):\n        longest = word\nreturn longest'),
        (('"a blue car"', '"blue"'),)),
    text_task(("first_unique", "first_unique_character", "first_non_repeated"),
        ("returns the first character that occurs only once in a string", "finds the first unique letter of a string"),
        "Return the first character that occurs once.",
        ("for letter in TEXT:\n    if TEXT.count(letter) == 1:\n        return letter\nreturn None",),
        (('"aab"', '"b"'), ('"abb"', '"a"')), "str | None", "None"),
    text_task(("swap_case", "invert_case", "toggle_case"),
        ("swaps upper and lower case in a string", "inverts the case of every letter in a string"),
        "Return the string with its case swapped.",
        ("return TEXT.swapcase()", 'result = ""\nfor letter in TEXT:\n    if letter.isupper():\n        result += letter.lower()\n    else:\n        result += letter.upper()\nreturn result'),
        (('"aB"', '"Ab"'),)),
    text_task(("has_digit", "contains_digit", "contains_number"),
        ("checks if a string contains a digit", "checks whether a text has any digits"),
        "Return True if the string contains a digit.",
        ("return any(letter.isdigit() for letter in TEXT)", "for letter in TEXT:\n    if letter.isdigit():\n        return True\nreturn False"),
        (('"a1"', "True"), ('"abc"', "False")), "bool", "False"),
    text_task(("is_valid_password", "check_password", "strong_password"),
        ("checks if a password is at least 8 characters long and has a digit", "validates a password of at least 8 characters with one digit"),
        "Return True if the password is long enough and has a digit.",
        ("if len(TEXT) < 8:\n    return False\nreturn any(letter.isdigit() for letter in TEXT)",),
        (('"secret12"', "True"), ('"abc"', "False")), "bool", "False"),
)  # fmt: skip

NUMBER_TASKS = (
    number_task(("factorial", "compute_factorial", "fact"),
        ("returns the factorial of a number", "computes the factorial of a whole number", "calculates n factorial"),
        "Return the factorial of the number.",
        ("result = 1\nfor i in range(2, NUMBER + 1):\n    result *= i\nreturn result", "if NUMBER <= 1:\n    return 1\nresult = NUMBER\nfor i in range(1, NUMBER):\n    result *= i\nreturn result"),
        (("4", "24"), ("0", "1"), ("5", "120"))),
    number_task(("fibonacci", "fib", "nth_fibonacci"),
        ("returns the n-th Fibonacci number", "computes the Fibonacci number at a given position"),
        "Return the Fibonacci number at this position.",
        ("first, second = 0, 1\nfor _ in range(NUMBER):\n    first, second = second, first + second\nreturn first",),
        (("6", "8"), ("1", "1"), ("7", "13"))),
    number_task(("is_prime", "check_prime", "prime"),
        ("checks if a number is prime", "checks whether a whole number is a prime number", "returns True if a number is prime"),
        "Return True if the number is prime.",
        ("if NUMBER < 2:\n    return False\nfor divisor in range(2, int(NUMBER ** 0.5) + 1):\n    if NUMBER % divisor == 0:\n        return False\nreturn True",),
        (("7", "True"), ("9", "False"), ("1", "False")), "bool"),
    number_task(("is_even", "check_even", "even"),
        ("checks if a number is even", "returns True if a number is even"),
        "Return True if the number is even.", ("return NUMBER % 2 == 0",),
        (("4", "True"), ("7", "False")), "bool", False),
    number_task(("sum_of_digits", "digit_sum", "add_digits"),
        ("returns the sum of the digits of a number", "adds the digits of a whole number"),
        "Return the sum of the digits.",
        ("total = 0\nfor digit in str(NUMBER):\n    total += int(digit)\nreturn total", "total = 0\nwhile NUMBER > 0:\n    total += NUMBER % 10\n    NUMBER //= 10\nreturn total", "return sum(int(digit) for digit in str(NUMBER))"),
        (("123", "6"), ("40", "4"))),
    number_task(("count_digits", "digit_count", "number_of_digits"),
        ("counts the digits of a number", "returns how many digits a number has"),
        "Return the number of digits.", ("return len(str(NUMBER))",), (("123", "3"), ("40", "2"))),
    number_task(("get_divisors", "divisors", "find_divisors", "factors"),
        ("returns all divisors of a number", "finds every divisor of a whole number"),
        "Return a list of all divisors.",
        ("return [i for i in range(1, NUMBER + 1) if NUMBER % i == 0]", "result = []\nfor i in range(1, NUMBER + 1):\n    if NUMBER % i == 0:\n        result.append(i)\nreturn result"),
        (("6", "[1, 2, 3, 6]"), ("4", "[1, 2, 4]")), "list"),
    number_task(("to_binary", "binary_string", "decimal_to_binary"),
        ("converts a number to a binary string", "returns the binary form of a number as a string"),
        "Return the number as a binary string.",
        ('if NUMBER == 0:\n    return "0"\ndigits = ""\nwhile NUMBER > 0:\n    digits = str(NUMBER % 2) + digits\n    NUMBER //= 2\nreturn digits', "return bin(NUMBER)[2:]"),
        (("5", '"101"'), ("2", '"10"')), "str"),
    number_task(("is_leap_year", "leap_year", "check_leap_year"),
        ("checks if a year is a leap year", "returns True if a year is a leap year"),
        "Return True if the year is a leap year.",
        ("if NUMBER % 400 == 0:\n    return True\nif NUMBER % 100 == 0:\n    return False\nreturn NUMBER % 4 == 0", "return NUMBER % 4 == 0 and (NUMBER % 100 != 0 or NUMBER % 400 == 0)"),
        (("2000", "True"), ("1900", "False"), ("2024", "True")), "bool", False),
    number_task(("celsius_to_fahrenheit", "to_fahrenheit", "convert_celsius"),
        ("converts a temperature from Celsius to Fahrenheit", "converts Celsius to Fahrenheit"),
        "Return the temperature in Fahrenheit.", ("return NUMBER * 9 / 5 + 32",),
        (("100", "212"), ("0", "32")), "float", False),
    number_task(("count_down", "countdown", "countdown_list"),
        ("returns a list that counts down from a number to 1", "counts down from a number to one"),
        "Return a list that counts down to 1.",
        ("return list(range(NUMBER, 0, -1))", "result = []\nwhile NUMBER > 0:\n    result.append(NUMBER)\n    NUMBER -= 1\nreturn result"),
        (("3", "[3, 2, 1]"),), "list"),
    number_task(("fizz_buzz_value", "fizz_or_buzz", "fizzbuzz_word"),
        ("returns Fizz for multiples of 3, Buzz for multiples of 5 and FizzBuzz for both",),
        "Return Fizz, Buzz, FizzBuzz or the number as text.",
        ('if NUMBER % 15 == 0:\n    return "FizzBuzz"\nif NUMBER % 3 == 0:\n    return "Fizz"\nif NUMBER % 5 == 0:\n    return "Buzz"\nreturn str(NUMBER)',),
        (("9", '"Fizz"'), ("10", '"Buzz"')), "str", False),
)  # fmt: skip

MAPPING_TASKS = (
    Task(("invert_dictionary", "invert_dict", "swap_keys_and_values"), MAPPING, ("dict",), "dict",
        ("swaps the keys and values of a dictionary", "inverts a dictionary"),
        ("Return a dictionary with keys and values swapped.",), "The inverted dictionary.",
        ("return {value: key for key, value in MAPPING.items()}", "result = {}\nfor key, value in MAPPING.items():\n    result[value] = key\nreturn result"),
        (('{"a": 1}', '{1: "a"}'),), "if not MAPPING:\n    return {}",
        ("Handle an empty dictionary.", "Return an empty dictionary if the input is empty."), "Returns {} if the dictionary is empty."),
    Task(("key_of_largest", "best_key", "key_with_max_value"), MAPPING, ("dict",), "str | None",
        ("returns the key with the largest value in a dictionary", "finds the key whose value is highest"),
        ("Return the key with the largest value.",), "The key with the largest value.",
        ("return max(MAPPING, key=MAPPING.get)", "best = None\nfor key, value in MAPPING.items():\n    if best is None or value > MAPPING[best]:\n        best = key\nreturn best"),
        (('{"a": 1, "b": 2}', '"b"'),), "if not MAPPING:\n    return None",
        ("Return None for an empty dictionary.", "Handle an empty dictionary by returning None."), "Returns None if the dictionary is empty."),
    Task(("merge_dictionaries", "merge_dicts", "combine"), (("first", "A dictionary."), ("second", "Another dictionary.")), ("dict", "dict"), "dict",
        ("merges two dictionaries into a new one", "combines two dictionaries"),
        ("Return a new dictionary with the items of both.",), "The merged dictionary.",
        ("return {**first, **second}", "result = dict(first)\nresult.update(second)\nreturn result"),
        (('{"a": 1}, {"b": 2}', '{"a": 1, "b": 2}'),)),
    Task(("sum_values", "total_value", "add_values"), MAPPING, ("dict",), "int",
        ("adds up all values of a dictionary", "returns the sum of the values in a dictionary"),
        ("Return the sum of all values.",), "The sum of the values.",
        ("return sum(MAPPING.values())", "total = 0\nfor value in MAPPING.values():\n    total += value\nreturn total"),
        (('{"a": 1, "b": 2}', "3"),), "if not MAPPING:\n    return 0",
        ("Return 0 for an empty dictionary.", "Handle an empty dictionary by returning 0."), "Returns 0 if the dictionary is empty."),
)  # fmt: skip

PAIR_TASKS = (
    Task(("safe_divide", "divide", "divide_numbers"), (("a", "The dividend."), ("b", "The divisor.")), ("float", "float"), "float | None",
        ("divides two numbers", "divides one number by another"), ("Return a divided by b.",), "The quotient.",
        ("return a / b",), (("6, 3", "2"), ("8, 2", "4")), "if b == 0:\n    return None",
        ("Handle division by zero by returning None.", "Return None if the divisor is zero."), "Returns None if b is zero."),
    Task(("gcd", "greatest_common_divisor", "find_gcd"), (("a", "A number."), ("b", "A number.")), ("int", "int"), "int",
        ("returns the greatest common divisor of two numbers", "computes the gcd of two numbers"), ("Return the greatest common divisor.",), "The greatest common divisor.",
        ("while b:\n    a, b = b, a % b\nreturn a",), (("12, 8", "4"), ("9, 6", "3")), "if a < 0 or b < 0:\n    a, b = abs(a), abs(b)",
        ("Handle negative numbers.",), "Negative numbers count as positive."),
    Task(("power", "raise_to_power", "compute_power"), (("base", "The base."), ("exponent", "The exponent.")), ("int", "int"), "int",
        ("raises a number to a power", "computes the power of a number with a loop"), ("Return base to the power of exponent.",), "The power.",
        ("result = 1\nfor _ in range(exponent):\n    result *= base\nreturn result",), (("2, 3", "8"), ("3, 2", "9")), 'if exponent < 0:\n    raise ValueError("the exponent must not be negative")',
        ("Raise a ValueError for a negative exponent.", "Raise ValueError if the exponent is negative."), "Raises ValueError if the exponent is negative."),
    Task(("are_anagrams", "is_anagram", "check_anagram"), (("first", "A word."), ("second", "Another word.")), ("str", "str"), "bool",
        ("checks if two words are anagrams", "checks whether two strings are anagrams of each other"), ("Return True if the words have the same letters.",), "True or False.",
        ("return sorted(first.lower()) == sorted(second.lower())", "if len(first) != len(second):\n    return False\nreturn sorted(first) == sorted(second)"), (('"tea", "eat"', "True"), ('"car", "cat"', "False")),
        "if not first or not second:\n    return False", ("Handle empty strings.", "Return False for empty strings."), "Returns False if a word is empty."),
    Task(("linear_search", "find_index", "index_of"), (*ITEMS, ("target", "The item to find.")), ("list", "object"), "int",
        ("returns the index of an item in a list", "searches a list for an item and returns its index"), ("Return the index of the target, or -1.",), "The index, or -1 if it is absent.",
        ("for index, item in enumerate(ITEMS):\n    if item == target:\n        return index\nreturn -1",), (("[4, 5], 5", "1"), ("[4], 9", "-1")), "if not ITEMS:\n    return -1",
        ("Return -1 if the item is not found.", "Return -1 when the item is missing."), "Returns -1 if the item is missing."),
    Task(("binary_search", "search_sorted", "find_sorted"), (*ITEMS, ("target", "The item to find.")), ("list", "int"), "int",
        ("performs a binary search on a sorted list", "finds an item in a sorted list with binary search"), ("Return the index of the target, or -1.",), "The index, or -1 if it is absent.",
        ("low = 0\nhigh = len(ITEMS) - 1\nwhile low <= high:\n    middle = (low + high) // 2\n    if ITEMS[middle] == target:\n        return middle\n    if ITEMS[middle] < target:\n        low = middle + 1\n    else:\n        high = middle - 1\nreturn -1",), (("[1, 3, 5], 3", "1"),), "if not ITEMS:\n    return -1",
        ("Return -1 if the item is not found.", "Return -1 if the target is missing."), "Returns -1 if the item is missing."),
    Task(("count_item", "count_occurrences", "occurrences"), (*ITEMS, ("target", "The item to count.")), ("list", "object"), "int",
        ("counts how often an item occurs in a list", "counts the occurrences of an item in a list"), ("Return how often the target occurs.",), "The count.",
        ("count = 0\nfor item in ITEMS:\n    if item == target:\n        count += 1\nreturn count", "return sum(1 for item in ITEMS if item == target)"), (("[4, 5, 4], 4", "2"),), "if not ITEMS:\n    return 0",
        ("Return 0 for an empty list.", "Handle an empty list by returning 0."), "Returns 0 if the list is empty."),
    Task(("split_into_chunks", "chunk_list", "chunks"), (*ITEMS, ("size", "The size of each chunk.")), ("list", "int"), "list",
        ("splits a list into chunks of a given size", "breaks a list into parts of equal size"), ("Return a list of chunks of the given size.",), "A list of lists.",
        ("return [ITEMS[i:i + size] for i in range(0, len(ITEMS), size)]", "result = []\nfor start in range(0, len(ITEMS), size):\n    result.append(ITEMS[start:start + size])\nreturn result"), (("[1, 2, 3], 2", "[[1, 2], [3]]"),), 'if size < 1:\n    raise ValueError("size must be positive")',
        ("Raise a ValueError if the size is less than 1.", "Raise ValueError for a size below 1."), "Raises ValueError if the size is less than 1."),
    Task(("common_items", "intersection", "shared_items"), (("first", "A list."), ("second", "Another list.")), ("list", "list"), "list",
        ("returns the items that two lists have in common", "finds the common elements of two lists"), ("Return the items found in both lists.",), "The common items.",
        ("return [item for item in first if item in second]", "result = []\nfor item in first:\n    if item in second and item not in result:\n        result.append(item)\nreturn result"), (("[1, 2], [2, 3]", "[2]"),), "if not first or not second:\n    return []",
        (*EMPTY_LIST_EMPTY, "Return an empty list if there are none."), "Returns an empty list if there are none."),
    Task(("find_pair", "pair_with_difference", "pair_with_product"), (*ITEMS, ("target", "The product to reach.")), ("list", "int"), "tuple | None",
        ("finds two numbers in a list whose product is a target",), ("Return two numbers whose product is the target.",), "A pair of numbers, or None.",
        ("for i in range(len(ITEMS)):\n    for j in range(i + 1, len(ITEMS)):\n        if ITEMS[i] * ITEMS[j] == target:\n            return ITEMS[i], ITEMS[j]\nreturn None",), (("[2, 3, 7], 6", "(2, 3)"),), "if len(ITEMS) < 2:\n    return None",
        ("Return None if there is no such pair.", "Return None if no pair exists."), "Returns None if no pair exists."),
    Task(("longest_string", "find_longest", "longest"), WORDS, ("list",), "str | None",
        ("returns the longest string in a list", "finds the longest word in a list of words"), ("Return the longest string of the list.",), "The longest string.",
        ("return max(WORDS, key=len)", "longest = WORDS[0]\nfor word in WORDS:\n    if len(word) > len(longest):\n        longest = word\nreturn longest"), (('["a", "abc"]', '"abc"'),), "if not WORDS:\n    return None", EMPTY_LIST_NONE, "Returns None if the list is empty."),
    Task(("join_words", "make_sentence", "join_strings"), WORDS, ("list",), "str",
        ("joins a list of words with spaces", "joins the strings of a list into one sentence"), ("Return the words joined by spaces.",), "One string.",
        ('return " ".join(WORDS)', 'result = ""\nfor word in WORDS:\n    result += word + " "\nreturn result.strip()'), (('["a", "b"]', '"a b"'),), 'if not WORDS:\n    return ""', ("Return an empty string for an empty list.", "Handle an empty list."), "Returns an empty string if the list is empty."),
    Task(("group_by_length", "words_by_length", "group_words"), WORDS, ("list",), "dict",
        ("groups words by their length in a dictionary", "groups a list of words by length"), ("Return a dictionary from length to words.",), "A dictionary of lists.",
        ("groups = {}\nfor word in WORDS:\n    groups.setdefault(len(word), []).append(word)\nreturn groups",), (('["a", "bc"]', '{1: ["a"], 2: ["bc"]}'),), "if not WORDS:\n    return {}", ("Return an empty dictionary for an empty list.", "Handle an empty list."), "Returns an empty dictionary if the list is empty."),
    Task(("count_lines", "number_of_lines", "line_count"), (("path", "The path of the file."),), ("str",), "int",
        ("counts the lines of a text file", "returns the number of lines in a file"), ("Return the number of lines in the file.",), "The number of lines.",
        ("with open(path) as file:\n    return len(file.readlines())", "count = 0\nwith open(path) as file:\n    for line in file:\n        count += 1\nreturn count"), (('"empty.txt"', "0"),), "if not os.path.exists(path):\n    return 0",
        ("Return 0 if the file does not exist.", "Handle a missing file by returning 0."), "Returns 0 if the file does not exist."),
    Task(("clamp", "limit", "keep_in_range"), (("value", "The number to limit."), ("low", "The lower bound."), ("high", "The upper bound.")), ("float", "float", "float"), "float",
        ("limits a number to a range", "keeps a number between a lower and an upper bound"), ("Return the value limited to the range.",), "The limited value.",
        ("return max(low, min(value, high))", "if value < low:\n    return low\nif value > high:\n    return high\nreturn value"), (("9, 0, 5", "5"), ("3, 0, 5", "3")), 'if low > high:\n    raise ValueError("low must not exceed high")',
        ("Raise a ValueError if the bounds are swapped.", "Raise ValueError if low is greater than high."), "Raises ValueError if low exceeds high."),
)  # fmt: skip

ALL_TASKS: tuple[Task, ...] = (*LIST_TASKS, *TEXT_TASKS, *NUMBER_TASKS, *MAPPING_TASKS, *PAIR_TASKS)

ITEM_NAMES = ("items", "values", "numbers", "data", "elements", "sequence")
WORD_NAMES = ("words", "strings", "names", "items")
TEXT_NAMES = ("text", "string", "s", "word", "sentence", "value")
NUMBER_NAMES = ("number", "n", "value", "x")
MAPPING_NAMES = ("mapping", "data", "dictionary", "d")

OPENINGS = (
    "Write a Python function that {task}.",
    "Write a Python function that {task}.",
    "Write a Python function that {task}.",
    "Write a function in Python that {task}.",
    "Write a short Python function that {task}.",
    "Implement a Python function that {task}.",
    "Create a Python function that {task}.",
    "Write Python code for a function that {task}.",
    "Define a Python function that {task}.",
)
NAMED_OPENINGS = (
    "Write a Python function called {name} that {task}.",
    "Write a Python function named {name} that {task}.",
    "Write a Python function `{name}({arguments})` that {task}.",
    "Write a Python function {name}({arguments}) that {task}.",
    "Implement {name}({arguments}), a Python function that {task}.",
    "Define a Python function {name}({arguments}) that {task}.",
)
DOCSTRING_REQUESTS = (
    "Include a docstring.",
    "Add a docstring.",
    "Give it a docstring.",
    "Document it with a docstring.",
    "The function must have a docstring.",
)
COMMENT_REQUESTS = ("Add a comment.", "Include a comment.", "Explain the code in a comment.")
HINT_REQUESTS = ("Use type hints.", "Add type hints.", "Include type annotations.")
TEST_REQUESTS = (
    "Show an example call.",
    "Include an example of how to use it.",
    "Add one assert as a test.",
    "Add a test with assert.",
)
CODE_ONLY_REQUESTS = ("Return only the code.", "Reply with code only.", "Give only the code.")
FENCE_REQUESTS = (
    "Put the code in a Python code block.",
    "Use a fenced code block.",
    "Answer with a ```python code block.",
)
LEADS = ("Here is the function:", "Here is a Python function:", "This function does it:")


def _chosen_names(task: Task, chance: random.Random) -> dict[str, str]:
    return {
        "ITEMS": chance.choice(ITEM_NAMES),
        "WORDS": chance.choice(WORD_NAMES),
        "TEXT": chance.choice(TEXT_NAMES),
        "NUMBER": chance.choice(NUMBER_NAMES),
        "MAPPING": chance.choice(MAPPING_NAMES),
    }


def _fill(text: str, names: dict[str, str]) -> str:
    for slot, name in names.items():
        text = text.replace(slot, name)
    return text


def _docstring(task: Task, edge: str | None, names: dict[str, str], chance: random.Random) -> str:
    summary = chance.choice(task.summaries)
    style = chance.randrange(4)
    if style == 0 and edge:
        return f'    """{summary}\n\n    {edge}\n    """'
    if style == 1:
        arguments = "\n".join(
            f"        {_fill(argument, names)}: {meaning}" for argument, meaning in task.arguments
        )
        sections = f"    Args:\n{arguments}\n\n    Returns:\n        {task.result}"
        return f'    """{summary}\n\n{sections}\n    """'
    if style == 2:
        return f'    """\n    {summary}\n    """'
    return f'    """{summary}"""'


def _signature(task: Task, names: dict[str, str], hints: bool) -> str:
    if hints:
        return ", ".join(
            f"{_fill(argument, names)}: {kind}"
            for (argument, _), kind in zip(task.arguments, task.hints, strict=True)
        )
    return ", ".join(_fill(argument, names) for argument, _ in task.arguments)


def code_pair(chance: random.Random) -> tuple[str, str]:
    """One coding prompt with its requests stated, and a function that meets them."""
    task = chance.choice(ALL_TASKS)
    names = _chosen_names(task, chance)
    name = chance.choice(task.names)
    arguments = _signature(task, names, hints=False)
    named = chance.random() < 0.45
    opening = chance.choice(NAMED_OPENINGS if named else OPENINGS)
    description = chance.choice(task.descriptions)
    prompt = [opening.format(name=name, arguments=arguments, task=description)]

    wants: dict[str, Callable[[], str]] = {
        "docstring": lambda: chance.choice(DOCSTRING_REQUESTS),
        "edge": lambda: chance.choice(task.edge_requests),
        "hints": lambda: chance.choice(HINT_REQUESTS),
        "test": lambda: chance.choice(TEST_REQUESTS),
        "comment": lambda: chance.choice(COMMENT_REQUESTS),
        "form": lambda: chance.choice(CODE_ONLY_REQUESTS + FENCE_REQUESTS),
    }
    shares = {"docstring": 0.6, "edge": 0.6, "hints": 0.2, "test": 0.2, "comment": 0.1, "form": 0.1}
    asked = [key for key in wants if chance.random() < shares[key] and (key != "edge" or task.edge)]
    if chance.random() < 0.3:
        chance.shuffle(asked)
    requests = [wants[key]() for key in asked]
    if asked[:2] == ["docstring", "edge"] and chance.random() < 0.6:
        edge_request = requests[1]
        joined = edge_request[0].lower() + edge_request[1:]
        if edge_request.startswith(("Handle", "Return", "Raise")):
            requests[:2] = [f"Include a docstring and {joined}"]
    prompt += requests

    hints = "hints" in asked or chance.random() < 0.1
    with_edge = task.edge is not None and ("edge" in asked or chance.random() < 0.5)
    returns = f" -> {task.returns}" if hints else ""
    lines = [f"def {name}({_signature(task, names, hints)}){returns}:"]
    if "docstring" in asked or chance.random() < 0.8:
        lines.append(_docstring(task, task.edge_note if with_edge else None, names, chance))
    body = ((task.edge + "\n") if with_edge and task.edge else "") + chance.choice(task.bodies)
    body = "\n".join("    " + line if line else "" for line in _fill(body, names).split("\n"))
    if "comment" in asked:
        lines.append("    # " + chance.choice(task.summaries))
    lines.append(body)
    if "test" in asked:
        arguments_of_test, expected = chance.choice(task.examples)
        lines.append(f"\n\nassert {name}({arguments_of_test}) == {expected}")
    source = "\n".join(lines)

    if chance.random() < 0.2 and "form" not in asked:
        return " ".join(prompt), f"{chance.choice(LEADS)}\n```python\n{source}\n```"
    if chance.random() < 0.85 or "form" in asked:
        return " ".join(prompt), f"```python\n{source}\n```"
    return " ".join(prompt), source
