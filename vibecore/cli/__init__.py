"""The command line: `python -m vibecore COMMAND`. A new command is a function in a file here.

Exit codes: 0 success, 1 a run failed, 2 bad usage or input, 130 stopped by Ctrl-C. Data goes to
stdout, messages to stderr. What a command does not use is not imported: `summary` never loads
torch.
"""

from __future__ import annotations

import sys

# In the order that --help lists their commands.
from vibecore.cli import bench, inspect, judging, read, rescore, run, studies, tools, try_prompt
from vibecore.cli.base import app, say
from vibecore.core.errors import InputError, VibeError

__all__ = [
    "app",
    "bench",
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


def main() -> None:
    """Run the command line, turning every explained error into a paragraph and an exit code."""
    try:
        app()
    except VibeError as error:
        say(f"Error: {error}")
        sys.exit(2 if isinstance(error, InputError) else 1)
    except BrokenPipeError:
        # The reader of a pipe (head, say) has gone: nothing is wrong.
        sys.stderr.close()
        sys.exit(0)
