"""The running text that ships: what two models are led along when their next-token distributions
are compared on text that neither of them wrote.

`prompts/reference_text.txt` was written for this project and published nowhere before, so no model
can have seen it in training: some 3,200 words of narrative, dialogue, explanation, a recipe, a
letter, minutes, a list and Python code, with a paragraph each of French, German, Spanish and
Chinese. A changed text is another reference: what was measured on it goes by its SHA-256.
"""

from __future__ import annotations

import hashlib
from functools import cache

from vibecore.catalog.suites import SUITES_DIR

REFERENCE_TEXT = SUITES_DIR / "reference_text.txt"


@cache
def reference_text() -> str:
    """The text, with \\n at the end of each line on every system."""
    return REFERENCE_TEXT.read_text(encoding="utf-8")


@cache
def reference_text_sha256() -> str:
    """SHA-256 of the text in UTF-8, in hexadecimal."""
    return hashlib.sha256(reference_text().encode()).hexdigest()
