"""What a terminal would obey is shown instead, however a text is cut; JSON keeps it."""

from __future__ import annotations

import json

import pytest

from vibecore.core import formats
from vibecore.core.terminal_text import safe_json, safe_text

CONTROLS = [chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"]
BIDIRECTIONAL = [chr(code) for code in (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F))]
ISOLATES = [chr(code) for code in range(0x2066, 0x206A)]
UNSAFE = [*CONTROLS, *BIDIRECTIONAL, *ISOLATES]


@pytest.mark.parametrize("character", UNSAFE, ids=ascii)
def test_each_is_shown_as_an_escape(character: str) -> None:
    shown = safe_text(f"a{character}b")
    assert shown.isprintable()
    assert shown == f"a{character.encode('unicode_escape').decode()}b".replace("\\r", "\\x0d")


def test_other_text_stays_as_it_is() -> None:
    text = "two lines\n\tand a tab, äöü, 漢字, العربية, 👩\u200d💻 \\x1b"
    assert safe_text(text) == text
    assert safe_text("one\r\ntwo") == "one\ntwo"


def test_a_sequence_cut_in_two_is_as_harmless_as_a_whole() -> None:
    sequence = "\x1b]52;c;Y3VybA==\x07\x1b[2J\x9b31m"
    whole = safe_text(sequence)
    for cut in range(len(sequence)):
        assert safe_text(sequence[:cut]) + safe_text(sequence[cut:]) == whole


def test_json_keeps_what_it_escapes() -> None:
    value = {"".join(UNSAFE): ["".join(UNSAFE), "ä"]}
    for text in (formats.to_json(value), safe_json(json.dumps(value, ensure_ascii=False))):
        assert not set(UNSAFE) & set(text)
        assert "ä" in text
        assert json.loads(text) == value


def test_cells_of_csv_and_markdown_are_safe() -> None:
    rows = [{"".join(UNSAFE): "".join(UNSAFE), "nested": {"a": ["\x9b"]}}]
    for text in (formats.to_csv(rows), formats.to_markdown(rows)):
        assert not set(UNSAFE) & set(text)
