"""Exact tests and intervals for counts out of n, computed with integers where they can be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

# Beyond this many observations counts of ways are kept as logarithms: whole numbers of that
# size take minutes. The p-values then hold to about nine digits.
MOST_EXACT = 2_000
LOG_TOLERANCE = 1e-7


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a rate (Wilson 1927, JASA 22), as fractions.

    `total` must be positive.
    """
    if total <= 0:
        raise ValueError("an interval needs at least one observation")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate = successes / total
    centre = (rate + z * z / (2 * total)) / (1 + z * z / total)
    spread = math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    half = z / (1 + z * z / total) * spread
    return max(0.0, centre - half), min(1.0, centre + half)


@lru_cache(maxsize=16_384)
def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar p from the discordant pairs (McNemar 1947): a binomial at 1/2."""
    discordant = only_first + only_second
    if discordant == 0:
        return 1.0
    if discordant > MOST_EXACT:
        return min(1.0, 2 * _binomial_tail(discordant, min(only_first, only_second)))
    tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**discordant)


@lru_cache(maxsize=16_384)
def fisher_exact(first: int, first_total: int, second: int, second_total: int) -> float:
    """Two-sided Fisher p for `first` of `first_total` against `second` of `second_total`.

    Sums every table, margins fixed, that is no likelier than the one seen, as scipy does.
    """
    successes = first + second
    lowest, highest = max(0, successes - second_total), min(first_total, successes)
    if first_total + second_total > MOST_EXACT:
        logs = [
            _log_ways(first_total, k) + _log_ways(second_total, successes - k)
            for k in range(lowest, highest + 1)
        ]
        top, seen_log = max(logs), logs[first - lowest] + LOG_TOLERANCE
        no_likelier = math.fsum(math.exp(log - top) for log in logs if log <= seen_log)
        return min(1.0, no_likelier / math.fsum(math.exp(log - top) for log in logs))
    ways = {
        k: math.comb(first_total, k) * math.comb(second_total, successes - k)
        for k in range(lowest, highest + 1)
    }
    seen = ways[first]
    return sum(w for w in ways.values() if w <= seen) / sum(ways.values())


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979, Scand. J. Statist. 6), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def _binomial_tail(total: int, most: int) -> float:
    """Probability of `most` or fewer of `total` at one half: from the largest term downwards."""
    term = math.exp(_log_ways(total, most) - total * math.log(2))
    tail, k = 0.0, most
    while term > tail * 1e-17 and k >= 0:
        tail += term
        term *= k / (total - k + 1)
        k -= 1
    return tail


def _log_ways(total: int, chosen: int) -> float:
    """Natural logarithm of the number of ways to choose."""
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
