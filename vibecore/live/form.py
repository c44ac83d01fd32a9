"""What the forms of Try and Launch share: their labels, and messages in the form's own words."""

from __future__ import annotations

import re

from vibecore.core.errors import InputError

DEVICE_NAMES = {"auto": "GPU if there is one", "cpu": "CPU", "cuda": "GPU"}
# label of the weights -> what the command line calls them; None where a folder is asked for
WEIGHTS = {"real": "hub", "random: speed and memory only": "dummy", "from a folder …": None}
RUN_CODE = "Run the code that the models write, in a sandbox"


def required(value: str, what: str) -> str:
    """An entered text without the spaces around it. Raises InputError where it is empty."""
    if not value.strip():
        raise InputError(f"Enter the {what}.")
    return value.strip()


def in_form(message: str) -> str:
    """A message of the command line in the form's words: `--batch-size` is its batch size."""
    words = re.sub(r"--([a-z][a-z-]+)", lambda found: found[1].replace("-", " "), message)
    return words[:1].upper() + words[1:]
