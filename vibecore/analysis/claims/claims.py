"""The published report's claims as a literal table, and the check of each on any study.

A new claim is one function in `quality.py` or `speed.py` and one line here. In a statement
`{smaller}` and `{larger}` stand for the study's own models.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vibecore.analysis.claims import memory, quality, speed
from vibecore.analysis.claims.record import Finding, Outcome
from vibecore.analysis.claims.study_data import StudyData


@dataclass(frozen=True)
class Claim:
    """A claim: its statement, the data it needs, how its evidence is drawn, its check."""

    statement: str
    needs: str
    chart: str
    check: Callable[[StudyData], Outcome]


COUNTS = "counts by config"
SPEEDS = "a timing of each prompt at one batch size"

# id -> claim
CLAIMS = {
    "scale-wins": Claim(
        "Scale wins on quality: {larger} beats {smaller} at every precision",
        f"repetition and adherence {COUNTS}, two models",
        "difference",
        quality.scale_wins,
    ),
    "repetition-drops": Claim(
        "Repetition drops 3 to 4 times from {smaller} to {larger}",
        f"repetition {COUNTS}, two models",
        "ratio",
        quality.repetition_drops,
    ),
    "adherence-doubles": Claim(
        "Adherence at least doubles from {smaller} to {larger}",
        f"adherence {COUNTS}, two models",
        "ratio",
        quality.adherence_doubles,
    ),
    "4bit-sweet-spot": Claim(
        "4bit is the sweet spot",
        "repetition, adherence, speed and memory by config",
        "share",
        speed.four_bit_is_the_sweet_spot,
    ),
    "8bit-slowest": Claim(
        "8bit is the slowest quantisation", SPEEDS, "ratio", speed.eight_bit_is_slowest
    ),
    "4bit-barely-loses": Claim(
        "{larger}-4bit barely loses to its 16-bit config",
        f"{SPEEDS}; repetition and adherence {COUNTS}",
        "difference",
        speed.larger_four_bit_barely_loses,
    ),
    "smaller-loses-speed": Claim(
        "{smaller} loses more speed under quantisation than {larger}",
        SPEEDS,
        "ratio",
        speed.smaller_loses_more_speed,
    ),
    "adherence-unchanged": Claim(
        "Quantisation does not change adherence",
        f"adherence {COUNTS}",
        "difference",
        quality.adherence_unchanged,
    ),
    "repetition-changes": Claim(
        "Repetition changes by quantisation",
        f"repetition {COUNTS}",
        "difference",
        quality.repetition_changes,
    ),
    "empties-rare": Claim(
        "Empty outputs are rare", f"empty outputs {COUNTS}", "rate", quality.empties_are_rare
    ),
    "4bit-matches-8bit": Claim(
        "4bit keeps quality within noise of 8bit",
        f"repetition and adherence {COUNTS}",
        "difference",
        quality.four_bit_matches_eight,
    ),
    "memory-fourfold": Claim(
        "Memory falls 4 times from 16 bit to 4bit",
        "memory, measured or from the architecture",
        "times",
        memory.memory_falls_fourfold,
    ),
    "bf16-tight": Claim(
        "{larger} in 16 bit is tight in 8 GB",
        "memory, measured or from the architecture",
        "share",
        memory.bf16_is_tight,
    ),
    "8bit-dequantises": Claim(
        "8bit is slow because it dequantises its weights at each matmul",
        "a profile of one 8bit decode step by engine eager",
        "share",
        memory.eight_bit_dequantises,
    ),
}


def find_findings(study: StudyData) -> list[Finding]:
    """Every claim checked on a study, in the table's order."""
    if not study.rows:
        return []
    names = {"smaller": study.smaller, "larger": study.larger}
    if len(study.models) < 2:
        names = {"smaller": "a smaller model", "larger": study.larger}
    findings = []
    for id_, claim in CLAIMS.items():
        outcome = claim.check(study)
        findings.append(
            Finding(
                id_,
                claim.statement.format(**names),
                claim.needs,
                outcome.verdict,
                outcome.reason,
                outcome.evidence,
                claim.chart,
            )
        )
    return findings
