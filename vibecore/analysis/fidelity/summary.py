"""The figures of a config's fidelity, with intervals over prompts and beside the noise floor.

Names, signs and percentiles are those of llama.cpp's `llama-perplexity --kl-divergence`
(tools/perplexity/perplexity.cpp: kl_divergence), so that figures compare. Its ± takes tokens as
independent; here a mean over tokens is a ratio of sums over prompts, whose tokens go together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vibecore.analysis.fidelity.floor import Interval, NoiseFloor, choose_floor
from vibecore.analysis.fidelity.paired import ItemSums, PairedKld, item_sums, judge_kld, pair_up
from vibecore.analysis.stats.clustered_mean import (
    mean_interval,
    positive_mean_interval,
    rare_share_interval,
)
from vibecore.analysis.stats.exact import holm, mcnemar_exact
from vibecore.core.fidelity import FLOOR_WAYS, FidelityTokens, Reference, Way

Verdict = Literal[
    "above the noise floor",
    "not distinguishable from the noise floor",
    "too few prompts to tell from the noise floor",
    "no noise floor measured",
]
ABOVE: Verdict = "above the noise floor"
NOT_ABOVE: Verdict = "not distinguishable from the noise floor"
TOO_FEW: Verdict = "too few prompts to tell from the noise floor"
NO_FLOOR: Verdict = "no noise floor measured"


@dataclass(frozen=True)
class CategoryKld:
    """The mean KLD over the prompts of one category, as in FidelitySummary."""

    category: str
    prompts: int
    tokens: int
    mean_kld: float
    mean_kld_interval: Interval | None


@dataclass(frozen=True)
class FidelitySummary:
    """One config against its parent over one kind of reference, in one way.

    `prompts` are the clusters: prompts with all their samples, or chunks of the running text. KLD
    is in nats, parent ‖ config. `same_top`: the share of tokens at which both would choose the
    same. Δp = p_config − p_parent of the reference token, as fractions; its skew is the third
    standardised moment. `perplexity_ratio` is PPL(config) / PPL(parent) over the reference tokens.
    Intervals are 95 %, over prompts, None where there are too few of them.

    `floor` is that of the FLOOR_WAYS that choose_floor takes, None where none was measured; `p` is
    that of "no further from the parent than the parent itself", adjusted for all configs of that
    parent. The verdict TOO_FEW is that of a config which no result over so many prompts could have
    shown to be above. Rows of a floor way themselves have neither, and no `verdict`.
    """

    config: str
    against: str
    way: Way
    reference: Reference
    prompts: int
    tokens: int
    mean_kld: float
    mean_kld_interval: Interval | None
    kld_median: float
    kld_p90: float
    kld_p99: float
    kld_p999: float
    kld_max: float
    same_top: float
    same_top_interval: Interval | None
    mean_delta_p: float
    rms_delta_p: float
    delta_p_skew: float | None
    perplexity: float
    parent_perplexity: float
    perplexity_ratio: float
    perplexity_ratio_interval: Interval | None
    by_category: tuple[CategoryKld, ...] = ()
    floor: NoiseFloor | None = None
    p: float | None = None
    verdict: Verdict | None = None
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    measured_on: str = ""


def summarise_fidelity(
    tokens: Sequence[FidelityTokens],
    categories: Mapping[str, str] | None = None,
    alpha: float = 0.05,
) -> list[FidelitySummary]:
    """A row for each of `tokens` that has any, in their order; the floor ways are rows too.

    `categories` gives items their category; what it does not name has none. A config is above the
    floor at error rate `alpha` for all configs of one parent and reference together.
    """
    known = [one for one in tokens if len(one.kld)]
    rows = [_summary(one, categories or {}) for one in known]
    measured: dict[tuple[str, Reference], dict[NoiseFloor, FidelityTokens]] = {}
    for one, row in zip(known, rows, strict=True):
        if one.way in FLOOR_WAYS:
            known_floor = NoiseFloor(one.way, row.mean_kld, row.mean_kld_interval, row.prompts)
            measured.setdefault((one.against, one.reference), {})[known_floor] = one
    floors = {
        place: (floor, ways[floor])
        for place, ways in measured.items()
        if (floor := choose_floor(ways)) is not None
    }
    return _judged(known, rows, floors, alpha)


def _summary(tokens: FidelityTokens, categories: Mapping[str, str]) -> FidelitySummary:
    import numpy as np

    sums = item_sums(tokens)
    kld = np.asarray(tokens.kld, float)
    log_p, parent_log_p = np.asarray(tokens.log_p, float), np.asarray(tokens.parent_log_p, float)
    place = np.asarray(tokens.item_of)
    size = np.bincount(place, minlength=len(tokens.items))
    others = np.bincount(place, ~np.asarray(tokens.same_top, bool), minlength=len(tokens.items))
    other_interval = rare_share_interval(others[size > 0], sums.sizes)
    same_interval = other_interval and (1 - other_interval[1], 1 - other_interval[0])
    median, p90, p99, p999 = (float(one) for one in np.quantile(kld, (0.5, 0.9, 0.99, 0.999)))
    delta_p = np.exp(log_p) - np.exp(parent_log_p)
    mean_delta_p, spread = float(delta_p.mean()), float(delta_p.std())
    # ln(PPL(config) / PPL(parent)) is a mean over tokens too.
    gaps = np.bincount(place, parent_log_p - log_p, minlength=len(tokens.items))[size > 0]
    log_ratio = float((parent_log_p - log_p).mean())
    log_ratio_interval = mean_interval(gaps, sums.sizes)
    return FidelitySummary(
        tokens.config,
        tokens.against,
        tokens.way,
        tokens.reference,
        len(sums.names),
        len(kld),
        float(kld.mean()),
        positive_mean_interval(sums.kld, sums.sizes),
        median,
        p90,
        p99,
        p999,
        float(kld.max()),
        float(1 - others.sum() / len(kld)),
        same_interval,
        mean_delta_p,
        math.sqrt(float((delta_p**2).mean())),
        float(((delta_p - mean_delta_p) ** 3).mean()) / spread**3 if spread else None,
        float(np.exp(-log_p.mean())),
        float(np.exp(-parent_log_p.mean())),
        float(np.exp(log_ratio)),
        log_ratio_interval
        and (float(np.exp(log_ratio_interval[0])), float(np.exp(log_ratio_interval[1]))),
        _by_category(sums, categories),
        seconds=tokens.seconds,
        peak_memory_bytes=tokens.peak_memory_bytes,
        measured_on=tokens.measured_on,
    )


def _by_category(sums: ItemSums, categories: Mapping[str, str]) -> tuple[CategoryKld, ...]:
    """Categories in the order in which the items come."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(sums.names):
        if name in categories:
            places.setdefault(categories[name], []).append(place)
    return tuple(
        CategoryKld(
            category,
            len(own),
            int(sums.sizes[own].sum()),
            float(sums.kld[own].sum() / sums.sizes[own].sum()),
            positive_mean_interval(sums.kld[own], sums.sizes[own]),
        )
        for category, own in places.items()
    )


def _judged(
    tokens: Sequence[FidelityTokens],
    rows: Sequence[FidelitySummary],
    floors: Mapping[tuple[str, Reference], tuple[NoiseFloor, FidelityTokens]],
    alpha: float,
) -> list[FidelitySummary]:
    """The rows of configs with their floor and verdict, adjusted by Holm over the configs of one
    parent and reference."""
    found = list(rows)
    groups: dict[tuple[str, Reference], list[int]] = {}
    for place, one in enumerate(tokens):
        if one.way not in FLOOR_WAYS:
            groups.setdefault((one.against, one.reference), []).append(place)
    for key, places in groups.items():
        if key not in floors:
            for place in places:
                found[place] = replace(rows[place], verdict=NO_FLOOR)
            continue
        floor, floor_tokens = floors[key]
        pairs = [pair_up(tokens[place], floor_tokens) for place in places]
        adjusted = holm([_above_floor_p(pair) for pair in pairs])
        # The p that every test here gives at the least: where all prompts agree.
        least = holm([mcnemar_exact(pair.prompts, 0) for pair in pairs])
        for place, pair, p, best in zip(places, pairs, adjusted, least, strict=True):
            verdict = ABOVE if p < alpha else NOT_ABOVE
            if p >= alpha and best >= alpha and not _no_further(pair):
                verdict = TOO_FEW
            found[place] = replace(rows[place], floor=floor, p=float(p), verdict=verdict)
    return found


def _no_further(pair: PairedKld) -> bool:
    """Whether the config is seen to be no further from the parent than the parent from itself."""
    return pair.prompts > 0 and pair.means[0] <= pair.means[1]


def _above_floor_p(pair: PairedKld) -> float:
    """p of "the config is no further from the parent than the parent from itself", over the prompts
    that both have; 1 where it is nearer."""
    if not pair.prompts or _no_further(pair):
        return 1.0
    judged = judge_kld(pair)
    return pair.sign_p() if judged is None or judged.p is None else judged.p
