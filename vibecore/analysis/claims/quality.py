"""Checks on quality: repetition, adherence and empty outputs, by size and by precision.

Comparisons are Holm-adjusted by family (evidence.judge_of_family), and a claim about "the models"
or "quantisation" has to hold in every comparison that the study offers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    ALPHA,
    EMPTY,
    REPETITION,
    EvidenceRow,
    Measure,
    compared,
    judge_of_family,
    rate_rows,
    ratio_rows,
)
from vibecore.analysis.claims.record import (
    CONTRADICTED,
    NOT_RESOLVED,
    SUPPORTED,
    NotTestable,
    Outcome,
    decide,
    need,
)
from vibecore.analysis.claims.study_data import (
    COUNTS,
    Pairs,
    Report,
    StudyData,
    is_count,
    is_size,
    nearest_count,
)
from vibecore.analysis.claims.wording import summed_up
from vibecore.analysis.stats.verdicts import BETTER, EQUIVALENT, UNRESOLVED, WORSE

ONE_MODEL = "The study has no two models at the same precision."
NO_QUALITY = "The study has no scored outputs for the configs to be compared."
NO_QUANTISED = "The study has no quantised config beside its model's 16-bit one."
NO_FOUR_AND_EIGHT = "The study has no model at both 4bit and 8bit."
# An output of ten that is empty is no longer rare; the same ten points as the margin of
# equivalence.
RARE = 0.10
# A probability under which figures are not on the grid of prompts by chance.
CHANCE = 0.05
CONSTRAINT_WORDS = ("constraint", "instruction")


def having(rows: Sequence[EvidenceRow], *verdicts: str) -> list[EvidenceRow]:
    """The rows with one of some verdicts."""
    return [row for row in rows if row.verdict in verdicts]


def judged(study: StudyData, pairs: Pairs, *measures: Measure) -> list[EvidenceRow]:
    """Every pair of configs on every measure. Raises NotTestable where there is no count, or where
    all outputs are alike in every pair."""
    rows = need(judge_of_family(study, compared(pairs, *measures)), NO_QUALITY)
    if not any(row.is_tested for row in rows):
        figures = "; ".join(f"{row.compared}: {row.measure} {row.figures}" for row in rows)
        raise NotTestable(
            f"Nothing to compare: the outputs are all alike on what the claim is about. {figures}."
        )
    return rows


def _alike(rows: Sequence[EvidenceRow]) -> str:
    """A sentence on the comparisons that could show nothing; empty where there are none."""
    alike = [f"{row.compared} {row.figures}" for row in rows if not row.is_tested]
    if not alike:
        return ""
    return f"Nothing to test, all outputs being alike: {'; '.join(alike)}. "


def scale_wins(study: StudyData) -> Outcome:
    """Every precision: the larger model is better on one measure at least and worse on none."""
    pairs = need(study.by_size(), ONE_MODEL)
    rows = judged(study, pairs, REPETITION, ADHERENCE)
    by_pair: dict[str, set[str | None]] = {}
    for row in rows:
        by_pair.setdefault(row.compared, set()).add(row.verdict)
    better = sum(BETTER in verdicts for verdicts in by_pair.values())
    worse = sum(WORSE in verdicts for verdicts in by_pair.values())
    same = all(verdicts == {EQUIVALENT} for verdicts in by_pair.values())
    return Outcome(
        decide(
            supported=better == len(by_pair) and not worse,
            contradicted=bool(worse and not better) or same,
        ),
        f"The larger model is better, Holm-adjusted, in {better} of {len(by_pair)} "
        f"precisions on repetition or adherence, worse in {worse}. {_alike(rows)}{summed_up(rows)}",
        tuple(rows),
    )


class Ratios(NamedTuple):
    """A ratio of the models' rates that is claimed at every precision, with its verdict."""

    verdict: str
    ratios: list[EvidenceRow]
    differences: list[EvidenceRow]

    def by_precision(self) -> str:
        """Each ratio with its interval; a count of zero has no ratio and says its figures."""
        return "; ".join(f"{row.precision} {_ratio(row)}" for row in self.ratios)


def _ratio(row: EvidenceRow) -> str:
    if row.interval is None:
        return f"no ratio, {row.figures}"
    ends = f"(95 % {row.interval[0]:.1f} to {row.interval[1]:.1f})"
    if row.estimate is None:
        return f"no ratio, {row.figures} {ends}"
    return f"{row.estimate:.1f} times {ends}"


def _ratios(study: StudyData, measure: Measure, claimed: tuple[float, float]) -> Ratios:
    """The better model's rate over the other's where more is better, else the other way round."""
    pairs = [pair if measure.more_is_better else pair[::-1] for pair in study.by_size()]
    comparisons = compared(pairs, measure)
    ratios, differences = ratio_rows(comparisons), judged(study, pairs, measure)
    low, high = claimed
    inside = [r.interval and low <= r.interval[0] and r.interval[1] <= high for r in ratios]
    # One of several intervals outside contradicts the claim, so that together they are 95 %.
    wide = ratio_rows(comparisons, 1 - ALPHA / max(1, len(comparisons)))
    outside = [r.interval and (r.interval[1] < low or r.interval[0] > high) for r in wide]
    resolved = len(having(differences, BETTER, WORSE)) == len(differences)
    verdict = decide(supported=all(inside) and resolved, contradicted=any(outside))
    return Ratios(verdict, ratios, differences)


def ratio_claim(study: StudyData, measure: Measure, claimed: tuple[float, float]) -> Outcome:
    """The better model's rate over the other's lies, at every precision, in the claimed range."""
    need(study.by_size(), ONE_MODEL)
    verdict, _, differences = found = _ratios(study, measure, claimed)
    parts = [f"The ratio by precision: {found.by_precision()}."]
    if same := [row.compared for row in having(differences, EQUIVALENT, UNRESOLVED)]:
        parts.append(f"No difference is shown for {'; '.join(same)}.")
    if verdict == NOT_RESOLVED:
        parts.append("No ratio's interval lies outside the claim, and not all lie within it.")
    parts.append(summed_up(differences))
    return Outcome(verdict, " ".join(parts), (*found.ratios, *differences))


def ratio_by_size(report: Report, measure: Measure, claim: str, what: str) -> Outcome:
    """A ratio between the models that is stated as one range, against that at each precision."""
    low, high = claimed = report.claimed(claim)
    verdict, ratios, differences = found = _ratios(report, measure, claimed)
    unresolved = having(differences, EQUIVALENT, UNRESOLVED)
    if not unresolved:
        gap = f"The gap is resolved at every precision at n = {report.prompts}"
    elif len(unresolved) < len(differences):
        gap = f"The gap is unresolved for {', '.join(row.compared for row in unresolved)}"
    else:
        gap = f"No gap at equal precision is resolved at n = {report.prompts}"
    return Outcome(
        verdict,
        f'"{low:g}{"" if low == high else f"–{high:g}"}×" {what} with size; the ratio by '
        f"precision: {found.by_precision()}. {gap}: {summed_up(differences)}",
        (*ratios, *differences),
    )


def adherence_unchanged(study: StudyData) -> Outcome:
    """Every quantised config's adherence is equivalent to its 16-bit model's."""
    return _changes(study, need(study.by_quantising(), NO_QUANTISED), ADHERENCE)


def four_bit_matches_eight(study: StudyData) -> Outcome:
    """4bit is equivalent to 8bit of the same model on repetition and adherence."""
    pairs = need(study.at("4bit", "8bit"), NO_FOUR_AND_EIGHT)
    return _changes(study, pairs, REPETITION, ADHERENCE)


def repetition_changes(study: StudyData) -> Outcome:
    """Some quantised config repeats itself resolvably more or less than its 16-bit model."""
    pairs = need(study.by_quantising(), NO_QUANTISED)
    return _changes(study, pairs, REPETITION, change_claimed=True)


def _changes(
    study: StudyData, pairs: Pairs, *measures: Measure, change_claimed: bool = False
) -> Outcome:
    """A change, or none: "none" takes a passed test of equivalence in every comparison, because no
    difference found is not enough."""
    rows = judged(study, pairs, *measures)
    different, equivalent = having(rows, BETTER, WORSE), having(rows, EQUIVALENT)
    change, none = bool(different), len(equivalent) == len(rows)
    return Outcome(
        decide(
            supported=change if change_claimed else none,
            contradicted=none if change_claimed else change,
        ),
        f"Of {len(rows)} comparisons {len(different)} show a difference and {len(equivalent)} pass "
        f"a test of equivalence. {_alike(rows)}{summed_up(rows)}",
        tuple(rows),
    )


def precisions_compared(report: Report) -> dict[str, Outcome]:
    """Every pair of precisions of the same model: differences within noise, and ties."""
    precisions = list(dict.fromkeys(row.precision for row in report.rows))
    pairs = [(b, a) for i, a in enumerate(precisions) for b in precisions[i + 1 :]]
    return need(
        {
            f"{first}-against-{second}-{measure.name}": _precision_pair(rows)
            for measure in (REPETITION, ADHERENCE)
            for first, second in pairs
            if (rows := judge_of_family(report, compared(report.at(first, second), measure)))
        }
    )


def _precision_pair(rows: Sequence[EvidenceRow]) -> Outcome:
    different, equivalent = having(rows, BETTER, WORSE), having(rows, EQUIVALENT)
    unresolved = having(rows, UNRESOLVED)
    ties = ", ".join(row.figures for row in unresolved if row.estimate == 0 and row.is_tested)
    of = f"of {len(rows)}"
    parts = [
        different and f"{len(different)} {of} differences are resolved",
        unresolved
        and f"{len(unresolved)} {of} comparisons are not resolved, and not shown to be equal "
        "either",
        ties and f"the same figure ({ties}) is no evidence of being equal",
        equivalent and f"{len(equivalent)} {of} pass a test of equivalence",
    ]
    text = "; ".join(part for part in parts if part)
    return Outcome(
        NOT_RESOLVED if unresolved else SUPPORTED,
        f"{text[:1].upper()}{text[1:]}. {_alike(rows)}{summed_up(rows)}",
        tuple(rows),
    )


def _rarity(study: StudyData, missing: str = "") -> tuple[str, list[EvidenceRow], int, int]:
    """Verdict on "empty outputs are rare", the rates, and how many intervals lie under and over
    what is taken as rare."""
    complete = [row for row in study.rows if row.status == "complete"]
    rows = need(rate_rows(complete, EMPTY), missing)
    under = sum(row.high is not None and row.high < RARE for row in rows)
    over = sum(row.low is not None and row.low > RARE for row in rows)
    return decide(supported=under == len(rows), contradicted=over > 0), rows, under, over


def empties_are_rare(study: StudyData) -> Outcome:
    """Every config's share of empty outputs is under a tenth, by its interval."""
    verdict, rows, under, over = _rarity(study, NO_QUALITY)
    return Outcome(
        verdict,
        f"Rare is taken as under {100 * RARE:.0f} % of outputs: the interval lies under it for "
        f"{under} of {len(rows)} configs, over it for {over}. {summed_up(rows)}",
        tuple(rows),
    )


def empties(report: Report) -> Outcome:
    """How rare empty outputs are, by their intervals."""
    verdict, rows, under, _ = _rarity(report)
    widest = max(rows, key=lambda row: row.high or 0)
    return Outcome(
        verdict,
        f"A rate under {100 * RARE:.0f} % is shown for {under} of {len(rows)} configs; the widest "
        f"interval is that of {summed_up([widest])}",
        tuple(rows),
    )


def possible_figures(report: Report) -> Outcome:
    """Counts are whole numbers up to n; percentages are whole counts of n. No output is counted as
    empty and as repetitive or adherent too. Speeds and memory are above zero."""
    wrong, wrong_sizes, seen_counts = [], [], 0
    rows = {row.config: row for row in report.rows}
    for config, stated in report.stated.items():
        for column in ("tokens_per_second", "memory_gib"):
            size = stated.get(column)
            if size is not None and not is_size(size):
                wrong_sizes.append(f"{config}: {column} {size:g}")
        row = rows[config]
        for name, some in (("repetitive", row.repetitive), ("adherent", row.adherent_prompts)):
            if some is not None and row.empty is not None and some + row.empty > report.prompts:
                wrong.append(f"{config}: {some} {name} and {row.empty} empty")
        for column, (percent_column, _) in COUNTS.items():
            count, percent = stated.get(column), stated.get(percent_column)
            nearest = None if percent is None else nearest_count(percent, report.prompts)
            seen_counts += (count is not None) + (percent is not None)
            if count is not None and not is_count(count, report.prompts):
                wrong.append(f"{config}: {column} {count:g}")
            if percent is not None and nearest is None:
                wrong.append(f"{config}: {percent_column} {percent:g}")
            elif percent is not None and count is not None and count != nearest:
                wrong.append(f"{config}: {column} {count:g} is not {percent_column} {percent:g}")
    if wrong or wrong_sizes:
        of_counts = f"Impossible as counts of {report.prompts} prompts: {'; '.join(wrong)}."
        of_sizes = f"Impossible as speed or memory: {'; '.join(wrong_sizes)}."
        sentences = ([of_counts] if wrong else []) + ([of_sizes] if wrong_sizes else [])
        return Outcome(CONTRADICTED, " ".join(sentences))
    need(seen_counts)
    sentence = f"All {seen_counts} counts and rates are whole counts of {report.prompts} prompts."
    return Outcome(SUPPORTED, sentence)


def adherence_level(report: Report) -> Outcome:
    """Whether adherence, as percentages, is a share of prompts or of single constraints, by the
    grid the percentages lie on. Counts of prompts lie on it by construction and say nothing."""
    n, column = report.prompts, COUNTS["adherent_prompts"][0]
    percents = {c: p for c, one in report.stated.items() if (p := one.get(column)) is not None}
    if not percents:
        need(any(one.get("adherent_prompts") is not None for one in report.stated.values()))
        raise NotTestable(
            f"The file gives adherence as counts of {n} prompts, so its figures are whole counts "
            f"by construction. The percentages as published (`{column}`) could tell prompts from "
            "constraints."
        )
    off = [config for config, percent in percents.items() if nearest_count(percent, n) is None]
    if off:
        return Outcome(
            NOT_RESOLVED,
            f"Not every percentage is that of a whole count of {n} prompts ({', '.join(off)}): "
            "adherence is not by prompt, or its figures are wrong.",
        )
    above_zero = [percent for percent in percents.values() if percent]
    chance = math.prod(_grid_share(percent, n) for percent in above_zero)
    figures = ", ".join(f"{percent:g} %" for percent in percents.values())
    if chance >= CHANCE:
        raise NotTestable(
            f"Any percentages ({figures}) would be those of whole counts of {n} prompts by chance "
            f"with probability {chance:.2g}: too often to tell prompts from constraints."
        )
    sentence = (
        f"All {len(percents)} percentages ({figures}) are those of whole counts of {n} prompts. "
        f"If every value were as likely, all would be so with probability {chance:.2g} "
        f"({len(above_zero)} of them above zero). So they are shares of {n}, the number of "
        "prompts, and not of more constraints than that"
    )
    caption = next((t for c, t in report.captions.items() if c.startswith("adherent")), None)
    if caption and any(word in caption.lower() for word in CONSTRAINT_WORDS):
        return Outcome(CONTRADICTED, f'{sentence}; the caption, "{caption}", says otherwise.')
    sentence += ", and a caption that calls them shares of constraints is contradicted"
    return Outcome(SUPPORTED if caption else NOT_RESOLVED, f"{sentence}.")


def _grid_share(percent: float, prompts: int) -> float:
    """The share of all percentages above zero, written to as many decimals as this one, that are
    those of whole counts."""
    decimals = len(f"{percent}".removesuffix(".0").partition(".")[2])
    on_grid = {round(100 * count / prompts, decimals) for count in range(1, prompts + 1)} - {0}
    return len(on_grid) / (100 * 10**decimals)
