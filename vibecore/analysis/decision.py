"""All that is said of a study's choice under one rule: answer, stability, switches, judgements."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.pairwise import Pair, judge_pairs
from vibecore.analysis.rule import Rule
from vibecore.analysis.sweet_spot import Observed, SweetSpot, choose
from vibecore.analysis.switches import Switch, find_switches

if TYPE_CHECKING:
    from vibecore.analysis.stability import Draws, Stability


@dataclass(frozen=True)
class Evidence:
    """What a choice rests on and no threshold changes: made once a study.

    `rows` are all configs of the study; `study` has those that can be compared, `outcomes` and
    `draws` their outputs and resampled studies, None where there are none.
    """

    rows: tuple[ConfigMetrics, ...]
    study: Observed
    outcomes: Outcomes | None
    draws: Draws | None


@dataclass(frozen=True)
class Decision:
    """The choice under a rule; `stability` is None where no config can be compared, and where the
    choice only leads so far."""

    rule: Rule
    sweet_spot: SweetSpot
    stability: Stability | None
    switches: tuple[Switch, ...]
    pairs: tuple[Pair, ...]


def gather(summary: Sequence[ConfigMetrics], outcomes: Outcomes | None) -> Evidence:
    """The evidence of a study, its resampled studies included."""
    from vibecore.analysis.quality import FromOutcomes
    from vibecore.analysis.stability import draw_studies

    study = Observed(summary, outcomes)
    like = None
    if study.rows and isinstance(study.sampled, FromOutcomes):
        like = study.sampled
    draws = draw_studies(study.rows, outcomes, like=like)
    return Evidence(tuple(summary), study, outcomes, draws)


def decide(evidence: Evidence, rule: Rule) -> Decision:
    """Apply a rule to a study's evidence."""
    from vibecore.analysis.stability import find_stability

    study, outcomes, draws = evidence.study, evidence.outcomes, evidence.draws
    spot = choose(study, rule)
    return Decision(
        rule,
        spot,
        None if draws is None or spot.leading else find_stability(draws, rule, spot.config),
        find_switches(study, rule, spot),
        judge_pairs(study.rows, outcomes, rule, spot),
    )


def decision_record(decision: Decision) -> dict[str, Any]:
    """A decision as plain values for JSON; what has no bound is None."""
    spot, stability = decision.sweet_spot, decision.stability
    return {
        "config": spot.config,
        "reason": spot.reason,
        "leading": spot.leading,
        "missing": list(spot.missing),
        "best_that_fits": spot.best_that_fits,
        "worse_at": spot.worse_at,
        "excluded": spot.excluded,
        "comparisons": [asdict(comparison) for comparison in spot.comparisons],
        "stability": None
        if stability is None
        else {
            "share": stability.share,
            "resamples": stability.resamples,
            "how": stability.how,
            "word": stability.word,
            "shares": [
                {"config": config, "share": share} for config, share in stability.shares.items()
            ],
            "sentence": stability.sentence(),
        },
        "switches": [
            {**asdict(switch), "sentence": switch.sentence()} for switch in decision.switches
        ],
        "judgements": [
            _bounded({**asdict(pair), "sentence": pair.sentence()}) for pair in decision.pairs
        ],
    }


def _bounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bounded(one) for name, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
