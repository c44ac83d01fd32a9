"""How much of the prompt an answer repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from vibecore.scoring.text.words import pieces

ECHO_WORDS = 4


def prompt_echo(prompt: str, text: str) -> float | None:
    """Share of the prompt's distinct word 4-grams that occur in the answer, in [0, 1].

    None for a prompt of fewer than four words. The complement, over the answer's n-grams, is the
    share of novel n-grams of See et al. 2017, "Get To The Point" (arXiv 1704.04368, figure 6).
    """
    wanted = _grams_of_prompt(prompt)
    if not wanted:
        return None
    return len(wanted.intersection(_grams(pieces(text)))) / len(wanted)


@lru_cache(maxsize=256)
def _grams_of_prompt(prompt: str) -> frozenset[tuple[str, ...]]:
    return frozenset(_grams(pieces(prompt)))


def _grams(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(ECHO_WORDS)), strict=False)
