"""Verdicts between configs of one model: which is further from the parent, paired by prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from vibecore.analysis.fidelity.paired import PairedKld, judge_kld, pair_up
from vibecore.analysis.stats.exact import holm
from vibecore.analysis.stats.verdicts import EQUIVALENT, Judgement, without_difference
from vibecore.core.fidelity import FLOOR_WAYS, FidelityTokens, Reference

Verdict = Literal["further from the parent", "equivalent", "not resolved"]
FURTHER: Verdict = "further from the parent"
ALIKE: Verdict = "equivalent"
OPEN: Verdict = "not resolved"


@dataclass(frozen=True)
class KldPair:
    """Two configs of one parent, over the `prompts` that both have: `config` has the larger mean
    KLD, `ratio` times that of `other`, with its 95 % interval.

    `ratio` is None where the other's is zero, the interval where there are too few prompts. `p` is
    Holm's, over all pairs of that parent and reference; `margin` is that of "equivalent": the ratio
    is shown to be under 1 + margin.
    """

    config: str
    other: str
    against: str
    reference: Reference
    prompts: int
    ratio: float | None
    interval: tuple[float, float] | None
    p: float
    method: str
    verdict: Verdict
    margin: float | None = None


def judge_kld_pairs(tokens: Sequence[FidelityTokens], alpha: float = 0.05) -> list[KldPair]:
    """Every two configs of each parent, by reference, in the order of `tokens`."""
    families: dict[tuple[str, Reference], list[FidelityTokens]] = {}
    for one in tokens:
        if one.way not in FLOOR_WAYS and len(one.kld):
            families.setdefault((one.against, one.reference), []).append(one)
    return [pair for family in families.values() for pair in _judge_family(family, alpha)]


def _judge_family(family: Sequence[FidelityTokens], alpha: float) -> list[KldPair]:
    pairs = []
    for one, other in combinations(family, 2):
        paired = pair_up(one, other)
        if paired.prompts:
            swapped = paired.means[0] < paired.means[1]
            pairs.append((other, one, pair_up(other, one)) if swapped else (one, other, paired))
    judged = [judge_kld(paired, alpha) for _, _, paired in pairs]
    ps = [
        paired.sign_p() if found is None or found.p is None else found.p
        for (_, _, paired), found in zip(pairs, judged, strict=True)
    ]
    adjusted = holm(ps).tolist()
    return [
        KldPair(
            one.config,
            other.config,
            one.against,
            one.reference,
            paired.prompts,
            paired.means[0] / paired.means[1] if paired.means[1] else None,
            None if found is None else (found.low, found.high),
            p,
            f"{found.method}, Holm" if found else "exact sign test of the prompts, Holm",
            _verdict(paired, found, p, alpha),
            None if found is None else found.margin,
        )
        for (one, other, paired), found, p in zip(pairs, judged, adjusted, strict=True)
    ]


def _verdict(paired: PairedKld, judged: Judgement | None, p: float, alpha: float) -> Verdict:
    if judged is None:
        return FURTHER if p < alpha and paired.means[0] > paired.means[1] else OPEN
    # An interval that holds 1 decides nothing, whatever p is.
    if p < alpha and judged.low > 1:
        return FURTHER
    return ALIKE if without_difference(judged) == EQUIVALENT else OPEN
