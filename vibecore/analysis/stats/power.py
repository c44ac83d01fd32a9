"""The number of prompts at which a study would resolve a difference with a given power.

`needed` answers hold for one comparison at α, without Holm's adjustment.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import lru_cache

from vibecore.analysis.stats.intervals import normal_quantile

POWER = 0.8
# Beyond this many prompts the normal formulas serve: they differ by less than a percent there.
MOST_EXACT = 2_000
# How far to look ahead for power falling back: its teeth are shorter, and flatten out as n grows.
TEETH = 25


@lru_cache(maxsize=4096)
def mcnemar_needed(
    only_first: float, only_second: float, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Prompts at which the exact McNemar test has `power`; None where the rates do not differ.

    `only_first` and `only_second` are the rates of the two discordant outcomes. The number of
    discordant prompts is binomial, and given it the test's power is a binomial tail (Duffy 1984,
    Biometrics 40:1005).

    The least number from which the exact power stays there over the next TEETH; above MOST_EXACT,
    Connor's normal formula (1987, Biometrics 43:207).
    """
    discordance, difference = only_first + only_second, abs(only_first - only_second)
    if difference < 1e-12:
        return None
    z_alpha, z_power = normal_quantile(1 - alpha / 2), normal_quantile(power)
    spread = math.sqrt(max(0.0, discordance - difference * difference))
    root = (z_alpha * math.sqrt(discordance) + z_power * spread) / difference
    normal = math.ceil(root * root)
    if normal > MOST_EXACT:
        return normal
    most = normal + normal // 3 + 60
    rejecting = _rejection(most, max(only_first, only_second) / discordance, alpha)

    def reached(prompts: int) -> bool:
        return _mixed(rejecting, prompts, discordance) >= power

    low = 1 + bisect_left(range(1, most), True, key=reached)
    # Power is a saw: step over the teeth that follow.
    below = [n for n in range(low, min(most, low + TEETH)) if not reached(n)]
    return below[-1] + 1 if below else low


def fisher_needed(
    first: float, second: float, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Prompts a config at which Fisher's test has `power`; None where the rates do not differ.

    Casagrande, Pike & Smith 1978 (Biometrics 34:483): the normal formula with the correction for
    continuity that stands in for Fisher's exact power.
    """
    difference = abs(first - second)
    if difference < 1e-12:
        return None
    mean = (first + second) / 2
    z_alpha, z_power = normal_quantile(1 - alpha / 2), normal_quantile(power)
    a = (
        z_alpha * math.sqrt(2 * mean * (1 - mean))
        + z_power * math.sqrt(first * (1 - first) + second * (1 - second))
    ) ** 2
    return math.ceil(a * (1 + math.sqrt(1 + 4 * difference / a)) ** 2 / (4 * difference**2))


def ratio_needed(
    log_ratio: float, deviation: float, alpha: float = 0.05, power: float = POWER
) -> int | None:
    """Prompts at which a log ratio is resolved, from the deviation of one prompt's share in it."""
    if abs(log_ratio) < 1e-12:
        return None
    z = normal_quantile(1 - alpha / 2) + normal_quantile(power)
    return max(2, math.ceil((z * deviation / log_ratio) ** 2))


@lru_cache(maxsize=256)
def _rejection(most: int, share: float, alpha: float) -> tuple[float, ...]:
    """For 0 … `most` discordant prompts: the chance that exact McNemar's p is under α.

    `share` is the chance that a discordant prompt is the first's. Tails grow by one term at a
    time: P(X ≤ k | m+1) = P(X ≤ k | m) − share · P(X = k | m).
    """
    cut = -1  # the most of the rarer kind at which the test rejects
    null = lower = upper = 0.0  # the tail at 1/2, and both tails at `share`
    chances = [0.0]
    for m in range(1, most + 1):
        if cut >= 0:
            null -= 0.5 * _term(m - 1, cut, 0.5)
            lower -= share * _term(m - 1, cut, share)
            upper -= (1 - share) * _term(m - 1, cut, 1 - share)
        following = _term(m, cut + 1, 0.5)
        if 2 * (cut + 1) < m and 2 * (null + following) < alpha:
            cut += 1
            null += following
            lower += _term(m, cut, share)
            upper += _term(m, cut, 1 - share)
        chances.append(max(0.0, lower) + max(0.0, upper))
    return tuple(chances)


def _mixed(chances: tuple[float, ...], total: int, rate: float) -> float:
    """The chances' mean over a binomial number of discordant prompts."""
    half = 9 * math.sqrt(total * rate * (1 - rate)) + 9
    low, high = max(0, int(total * rate - half)), min(total, int(total * rate + half) + 1)
    if rate >= 1:
        return chances[total]
    term, odds, mean = _term(total, low, rate), rate / (1 - rate), 0.0
    for m in range(low, high + 1):
        mean += term * chances[m]
        term *= (total - m) / (m + 1) * odds
    return mean


def _term(total: int, count: int, rate: float) -> float:
    """Binomial probability of `count`."""
    if rate <= 0 or rate >= 1:
        return float(count == (total if rate >= 1 else 0))
    return math.exp(
        math.lgamma(total + 1)
        - math.lgamma(count + 1)
        - math.lgamma(total - count + 1)
        + count * math.log(rate)
        + (total - count) * math.log1p(-rate)
    )
