"""The interval of a ratio of two rates, for claims such as "drops three- to fourfold"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

# Added to every cell where a count is zero, so that the logarithm exists (Haldane 1956,
# Anscombe 1956).
CORRECTION = 0.5


@dataclass(frozen=True)
class RateRatio:
    """first / second with its 95 % interval; `estimate` is None where a count is zero."""

    estimate: float | None
    low: float
    high: float
    method: str


def rate_ratio(first: tuple[int, int], second: tuple[int, int]) -> RateRatio | None:
    """Ratio of two rates, each a (count, total), by the log method (Katz et al. 1978,
    Biometrics 34). None where both counts are zero: there is no ratio to speak of.

    It takes the samples as independent; for the same prompts under both, where outcomes agree
    more often than chance, that is the wider and so the careful interval.
    """
    (count, total), (other, other_total) = first, second
    if count == other == 0:
        return None
    zero = count == 0 or other == 0
    add = CORRECTION if zero else 0.0
    a, n, b, m = count + add, total + add, other + add, other_total + add
    spread = math.sqrt(max(0.0, 1 / a - 1 / n + 1 / b - 1 / m))
    half = NormalDist().inv_cdf(0.975) * spread
    middle = math.log((a / n) / (b / m))
    method = "log ratio, 0.5 added to each cell" if zero else "log ratio"
    estimate = None if zero else math.exp(middle)
    return RateRatio(estimate, math.exp(middle - half), math.exp(middle + half), method)
