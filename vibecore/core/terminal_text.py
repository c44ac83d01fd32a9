"""Text of models and people made safe for a terminal, which obeys control characters.

A terminal takes escape sequences for commands: they write the clipboard and the window's title,
clear the screen and move the cursor. Bidirectional marks show text in another order than it has.
Characters are replaced one by one, so a sequence cut in two in a stream is as harmless as a whole.
"""

from __future__ import annotations

import re

# C0 but for tab and line feed, DEL, C1 (ECMA-48), and Unicode's bidirectional controls (UAX #9).
_BIDIRECTIONAL = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSAFE = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDIRECTIONAL}]")
_UNSAFE_IN_JSON = re.compile(rf"[\x7f-\x9f{_BIDIRECTIONAL}]")


def safe_text(text: str) -> str:
    r"""The text with every character that a terminal would obey written as an escape, such as
    `\x1b` or `\u202e`; a line end of two characters is one line feed. Safe text stays as it is."""
    return _UNSAFE.sub(_escaped, text.replace("\r\n", "\n"))


def safe_json(text: str) -> str:
    r"""JSON text with those characters written as JSON escapes (`\u009b`), which read back as what
    they were. The controls below space are escaped in any JSON."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
