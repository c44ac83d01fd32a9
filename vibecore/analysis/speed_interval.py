"""The interval of how many times as fast one config is as another, over the prompts of a study."""

from __future__ import annotations

import math
from typing import Any

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.stats.verdicts import judge_ratio
from vibecore.analysis.sweet_spot import batch_size


def speed_interval(
    first: ConfigMetrics, second: ConfigMetrics, outcomes: Outcomes | None
) -> tuple[float, float] | None:
    """The 95 % interval of `first`'s tokens per second over `second`'s, by paired bootstrap-t (see
    judge_ratio). None where no spread is known: published figures, batches, prompts that only one
    was timed on, or too few of them."""
    if outcomes is None or batch_size(first) > 1 or batch_size(second) > 1:
        return None
    if not {first.config, second.config} <= set(outcomes.configs):
        return None
    one, other = (outcomes.place(row.config) for row in (first, second))
    tokens, seconds = outcomes.tokens, outcomes.seconds
    # Arrays, where judge_ratio asks for any sequence.
    figures: list[Any] = [array[:, place] for array in (tokens, seconds) for place in (one, other)]
    if not all(0 < values.sum() < math.inf for values in figures):
        return None
    judged = judge_ratio(
        figures[0],
        figures[1],
        first_weights=figures[2],
        second_weights=figures[3],
        more_is_better=True,
    )
    return (judged.low, judged.high) if judged and judged.low < judged.high else None
