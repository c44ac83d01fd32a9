"""How stable the choice is: the whole rule applied again to 2,000 resampled studies, 500 of many
configs.

Where outputs are stored the prompts are drawn again, every config's outcome and time on them
together (Efron & Tibshirani 1993, chapter 6). Where only counts are known each count is drawn
again from its own rate (a parametric bootstrap) and speeds stay as they are. Memory never varies.
What is drawn depends on no threshold, so a page draws once and applies the rule as often as a
control moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vibecore.analysis import quality_of_many
from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics, share
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.quality import LARGEST_P, MOST_UNITS, Quality, Sampled, to_units
from vibecore.analysis.rule import Needs, Rule, apply, needs_of
from vibecore.analysis.sampled import MOST_BY_PAIRS, sample_again, sample_counts
from vibecore.analysis.stats.bootstrap import RESAMPLES, resample_counts
from vibecore.analysis.sweet_spot import batch_size

# The least share of resampled studies with the same answer that each word needs; else it is open.
WORDS = {"clear": 0.95, "likely": 0.70}
OPEN = "open"


@dataclass(frozen=True)
class Draws:
    """Resampled studies of the comparable configs, as a batch for the rule.

    `speeds` is (resamples, configs). `how` says what was drawn.
    """

    rows: tuple[ConfigMetrics, ...]
    sampled: Sampled
    speeds: Array
    how: str

    @property
    def resamples(self) -> int:
        """How many studies were drawn."""
        return len(self.speeds)

    @cached_property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule, each config's rate in each resample: (resamples, configs)."""
        return self.sampled.rates

    @cached_property
    def needs(self) -> Needs:
        """What the configs take of each cap."""
        return needs_of(self.rows)

    @cached_property
    def quality(self) -> Quality:
        """The quality step of each resample. Its p-values come from the draws of the study itself,
        by statistics that are divided by each resample's own error."""
        return self.sampled.judge(LARGEST_P)


@dataclass(frozen=True)
class Stability:
    """How often each answer came out; `shares` has None for "no sweet spot", most often first."""

    config: str | None
    share: float
    shares: dict[str | None, float]
    resamples: int
    how: str

    @property
    def word(self) -> str:
        """How sure the answer is, in a word: clear, likely or open."""
        return next((word for word, least in WORDS.items() if self.share >= least), OPEN)

    def sentence(self) -> str:
        """How often the answer came out, and what came out instead."""
        answer = f"{self.config} is the choice" if self.config else "No sweet spot is the answer"
        often = (
            f"all {self.resamples:,}"
            if self.share == 1
            else f"{_percent(self.share)} of {self.resamples:,}"
        )
        others = [
            f"{other or 'no sweet spot'} in {_percent(share)}"
            for other, share in self.shares.items()
            if other != self.config
        ]
        rest = f"; otherwise {', '.join(others)}" if others else ""
        return f"{answer} in {often} resampled studies ({self.how}){rest}."


def draw_studies(
    rows: Sequence[ConfigMetrics],
    outcomes: Outcomes | None,
    resamples: int | None = None,
    seed: int = 0,
    like: Sampled | None = None,
) -> Draws | None:
    """Draw the prompts, or the counts, of comparable configs again; None where there is none.

    `like` is the study itself, whose permutations the resampled studies share.
    """
    if not rows:
        return None
    if resamples is None:
        resamples = RESAMPLES if len(rows) <= MOST_BY_PAIRS else quality_of_many.RESAMPLES
    if outcomes is None or not outcomes.covers(rows):
        return _draw_counts(rows, resamples, seed, like)
    return _draw_prompts(rows, outcomes, resamples, seed, like)


def find_stability(draws: Draws, rule: Rule, config: str | None) -> Stability:
    """How often the rule chooses `config`, and what else, over the resampled studies."""
    names: list[str | None] = [None, *(row.config for row in draws.rows)]
    counts = np.bincount(apply(draws, rule).choice + 1, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: -counts[i])
    shares = {names[i]: float(counts[i]) / draws.resamples for i in order if counts[i]}
    return Stability(config, shares.get(config, 0.0), shares, draws.resamples, draws.how)


def _draw_counts(
    rows: Sequence[ConfigMetrics], resamples: int, seed: int, like: Sampled | None
) -> Draws:
    generator = np.random.default_rng(seed)
    counts = {}
    for name, metric in RULE_METRICS.items():
        totals = np.array([metric.total(row) or 0 for row in rows])
        shares = np.array([share(metric.value(row), metric.total(row)) or 0.0 for row in rows])
        counts[name] = generator.binomial(totals, shares, size=(resamples, len(rows)))
    how = "counts drawn again from their own rates, speeds and memory fixed"
    return Draws(
        tuple(rows), sample_counts(rows, counts, like), _fixed_speeds(rows, resamples), how
    )


def _draw_prompts(
    rows: Sequence[ConfigMetrics],
    outcomes: Outcomes,
    resamples: int,
    seed: int,
    like: Sampled | None,
) -> Draws:
    places = [outcomes.place(row.config) for row in rows]
    most = MOST_UNITS if len(rows) <= MOST_BY_PAIRS else quality_of_many.MOST_UNITS
    draws = resample_counts(min(outcomes.prompts, most), resamples, seed)
    timed = all(batch_size(row) == 1 for row in rows)
    speeds = _drawn_speeds(outcomes, places, draws, most) if timed else None
    if speeds is not None:
        fixed = "memory fixed"
    else:
        speeds = _fixed_speeds(rows, resamples)
        fixed = "batched speeds and memory fixed" if not timed else "speeds and memory fixed"
    sampled = sample_again(rows, outcomes, draws, like)
    return Draws(tuple(rows), sampled, speeds, f"prompts drawn again, {fixed}")


def _drawn_speeds(
    outcomes: Outcomes, places: Sequence[int], draws: Array, most: int
) -> Array | None:
    """Speeds of some configs in each resample; None where an output's time is not known."""
    tokens, seconds = outcomes.tokens[:, places], outcomes.seconds[:, places]
    if not np.isfinite(tokens + seconds).all():
        return None
    speeds: Array = draws @ to_units(outcomes, tokens, most)
    return speeds / (draws @ to_units(outcomes, seconds, most))


def _fixed_speeds(rows: Sequence[ConfigMetrics], resamples: int) -> Array:
    return np.tile([float(row.tokens_per_second or 0) for row in rows], (resamples, 1))


def _percent(share: float) -> str:
    """Whole percent, and never 0 or 100 % for what is not."""
    if share in (0, 1) or 0.005 <= share < 0.995:
        return f"{100 * share:.0f} %"
    return "over 99 %" if share > 0.5 else "under 1 %"
