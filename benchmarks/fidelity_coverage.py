"""How often the intervals and verdicts of fidelity are right, in simulated studies.

    python -m benchmarks.fidelity_coverage [--studies 2000] [--prompts 10,30,100]

KLDs of tokens are heavy-tailed, those of a prompt go together, and prompts have few tokens or many,
so the nominal 95 % has to be shown. The first table draws studies from populations whose mean KLD
is known, and prints how often each way to make an interval covers it: `chosen` is the house's
(stats.clustered_mean), the others are what could have been chosen. The second has the other
intervals of the summary, the third how often verdicts are wrong where there is nothing to find.

`measured` is what the demo models at 8bit and 4bit show over their outputs to suite vibe30: log
KLDs within a prompt of a standard deviation of 2.4 to 3.0 and a skew of −0.4 to −0.8, tokens'
coefficient of variation 2 to 4.4, prompts' means half again apart. The lognormals have heavier
tails than any measured: KLD has no bound there.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from vibecore.analysis.stats.bootstrap import RESAMPLES, bootstrap_ratio, resample_counts
from vibecore.analysis.stats.clustered_mean import (
    mean_interval,
    positive_mean_interval,
    rare_share_interval,
)

ALPHA = 0.05
Array = Any
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Population:
    """Tokens' log KLDs have a standard deviation of `tokens`, prompts' log means one of `prompts`;
    with a `slant` the former are skew-normal (below zero: a lighter upper tail). Texts have
    `length` tokens in the median, at most 200."""

    name: str
    tokens: float
    prompts: float
    slant: float = 0.0
    length: int = 50

    def mean(self) -> float:
        """The mean KLD of the population."""
        shape, scale = self._shape()
        tokens = 2 * math.exp(scale**2 / 2) * float(ndtr(shape * scale))
        return tokens * math.exp(self.prompts**2 / 2)

    def draw(self, rng: np.random.Generator, prompts: int, configs: int = 1) -> tuple[Array, Array]:
        """One study: KLDs [configs, tokens] and the prompt of each token. Configs are alike: the
        same prompts' effects, other tokens' KLDs."""
        sizes = np.ceil(rng.lognormal(math.log(self.length), 1, prompts)).clip(max=200).astype(int)
        place = np.repeat(np.arange(prompts), sizes)
        effect = rng.normal(0, self.prompts, prompts)
        shape, scale = self._shape()
        half, whole = rng.standard_normal((2, configs, len(place)))
        logs = scale * (shape * np.abs(half) + math.sqrt(1 - shape**2) * whole)
        return np.exp(logs + effect[place]), place

    def _shape(self) -> tuple[float, float]:
        """Azzalini's δ and the scale ω of the skew normal (1985, Scand. J. Statist. 12:171)."""
        shape = self.slant / math.sqrt(1 + self.slant**2)
        return shape, self.tokens / math.sqrt(1 - 2 * shape**2 / math.pi)


POPULATIONS = (
    Population("measured", 2.7, 0.5, -3.0),
    Population("measured, short texts", 2.7, 0.5, -3.0, 25),
    Population("lognormal 1.5, prompts 0.3", 1.5, 0.3),
    Population("lognormal 2, prompts 0.5", 2.0, 0.5),
    Population("lognormal 2.5, prompts 1", 2.5, 1.0),
)


class Prompts:
    """A study's sums by prompt, and what every candidate makes its interval of."""

    def __init__(self, sums: Array, sizes: Array) -> None:
        self.sums, self.sizes, self.n = sums, sizes, len(sums)
        self.mean = sums.sum() / sizes.sum()
        self.gaps = sums - self.mean * sizes
        self.error = math.sqrt((self.gaps**2).sum() * self.n / (self.n - 1)) / sizes.sum()
        draws = resample_counts(self.n, RESAMPLES, 0)
        self.means = (draws @ sums) / (draws @ sizes)
        squares = draws @ sums**2 - 2 * self.means * (draws @ (sums * sizes))
        squares = np.maximum(squares + self.means**2 * (draws @ sizes**2), 1e-300)
        self.errors = np.sqrt(squares * self.n / (self.n - 1)) / (draws @ sizes)


def student(study: Prompts) -> Interval:
    """The linearised ratio estimator with Student's t."""
    half = stdtrit(study.n - 1, 1 - ALPHA / 2) * study.error
    return study.mean - half, study.mean + half


def student_log(study: Prompts) -> Interval:
    """The same on the log scale, by the delta method."""
    half = stdtrit(study.n - 1, 1 - ALPHA / 2) * study.error / study.mean
    return study.mean * math.exp(-half), study.mean * math.exp(half)


def student_cube_root(study: Prompts) -> Interval:
    """The same on the cube root's scale."""
    half = stdtrit(study.n - 1, 1 - ALPHA / 2) * study.error / (3 * study.mean ** (2 / 3))
    return max(0.0, np.cbrt(study.mean) - half) ** 3, (np.cbrt(study.mean) + half) ** 3


def percentile(study: Prompts) -> Interval:
    """The bootstrap's percentiles."""
    low, high = np.quantile(study.means, (ALPHA / 2, 1 - ALPHA / 2))
    return float(low), float(high)


def accelerated(study: Prompts) -> Interval:
    """BCa (Efron 1987, JASA 82:171)."""
    share = (study.means < study.mean).mean().clip(1 / RESAMPLES, 1 - 1 / RESAMPLES)
    bias = ndtri(share)
    acceleration = (study.gaps**3).sum() / (6 * (study.gaps**2).sum() ** 1.5)
    ends = bias + ndtri(np.array([ALPHA / 2, 1 - ALPHA / 2]))
    low, high = np.quantile(study.means, ndtr(bias + ends / (1 - acceleration * ends)))
    return float(low), float(high)


def equal_tails(study: Prompts) -> Interval:
    """Bootstrap-t on the log scale with a tail of 2.5 % on either side."""
    pivots = np.log(study.means / study.mean) * study.means / study.errors
    low, high = np.quantile(pivots, (ALPHA / 2, 1 - ALPHA / 2)) * study.error / study.mean
    return study.mean * math.exp(-high), study.mean * math.exp(-low)


def symmetric(study: Prompts) -> Interval:
    """Symmetric bootstrap-t on the log scale."""
    found = bootstrap_ratio(study.sums, [1.0] * study.n, study.sizes)
    if found is None:
        return None
    low, high = found.interval(ALPHA)
    return math.exp(low), math.exp(high)


def chosen(study: Prompts) -> Interval:
    """The house's: the same, with the upper end of the symmetric interval at half of α."""
    return positive_mean_interval(study.sums, study.sizes)


CANDIDATES: dict[str, Callable[[Prompts], Interval]] = {
    "t": student,
    "t, log": student_log,
    "t, cube root": student_cube_root,
    "percentile": percentile,
    "BCa": accelerated,
    "bootstrap-t, log, equal tails": equal_tails,
    "bootstrap-t, log, symmetric": symmetric,
    "chosen": chosen,
}


def sums_of(values: Array, place: Array) -> Array:
    """Sums by prompt."""
    return np.bincount(place, values)


def show_means(studies: int, sizes: list[int]) -> None:
    """Coverage of the mean KLD by every candidate; of the chosen one, misses on either side."""
    names = " | ".join(CANDIDATES)
    print(f"| mean KLD | prompts | {names} | truth below | truth above |")
    print("| --- " * (len(CANDIDATES) + 4) + "|")
    for population in POPULATIONS:
        truth = population.mean()
        for prompts in sizes:
            rng = np.random.default_rng([2026, prompts])
            covered = dict.fromkeys(CANDIDATES, 0)
            below = above = 0
            for _ in range(studies):
                (kld,), place = population.draw(rng, prompts)
                study = Prompts(sums_of(kld, place), np.bincount(place).astype(float))
                for name, candidate in CANDIDATES.items():
                    low, high = candidate(study) or (0.0, math.inf)
                    covered[name] += low <= truth <= high
                    if name == "chosen":
                        below += truth < low
                        above += truth > high
            shares = " | ".join(f"{count / studies:.1%}" for count in covered.values())
            sides = f"{below / studies:.1%} | {above / studies:.1%}"
            print(f"| {population.name} | {prompts} | {shares} | {sides} |", flush=True)


def show_others(studies: int, sizes: list[int]) -> None:
    """Coverage of ln(PPL(config)/PPL(parent)) and of the same-top share.

    A token's log-probability changes by its KLD, and either way by √(2 KLD), as it would under a
    small random change of the logits. Tokens keep their top token with a chance of its prompt's.
    """
    print("\n| other intervals | prompts | ln PPL ratio | same top 98 % | same top 90 % |")
    print("| --- | --- | --- | --- | --- |")
    population = POPULATIONS[0]
    unit = 0.01 / population.mean()
    for prompts in sizes:
        rng = np.random.default_rng([7, prompts])
        covered = np.zeros(3)
        for _ in range(studies):
            (kld,), place = population.draw(rng, prompts)
            kld = kld * unit
            counts = np.bincount(place)
            changes = kld + np.sqrt(2 * kld) * rng.standard_normal(len(kld))
            low, high = mean_interval(sums_of(changes, place), counts) or (0.0, 0.0)
            covered[0] += low <= 0.01 <= high
            for column, rate in enumerate((0.98, 0.9), start=1):
                # Beta-distributed chances, correlated 0.03 within a prompt.
                same = rng.binomial(counts, rng.beta(rate * 32, (1 - rate) * 32, prompts))
                low, high = rare_share_interval(counts - same, counts) or (0.0, 0.0)
                covered[column] += low <= 1 - rate <= high
        shares = " | ".join(f"{share:.1%}" for share in covered / studies)
        print(f"| {population.name} | {prompts} | {shares} |", flush=True)


def show_verdicts(studies: int, sizes: list[int]) -> None:
    """How often two configs, or a config and its floor, are told apart though they are alike."""
    print("\n| alike | prompts | told apart at α = 5 % |\n| --- | --- | --- |")
    for population in POPULATIONS:
        for prompts in sizes:
            rng = np.random.default_rng([11, prompts])
            wrong = 0
            for _ in range(studies):
                klds, place = population.draw(rng, prompts, 2)
                counts: Any = np.bincount(place)
                one, other = (sums_of(kld, place) for kld in klds)
                found = bootstrap_ratio(one, other, counts, counts)
                wrong += found is not None and found.p() < ALPHA
            print(f"| {population.name} | {prompts} | {wrong / studies:.1%} |", flush=True)


def main() -> None:
    """Print the figures as Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2_000)
    parser.add_argument("--prompts", default="10,30,100", help="by commas")
    options = parser.parse_args()
    sizes = [int(number) for number in options.prompts.split(",")]
    begin = time.perf_counter()
    print(f"{options.studies:,} studies a line, nominal {1 - ALPHA:.0%}\n")
    show_means(options.studies, sizes)
    show_others(options.studies, sizes)
    show_verdicts(options.studies, sizes)
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
