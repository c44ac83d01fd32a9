"""How text is cut into words, lines and paragraphs."""

from __future__ import annotations

import pytest

from vibecore.scoring.text.words import count_words, lines, paragraphs


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("one two", 2),
        ("well-known don't 3.5", 3),
        ("a - b – c * d", 4),
        ("- item\n* item", 2),
        ("...", 0),
        ("_ __", 0),
        ("中文 字", 3),
    ],
)
def test_count_words(text, count):
    assert count_words(text) == count


def test_lines_and_paragraphs():
    text = " one \n\u200b\ntwo\n \t\n\r\n\nthree\r\nfour"
    assert lines(text) == ("one", "two", "three", "four")
    assert paragraphs(text) == [" one ", "two", "three\nfour"]
    assert paragraphs(" \n ") == []
