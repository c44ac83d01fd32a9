"""What stands at the beginning of a line and is no text: marks of quotations, lists, headings.

Which number or letter begins an item is asked more strictly where items are counted (`lists`) and
where sentences go on over lines (`blocks`); `words` passes over every sign, for it has no letter.
"""

from __future__ import annotations

import re

# CommonMark 5.2's three and dashes, before a space; signs that are nothing but bullets and ticks,
# which may stand right before the text, as Japanese writes "・".
DASHES = "-*+∙·–—―"
BULLETS = "•‣⁃◦●○■□▪▫◆◇▸►▶→➤➢➔➜➡❖★☆✦⭐✓✔☐☑✅✗✘❌・🔹🔸🔷🔶👉"

_QUOTED = re.compile(r"(?:[ \t]{0,3}>[ \t]?)*+")
_MARK = re.compile(
    rf"(?:[{DASHES}{BULLETS}]\ufe0f?|[*_]{{0,3}}\\?\(?\d{{1,3}}(?:\.\)|\\?[.)．）])[*_]{{0,3}}"
    r"|[①-⑳]|\d\ufe0f?\u20e3|#{1,6}|>)\s+"
)


def quoted(line: str) -> int:
    """Where a line begins behind the marks of a quotation."""
    return _QUOTED.match(line).end() if ">" in line[:8] else 0  # type: ignore[union-attr]


def unmarked(line: str) -> str:
    """A stripped line without the marks of quotations, lists and headings that it begins with."""
    start = 0
    while mark := _MARK.match(line, start):
        start = mark.end()
    return line[start:]
