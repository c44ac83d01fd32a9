"""Degeneration of an output, measured on its token ids: repeated 4-grams, and loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.scoring.text.words import n_grams

LOOP_REPETITIONS = 3
LOOP_MINIMUM_TOKENS = 16


@dataclass(frozen=True)
class Loop:
    """A tail that repeats itself to the end: where it begins and its period, both in tokens."""

    onset: int
    period: int


def rep_n(token_ids: Sequence[int], n: int = 4) -> float | None:
    """1 − unique / total n-grams of token ids, in [0, 1); None with fewer than n tokens.

    Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training": seq-rep-n, with
    n = 4 as they report it.
    """
    total = len(token_ids) - n + 1
    if total < 1:
        return None
    return 1 - len(set(n_grams(token_ids, n))) / total


def find_loop(token_ids: Sequence[int]) -> Loop | None:
    """The earliest token from which all the rest is periodic, with the shortest such period.

    From `onset + period` on, every token equals the one `period` before it; the last cycle may be
    cut short. A tail counts as a loop when it has at least three cycles and at least 16 tokens,
    so that "10000" or "..." does not. Only exact repetition counts: a loop that counts upwards is
    not one. Every period is found, in linear time: with the sequence reversed, the Z-function at
    p is how far the tail goes on repeating with period p (Gusfield 1997, section 1.3).
    """
    backwards = list(reversed(token_ids))
    best: Loop | None = None
    for period, matched in enumerate(_z_function(backwards)):
        tail = period + matched
        if period == 0 or tail < LOOP_REPETITIONS * period or tail < LOOP_MINIMUM_TOKENS:
            continue
        onset = len(backwards) - tail
        if best is None or onset < best.onset:
            best = Loop(onset, period)
    return best


def _z_function(sequence: Sequence[int]) -> list[int]:
    """For each position, the length of the longest common prefix with the whole sequence."""
    length = len(sequence)
    prefix = [0] * length
    left = right = 0
    for index in range(1, length):
        matched = min(right - index, prefix[index - left]) if index < right else 0
        while index + matched < length and sequence[matched] == sequence[index + matched]:
            matched += 1
        prefix[index] = matched
        if index + matched > right:
            left, right = index, index + matched
    return prefix
