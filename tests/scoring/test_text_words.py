"""How text is cut into words, lines and paragraphs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vibecore.scoring.text.words import count_words, lines, paragraphs, words


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


@settings(max_examples=300, deadline=None, database=None)
@given(text=st.text(alphabet="ab1 .-–*_\n\t\x1c`()[]x|\x00", max_size=40))
def test_words_are_as_many_as_counted(text):
    assert len(words(text)) == count_words(text)
