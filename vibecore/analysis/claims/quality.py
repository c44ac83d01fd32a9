"""Claims on quality: repetition, adherence and empties, by size and by quantising.

Each function checks one claim on a study and returns an Outcome. Several comparisons of one
claim are Holm-adjusted together, and a claim about "the models" or "quantisation" has to hold in
every comparison that the study offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    ALPHA,
    EMPTY,
    REPETITION,
    Comparison,
    Measure,
    judge_all,
    rate_rows,
    ratio_rows,
)
from vibecore.analysis.claims.record import NOT_RESOLVED, Outcome, decide, not_testable
from vibecore.analysis.claims.study_data import StudyData
from vibecore.analysis.claims.wording import summed_up
from vibecore.analysis.stats.verdicts import BETTER, EQUIVALENT, UNRESOLVED, WORSE

Evidence = dict[str, Any]

ONE_MODEL = "The study has no two models at the same precision."
NO_QUALITY = "The study has no scored outputs for the configs to be compared."
NO_QUANTISED = "The study has no quantised config beside its model's 16-bit one."
# The published "3-4×", and "doubles" as at least two-fold.
REPETITION_DROP = (3.0, 4.0)
ADHERENCE_GAIN = (2.0, float("inf"))
# An output of ten that is empty is no longer rare; the same ten points as the margin of
# equivalence.
RARE = 0.10


def scale_wins(study: StudyData) -> Outcome:
    """Every precision: the larger model is better on one measure at least and worse on none."""
    pairs = study.by_size()
    if not pairs:
        return not_testable(ONE_MODEL)
    rows = judge_all(
        study, [Comparison(a, b, measure) for measure in (REPETITION, ADHERENCE) for a, b in pairs]
    )
    if not rows:
        return not_testable(NO_QUALITY)
    by_pair: dict[str, set[str]] = {}
    for row in rows:
        by_pair.setdefault(row["compared"], set()).add(row["verdict"])
    better = [name for name, verdicts in by_pair.items() if BETTER in verdicts]
    worse = [name for name, verdicts in by_pair.items() if WORSE in verdicts]
    same = all(verdicts == {EQUIVALENT} for verdicts in by_pair.values())
    verdict = decide(
        supported=len(better) == len(by_pair) and not worse,
        contradicted=(bool(worse) and not better) or same,
    )
    return Outcome(
        verdict,
        f"The larger model is better, Holm-adjusted, in {len(better)} of {len(by_pair)} "
        f"precisions on repetition or adherence, worse in {len(worse)}. {summed_up(rows)}",
        tuple(rows),
    )


def repetition_drops(study: StudyData) -> Outcome:
    """The smaller model's repetition over the larger one's lies in the claimed range."""
    return _ratio_claim(
        study, REPETITION, REPETITION_DROP, [(small, large) for large, small in study.by_size()]
    )


def adherence_doubles(study: StudyData) -> Outcome:
    """The larger model's adherence over the smaller one's is two or more."""
    return _ratio_claim(study, ADHERENCE, ADHERENCE_GAIN, study.by_size())


def _ratio_claim(
    study: StudyData,
    measure: Measure,
    claimed: tuple[float, float],
    pairs: Sequence[tuple[Any, Any]],
) -> Outcome:
    """A ratio claimed for every precision: held to each ratio's interval, and to whether the
    difference is resolved at all."""
    if not pairs:
        return not_testable(ONE_MODEL)
    comparisons = [Comparison(a, b, measure) for a, b in pairs]
    ratios, differences = ratio_rows(comparisons), judge_all(study, comparisons)
    if not ratios:
        return not_testable(NO_QUALITY)
    low, high = claimed
    inside = [r for r in ratios if r["low"] is not None and low <= r["low"] and r["high"] <= high]
    # One of several intervals outside contradicts the claim, so that together they are 95 %.
    wide = ratio_rows(comparisons, 1 - ALPHA / len(comparisons))
    outside = [r for r in wide if r["low"] is not None and (r["high"] < low or r["low"] > high)]
    verdict = decide(supported=len(inside) == len(ratios), contradicted=bool(outside))
    seen = [r["estimate"] for r in ratios if r["estimate"] is not None]
    span = f"from {min(seen):.1f} to {max(seen):.1f} times" if seen else "not defined (zero counts)"
    open_ones = [d["compared"] for d in differences if d["verdict"] in (UNRESOLVED, EQUIVALENT)]
    parts = [f"By precision the ratio is {span}."]
    if open_ones:
        parts.append(f"No difference is shown for {'; '.join(open_ones)}.")
    if verdict == NOT_RESOLVED:
        parts.append("No ratio's interval lies outside the claim, and not all lie within it.")
    parts.append(summed_up(differences))
    return Outcome(verdict, " ".join(parts), (*ratios, *differences))


def adherence_unchanged(study: StudyData) -> Outcome:
    """Every quantised config's adherence is equivalent to its 16-bit model's."""
    return _no_change(study, (ADHERENCE,), study.by_quantising(), NO_QUANTISED)


def four_bit_matches_eight(study: StudyData) -> Outcome:
    """4bit is equivalent to 8bit of the same model on repetition and adherence."""
    return _no_change(
        study,
        (REPETITION, ADHERENCE),
        study.at("4bit", "8bit"),
        "The study has no model at both 4bit and 8bit.",
    )


def _no_change(
    study: StudyData,
    measures: Sequence[Measure],
    pairs: Sequence[tuple[Any, Any]],
    missing: str,
) -> Outcome:
    """Supported only by a passed test of equivalence: no difference found is not enough."""
    if not pairs:
        return not_testable(missing)
    rows = judge_all(study, [Comparison(a, b, measure) for measure in measures for a, b in pairs])
    if not rows:
        return not_testable(NO_QUALITY)
    apart = [row for row in rows if row["verdict"] in (BETTER, WORSE)]
    equal = [row for row in rows if row["verdict"] == EQUIVALENT]
    verdict = decide(supported=len(equal) == len(rows), contradicted=bool(apart))
    return Outcome(
        verdict,
        f"Of {len(rows)} comparisons {len(apart)} show a difference and {len(equal)} pass a test "
        f"of equivalence. {summed_up(rows)}",
        tuple(rows),
    )


def repetition_changes(study: StudyData) -> Outcome:
    """Some quantised config repeats itself resolvably more or less than its 16-bit model."""
    pairs = study.by_quantising()
    if not pairs:
        return not_testable(NO_QUANTISED)
    rows = judge_all(study, [Comparison(a, b, REPETITION) for a, b in pairs])
    if not rows:
        return not_testable(NO_QUALITY)
    apart = [row for row in rows if row["verdict"] in (BETTER, WORSE)]
    equal = [row for row in rows if row["verdict"] == EQUIVALENT]
    verdict = decide(supported=bool(apart), contradicted=len(equal) == len(rows))
    return Outcome(
        verdict,
        f"Of {len(rows)} comparisons {len(apart)} show a difference and {len(equal)} pass a test "
        f"of equivalence. {summed_up(rows)}",
        tuple(rows),
    )


def empties_are_rare(study: StudyData) -> Outcome:
    """Every config's share of empty outputs is under a tenth, by its interval."""
    rows = rate_rows([row for row in study.rows if row["status"] == "complete"], EMPTY)
    if not rows:
        return not_testable(NO_QUALITY)
    rare = [row for row in rows if row["high"] < RARE]
    common = [row for row in rows if row["low"] > RARE]
    verdict = decide(supported=len(rare) == len(rows), contradicted=bool(common))
    return Outcome(
        verdict,
        f"Rare is taken as under {100 * RARE:.0f} % of outputs: the interval lies under it for "
        f"{len(rare)} of {len(rows)} configs, over it for {len(common)}. {summed_up(rows)}",
        tuple(rows),
    )
