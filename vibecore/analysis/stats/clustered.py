"""The interval of a rate whose observations come in groups: constraints, several to a prompt.

Constraints of one prompt fail together, so an interval that takes them as independent is too
narrow. The rate is a ratio of sums over prompts, and its variance is that of the prompts'
deviations from it (Cochran 1977, Sampling Techniques, section 6.4: the linearised ratio estimator).
That variance says how many independent observations the study is worth (Rao & Scott 1992,
Biometrics 48:577), at most as many as there are; with this number the Wilson interval is made
(Saha, Miller & Wang 2016, Int. J. Biostat. 12). As few prompts estimate a variance badly, the
number is lowered by (z/t)², t with one degree of freedom fewer than there are prompts (Korn &
Graubard 1998, Survey Methodology 24:193).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

from vibecore.analysis.stats.exact import wilson_of_rate

# With fewer prompts there is no interval: nothing says how much prompts differ.
FEWEST_PROMPTS = 4


@dataclass(frozen=True)
class Clusters:
    """What an interval needs of the prompts: how many have a verdict, and sums over them of the
    constraints met and judged, of their squares and of their product."""

    prompts: int
    met: int
    judged: int
    met_squared: int
    met_times_judged: int
    judged_squared: int


def clusters_of(prompts: Iterable[tuple[int, int]]) -> Clusters:
    """The sums of prompts, each a (met, judged); one that has none judged counts for nothing."""
    known = [(met, judged) for met, judged in prompts if judged]
    return Clusters(
        len(known),
        sum(met for met, _ in known),
        sum(judged for _, judged in known),
        sum(met * met for met, _ in known),
        sum(met * judged for met, judged in known),
        sum(judged * judged for _, judged in known),
    )


def clustered_interval(clusters: Clusters, confidence: float = 0.95) -> tuple[float, float] | None:
    """Interval of met / judged as fractions; None for fewer than FEWEST_PROMPTS prompts.

    Where all or none are met, no variance is seen, and each prompt counts as one observation (as
    (Σ judged)² / Σ judged² of them, if they are not of one size).
    """
    if clusters.prompts < FEWEST_PROMPTS:
        return None
    n, size, rate = clusters.prompts, clusters.judged, clusters.met / clusters.judged
    if clusters.met in (0, size):
        effective = size * size / clusters.judged_squared
    else:
        squares = (
            clusters.met_squared
            - 2 * rate * clusters.met_times_judged
            + rate * rate * clusters.judged_squared
        )
        variance = max(0.0, squares) / size**2 * n / (n - 1)
        independent = rate * (1 - rate)
        effective = independent / max(variance, independent / size)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return wilson_of_rate(rate, effective * (z / student_quantile(z, n - 1)) ** 2, confidence)


def student_quantile(z: float, freedom: int) -> float:
    """Student's t at the probability of a normal quantile: Abramowitz & Stegun 26.7.5, within 0.2 %
    of the 97.5 % quantile from three degrees of freedom on."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
