"""The command line: `python -m vibecore COMMAND`. A new command is a function in a file here.

Exit codes: 0 success, 1 a run failed, 2 bad usage or input, 130 stopped by Ctrl-C
(143 by SIGTERM, 129 by SIGHUP). Data goes to stdout, messages to stderr. What a command does not
use is not imported: `summary` never loads torch.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence

from typer.exceptions import Abort, TyperException

# In the order that --help lists their commands.
from vibecore.cli import (
    bench,
    fidelity,
    inspect,
    judging,
    read,
    rescore,
    run,
    studies,
    tools,
    try_prompt,
)
from vibecore.cli.base import app, say
from vibecore.core.errors import InputError, VibeError
from vibecore.core.signals import ended_as_by_ctrl_c
from vibecore.core.text_files import no_character

__all__ = [
    "app",
    "bench",
    "fidelity",
    "inspect",
    "judging",
    "main",
    "read",
    "rescore",
    "run",
    "studies",
    "tools",
    "try_prompt",
]

# What a shell reports for a command that a signal ended, less the signal.
END_BY_SIGNAL = 128
# Characters shown of a path that cannot be used.
MOST_OF_A_NAME = 120


def _refuse_what_is_no_text(arguments: Sequence[str]) -> None:
    """An argument of bytes that are not UTF-8 can be neither printed nor stored."""
    for number, argument in enumerate(arguments, 1):
        if no_character(argument) is not None:
            shown = argument.encode("utf-8", "backslashreplace").decode("utf-8")
            raise InputError(f"Argument {number} is not UTF-8 text: {shown[:80]}")


def _explained(error: TyperException) -> str:
    """What Typer prints of a wrong use: how it is used, and what is wrong."""
    if not hasattr(error, "show"):
        return f"Error: {error.format_message()}"
    words = io.StringIO()
    error.show(words)
    return words.getvalue().rstrip("\n")


def main() -> None:
    """Run the command line, turning every explained error into a paragraph and an exit code."""
    # A terminal or a pipe of another encoding gets an escape, not a traceback.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with ended_as_by_ctrl_c() as came:
            code = _run()
            # Here, where a disk that is full can still be told.
            sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe (head, say) has gone: nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        say(f"Error: {_where(error)}: {error.strerror or error}.")
        _give_up_output()
        sys.exit(2)
    if came:
        say(f"Ended by {came[0].name}.")
        code = END_BY_SIGNAL + came[0]
    sys.exit(code)


def _run() -> int:
    """The command's exit code; explained errors are told."""
    try:
        _refuse_what_is_no_text(sys.argv[1:])
        # Exit and Ctrl-C come back as a code; a wrong use of an option is raised, and said here.
        return app(standalone_mode=False) or 0
    except TyperException as error:
        say(_explained(error))
        return error.exit_code
    except Abort:
        say("Aborted!")
        return 1
    except VibeError as error:
        say(f"Error: {error}")
        return 2 if isinstance(error, InputError) else 1


def _where(error: OSError) -> str:
    """What could not be read or written; what has no name is the output."""
    if error.filename is None:
        return "The output cannot be written"
    name = str(error.filename)
    return name if len(name) <= MOST_OF_A_NAME else f"{name[:MOST_OF_A_NAME]}…"


def _give_up_output() -> None:
    """Leave out what could not be written to stdout, which Python tries again as it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
