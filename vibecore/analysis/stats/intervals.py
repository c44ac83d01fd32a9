"""Score intervals of a difference of two rates: of independent counts, and of the same prompts."""

from __future__ import annotations

import math
from statistics import NormalDist

from vibecore.analysis.stats.exact import wilson_interval

# To 1e-10.
BISECTIONS = 34


def normal_quantile(probability: float) -> float:
    """The standard normal's quantile."""
    return NormalDist().inv_cdf(probability)


def normal_tail(z: float) -> float:
    """Probability that a standard normal exceeds `z`."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def newcombe_interval(
    first: int, first_total: int, second: int, second_total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of a difference of independent rates, first minus second, as fractions.

    Newcombe 1998, Stat. Med. 17:873, method 10: the Wilson limits of both rates, squared and
    added. Totals must be positive.
    """
    low_1, high_1 = wilson_interval(first, first_total, confidence)
    low_2, high_2 = wilson_interval(second, second_total, confidence)
    rate_1, rate_2 = first / first_total, second / second_total
    difference = rate_1 - rate_2
    return (
        difference - math.hypot(rate_1 - low_1, high_2 - rate_2),
        difference + math.hypot(high_1 - rate_1, rate_2 - low_2),
    )


def tango_statistic(only_first: int, only_second: int, total: int, difference: float) -> float:
    """Score statistic of "the paired rates differ by `difference`", first minus second.

    Tango 1998, Stat. Med. 17:891: the discordant counts against their restricted maximum
    likelihood. At a difference of 0 it is McNemar's z.
    """
    b, c = only_first, only_second
    linear = (2 * total - b + c) * difference - b - c
    constant = -c * difference * (1 - difference)
    root = math.sqrt(max(0.0, linear * linear - 8 * total * constant))
    rate = (root - linear) / (4 * total)
    variance = total * (2 * rate + difference * (1 - difference))
    distance = b - c - total * difference
    if variance <= 1e-12 * total:
        return 0.0 if abs(distance) < 1e-9 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def tango_interval(
    only_first: int, only_second: int, total: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Score interval of a difference of paired rates, first minus second (Tango 1998)."""
    if total <= 0:
        raise ValueError("an interval needs at least one pair")
    z = normal_quantile(0.5 + confidence / 2)
    high = _upper_limit(only_first, only_second, total, z)
    return -_upper_limit(only_second, only_first, total, z), high


def _upper_limit(only_first: int, only_second: int, total: int, z: float) -> float:
    """The difference at which the statistic, which falls with it, reaches −z."""
    low, high = (only_first - only_second) / total, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if tango_statistic(only_first, only_second, total, middle) > -z:
            low = middle
        else:
            high = middle
    return (low + high) / 2
