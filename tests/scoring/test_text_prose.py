"""What of an answer is prose, where white space parts words, and loops of characters."""

from __future__ import annotations

import pytest

from vibecore.scoring.measures.characters import character_repetition
from vibecore.scoring.measures.loops import has_text_loop
from vibecore.scoring.text.prose import prose
from vibecore.scoring.text.spacing import has_word_spaces

SAID = "It costs $5 and then $6, he said; nobody believed it."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (SAID, SAID),
        (f"{SAID}\n```python\nx = 1\n```\n{SAID}", f"{SAID}\n\n{SAID}"),
        (f"{SAID}\n\\[\nx = 1\n\\]\n{SAID}", f"{SAID}\n\n\n{SAID}"),
        (f"{SAID}\n\\[ x = 1", f"{SAID}\n"),
        (f"{SAID}\n$$x^2$$", f"{SAID}\n"),
        ("So the rest is \\(17 - 9 = 8\\) sheep.", "So the rest is \\(17-9=8\\) sheep."),
        ("Let $x + 1 = 2$ hold for all.", "Let $x+1=2$ hold for all."),
        ("1. Wash the cup.\n- Dry the cup.", "Wash the cup.\nDry the cup."),
        (f"{SAID}\n17 - 9 = 8\nx = 4\nTotal = 5 * 12", f"{SAID}\n\n\n"),
        ("| red apple | 3 |\n| --- | --- |\n| pear | 4 |", "red apple 3\n\npear 4"),
        ("Read https://example.org/a/b or ask us.", "Read   or ask us."),
        # Most is code: what is left over is no text of its own.
        ("```python\n" + "x = y + 1\n" * 9 + "```\nThis is it.", ""),
        ("", ""),
    ],
)
def test_prose(text: str, left: str) -> None:
    assert prose(text) == left


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("", True),
        ("yes", True),
        ("我喜欢猫。", False),
        ("我 喜欢 猫。", True),
        ("巴黎", True),
        ("ฉันชอบแมวมาก", False),
        ("ฉัน ชอบ แมว มาก", True),
        ("나는 고양이를 좋아해.", True),
        ("The word 喜欢 means to like.", True),
        ("a" * 99, True),
        ("a" * 100, False),
        ("https://example.org/" + "docs/" * 40, True),
        ('{"name":"Anna","role":"admin"},' * 10, True),
        ("for(i=0;i<9;i++){a[i]=b[i];}" * 10, True),
    ],
)
def test_where_white_space_parts_words(text: str, spaced: bool) -> None:
    assert has_word_spaces(text) is spaced


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("The cat sat down. " * 4, False),
        ("The cat sat down. " * 5, True),
        ("The cat sat down.\n\n" * 5, True),
        ("猫が好き。" * 4, False),
        ("猫が好き。" * 5, True),
        ("```\n" + "The cat sat down.\n" * 5 + "```\n", True),
        ("-" * 100, False),
        ("-" * 200, True),
        # It counts and says the same.
        ("".join(f"{n}. The cat sat down.\n" for n in range(9)), True),
        # Two numbers of different steps: a table.
        ("".join(f"{n} taken seven times is {7 * n}\n" for n in range(9)), False),
        (", ".join(map(str, range(60))), False),
    ],
)
def test_text_loops(text: str, loops: bool) -> None:
    assert has_text_loop(text) is loops


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0.0),
        ("abcdefgh", 0.0),
        ("abcdefgh" * 2, pytest.approx(1 / 9)),
        ("我喜欢猫。" * 2, pytest.approx(2 / 7)),
        ("我喜欢猫。 \n我喜欢猫。", pytest.approx(2 / 7)),
        ("--------\n========\n" * 9, 0.0),
    ],
)
def test_character_repetition(text: str, share: float) -> None:
    assert character_repetition(text) == share


@pytest.mark.parametrize("clause", ["so x = y, ", "return x, ", "x = return y; "])
def test_a_line_of_a_million_signs_is_read_once(clause: str) -> None:
    """Read again from each sign on, it would take hours."""
    line = clause * (1_000_000 // len(clause))
    assert prose(f"{line}then") == f"{line}then"
    assert prose(f"{line};") == ""
