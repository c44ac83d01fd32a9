"""The interval of a ratio of two rates, for claims such as "drops three- to fourfold"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

# Added to every cell, so twice to a total, where a count is zero, so that the logarithm exists, or
# where both are full, so that the interval has a width (Haldane 1956, Anscombe 1956).
CORRECTION = 0.5


@dataclass(frozen=True)
class RateRatio:
    """first / second with its interval; `estimate` is None where a count is zero."""

    estimate: float | None
    low: float
    high: float
    method: str


def rate_ratio(
    first: tuple[int, int], second: tuple[int, int], confidence: float = 0.95
) -> RateRatio | None:
    """Ratio of two rates, each a (count, total), by the log method (Katz et al. 1978,
    Biometrics 34). None where both counts are zero: there is no ratio to speak of.

    It takes the samples as independent; for the same prompts under both, where outcomes agree
    more often than chance, that is the wider and so the careful interval.
    """
    (count, total), (other, other_total) = first, second
    if count == other == 0:
        return None
    zero = count == 0 or other == 0
    corrected = zero or (count == total and other == other_total)
    add = CORRECTION if corrected else 0.0
    a, n, b, m = count + add, total + 2 * add, other + add, other_total + 2 * add
    spread = math.sqrt(max(0.0, 1 / a - 1 / n + 1 / b - 1 / m))
    half = NormalDist().inv_cdf((1 + confidence) / 2) * spread
    middle = math.log((a / n) / (b / m))
    method = "log ratio, 0.5 added to each cell" if corrected else "log ratio"
    estimate = None if zero else (count / total) / (other / other_total)
    return RateRatio(estimate, math.exp(middle - half), math.exp(middle + half), method)
