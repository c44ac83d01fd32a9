"""Interactive Python sessions: the code of the prompts `>>>` and `...`, as doctest reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

PROMPT = ">>>"
_FIRST = re.compile(r"[ \t]*>>>(?: |\Z)")
_FURTHER = re.compile(r"[ \t]*\.\.\.(?: |\Z)")


def code_of_session(lines: Sequence[str]) -> list[str] | None:
    """The code of a session without its output; None where there is no prompt at a line's start.

    What stands before the first prompt is kept: a function, and then how it is called.
    """
    first = next((n for n, line in enumerate(lines) if _FIRST.match(line)), None)
    if first is None:
        return None
    code, prompted = list(lines[:first]), False
    for line in lines[first:]:
        prompt = _FIRST.match(line) or (_FURTHER.match(line) if prompted else None)
        prompted = prompt is not None
        if prompt:
            code.append(line[prompt.end() :])
    return code
