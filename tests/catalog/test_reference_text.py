"""The running text that ships: long enough, of many kinds, and known by its hash."""

from __future__ import annotations

import hashlib

from vibecore.catalog.reference_text import (
    REFERENCE_TEXT,
    reference_text,
    reference_text_sha256,
)


def test_the_hash_is_that_of_the_shipped_file() -> None:
    # What is stored of a text is only comparable with this one: a change of it is a decision.
    assert reference_text_sha256() == hashlib.sha256(REFERENCE_TEXT.read_bytes()).hexdigest()
    assert reference_text_sha256() == (
        "5a195c776841ddd8cf63d2907f2942098265b4b157083253e976014f59801679"
    )


def test_the_text_is_long_and_of_several_kinds() -> None:
    text = reference_text()
    assert len(text.split()) > 3_000
    assert "\r" not in text and not text.startswith("\ufeff")
    for kind in (
        "Dear Mrs Adeyemi",
        "    def push(self",
        "- gloves",
        "Le marché",
        "Wer im",
        "罗师傅",
    ):
        assert kind in text


def test_the_code_in_it_does_what_its_comment_says(capsys) -> None:
    text = reference_text()
    code = text[text.index("from collections import") : text.index("What to take on")]
    exec(code, {"__name__": "__main__"})
    medians = [float(line.split()[1]) for line in capsys.readouterr().out.splitlines()]
    assert medians == [12, 13.5, 12, 15, 13, 13]
