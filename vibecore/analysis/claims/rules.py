"""What is checked, as literal tables: CLAIMS on any study, the published report's and ours, and
AUDIT of any report's aggregates.

A new claim or audit rule is one function in `quality.py`, `speed.py`, `memory.py` or `fidelity.py`
and one line here. In a statement `{smaller}` and `{larger}` stand for the study's own models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vibecore.analysis.claims import fidelity, memory, quality, speed
from vibecore.analysis.claims.evidence import ADHERENCE, REPETITION
from vibecore.analysis.claims.record import NOT_TESTABLE, Finding, NotTestable, Outcome
from vibecore.analysis.claims.study_data import CLAIMED, StudyData

COUNTS = "counts by config"
SPEEDS = "a timing of each prompt at one batch size"
MEMORY = "memory, measured or from the architecture"
DISTRIBUTIONS = (
    "next-token distributions held against 16 bit, which python -m vibecore fidelity measures"
)


@dataclass(frozen=True)
class Check:
    """A check: its function, the data it needs, what it claims, which evidence is drawn, whether it
    is ours rather than the published report's.

    The function takes a StudyData, in AUDIT a Report. Several outcomes are a mapping by id.
    """

    function: Callable[[Any], Outcome | dict[str, Outcome]]
    needs: str
    statement: str = ""
    chart: str = ""
    ours: bool = False


# id -> check
CLAIMS = {
    "scale-wins": Check(
        quality.scale_wins,
        f"repetition and adherence {COUNTS}, two models",
        "Scale wins on quality: {larger} beats {smaller} at every precision",
        "difference",
    ),
    "repetition-drops": Check(
        partial(quality.ratio_claim, measure=REPETITION, claimed=CLAIMED["repetition_drop"]),
        f"repetition {COUNTS}, two models",
        "Repetition drops 3 to 4 times from {smaller} to {larger}",
        "ratio",
    ),
    "adherence-doubles": Check(
        partial(quality.ratio_claim, measure=ADHERENCE, claimed=(2.0, math.inf)),
        f"adherence {COUNTS}, two models",
        "Adherence at least doubles from {smaller} to {larger}",
        "ratio",
    ),
    "4bit-sweet-spot": Check(
        speed.four_bit_is_the_sweet_spot,
        "repetition, adherence, speed and memory by config",
        "4bit is the sweet spot, whichever prompts are drawn",
        "share",
    ),
    "8bit-slowest": Check(
        speed.eight_bit_is_slowest, SPEEDS, "8bit is the slowest quantisation", "ratio"
    ),
    "4bit-barely-loses": Check(
        speed.larger_four_bit_barely_loses,
        f"{SPEEDS}; repetition and adherence {COUNTS}",
        "{larger}-4bit barely loses to its 16-bit config",
        "difference",
    ),
    "smaller-loses-speed": Check(
        speed.smaller_loses_more_speed,
        SPEEDS,
        "{smaller} loses more speed under quantisation than {larger}",
        "ratio",
    ),
    "adherence-unchanged": Check(
        quality.adherence_unchanged,
        f"adherence {COUNTS}",
        "Quantisation does not change adherence",
        "difference",
    ),
    "repetition-changes": Check(
        quality.repetition_changes,
        f"repetition {COUNTS}",
        "Repetition changes by quantisation",
        "difference",
    ),
    "empties-rare": Check(
        quality.empties_are_rare, f"empty outputs {COUNTS}", "Empty outputs are rare", "rate"
    ),
    "4bit-matches-8bit": Check(
        quality.four_bit_matches_eight,
        f"repetition and adherence {COUNTS}",
        "4bit keeps quality within noise of 8bit",
        "difference",
    ),
    "memory-fourfold": Check(
        memory.memory_falls_fourfold, MEMORY, "Memory falls 4 times from 16 bit to 4bit", "times"
    ),
    "bf16-tight": Check(
        memory.bf16_is_tight, MEMORY, "{larger} in 16 bit is tight in 8 GiB", "share"
    ),
    "8bit-dequantises": Check(
        speed.eight_bit_dequantises,
        "a profile of one 8bit decode step by engine eager",
        "8bit is slow because it dequantises its weights at each matmul",
        "share",
    ),
    "quantisation-moves": Check(
        fidelity.quantisation_moves,
        f"{DISTRIBUTIONS}, with a noise floor",
        "Quantisation moves a model's next-token distributions beyond the noise floor",
        "ratio",
        ours=True,
    ),
    "4bit-moves-more": Check(
        fidelity.four_bit_moves_more,
        f"{DISTRIBUTIONS}; a model at both 4bit and 8bit",
        "4bit moves a model further from 16 bit than 8bit does",
        "ratio",
        ours=True,
    ),
    "smaller-moved-more": Check(
        fidelity.smaller_is_moved_more,
        f"{DISTRIBUTIONS}; two models at the same precision",
        "Quantisation moves {smaller} further from 16 bit than {larger}",
        "ratio",
        ours=True,
    ),
}
# How many of them the published report makes.
REPORTED = sum(not check.ours for check in CLAIMS.values())

AUDIT = {
    "possible-figures": Check(quality.possible_figures, "counts or rates of outputs"),
    "adherence-level": Check(quality.adherence_level, "adherence"),
    "repetition-by-size": Check(
        partial(
            quality.ratio_by_size,
            measure=REPETITION,
            claim="repetition_drop",
            what="less repetition",
        ),
        "repetition counts of two models at the same precision",
    ),
    "adherence-by-size": Check(
        partial(
            quality.ratio_by_size,
            measure=ADHERENCE,
            claim="adherence_gain",
            what="more adherence",
        ),
        "adherence counts of two models at the same precision",
    ),
    "precisions": Check(quality.precisions_compared, "counts of one model at two precisions"),
    "empties": Check(quality.empties, "counts of empty outputs"),
    "memory-fall": Check(memory.memory_fall, "a known shape or memory at 16 bit and 4bit"),
    "memory-tight": Check(
        memory.memory_tight, "the card's memory and the shape of a model at 16 bit"
    ),
    "bandwidth-ceiling": Check(
        speed.bandwidth_ceiling, "speeds, the GPU's bandwidth and known shapes"
    ),
    "time-per-layer": Check(speed.time_per_layer, "speeds of two known shapes"),
    "speed-spread": Check(speed.speed_spread, "speeds"),
}


def find_findings(study: StudyData, table: Mapping[str, Check] = CLAIMS) -> list[Finding]:
    """Every check of a table on a study, in the table's order."""
    if not study.rows:
        return []
    names = {"smaller": study.smaller, "larger": study.larger}
    if len(study.models) < 2:
        names["smaller"] = "a smaller model"
    return [
        Finding(
            id_,
            check.statement.format(**names),
            check.needs,
            outcome.verdict,
            outcome.reason,
            outcome.evidence,
            check.chart,
        )
        for name, check in table.items()
        for id_, outcome in _outcomes(name, check, study).items()
    ]


def _outcomes(name: str, check: Check, study: StudyData) -> dict[str, Outcome]:
    try:
        found = check.function(study)
    except NotTestable as missing:
        found = Outcome(NOT_TESTABLE, str(missing) or f"It takes {check.needs}.")
    return {name: found} if isinstance(found, Outcome) else found
