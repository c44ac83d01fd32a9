"""Evidence: a figure with its interval, or two configs compared on one measure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vibecore.analysis.claims.study_data import Pairs, StudyData
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stats.exact import fisher_exact, holm, mcnemar_exact, wilson_interval
from vibecore.analysis.stats.rate_ratio import rate_ratio
from vibecore.analysis.stats.verdicts import (
    UNRESOLVED,
    Judgement,
    judge_counts,
    judge_ratio,
    no_spread,
)
from vibecore.core import formats
from vibecore.core.rows import OutputRow

# The findings' level; a study's controls do not move it.
ALPHA = 0.05
NOTHING_TO_TEST = "every output of both alike, so nothing to test"


@dataclass(frozen=True, kw_only=True)
class EvidenceRow:
    """One row of evidence, fields in the order of the JSON; None is "not known".

    `figures` are the figures as read. `kind` says what `estimate` is: a `difference` of rates, a
    `ratio` or a `rate`, or, counted and so without an interval, `times` or a `share`. `low` to
    `high` is the 95 % interval, `inner_low` to `inner_high` the 90 % one that a verdict of
    equivalence within `margin` rests on, with `equivalence_p`. `p_adjusted` is Holm's, over the
    comparison's family (see judge_of_family); `needed_n` prompts would resolve the difference
    seen. `label` is the row's name in a chart, `precision` the one at which two models are
    compared.
    """

    compared: str
    measure: str
    figures: str
    kind: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str | None = None
    p: float | None = None
    p_adjusted: float | None = None
    n: int | None = None
    method: str
    needed_n: int | None = None
    equivalence_p: float | None = None
    margin: float | None = None
    inner_low: float | None = None
    inner_high: float | None = None
    label: str | None = None
    precision: str | None = None

    @property
    def is_tested(self) -> bool:
        """Whether anything in the data could have told the two apart."""
        return self.method != NOTHING_TO_TEST

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Measure:
    """A count of outputs: where a config's metrics have it, and which way is better."""

    name: str
    more_is_better: bool
    # (count, total) of a config
    of_config: Callable[[ConfigMetrics], tuple[int | None, int | None]]
    of_output: Callable[[OutputRow], bool | None]

    def counted(self, row: ConfigMetrics) -> tuple[int, int] | None:
        """(count, total) of a config, None where it is not known."""
        count, total = self.of_config(row)
        return (count, total) if count is not None and total else None


REPETITION = Measure(
    "repetitive",
    False,
    lambda row: (row.repetitive, row.repetition_judged),
    lambda output: output.repetitive,
)
ADHERENCE = Measure(
    "adherent",
    True,
    lambda row: (row.adherent_prompts, row.adherence_judged),
    lambda output: output.adherent,
)
EMPTY = Measure(
    "empty", False, lambda row: (row.empty, row.empty_judged), lambda output: output.empty
)


@dataclass(frozen=True)
class Comparison:
    """One config (`first`) against another on a measure."""

    first: ConfigMetrics
    second: ConfigMetrics
    measure: Measure

    @property
    def counts(self) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """(count, total) of both configs, None where one is not known."""
        first, second = self.measure.counted(self.first), self.measure.counted(self.second)
        return (first, second) if first and second else None

    @property
    def key(self) -> tuple[frozenset[str], str]:
        """The two configs, either way round, and the measure."""
        return frozenset((self.first.config, self.second.config)), self.measure.name

    def paired(self, study: StudyData) -> tuple[int, int, int, int] | None:
        """(both, only first, only second, neither), None unless the same prompts are behind both
        counts."""
        first = study.outcomes.get(self.first.config, {})
        second = study.outcomes.get(self.second.config, {})
        of = self.measure.of_output
        pairs = Counter((of(first[p]), of(second[p])) for p in first.keys() & second.keys())
        known = sum(count for pair, count in pairs.items() if None not in pair)
        if {self.measure.of_config(row)[1] for row in (self.first, self.second)} != {known}:
            return None
        return pairs[True, True], pairs[True, False], pairs[False, True], pairs[False, False]

    def row(self, kind: str, words: tuple[str, str], **known: Any) -> EvidenceRow:
        """An evidence row of both counts; `words` join the configs in a sentence and a label."""
        first, second = self.first.config, self.second.config
        figures = (self.measure.of_config(row) for row in (self.first, self.second))
        return EvidenceRow(
            compared=f"{first} {words[0]} {second}",
            measure=self.measure.name,
            figures=" v ".join(f"{count}/{total}" for count, total in figures),
            kind=kind,
            label=f"{first} {words[1]} {second}, {self.measure.name}",
            precision=self.first.precision if self.first.model != self.second.model else None,
            **known,
        )


def compared(pairs: Pairs, *measures: Measure) -> list[Comparison]:
    """Every pair of configs on every measure."""
    return [Comparison(a, b, measure) for measure in measures for a, b in pairs]


def judge_all(study: StudyData, comparisons: Sequence[Comparison]) -> list[EvidenceRow]:
    """Evidence of comparisons of counts, Holm-adjusted over all of them; a comparison without
    counts is left out."""
    adjusted = _adjusted(study, comparisons)
    return [_judge(study, one, adjusted) for one in comparisons if one.counts]


def judge_of_family(study: StudyData, comparisons: Sequence[Comparison]) -> list[EvidenceRow]:
    """Evidence of comparisons within one study, Holm-adjusted over the whole family that each is
    of, so that two configs have the same p in every finding that compares them.

    The families are the comparisons of the models, and those of the precisions of one model, each
    on repetition and adherence.
    """
    if not study.adjusted:
        for pairs in (study.by_size(), study.by_precision()):
            family = compared(pairs, REPETITION, ADHERENCE)
            study.adjusted.update(_adjusted(study, family))
    # Another's database may name one model at one precision twice, which no family pairs.
    others = [one for one in comparisons if one.key not in study.adjusted]
    study.adjusted.update(_adjusted(study, others))
    return [_judge(study, one, study.adjusted) for one in comparisons if one.counts]


def _adjusted(study: StudyData, family: Sequence[Comparison]) -> dict[Any, float]:
    """Holm's p by comparison, over those that could differ at all: without an output of either
    kind the least p possible is 1, and a test that cannot reject is no part of the family (Tarone
    1990, Biometrics 46)."""
    ps = {one.key: _p(study, one) for one in family if one.counts and not _is_alike(one)}
    return dict(zip(ps, holm(list(ps.values())).tolist(), strict=True))


def _p(study: StudyData, comparison: Comparison) -> float:
    """The exact test's p: McNemar's on the same prompts, else Fisher's."""
    if pairs := comparison.paired(study):
        return mcnemar_exact(pairs[1], pairs[2])
    first, second = comparison.counts or ((0, 1), (0, 1))
    return fisher_exact(*first, *second)


def _is_alike(comparison: Comparison) -> bool:
    """Whether all outputs of both configs are of one kind: 0 of 30 against 0 of 30, or 30 of 30
    against 30 of 30."""
    first, second = comparison.counts or ((0, 0), (0, 0))
    return first[0] + second[0] in (0, first[1] + second[1])


def _judge(study: StudyData, comparison: Comparison, adjusted: Mapping[Any, float]) -> EvidenceRow:
    """Evidence of a comparison that has counts. Where all outputs are alike it has no verdict of
    equivalence: what never happened cannot show that it happens equally often."""
    first, second = comparison.counts or ((0, 1), (0, 1))
    alike = _is_alike(comparison)
    judged = judge_counts(
        first,
        second,
        more_is_better=comparison.measure.more_is_better,
        pairs=comparison.paired(study),
        alpha=ALPHA,
        p_adjusted=1.0 if alike else adjusted[comparison.key],
    )
    row = comparison.row("difference", ("against", "−"), **_judged(judged))
    if alike:
        return replace(row, verdict=UNRESOLVED, p=None, equivalence_p=None, method=NOTHING_TO_TEST)
    return replace(
        row,
        p=_p(study, comparison),
        p_adjusted=adjusted[comparison.key],
        method=judged.method.removesuffix(", Holm"),
    )


def ratio_rows(comparisons: Sequence[Comparison], confidence: float = 0.95) -> list[EvidenceRow]:
    """How many times the rate of `second` the rate of `first` is, with its interval.

    Two counts of zero have no ratio: their row has neither estimate nor interval.
    """
    rows = []
    for comparison in comparisons:
        if not comparison.counts:
            continue
        first, second = comparison.counts
        ratio = rate_ratio(first, second, confidence)
        rows.append(
            comparison.row(
                "ratio",
                ("over", "÷"),
                estimate=ratio and ratio.estimate,
                low=ratio and ratio.low,
                high=ratio and ratio.high,
                n=min(first[1], second[1]),
                method=ratio.method if ratio else "no ratio: both counts are 0",
            )
        )
    return rows


def rate_row(compared: str, measure: str, count: int, total: int, method: str) -> EvidenceRow:
    """A rate with its Wilson interval."""
    low, high = wilson_interval(count, total)
    return EvidenceRow(
        compared=compared,
        measure=measure,
        figures=f"{count}/{total}",
        kind="rate",
        estimate=count / total,
        low=low,
        high=high,
        n=total,
        method=method,
        label=compared,
    )


def rate_rows(rows: Sequence[ConfigMetrics], measure: Measure) -> list[EvidenceRow]:
    """The rate of each config that has this count."""
    return [
        rate_row(row.config, measure.name, *counted, "Wilson")
        for row in rows
        if (counted := measure.counted(row))
    ]


def speed_row(
    study: StudyData, first: ConfigMetrics, second: ConfigMetrics, margin: float = 0.05
) -> EvidenceRow | None:
    """Speed of `first` over that of `second`, tokens over seconds on the same prompts.

    With too few prompts that both were timed on alone, or the same ratio on each, there is no
    interval; with none the figures are those of the whole runs. None where a speed is not known
    or batch sizes differ.
    """
    speeds = first.tokens_per_second, second.tokens_per_second
    if not speeds[0] or not speeds[1] or first.batch_size != second.batch_size:
        return None
    row = EvidenceRow(
        compared=f"{first.config} against {second.config}",
        measure="speed",
        figures=f"{speeds[0]:.1f} v {speeds[1]:.1f} tok/s",
        kind="ratio",
        estimate=speeds[0] / speeds[1],
        method="one figure each, no spread",
        label=f"{first.config} ÷ {second.config}, speed",
    )
    timings = [_timings(study, config.config) for config in (first, second)]
    shared = [prompt for prompt in timings[0] if prompt in timings[1]]
    if not shared:
        return row
    tokens, seconds = (
        [[timing[prompt][place] for prompt in shared] for timing in timings] for place in (0, 1)
    )
    judged = judge_ratio(
        *tokens,
        first_weights=seconds[0],
        second_weights=seconds[1],
        more_is_better=True,
        margin=margin,
    )
    rates = [sum(tokens[side]) / sum(seconds[side]) for side in (0, 1)]
    row = replace(row, figures=f"{rates[0]:.1f} v {rates[1]:.1f} tok/s")
    if judged is None:
        return replace(row, estimate=rates[0] / rates[1], method=no_spread(len(shared)))
    return replace(row, **_judged(judged))


def _timings(study: StudyData, config: str) -> dict[tuple[str, int], tuple[int, float]]:
    """(new tokens, seconds) by prompt and sample, of outputs that were timed alone."""
    return {
        prompt: (output.new_tokens, output.total_seconds)
        for prompt, output in study.outcomes.get(config, {}).items()
        if output.new_tokens and output.total_seconds and output.batch_size == 1
    }


def memory_row(
    first: ConfigMetrics, second: ConfigMetrics, label: str | None = None
) -> EvidenceRow | None:
    """Memory of `first` over that of `second`: counted, so without an interval. None where a size
    is not known, or the two were not counted in the same way."""
    sizes = first.memory_bytes, second.memory_bytes
    if not sizes[0] or not sizes[1] or first.memory_basis != second.memory_basis:
        return None
    return EvidenceRow(
        compared=f"{first.config} over {second.config}",
        measure="memory",
        figures=" v ".join(formats.memory(size) for size in sizes),
        kind="times",
        estimate=sizes[0] / sizes[1],
        method=f"{second.memory_basis}, {second.memory_source}",
        label=label,
    )


JUDGED = (
    "estimate", "low", "high", "verdict", "p", "equivalence_p", "n", "method", "needed_n",
    "margin", "inner_low", "inner_high",
)  # fmt: skip


def _judged(judgement: Judgement) -> dict[str, Any]:
    """What evidence takes from a judgement: its fields of the same names."""
    return {name: getattr(judgement, name) for name in JUDGED}
