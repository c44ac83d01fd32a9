"""What a child's libraries write to its standard error, passed on to this process's, safe for a
terminal: warnings of packages may hold a model's text, and C libraries write past Python."""

from __future__ import annotations

import codecs
import sys
import threading
from contextlib import suppress
from io import BufferedReader
from typing import IO, cast

from vibecore.core.terminal_text import safe_text

# A process that a library started and left may hold the pipe open for as long as it likes.
LAST_SECONDS = 2.0


def pass_on(stream: IO[bytes]) -> threading.Thread:
    """Pass on all that comes from the reading end of a pipe until its last writer closes it. Join
    the thread for LAST_SECONDS once the child has ended, so that its last words are not lost."""
    thread = threading.Thread(target=_pass_on, args=(cast(BufferedReader, stream),), daemon=True)
    thread.start()
    return thread


def _pass_on(stream: BufferedReader) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    with stream:
        # Read to the end whatever becomes of it: a full pipe would stop the child.
        while data := stream.read1():
            _tell(decoder.decode(data))
    _tell(decoder.decode(b"", final=True))


def _tell(text: str) -> None:
    # Nowhere to tell it: a stream that is closed, or none at all.
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(safe_text(text))
        sys.stderr.flush()
