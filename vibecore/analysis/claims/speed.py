"""Claims on speed, and on the choice that the rule makes."""

from __future__ import annotations

from vibecore.analysis import holm
from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    ALPHA,
    REPETITION,
    Comparison,
    evidence_row,
    judge_all,
    speed_row,
)
from vibecore.analysis.claims.quality import NO_QUANTISED, ONE_MODEL
from vibecore.analysis.claims.record import (
    NOT_RESOLVED,
    NOT_TESTABLE,
    Outcome,
    decide,
    not_testable,
)
from vibecore.analysis.claims.study_data import StudyData
from vibecore.analysis.claims.wording import summed_up
from vibecore.analysis.stats.verdicts import BETTER, EQUIVALENT, WORSE
from vibecore.core import formats

# How often a choice has to win the bootstraps before it counts as settled.
SETTLED = 0.95
# "Barely": a loss of a tenth at most.
BARELY = 0.90
# With fewer pairs no two-sided sign test reaches 5 %.
FEWEST = 6

NO_SPEED = "The study gives no speeds for the configs to be compared at one batch size."
NO_SPREAD = (
    "The study gives one speed a config and no timing of each prompt, so no interval can be put "
    "on a difference. As reported: "
)


def four_bit_is_the_sweet_spot(study: StudyData) -> Outcome:
    """The rule chooses a 4bit config, and goes on choosing one when prompts are resampled."""
    if study.choice is None and not any(row["repetitive"] is not None for row in study.rows):
        return not_testable(study.choice_reason)
    precision = {row["config"]: row["precision"] for row in study.rows}
    share = sum(s for c, s in study.shares.items() if c and precision[c] == "4bit")
    evidence = tuple(
        evidence_row(
            compared=config or "none",
            measure="wins the rule",
            figures=formats.percent(s),
            kind="share",
            estimate=s,
            method=study.shares_method,
            label=config or "none",
        )
        for config, s in sorted(study.shares.items(), key=lambda item: -item[1])
    )
    chosen = study.choice and precision[study.choice] == "4bit"
    if not study.shares:
        return Outcome(NOT_RESOLVED, f"{study.choice_reason} Its stability is not known.")
    verdict = decide(
        supported=bool(chosen) and share >= SETTLED,
        contradicted=not chosen and share <= 1 - SETTLED,
    )
    return Outcome(
        verdict,
        f"The rule chooses {study.choice or 'no config'}; a 4bit config wins in "
        f"{formats.percent(share)} ({study.shares_method}); settled is "
        f"{formats.percent(SETTLED)} or more.",
        evidence,
    )


def eight_bit_is_slowest(study: StudyData) -> Outcome:
    """8bit is slower than every other quantisation of the same model."""
    pairs = [
        (eight, other)
        for model in study.models
        if (eight := study.row(model, "8bit"))
        for other in study.quantised(model)
        if other is not eight
    ]
    if not pairs:
        return not_testable("The study has no model at 8bit and another quantisation.")
    rows = [row for a, b in pairs if (row := speed_row(study, a, b))]
    if not rows:
        return not_testable(NO_SPEED)
    if any(row["low"] is None for row in rows):
        return Outcome(NOT_TESTABLE, NO_SPREAD + summed_up(rows), tuple(rows))
    adjusted = holm([row["p"] for row in rows])
    rows = [{**row, "p_adjusted": p} for row, p in zip(rows, adjusted, strict=True)]
    verdict = decide(
        supported=all(row["verdict"] == WORSE for row in rows),
        contradicted=any(row["verdict"] == BETTER and row["p_adjusted"] < ALPHA for row in rows),
    )
    return Outcome(verdict, summed_up(rows), tuple(rows))


def larger_four_bit_barely_loses(study: StudyData) -> Outcome:
    """The larger model at 4bit keeps nine tenths of its 16-bit speed, and its quality."""
    own, baseline = study.row(study.larger, "4bit"), study.baseline(study.larger)
    if not own or not baseline:
        return not_testable("The study has no model at both 4bit and 16 bit.")
    quality = judge_all(
        study, [Comparison(own, baseline, measure) for measure in (REPETITION, ADHERENCE)]
    )
    speed = speed_row(study, own, baseline, margin=1 - BARELY)
    rows = ([speed] if speed else []) + quality
    if not rows:
        return not_testable(f"{NO_SPEED} Its quality is not scored.")
    timed = bool(speed and speed["low"] is not None)
    fast = timed and speed["low"] >= BARELY
    slow = timed and speed["verdict"] == WORSE and speed["high"] < BARELY
    kept = bool(quality) and all(row["verdict"] in (EQUIVALENT, BETTER) for row in quality)
    verdict = decide(
        supported=fast and kept,
        contradicted=slow or any(row["verdict"] == WORSE for row in quality),
    )
    note = "" if timed else "Its speed has no spread, so no interval. "
    return Outcome(
        verdict,
        f"Barely is taken as at most {100 * (1 - BARELY):.0f} % slower, with quality that passes "
        f"a test of equivalence. {note}{summed_up(rows)}",
        tuple(rows),
    )


def smaller_loses_more_speed(study: StudyData) -> Outcome:
    """At every quantisation the smaller model keeps less of its 16-bit speed."""
    if len(study.models) < 2:
        return not_testable(ONE_MODEL)
    kept: list[tuple[dict, dict]] = []
    for small in study.quantised(study.smaller):
        large = study.row(study.larger, small["precision"])
        bases = study.baseline(study.smaller), study.baseline(study.larger)
        if large and all(bases):
            rows = speed_row(study, small, bases[0]), speed_row(study, large, bases[1])
            if all(rows):
                kept.append(rows)
    if not kept:
        return not_testable(f"{NO_QUANTISED} Or its speeds are not known.")
    evidence = tuple(row for pair in kept for row in pair)
    if any(row["low"] is None for row in evidence):
        return Outcome(NOT_TESTABLE, NO_SPREAD + summed_up(evidence), evidence)
    # 95 % intervals that do not overlap: at least as strict as a test of the difference at 5 %,
    # however the two estimates depend on each other.
    large_enough = all(row["n"] >= FEWEST for row in evidence)
    less = [small for small, large in kept if small["high"] < large["low"]]
    more = [small for small, large in kept if small["low"] > large["high"]]
    verdict = decide(
        supported=large_enough and len(less) == len(kept),
        contradicted=large_enough and bool(more),
    )
    few = "" if large_enough else f"Fewer than {FEWEST} timings resolve nothing. "
    return Outcome(
        verdict,
        f"{few}The smaller model keeps less, by intervals that do not overlap, at {len(less)} of "
        f"{len(kept)} quantisations, more at {len(more)}. {summed_up(evidence)}",
        evidence,
    )
