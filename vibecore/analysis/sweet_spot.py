"""The sweet spot of one study: the rule applied to it, with its reason and every exclusion's.

Words: a config is dropped on quality only when it is significantly worse than the best usable one;
"not worse" is never said to be "equal". Where runs are unfinished, or prompts are few, the choice
only leads so far.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Array, Outcomes
from vibecore.analysis.quality import (
    MOST_BROKEN,
    Quality,
    Sampled,
)
from vibecore.analysis.rule import Needs, Rule, Steps, apply, fits_memory, is_near, needs_of
from vibecore.analysis.sampled import sample_study
from vibecore.analysis.stats.exact import fisher_exact
from vibecore.analysis.stats.verdicts import p_value
from vibecore.core import formats

# At this level a config that is unusable is no longer like its siblings.
DEAD_ALPHA = 0.05
# Fewer prompts decide nothing.
LEAST_PROMPTS = 10
UNFINISHED = ("pending", "running", "stopped")
# What a broken output can be, by its field of ConfigMetrics.
BREAKS = {
    "empty": "empty",
    "repetitive": "repetitive",
    "garbage": "not made of words",
    "non_finite": "numerically broken",
}


@dataclass(frozen=True)
class Models:
    """Two models on one metric, over the precisions both have: what a model's effect rests on."""

    model: str
    best: str
    precisions: int
    count: int
    total: int
    best_count: int
    best_total: int


@dataclass(frozen=True)
class Comparison:
    """One config against the best usable one on one metric; `p` is adjusted for all comparisons of
    the decision. `models` where the p is that of its whole model.

    `pairs` (both, only it, only the best, neither) where outputs are known, else None.
    """

    config: str
    metric: str
    best: str
    count: int
    total: int
    best_count: int
    best_total: int
    test: str
    p: float
    pairs: tuple[int, int, int, int] | None = None
    models: Models | None = None


@dataclass(frozen=True)
class SweetSpot:
    """The choice (None: there is none), its reason, and what excluded every other config.

    `how` says by which test and at which level. `speed_shares` gives the speed of every config left
    at that step, over the fastest's. Where nothing good fits, `best_that_fits` has the fewest
    broken outputs of the usable configs that fit, and `worse_at` says what it is worse at. A choice
    that is `leading` only leads so far, and `missing` says what is missing.
    """

    config: str | None
    reason: str
    excluded: dict[str, str] = field(default_factory=dict)
    comparisons: tuple[Comparison, ...] = ()
    speed_shares: dict[str, float] = field(default_factory=dict)
    best_that_fits: str | None = None
    worse_at: str = ""
    leading: bool = False
    missing: tuple[str, ...] = ()
    how: str = ""


class Observed:
    """A study itself, as a batch of one for the rule; what its runs lack is in `missing`."""

    def __init__(self, summary: Sequence[ConfigMetrics], outcomes: Outcomes | None = None) -> None:
        self.rows, self.incomparable = comparable(summary)
        covered = outcomes is not None and outcomes.covers(self.rows)
        self.outcomes = outcomes if covered else None
        self.missing = _missing(summary, self.rows)
        self._pairs: dict[tuple[str, str], list[tuple[int, int, int, int] | None]] = {}

    @cached_property
    def sampled(self) -> Sampled:
        """The study's outcomes, or its counts where outputs are not known."""
        return sample_study(self.rows, self.outcomes)

    @cached_property
    def rates(self) -> Mapping[str, Array]:
        """By metric of the rule, each config's rate: (1, configs)."""
        return self.sampled.rates

    @cached_property
    def needs(self) -> Needs:
        """What the configs take of each cap."""
        return needs_of(self.rows)

    @cached_property
    def quality(self) -> Quality:
        """What the quality step found."""
        return self.sampled.judge()

    @cached_property
    def models(self) -> dict[str, tuple[int, list[tuple[int, int]]]]:
        """By metric of the rule, the place of the best model and each one's (count, total), over
        the precisions that all have; only where models are compared."""
        found = {}
        for name, metric in RULE_METRICS.items():
            totals = []
            for block in self.sampled.grid.blocks:
                counts = [_counts(self.rows[one], name) for one in block]
                totals.append((sum(count for count, _ in counts), sum(n for _, n in counts)))
            sign = -1 if metric.better == "more" else 1
            shares = [sign * count / max(1, total) for count, total in totals]
            found[name] = (shares.index(min(shares)) if shares else -1, totals)
        return found

    @cached_property
    def speeds(self) -> Array:
        """Each config's speed, in tokens per second: (1, configs)."""
        import numpy as np

        return np.array([[row.tokens_per_second for row in self.rows]], dtype=float)

    def pairs(self, metric: str, own: str, best: str) -> tuple[int, int, int, int] | None:
        """The prompts that (both, only `own`, only `best`, neither) did it on; None where not every
        prompt has both verdicts."""
        if self.outcomes is None:
            return None
        found = self._pairs.get((metric, best))
        if found is None:
            found = self._pairs[metric, best] = _pairs_with(self.outcomes, metric, best)
        return found[self.outcomes.place(own)]


def _pairs_with(
    outcomes: Outcomes, metric: str, best: str
) -> list[tuple[int, int, int, int] | None]:
    """What Observed.pairs gives, of every config of a study."""
    import numpy as np

    flags, place = outcomes.flags[metric], outcomes.place(best)
    yes = np.asarray(flags == 1)
    known = np.asarray((flags >= 0).all(axis=0))
    number, own = len(flags), yes.sum(axis=0)
    both = (yes & yes[:, [place]]).sum(axis=0)
    columns = (both, own - both, own[place] - both, number - own - own[place] + both)
    counts = zip(*(column.tolist() for column in columns), strict=True)
    whole = known & known[place]
    return [count if all_known else None for count, all_known in zip(counts, whole, strict=True)]


def find_sweet_spot(
    summary: Sequence[ConfigMetrics], outcomes: Outcomes | None = None, rule: Rule | None = None
) -> SweetSpot:
    """Apply the rule to a summary (see `summarise`) and, where they are stored, its outcomes."""
    return choose(Observed(summary, outcomes), rule or Rule())


def choose(study: Observed, rule: Rule) -> SweetSpot:
    """Apply the rule to a study, and say why each config was chosen or left out."""
    rows, excluded = study.rows, dict(study.incomparable)
    leading = bool(study.missing)
    if not rows:
        reason = _nothing("no config has finished with scored outputs")
        return SweetSpot(None, reason, excluded, leading=leading, missing=study.missing)
    steps = apply(study, rule)
    comparisons = _comparisons(study, steps)
    worse = _worse_by_config(comparisons, rule)
    for row, usable, fitting in zip(rows, steps.quality.usable[0], steps.fits, strict=True):
        if not usable:
            excluded[row.config] = _too_broken(row)
        elif row.config in worse:
            excluded[row.config] = worse[row.config]
        elif not fitting:
            excluded[row.config] = _over_cap(row, rule)
    how = _how(study, comparisons, rule)
    place = int(steps.choice[0])
    if place < 0:
        best = int(steps.best_that_fits[0])
        named = rows[best].config if best >= 0 else None
        return SweetSpot(
            None,
            _nothing(_why_none(rows, steps, rule)),
            excluded,
            comparisons,
            best_that_fits=named,
            worse_at=worse.get(named, "") if named else "",
            leading=leading,
            missing=study.missing,
            how=how,
        )

    left = [row for row, is_left in zip(rows, steps.left[0], strict=True) if is_left]
    fastest = max(left, key=_speed)
    chosen = rows[place]
    for row, is_left, is_fast in zip(rows, steps.left[0], steps.fast[0], strict=True):
        if is_left and not is_fast:
            excluded[row.config] = _too_slow(row, fastest, rule)
        elif is_fast and row is not chosen:
            excluded[row.config] = _needs_more(row, chosen)
    return SweetSpot(
        chosen.config,
        _reason(chosen, fastest, comparisons, rule),
        excluded,
        comparisons,
        {row.config: _speed(row) / _speed(fastest) for row in left},
        leading=leading,
        missing=study.missing,
        how=how,
    )


def comparable(
    summary: Sequence[ConfigMetrics],
) -> tuple[tuple[ConfigMetrics, ...], dict[str, str]]:
    """The configs the rule can compare, and why each other cannot be.

    Of a config that is dead nothing is compared: its outputs would count against its whole model.

    Speeds are compared at one batch size only: the one most configs ran at, the smaller of two; and
    on one kind of hardware only: the one that most configs ran on, the first of two by its name.
    """
    excluded = {row.config: why for row in summary if (why := _not_comparable(row))}
    scored = [row for row in summary if row.broken is not None and row.status == "complete"]
    excluded |= {row.config: _too_broken(row) for row in scored if _is_dead(row, scored)}
    sizes = Counter(batch_size(row) for row in summary if row.config not in excluded)
    most = min(sizes, key=lambda size: (-sizes[size], size), default=1)
    excluded |= {
        row.config: f"its speed at batch size {batch_size(row)} does not compare with batch size "
        f"{most}"
        for row in summary
        if row.config not in excluded and batch_size(row) != most
    }
    kinds = Counter(row.devices for row in summary if row.config not in excluded)
    usual = min(kinds, key=lambda devices: (-kinds[devices], devices), default=())
    excluded |= {
        row.config: f"its speed on {row.devices[0]} does not compare with that on {usual[0]}"
        for row in summary
        if row.config not in excluded and row.devices != usual and row.devices and usual
    }
    return tuple(row for row in summary if row.config not in excluded), excluded


def batch_size(row: ConfigMetrics) -> int:
    """The prompts a config decoded together; 1 where none is stored."""
    return row.batch_size or 1


def _not_comparable(row: ConfigMetrics) -> str | None:
    if row.status == "failed":
        return f"failed: {row.error}"
    if row.status != "complete":
        return f"not finished: {formats.counted(row.prompts, 'prompt')} so far"
    if row.broken is None:
        return "its quality was not scored"
    if len(row.devices) > 1:
        return f"its speed is of several kinds of hardware: {formats.listed(row.devices)}"
    if not row.tokens_per_second:
        return "its speed is not known"
    return None


def _is_dead(row: ConfigMetrics, scored: Sequence[ConfigMetrics]) -> bool:
    """Whether a config is unusable and breaks on significantly more outputs than the other
    precisions of its model do, or than all others where it is its model's only one."""
    if row.broken is None or not _is_unusable(row):
        return False
    others = [one for one in scored if one is not row]
    siblings = [one for one in others if one.model == row.model] or others
    broken = sum(one.broken or 0 for one in siblings)
    judged = sum(one.broken_judged or 0 for one in siblings)
    if not judged or broken / judged >= row.broken / (row.broken_judged or 1):
        return False
    return fisher_exact(row.broken, row.broken_judged or 0, broken, judged) < DEAD_ALPHA


def _is_unusable(row: ConfigMetrics) -> bool:
    return bool(row.broken_judged) and (row.broken or 0) >= MOST_BROKEN * (row.broken_judged or 0)


def _missing(summary: Sequence[ConfigMetrics], rows: Sequence[ConfigMetrics]) -> tuple[str, ...]:
    """What a study lacks for a decision, a sentence each."""
    sentences = []
    unfinished = [row.config for row in summary if row.status in UNFINISHED]
    if unfinished:
        names = ", ".join(unfinished)
        have = "has" if len(unfinished) == 1 else "have"
        sentences.append(
            f"{len(unfinished)} of {formats.counted(len(summary), 'config')} {have} not finished: "
            f"{names}."
        )
    prompts = min((row.broken_judged or 0 for row in rows), default=LEAST_PROMPTS)
    if prompts < LEAST_PROMPTS:
        sentences.append(
            f"There are outputs of {formats.counted(prompts, 'prompt')} only; a choice takes at "
            f"least {LEAST_PROMPTS}."
        )
    return tuple(sentences)


def _counts(row: ConfigMetrics, name: str) -> tuple[int, int]:
    metric = RULE_METRICS[name]
    return int(metric.value(row) or 0), metric.total(row) or 0


def _comparisons(study: Observed, steps: Steps) -> tuple[Comparison, ...]:
    """Every usable config against the best of them, by metric."""
    found = []
    for name in RULE_METRICS:
        place_of_best = int(steps.quality.best[name][0])
        if place_of_best < 0:
            continue
        best = study.rows[place_of_best]
        for place, row in enumerate(study.rows):
            p = float(steps.quality.p[name][0, place])
            if math.isnan(p):
                continue
            found.append(
                Comparison(
                    row.config,
                    name,
                    best.config,
                    *_counts(row, name),
                    *_counts(best, name),
                    study.sampled.how,
                    p,
                    study.pairs(name, row.config, best.config),
                    _models(study, name, place) if steps.quality.by_model[name][0, place] else None,
                )
            )
    return tuple(found)


def _models(study: Observed, metric: str, place: int) -> Models:
    """A config's model against the best model on a metric, over the precisions of both."""
    grid = study.sampled.grid
    best, totals = study.models[metric]
    own = grid.models[place]
    return Models(
        grid.names[own], grid.names[best], len(grid.blocks[0]), *totals[own], *totals[best]
    )


def _worse_by_config(comparisons: Sequence[Comparison], rule: Rule) -> dict[str, str]:
    """What each config that is worse is worse at."""
    found: dict[str, list[str]] = {}
    for comparison in comparisons:
        if comparison.p < rule.alpha:
            found.setdefault(comparison.config, []).append(_worse(comparison))
    return {config: "; ".join(reasons) for config, reasons in found.items()}


def _worse(comparison: Comparison) -> str:
    word = RULE_METRICS[comparison.metric].label
    own = (
        f"{word} {comparison.count}/{comparison.total} against "
        f"{comparison.best_count}/{comparison.best_total} for {comparison.best}"
    )
    p = f"p {p_value(comparison.p)}"
    if (models := comparison.models) is None:
        return f"{own} ({p})"
    return (
        f"{own} (over all {models.precisions} precisions {models.model} {models.count}/"
        f"{models.total}, {models.best} {models.best_count}/{models.best_total}; {p})"
    )


def _how(study: Observed, comparisons: Sequence[Comparison], rule: Rule) -> str:
    """By which test, over how many prompts, at which level."""
    if not comparisons:
        return ""
    metrics = " and ".join(dict.fromkeys(one.metric for one in comparisons))
    models = ""
    if study.sampled.grid.compares_models:
        models = ", and each model with the best one over all precisions"
    most = max(one.total for one in comparisons)
    prompts = formats.counted(study.outcomes.prompts if study.outcomes else most, "prompt")
    return (
        f"Each usable config was compared with the best one on {metrics}{models}, over {prompts}, "
        f"by {study.sampled.how}. The chance that any config is dropped though all are alike is at "
        f"most α = {rule.alpha:g} for the whole decision, picking the best included."
    )


def _why_none(rows: Sequence[ConfigMetrics], steps: Steps, rule: Rule) -> str:
    if not steps.quality.usable.any():
        return "half or more of the outputs of every config are broken"
    if not steps.good.any():
        return "every usable config is worse than the best one on broken outputs or adherence"
    good = [row for row, is_good in zip(rows, steps.good[0], strict=True) if is_good]
    near = [row for row in good if is_near(row, rule)]
    if not near:
        return f"nothing good is known to be within a mean KLD of {_nats(rule)} from 16 bit"
    known = [row for row in near if row.fit_bytes is not None]
    if not known:
        return f"nothing good is known to fit in {rule.vram_gib:g} GiB"
    smallest = min(known, key=lambda row: row.fit_bytes or 0)
    return (
        f"nothing good fits in {rule.vram_gib:g} GiB; the smallest that is not worse than the "
        f"best, {smallest.config}, needs {_gib(smallest)}"
    )


def _too_broken(row: ConfigMetrics) -> str:
    counts = {word: getattr(row, name) for name, word in BREAKS.items()}
    if row.looping is not None and row.looping != row.repetitive:
        # Loops that word pairs do not show, or flags that do not make an output broken.
        counts = {"empty": row.empty, "looping": row.looping} | counts
        del counts["repetitive"]
    kinds = [f"{count} {word}" for word, count in counts.items() if count]
    named = f" ({', '.join(kinds)})" if kinds else ""
    return (
        f"{row.broken} of {row.broken_judged} outputs are broken{named}: "
        f"{100 * MOST_BROKEN:g} % or more is not usable"
    )


def _over_cap(row: ConfigMetrics, rule: Rule) -> str:
    if not fits_memory(row, rule):
        return _does_not_fit(row, rule)
    if row.mean_kld is None:
        return f"its mean KLD from 16 bit is not known, so it may be over the cap of {_nats(rule)}"
    return (
        f"its mean KLD from 16 bit is {formats.divergence(row.mean_kld)} nats, over the cap of "
        f"{_nats(rule)}"
    )


def _does_not_fit(row: ConfigMetrics, rule: Rule) -> str:
    if row.fit_bytes is None:
        return f"its memory is not known, so it may not fit in {rule.vram_gib:g} GiB"
    return f"needs {_gib(row)}, more than the cap of {rule.vram_gib:g} GiB"


def _too_slow(row: ConfigMetrics, fastest: ConfigMetrics, rule: Rule) -> str:
    return (
        f"{row.tokens_per_second:.1f} tok/s is under {_percent(rule.speed_floor)} of the "
        f"{fastest.tokens_per_second:.1f} of {fastest.config}"
    )


def _needs_more(row: ConfigMetrics, chosen: ConfigMetrics) -> str:
    if row.fit_bytes != chosen.fit_bytes and _gib(row) == _gib(chosen):
        return f"fast enough, but needs a little more memory than {chosen.config}, {_gib(row)} both"
    if row.fit_bytes != chosen.fit_bytes:
        return f"fast enough, but needs {_gib(row)}; {chosen.config} needs {_gib(chosen)}"
    return f"needs {_gib(row)}, the same as {chosen.config}, but is slower"


def _reason(
    chosen: ConfigMetrics,
    fastest: ConfigMetrics,
    comparisons: Sequence[Comparison],
    rule: Rule,
) -> str:
    clauses = []
    if comparisons:
        clauses.append("are not worse than the best one on broken outputs or adherence")
    if rule.vram_gib is not None:
        clauses.append(f"fit in {rule.vram_gib:g} GiB")
    if rule.kld_cap is not None:
        clauses.append(f"are within a mean KLD of {_nats(rule)} from 16 bit")
    clauses.append(
        f"reach {_percent(rule.speed_floor)} of the speed of the fastest one left "
        f"({fastest.config}, {fastest.tokens_per_second:.1f} tok/s)"
    )
    listed = clauses[0] if len(clauses) == 1 else f"{', '.join(clauses[:-1])} and {clauses[-1]}"
    kld = ""
    if chosen.mean_kld is not None:
        used = ", which this rule does not ask about" if rule.kld_cap is None else ""
        kld = f" Its mean KLD from 16 bit is {formats.divergence(chosen.mean_kld)} nats{used}."
    least = f"{chosen.config} needs the least memory ({_gib(chosen)})"
    return f"{least} of the configs that {listed}.{kld}"


def _nats(rule: Rule) -> str:
    return f"{formats.divergence(rule.kld_cap)} nats"


def _nothing(why: str) -> str:
    return f"No sweet spot: {why}."


def _speed(row: ConfigMetrics) -> float:
    """Of a comparable config, which has one."""
    return row.tokens_per_second or 0.0


def _gib(row: ConfigMetrics) -> str:
    if row.fit_bytes is None:
        return "an unknown amount of memory"
    size = formats.memory(row.fit_bytes)
    estimated = row.need_bytes is not None or row.memory_source == "estimated"
    return f"an estimated {size}" if estimated else size


def _percent(share: float) -> str:
    return f"{share * 100:g} %"
