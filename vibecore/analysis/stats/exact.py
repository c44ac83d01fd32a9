"""Exact tests and intervals for counts out of n.

Whole numbers up to MOST_EXACT observations, which is every study seen so far and needs no import;
scipy beyond, because whole numbers of that size take minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from statistics import NormalDist
from typing import Any

MOST_EXACT = 2_000
# Logarithms of chances that differ by less are alike.
SAME_LOG = 1e-7


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a rate (Wilson 1927, JASA 22), as fractions.

    `total` must be positive.
    """
    if total <= 0:
        raise ValueError("an interval needs at least one observation")
    return wilson_of_rate(successes / total, total, confidence)


def wilson_of_rate(rate: float, total: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's interval of a rate over `total` observations, which need not be a whole number."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
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
        # scipy.stats has the test itself, and takes a second to import.
        from scipy.special import bdtr

        return min(1.0, 2 * float(bdtr(min(only_first, only_second), discordant, 0.5)))
    tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / 2**discordant)


@lru_cache(maxsize=16_384)
def fisher_exact(first: int, first_total: int, second: int, second_total: int) -> float:
    """Two-sided Fisher p for `first` of `first_total` against `second` of `second_total`.

    Sums every table, margins fixed, that is no likelier than the one seen, as scipy does.
    """
    if first_total + second_total > MOST_EXACT:
        return _fisher_by_logarithms(first, first_total, second, second_total)
    successes = first + second
    lowest, highest = max(0, successes - second_total), min(first_total, successes)
    ways = {
        k: math.comb(first_total, k) * math.comb(second_total, successes - k)
        for k in range(lowest, highest + 1)
    }
    seen = ways[first]
    return sum(w for w in ways.values() if w <= seen) / sum(ways.values())


def _fisher_by_logarithms(first: int, first_total: int, second: int, second_total: int) -> float:
    """The same of counts whose number of tables is no whole number to compute with. scipy.stats has
    the test itself, and takes a second to import."""
    import numpy as np

    def ways(total: int, chosen: int) -> float:
        return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)

    successes = first + second
    lowest, highest = max(0, successes - second_total), min(first_total, successes)
    tables = range(lowest, highest + 1)
    logs = np.array([ways(first_total, k) + ways(second_total, successes - k) for k in tables])
    shares = np.exp(logs - logs.max())
    # Two tables as likely as each other differ by rounding.
    as_likely = logs <= logs[first - lowest] + SAME_LOG
    return min(1.0, float(shares[as_likely].sum() / shares.sum()))


def holm(p_values: Any) -> Any:
    """Holm's adjusted p-values (Holm 1979, Scand. J. Statist. 6) along the last axis, in the order
    given; what is NaN is no comparison."""
    import numpy as np

    p = np.asarray(p_values, dtype=float)
    order = p.argsort(axis=-1)  # NaN sorts last
    compared = (~np.isnan(p)).sum(axis=-1, keepdims=True)
    ranked = np.take_along_axis(p, order, axis=-1) * (compared - np.arange(p.shape[-1]))
    adjusted = np.empty_like(p)
    highest = np.minimum(1.0, np.maximum.accumulate(ranked, axis=-1))
    np.put_along_axis(adjusted, order, highest, axis=-1)
    return adjusted


def swap_exact(differences: Iterable[int]) -> float:
    """Two-sided p of Σ differences where each could as well have had the other sign: exact, by
    the distribution of the sum over all signs (Fisher 1935).

    A difference is what one group, such as a prompt, has of one kind less what it has of the other,
    so outcomes of one group count together. Where each is 1 or −1 it is exact McNemar.
    """
    import numpy as np

    sizes = [one for one in differences if one]
    if all(abs(one) == 1 for one in sizes):
        return mcnemar_exact(sizes.count(1), sizes.count(-1))
    # Chances of the sum's values, from −Σ|d| on.
    chances = np.ones(1)
    for size in map(abs, sizes):
        step = np.zeros(2 * size + 1)
        step[[0, -1]] = 0.5
        chances = np.convolve(chances, step)
    reach, seen = sum(map(abs, sizes)), abs(sum(sizes))
    values = np.arange(-reach, reach + 1)
    return min(1.0, float(chances[np.abs(values) >= seen].sum()))
