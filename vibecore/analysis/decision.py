"""All that is said of a study's choice under one rule: answer, stability, switches, judgements."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
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

    `rows` are all configs of the study; `study` has those that can be compared, `outcomes` their
    outputs, None where there are none.
    """

    rows: tuple[ConfigMetrics, ...]
    study: Observed
    outcomes: Outcomes | None

    @cached_property
    def draws(self) -> Draws | None:
        """The resampled studies, None where no config can be compared: made when they are needed,
        because the choice alone takes none."""
        from vibecore.analysis.stability import draw_studies

        like = self.study.sampled if self.study.rows else None
        return draw_studies(self.study.rows, self.outcomes, like=like)


@dataclass(frozen=True)
class Decision:
    """The choice under a rule; `stability` is None where fewer than two configs can be compared,
    and where the choice only leads so far. `pairs` is empty until they are judged."""

    rule: Rule
    sweet_spot: SweetSpot
    stability: Stability | None
    switches: tuple[Switch, ...]
    pairs: tuple[Pair, ...] = ()


def gather(summary: Sequence[ConfigMetrics], outcomes: Outcomes | None) -> Evidence:
    """The evidence of a study."""
    return Evidence(tuple(summary), Observed(summary, outcomes), outcomes)


def decide(evidence: Evidence, rule: Rule) -> Decision:
    """Apply a rule to a study's evidence, and judge every config against the best."""
    return with_pairs(answer(evidence, rule), evidence)


def answer(evidence: Evidence, rule: Rule) -> Decision:
    """Apply a rule to a study's evidence, without judging pairs."""
    from vibecore.analysis.stability import find_stability

    spot = choose(evidence.study, rule)
    stability = None
    alone = len(evidence.study.rows) < 2
    if not (spot.leading or alone) and (draws := evidence.draws) is not None:
        stability = find_stability(draws, rule, spot.config)
    return Decision(rule, spot, stability, find_switches(evidence.study, rule, spot))


def with_pairs(decision: Decision, evidence: Evidence, among: Collection[str] = ()) -> Decision:
    """A decision on this evidence, with every config judged against the best, or those `among`
    which any is named: with the same result for each."""
    rows, spot = evidence.study.rows, decision.sweet_spot
    pairs = judge_pairs(rows, evidence.outcomes, decision.rule, spot, among)
    return replace(decision, pairs=pairs)


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
