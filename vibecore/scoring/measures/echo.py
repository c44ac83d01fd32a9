"""How much of the prompt an answer repeats."""

from __future__ import annotations

from functools import lru_cache

from vibecore.scoring.text.words import n_grams, pieces

ECHO_WORDS = 4


@lru_cache(maxsize=8)
def _grams(prompt: str) -> set[tuple[str, ...]]:
    """The distinct word 4-grams of a prompt, read once for all its answers."""
    return set(n_grams(pieces(prompt), ECHO_WORDS))


def prompt_echo(prompt: str, text: str) -> float | None:
    """Share of the prompt's distinct word 4-grams that occur in the answer, in [0, 1].

    None for a prompt of fewer than four words. The complement, over the answer's n-grams, is the
    share of novel n-grams of See et al. 2017, "Get To The Point" (arXiv 1704.04368, figure 6).
    """
    wanted = _grams(prompt)
    if not wanted:
        return None
    return len(wanted.intersection(n_grams(pieces(text), ECHO_WORDS))) / len(wanted)
