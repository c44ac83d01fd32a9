"""Checks on the format of an answer: bullets and numbered lists."""

from __future__ import annotations

from vibecore.scoring.checks import Check
from vibecore.scoring.text.lists import bullets, numbered_lists
from vibecore.scoring.verdict import Relation, Verdict, compare, numbering_defect


def bullet_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of lines that begin with a bullet (-, *, +, •, –, ●, ▪, ✓ …) and a space.

    Each line counts, nested ones, tasks ("- [ ]") and those in a quotation too. No bullets are
    rules ("* * *"), "**bold**" at the beginning of a line, lines in fenced code (but for fences
    that hold text), and a single line that begins with a long dash, which says who is quoted.
    A fence holds text where its label is text, markdown or the like, or where it has none and most
    of its lines are prose.

    Source: CommonMark 0.31, 4.1, 4.5 and 5.2, and the bullets of Unicode.
    """
    return compare(len(bullets(text)), relation, count, "bullet")


def numbered_list_count(text: str, *, relation: Relation, count: int) -> Verdict:
    """The number of items of numbered lists, each of which must count up from 1.

    An item's line begins with "1.", "1)", "(1)", "**1.**", "①" or the like, of at most three
    digits, or with a heading's marks before it where no line begins so ("### 1. Boil"). A list
    indented under an item is one of its own: it must count up too, and its items
    are not counted. Text between items does not end a list; a new one may begin again with 1 after
    two items and text. Lines in fenced code are no items, by the rule of `bullet_count`.

    Source: CommonMark 0.31, 4.5, 5.2 and 5.3, but numbers count as they are written.
    """
    lists = numbered_lists(text)
    for numbers in (*lists.outer, *lists.inner):
        if misnumbered := numbering_defect(numbers):
            wanted = "wanted it to count up from 1"
            return Verdict(False, f"the list is numbered {misnumbered}, {wanted}")
    return compare(sum(map(len, lists.outer)), relation, count, "numbered item")


CHECKS = (
    Check(bullet_count, "counts"),
    Check(numbered_list_count, "counts"),
)
