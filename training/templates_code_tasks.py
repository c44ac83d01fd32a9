# ruff: noqa: E501 (a body reads best as one literal)
"""Coding tasks on lists and strings: a literal table of small functions, edge cases and examples.

In bodies, descriptions and edges, the capitals ITEMS, WORDS, TEXT, NUMBER and MAPPING stand for
an argument's name and are replaced by one chosen at random.
"""

from __future__ import annotations

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
