"""The errors a user sees: one clear paragraph that says what happened and what to do."""

from __future__ import annotations

# What a shell reports for a command that Ctrl-C ended (128 + SIGINT).
INTERRUPTED = 130


class VibeError(Exception):
    """An error that Vibe check can explain; its message is shown to the user unchanged."""


class InputError(VibeError):
    """Bad usage or input, found before anything was written (exit code 2)."""


class RunError(VibeError):
    """One config could not run; the study records it and goes on (exit code 1)."""


# In the message of every RunError that says that memory did not suffice.
RAN_OUT = "ran out of memory"
