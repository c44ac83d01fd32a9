"""Rules on counts: what they can be, and which differences and ties n prompts carry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vibecore.analysis.claims.audit.record import (
    CARRIED,
    CONTRADICTED,
    NOT_CARRIED,
    NOT_TESTABLE,
    Note,
)
from vibecore.analysis.claims.audit.report_file import COUNTS, ReportFile, is_count, nearest_count
from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    EMPTY,
    REPETITION,
    Comparison,
    Measure,
    judge_all,
    rate_rows,
    ratio_rows,
)
from vibecore.analysis.claims.quality import RARE
from vibecore.analysis.claims.wording import summed_up
from vibecore.analysis.stats.verdicts import BETTER, EQUIVALENT, WORSE

# Whole percentages above 0; of them, those that are a whole count of the prompts are on the grid.
WHOLE_PERCENTAGES = range(1, 101)
CHANCE = 0.05
CONSTRAINT_WORDS = ("constraint", "instruction")


def possible_figures(report: ReportFile) -> list[Note]:
    """Counts are whole numbers up to n; percentages are whole counts of n."""
    wrong, seen = [], 0
    for row in report.rows:
        stated = row["stated"]
        for count, (percent, _) in COUNTS.items():
            if stated.get(count) is not None:
                seen += 1
                if not is_count(stated[count], report.prompts):
                    wrong.append(f"{row['config']}: {count} {stated[count]:g}")
            if stated.get(percent) is not None:
                seen += 1
                if nearest_count(stated[percent], report.prompts) is None:
                    wrong.append(f"{row['config']}: {percent} {stated[percent]:g}")
                elif stated.get(count) is not None and stated[count] != nearest_count(
                    stated[percent], report.prompts
                ):
                    wrong.append(
                        f"{row['config']}: {count} {stated[count]:g} is not {percent} "
                        f"{stated[percent]:g}"
                    )
    if not seen:
        return [Note("possible-figures", NOT_TESTABLE, "The file gives no counts and no rates.")]
    if wrong:
        sentence = f"Impossible as counts of {report.prompts} prompts: {'; '.join(wrong)}."
        return [Note("possible-figures", CONTRADICTED, sentence)]
    sentence = f"All {seen} counts and rates are whole counts of {report.prompts} prompts."
    return [Note("possible-figures", CARRIED, sentence)]


def adherence_level(report: ReportFile) -> list[Note]:
    """Whether adherence is a share of prompts or of single constraints, by its grid."""
    rule, n = "adherence-level", report.prompts
    counts = [row["adherent_prompts"] for row in report.rows]
    known = [count for count in counts if count is not None]
    stated = any(
        row["stated"].get(key) is not None
        for row in report.rows
        for key in ("adherent_prompts", "adherent_percent")
    )
    if not stated:
        return [Note(rule, NOT_TESTABLE, "The file gives no adherence.")]
    if len(known) < len(counts):
        off = ", ".join(row["config"] for row in report.rows if row["adherent_prompts"] is None)
        return [
            Note(
                rule,
                NOT_CARRIED,
                f"Not every figure is a whole count of {n} prompts ({off}): adherence is not "
                "prompt-level, or its figures are wrong.",
            )
        ]
    telling = [count for count in known if count]
    on_grid = {round(100 * count / n) for count in range(1, n + 1)}
    share = len(on_grid & set(WHOLE_PERCENTAGES)) / len(WHOLE_PERCENTAGES)
    chance = share ** len(telling)
    figures = ", ".join(f"{count}/{n}" for count in known)
    caption = next((t for c, t in report.captions.items() if c.startswith("adherent")), None)
    if chance >= CHANCE:
        return [
            Note(
                rule,
                NOT_TESTABLE,
                f"The figures ({figures}) would be whole counts of {n} prompts by chance with "
                f"probability {chance:.2g}: too often to tell prompts from constraints.",
            )
        ]
    sentence = (
        f"All {len(known)} adherence figures are whole counts of {n} prompts ({figures}). Shares "
        f"of single constraints, rounded to whole per cent, would all fall on that grid with "
        f"probability {chance:.2g} ({len(telling)} of them above zero). So it is adherence by "
        "prompt, all constraints met"
    )
    if caption and any(word in caption.lower() for word in CONSTRAINT_WORDS):
        sentence += f'; the caption, "{caption}", says otherwise'
        return [Note(rule, CONTRADICTED, f"{sentence}.")]
    sentence += ", and a caption that calls it a share of constraints is contradicted"
    return [Note(rule, CARRIED if caption else NOT_CARRIED, f"{sentence}.")]


def repetition_by_size(report: ReportFile) -> list[Note]:
    """A drop of repetition claimed as one range, against each precision's ratio."""
    study = report.study()
    pairs = [Comparison(small, large, REPETITION) for large, small in study.by_size()]
    return _ratio_note(report, "repetition-by-size", pairs, "repetition_drop", "less repetition")


def adherence_by_size(report: ReportFile) -> list[Note]:
    """The adherence gap between models at equal precision, and its claimed ratio."""
    study = report.study()
    pairs = [Comparison(large, small, ADHERENCE) for large, small in study.by_size()]
    return _ratio_note(report, "adherence-by-size", pairs, "adherence_gain", "more adherence")


def _ratio_note(
    report: ReportFile, rule: str, pairs: Sequence[Comparison], claim: str, what: str
) -> list[Note]:
    ratios, judged = ratio_rows(pairs), judge_all(report.study(), pairs)
    if not judged:
        return [Note(rule, NOT_TESTABLE, "It takes counts of two models at the same precision.")]
    low, high = report.claimed(claim)
    claimed = f"{low:g}×" if low == high else f"{low:g}–{high:g}×"
    seen = [row["estimate"] for row in ratios if row["estimate"] is not None]
    span = f"{min(seen):.1f}× to {max(seen):.1f}×" if seen else "undefined (zero counts)"
    resolved = [row for row in judged if row["verdict"] in (BETTER, WORSE)]
    unresolved = [row for row in judged if row not in resolved]
    within = all(row["low"] is not None and row["low"] >= low and row["high"] <= high
                 for row in ratios)  # fmt: skip
    if not unresolved:
        gap = f"The gap is resolved at every precision at n = {report.prompts}"
    elif resolved:
        names = ", ".join(row["compared"] for row in unresolved)
        gap = f"The gap is unresolved for {names}"
    else:
        gap = f"No gap at equal precision is resolved at n = {report.prompts}"
    ranges = "; ".join(
        f"{row['compared']} {row['low']:.1f} to {row['high']:.1f}"
        for row in ratios
        if row["low"] is not None
    )
    return [
        Note(
            rule,
            CARRIED if within and not unresolved else NOT_CARRIED,
            f'"{claimed}" {what} with size is {span} by precision (95 % intervals: {ranges}). '
            f"{gap}: {summed_up(judged)}",
            (*ratios, *judged),
        )
    ]


def precisions_compared(report: ReportFile) -> list[Note]:
    """Every pair of precisions of the same model: differences within noise, and ties."""
    study, notes = report.study(), []
    precisions = list(dict.fromkeys(row["precision"] for row in report.rows))
    pairs = [(b, a) for i, a in enumerate(precisions) for b in precisions[i + 1 :]]
    for measure in (REPETITION, ADHERENCE):
        for first, second in pairs:
            judged = judge_all(
                study, [Comparison(a, b, measure) for a, b in study.at(first, second)]
            )
            if judged:
                notes.append(_pair_note(f"{first}-against-{second}", measure, judged))
    if not notes:
        return [Note("precisions", NOT_TESTABLE, "It takes counts of one model at two precisions.")]
    return notes


def _pair_note(rule: str, measure: Measure, judged: Sequence[dict[str, Any]]) -> Note:
    apart = [row for row in judged if row["verdict"] in (BETTER, WORSE)]
    equal = [row for row in judged if row["verdict"] == EQUIVALENT]
    open_ones = [row for row in judged if row not in apart and row not in equal]
    ties = [row for row in open_ones if row["estimate"] == 0]
    parts = []
    if apart:
        parts.append(f"{len(apart)} of {len(judged)} differences are resolved")
    if open_ones:
        parts.append(
            f"{len(open_ones)} of {len(judged)} comparisons are not resolved, and not shown to "
            "be equal either"
        )
    if ties:
        parts.append(
            f"the same figure ({', '.join(row['figures'] for row in ties)}) is no evidence of "
            "being equal"
        )
    if equal:
        parts.append(f"{len(equal)} of {len(judged)} pass a test of equivalence")
    text = "; ".join(parts)
    return Note(
        f"{rule}-{measure.name}",
        NOT_CARRIED if open_ones else CARRIED,
        f"{text[:1].upper()}{text[1:]}. {summed_up(judged)}",
        tuple(judged),
    )


def empties(report: ReportFile) -> list[Note]:
    """How rare empty outputs are, by their intervals."""
    rows = rate_rows(report.rows, EMPTY)
    if not rows:
        return [Note("empties", NOT_TESTABLE, "The file gives no empty outputs.")]
    under = [row for row in rows if row["high"] < RARE]
    worst = max(rows, key=lambda row: row["high"])
    return [
        Note(
            "empties",
            CARRIED if len(under) == len(rows) else NOT_CARRIED,
            f"A rate under {100 * RARE:.0f} % is shown for {len(under)} of {len(rows)} configs; "
            f"the widest interval is that of {summed_up([worst])}",
            tuple(rows),
        )
    ]
