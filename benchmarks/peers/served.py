"""The child's end of a session: a function call a line on stdin, its result a line on stdout.

Imports the standard library only, so that an interpreter without Vibe check's packages can run it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any


def serve(functions: Mapping[str, Callable[..., Any]]) -> None:
    """Answer `[name, {argument: value}]` with `{"value": …}` or `{"error": …}` until the end of
    the input."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as replies:
        # What a library prints must not end up among the replies.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        for line in sys.stdin:
            name, arguments = json.loads(line)
            try:
                reply = {"value": functions[name](**arguments)}
            # Any failure of a peer is a line of the report, and no end of the others.
            except Exception as error:
                reply = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
            print(json.dumps(reply), file=replies, flush=True)
