"""Which way the quality step goes: few configs are all compared with each other (quality), many
with the best one (quality_of_many)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.quality import FromCounts, FromOutcomes, Sampled

# All pairs of more configs than this take seconds.
MOST_BY_PAIRS = 24


def sample_study(rows: Sequence[ConfigMetrics], outcomes: Outcomes | None) -> Sampled:
    """A study for the quality step: its outcomes, or its counts where outputs are not known."""
    if len(rows) <= MOST_BY_PAIRS:
        return FromCounts(rows) if outcomes is None else FromOutcomes(rows, outcomes)
    from vibecore.analysis.quality_of_many import CountsOfMany, OutcomesOfMany

    return CountsOfMany(rows) if outcomes is None else OutcomesOfMany(rows, outcomes)


def sample_again(
    rows: Sequence[ConfigMetrics],
    outcomes: Outcomes,
    weights: Array,
    like: Sampled | None = None,
) -> Sampled:
    """Resampled studies: how often each unit of prompts is in each, (studies, units). `like` is
    the study itself, whose draws they share."""
    if len(rows) <= MOST_BY_PAIRS:
        few = like if isinstance(like, FromOutcomes) else None
        return FromOutcomes(rows, outcomes, weights, like=few)
    from vibecore.analysis.quality_of_many import OutcomesOfMany

    many = like if isinstance(like, OutcomesOfMany) else OutcomesOfMany(rows, outcomes)
    return OutcomesOfMany(rows, outcomes, weights, like=many)


def sample_counts(
    rows: Sequence[ConfigMetrics], counts: Mapping[str, Array], like: Sampled | None = None
) -> Sampled:
    """Resampled studies of counts, by metric: (studies, configs)."""
    if len(rows) <= MOST_BY_PAIRS:
        return FromCounts(rows, counts)
    from vibecore.analysis.quality_of_many import CountsOfMany

    many = like if isinstance(like, CountsOfMany) else CountsOfMany(rows)
    return CountsOfMany(rows, counts, like=many)
