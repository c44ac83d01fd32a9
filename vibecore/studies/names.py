"""Names of studies: what a new or renamed one may be called."""

from __future__ import annotations

from vibecore.core.errors import InputError

# Longer ones fit no picker, and no file that is named after one.
MOST_CHARACTERS = 100


def study_name(given: str) -> str:
    """A name without the spaces around it. Raises InputError for one that cannot be used."""
    name = given.strip()
    if not name:
        raise InputError("The study name is empty: give it at least one character.")
    if len(name) > MOST_CHARACTERS:
        raise InputError(
            f"The study name has {len(name)} characters; at most {MOST_CHARACTERS} are allowed."
        )
    if not name.isprintable():
        raise InputError("The study name has a line end or another control character in it.")
    return name
