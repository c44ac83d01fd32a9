"""The beginning of a text that is too long to show: a browser's tab ends, and a terminal wraps for
minutes, at ten million characters."""

from __future__ import annotations

from dataclasses import replace

from vibecore.core.rows import OutputRow

# Some 10,000 tokens.
MOST_CHARACTERS = 40_000
_TEXTS = {"text": "answer", "reasoning": "reasoning", "rendered_prompt": "prompt"}


def short_text(text: str, most: int = MOST_CHARACTERS) -> str:
    """A text as it is, or its beginning and how long it is; `most` in characters."""
    if len(text) <= most:
        return text
    return f"{text[:most]}… (the first {most:,} of {len(text):,} characters; --format json has all)"


def beginning(row: OutputRow, most: int = MOST_CHARACTERS) -> tuple[OutputRow, list[str]]:
    """An output with at most so many characters of each of its texts, and a note on each that was
    longer: `the first 40,000 of the answer's 9,000,000 characters are shown`.

    Token ids of a text that was cut no longer go with it, and are left out.
    """
    texts = {name: getattr(row, name) for name in _TEXTS}
    long = {name: text for name, text in texts.items() if text and len(text) > most}
    if not long:
        return row, []
    notes = [
        f"the first {most:,} of the {_TEXTS[name]}'s {len(text):,} characters are shown"
        for name, text in long.items()
    ]
    shorter = replace(row, **{name: text[:most] for name, text in long.items()})
    return (replace(shorter, token_ids=None) if "text" in long else shorter), notes
