"""Evidence: two configs held against each other on one measure, by the tests of analysis.

An evidence row has: `compared`, `measure`, `figures` (both figures as read), `kind` of estimate
(`difference` of rates, `ratio` or `rate`; counted, without an interval: `times`, `share`),
`estimate`, `low`, `high` (95 % interval), `verdict` (better, worse, equivalent, not resolved), `p`,
`p_adjusted` (Holm over the finding's comparisons), `n`, `method`, `needed_n`; of equivalence
`equivalence_p`, the `margin`, and the 90 % interval `inner_low`, `inner_high` that it rests on; and
`label`, short, for a chart. What is not known is None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vibecore.analysis import holm, wilson_interval
from vibecore.analysis.claims.study_data import StudyData
from vibecore.analysis.stats.rate_ratio import rate_ratio
from vibecore.analysis.stats.verdicts import Judgement, judge_counts, judge_ratio
from vibecore.core import formats

Row = Mapping[str, Any]

COLUMNS = (
    "compared", "measure", "figures", "kind", "estimate", "low", "high", "verdict", "p",
    "p_adjusted", "n", "method", "needed_n", "equivalence_p", "margin", "inner_low", "inner_high",
    "label",
)  # fmt: skip

# The findings' level; a study's controls do not move it.
ALPHA = 0.05
# One ratio alone has no spread: its interval would be of no width.
FEWEST_TIMINGS = 2


@dataclass(frozen=True)
class Measure:
    """A count of outputs: its columns in a summary, what one output has, and which way is good."""

    name: str
    count: str
    total: str
    outcome: str
    more_is_better: bool


REPETITION = Measure("repetitive", "repetitive", "repetition_judged", "repetitive", False)
ADHERENCE = Measure("adherent", "adherent_prompts", "adherence_judged", "adherent", True)
EMPTY = Measure("empty", "empty", "repetition_judged", "empty", False)


@dataclass(frozen=True)
class Comparison:
    """One config (`first`) against another on a measure; both are rows of a summary."""

    first: Row
    second: Row
    measure: Measure


def evidence_row(**known: Any) -> dict[str, Any]:
    """An evidence row with None for what is not given."""
    return {column: known.get(column) for column in COLUMNS}


def is_known(row: Row, measure: Measure) -> bool:
    """Whether a config has this count."""
    return row[measure.count] is not None and bool(row[measure.total])


def judge_all(
    study: StudyData, comparisons: Sequence[Comparison], alpha: float = ALPHA
) -> list[dict[str, Any]]:
    """Evidence rows of some comparisons of counts, Holm-adjusted over all of them."""
    known = [
        c for c in comparisons if is_known(c.first, c.measure) and is_known(c.second, c.measure)
    ]
    raw = [_judge(study, c, alpha, None) for c in known]
    adjusted = holm([1.0 if j.p is None else j.p for j in raw])
    rows = []
    for comparison, first_pass, p_adjusted in zip(known, raw, adjusted, strict=True):
        judged = _judge(study, comparison, alpha, p_adjusted)
        rows.append(_count_row(comparison, judged, first_pass.p, p_adjusted, first_pass.method))
    return rows


def _judge(
    study: StudyData, comparison: Comparison, alpha: float, p_adjusted: float | None
) -> Judgement:
    measure = comparison.measure
    return judge_counts(
        _counted(comparison.first, measure),
        _counted(comparison.second, measure),
        more_is_better=measure.more_is_better,
        pairs=paired_counts(study, comparison),
        alpha=alpha,
        p_adjusted=p_adjusted,
    )


def _counted(row: Row, measure: Measure) -> tuple[int, int]:
    return row[measure.count], row[measure.total]


def paired_counts(study: StudyData, comparison: Comparison) -> tuple[int, int, int, int] | None:
    """(both, only first, only second, neither) where the same prompts stand behind both counts."""
    first = study.outcomes.get(comparison.first["config"], {})
    second = study.outcomes.get(comparison.second["config"], {})
    key = comparison.measure.outcome
    pairs = [
        (first[prompt][key], second[prompt][key])
        for prompt in first
        if prompt in second and first[prompt][key] is not None and second[prompt][key] is not None
    ]
    totals = {row[comparison.measure.total] for row in (comparison.first, comparison.second)}
    if totals != {len(pairs)}:
        return None
    return (
        sum(a and b for a, b in pairs),
        sum(a and not b for a, b in pairs),
        sum(b and not a for a, b in pairs),
        sum(not a and not b for a, b in pairs),
    )


def _count_row(
    comparison: Comparison, judged: Judgement, p: float | None, p_adjusted: float, method: str
) -> dict[str, Any]:
    first, second, measure = comparison.first, comparison.second, comparison.measure
    return evidence_row(
        compared=f"{first['config']} against {second['config']}",
        measure=measure.name,
        figures=(
            f"{first[measure.count]}/{first[measure.total]} v "
            f"{second[measure.count]}/{second[measure.total]}"
        ),
        kind="difference",
        p_adjusted=p_adjusted,
        **{**_judged(judged), "p": p, "method": method},
        label=f"{first['config']} − {second['config']}, {measure.name}",
    )


def ratio_rows(comparisons: Sequence[Comparison], confidence: float = 0.95) -> list[dict[str, Any]]:
    """How many times the rate of `second` the rate of `first` is, with its interval.

    A pair of zeros has no ratio: its figures stand there with no interval.
    """
    rows = []
    for comparison in comparisons:
        first, second, measure = comparison.first, comparison.second, comparison.measure
        if not (is_known(first, measure) and is_known(second, measure)):
            continue
        ratio = rate_ratio(_counted(first, measure), _counted(second, measure), confidence)
        rows.append(
            evidence_row(
                compared=f"{first['config']} over {second['config']}",
                measure=measure.name,
                figures=(
                    f"{first[measure.count]}/{first[measure.total]} v "
                    f"{second[measure.count]}/{second[measure.total]}"
                ),
                kind="ratio",
                estimate=ratio and ratio.estimate,
                low=ratio and ratio.low,
                high=ratio and ratio.high,
                n=min(first[measure.total], second[measure.total]),
                method=ratio.method if ratio else "no ratio: both counts are 0",
                label=f"{first['config']} ÷ {second['config']}, {measure.name}",
            )
        )
    return rows


def rate_rows(rows: Sequence[Row], measure: Measure) -> list[dict[str, Any]]:
    """Each config's rate with its Wilson interval."""
    found = []
    for row in rows:
        if not is_known(row, measure):
            continue
        count, total = _counted(row, measure)
        low, high = wilson_interval(count, total)
        found.append(
            evidence_row(
                compared=row["config"],
                measure=measure.name,
                figures=f"{count}/{total}",
                kind="rate",
                estimate=count / total,
                low=low,
                high=high,
                n=total,
                method="Wilson",
                label=row["config"],
            )
        )
    return found


def speed_row(
    study: StudyData, first: Row, second: Row, margin: float = 0.05
) -> dict[str, Any] | None:
    """Speed of `first` over that of `second`, tokens over seconds on the same prompts.

    Without two timings of prompts they share, or in a batch, there is no interval: the row then
    carries the figures of the whole runs. None where a speed is not known or the batch sizes
    differ.
    """
    speeds = first["tokens_per_second"], second["tokens_per_second"]
    if not all(speeds) or first["batch_size"] != second["batch_size"]:
        return None
    row = evidence_row(
        compared=f"{first['config']} against {second['config']}",
        measure="speed",
        figures=f"{speeds[0]:.1f} v {speeds[1]:.1f} tok/s",
        kind="ratio",
        estimate=speeds[0] / speeds[1],
        method="one figure each, no spread",
        label=f"{first['config']} ÷ {second['config']}, speed",
    )
    timed = timed_pairs(study, first["config"], second["config"])
    if len(timed) < FEWEST_TIMINGS:
        return row
    shared = [_rate(side) for side in zip(*timed, strict=True)]
    judged = judge_ratio(
        [a["new_tokens"] for a, _ in timed],
        [b["new_tokens"] for _, b in timed],
        first_weights=[a["total_seconds"] for a, _ in timed],
        second_weights=[b["total_seconds"] for _, b in timed],
        more_is_better=True,
        margin=margin,
    )
    figures = f"{shared[0]:.1f} v {shared[1]:.1f} tok/s"
    return {**row, "figures": figures, **_judged(judged)}


def _rate(outputs: Sequence[Row]) -> float:
    """Tokens per second over some timed outputs."""
    return sum(o["new_tokens"] for o in outputs) / sum(o["total_seconds"] for o in outputs)


def memory_row(first: Row, second: Row, label: str | None = None) -> dict[str, Any]:
    """Memory of `first` over that of `second`, both known: counted, so without an interval."""
    sizes = first["memory_bytes"], second["memory_bytes"]
    return evidence_row(
        compared=f"{first['config']} over {second['config']}",
        measure="memory",
        figures=" v ".join(formats.memory(size) for size in sizes),
        kind="times",
        estimate=sizes[0] / sizes[1],
        method=f"{second['memory_basis']}, {second['memory_source']}",
        label=label,
    )


def _judged(judged: Judgement) -> dict[str, Any]:
    """A judgement's part of an evidence row."""
    return {
        "estimate": judged.estimate,
        "low": judged.low,
        "high": judged.high,
        "verdict": judged.verdict,
        "p": judged.p,
        "equivalence_p": judged.equivalence_p,
        "n": judged.n,
        "method": judged.method,
        "needed_n": judged.needed_n,
        "margin": judged.margin,
        "inner_low": judged.inner_low,
        "inner_high": judged.inner_high,
    }


def timed_pairs(study: StudyData, first: str, second: str) -> list[tuple[Row, Row]]:
    """Outputs of the same prompts under two configs, where each was timed on its own."""
    one, other = study.outcomes.get(first, {}), study.outcomes.get(second, {})
    return [
        (one[prompt], other[prompt])
        for prompt in one
        if prompt in other and _timed(one[prompt]) and _timed(other[prompt])
    ]


def _timed(output: Row) -> bool:
    return bool(output["new_tokens"] and output["total_seconds"] and output["batch_size"] == 1)
