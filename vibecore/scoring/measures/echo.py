"""How much of the prompt an answer repeats."""

from __future__ import annotations

from vibecore.scoring.text.words import n_grams, pieces

ECHO_WORDS = 4


def prompt_echo(prompt: str, text: str) -> float | None:
    """Share of the prompt's distinct word 4-grams that occur in the answer, in [0, 1].

    None for a prompt of fewer than four words. The complement, over the answer's n-grams, is the
    share of novel n-grams of See et al. 2017, "Get To The Point" (arXiv 1704.04368, figure 6).
    """
    wanted = set(n_grams(pieces(prompt), ECHO_WORDS))
    if not wanted:
        return None
    return len(wanted.intersection(n_grams(pieces(text), ECHO_WORDS))) / len(wanted)
