"""How often each verdict is wrong, and how often it is right, in simulated studies.

    python -m benchmarks.null_studies [--studies 2000] [--prompts 30]
    python -m benchmarks.null_studies --rule [--many] [--studies 2000] [--prompts 30,100,300]

With `--rule` the sweet spot's quality step: how often it drops any of six configs that are all
alike, and how often the one, or the model, that is 30 points worse, beside what the rule did before
(Holm-adjusted exact McNemar tests, at α for each metric). With `--many` the same of 48 configs,
which are judged by rotations. Else the verdicts on two configs: null studies have no difference
("better" or "worse" is an error) or are on the margin's edge ("equivalent" is an error). Power is
beside its exact value: the sum over every table. Needs the development requirements (scipy).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy import stats

from vibecore.analysis.metrics import RULE_METRICS, ConfigMetrics
from vibecore.analysis.outcomes import Outcomes
from vibecore.analysis.rule import Rule, apply
from vibecore.analysis.stats import power
from vibecore.analysis.stats.exact import fisher_exact, holm, mcnemar_exact
from vibecore.analysis.stats.verdicts import (
    BETTER,
    EQUIVALENT,
    WORSE,
    Judgement,
    judge_counts,
    judge_ratio,
)
from vibecore.analysis.sweet_spot import Observed

RATE_MARGIN, RATIO_MARGIN = 0.10, 0.05
ALPHA = 0.05
Judge = Callable[[np.random.Generator, int], Judgement]


def paired(only_first: float, only_second: float, both: float = 0.1) -> Judge:
    """Studies of two configs on the same prompts, from the chances of the outcomes."""

    def judge(rng: np.random.Generator, n: int) -> Judgement:
        rates = [both, only_first, only_second, 1 - both - only_first - only_second]
        a, b, c, d = (int(k) for k in rng.multinomial(n, rates))
        return judge_counts((a + b, n), (a + c, n), more_is_better=True, pairs=(a, b, c, d))

    return judge


def counts(first: float, second: float) -> Judge:
    """Studies of which only two counts are known."""

    def judge(rng: np.random.Generator, n: int) -> Judgement:
        x, y = (int(k) for k in rng.binomial(n, [first, second]))
        return judge_counts((x, n), (y, n), more_is_better=True)

    return judge


def speeds(ratio: float, noise: float) -> Judge:
    """Studies of two speeds: lengths that end by themselves or are cut, noisy seconds."""

    def judge(rng: np.random.Generator, n: int) -> Judgement:
        tokens = np.where(rng.random((2, n)) < 0.6, 200, rng.integers(5, 200, (2, n))).astype(float)
        seconds = (tokens / 20 + 0.05) * rng.lognormal(0, noise, (2, n))
        seconds[0] /= ratio
        return judge_ratio(
            *tokens, first_weights=seconds[0], second_weights=seconds[1], more_is_better=True
        )

    return judge


def lengths(ratio: float, noise: float) -> Judge:
    """Studies of two skewed lengths, alike from prompt to prompt."""

    def judge(rng: np.random.Generator, n: int) -> Judgement:
        base = rng.lognormal(4, 0.8, n)
        first, second = base * rng.lognormal(0, noise, (2, n))
        return judge_ratio(ratio * first, second, more_is_better=True)

    return judge


# what -> studies without any difference
NULL = {
    "paired, 15 % discordant each way": paired(0.15, 0.15),
    "paired, 30 % discordant each way": paired(0.3, 0.3),
    "paired, 3 % discordant each way": paired(0.03, 0.03),
    "counts, both 15 %": counts(0.15, 0.15),
    "counts, both 50 %": counts(0.5, 0.5),
    "speeds, 5 % noise": speeds(1.0, 0.05),
    "speeds, 40 % noise": speeds(1.0, 0.4),
    "lengths, 5 % noise": lengths(1.0, 0.05),
    "lengths, 60 % noise": lengths(1.0, 0.6),
}
# what -> studies that differ by just the margin
EDGE = {
    "paired, 10 % v 0 %": paired(RATE_MARGIN, 0.0),
    "paired, 12 % v 2 %": paired(RATE_MARGIN + 0.02, 0.02),
    "counts, 10 % v 0 %": counts(RATE_MARGIN, 0.0),
    "counts, 97 % v 87 %": counts(0.97, 0.87),
    "speeds, 5 % apart, 2 % noise": speeds(1 + RATIO_MARGIN, 0.02),
    "speeds, 5 % apart, 10 % noise": speeds(1 + RATIO_MARGIN, 0.1),
    "lengths, 5 % apart, 2 % noise": lengths(1 + RATIO_MARGIN, 0.02),
    "lengths, 5 % apart, 8 % noise": lengths(1 + RATIO_MARGIN, 0.08),
}


def share(judged: Sequence[Judgement], *verdicts: str) -> float:
    """How many of the judgements are one of the verdicts."""
    return sum(one.verdict in verdicts for one in judged) / len(judged)


PRECISIONS = ("bf16", "8bit", "4bit")
# Six models, or two at three precisions.
SIX, TWO = tuple("abcdef"), tuple("aaabbb")


@dataclass(frozen=True)
class Case:
    """Simulated studies: the chance of a broken output and of an adherent one, by config. Each
    prompt's outcome is shared by all configs with chance `together`, else by those of a model with
    chance `within`."""

    name: str
    models: tuple[str, ...]
    broken: tuple[float, ...]
    adherent: float = 0.2
    together: float = 0.0
    within: float = 0.0
    counts_only: bool = False

    def draw(self, rng: np.random.Generator, prompts: int) -> np.ndarray:
        """Outcomes of shape (2, prompts, configs): broken, adherent."""
        chances = rng.random((2, prompts, len(self.models)))
        for model in dict.fromkeys(self.models):
            own = [place for place, other in enumerate(self.models) if other == model]
            shared = rng.random((2, prompts)) < self.within
            values = chances[:, :, own]
            values[shared] = values[shared][:, :1]
            chances[:, :, own] = values
        shared = rng.random((2, prompts)) < self.together
        chances[shared] = chances[shared][:, :1]
        return chances < np.array([self.broken, [self.adherent] * len(self.models)])[:, None, :]


def _alike(rate: float, models: tuple[str, ...] = SIX) -> tuple[float, ...]:
    return (rate,) * len(models)


ALIKE = (
    Case("six models, 20 %, apart", SIX, _alike(0.2)),
    Case("six models, 20 %, half of prompts together", SIX, _alike(0.2), together=0.5),
    Case("six models, 5 %, apart", SIX, _alike(0.05), adherent=0.05),
    Case("six models, 35 %, apart", SIX, _alike(0.35), adherent=0.5),
    Case("two models x three, 20 %, apart", TWO, _alike(0.2)),
    Case("two models x three, 20 %, models agree", TWO, _alike(0.2), together=0.3, within=0.8),
    Case("two models x three, counts alone, apart", TWO, _alike(0.2), counts_only=True),
    Case(
        "two models x three, counts alone, models agree",
        TWO,
        _alike(0.2),
        together=0.3,
        within=0.8,
        counts_only=True,
    ),
)
# 30 points apart, and seldom half or more of all outputs, which is not usable without a test.
ONE = (0.35, *(0.05,) * 5)
MODEL = (*(0.35,) * 3, *(0.05,) * 3)
DIFFERENT = (
    Case("one config of six models, apart", SIX, ONE),
    Case("one config of six models, half together", SIX, ONE, together=0.5),
    Case("one precision of two models, apart", TWO, ONE),
    Case("one precision of two models, models agree", TWO, ONE, together=0.3, within=0.8),
    Case("a model at all three, apart", TWO, MODEL),
    Case("a model at all three, models agree", TWO, MODEL, together=0.3, within=0.8),
    Case("a model at all three, counts alone", TWO, MODEL, counts_only=True),
    Case("five configs of six models, apart", SIX, (*(0.35,) * 5, 0.05)),
)


def _worse_first(models: tuple[str, ...], number: int) -> tuple[float, ...]:
    return (0.35,) * number + (0.05,) * (len(models) - number)


# Forty-eight models, or sixteen at three precisions, of which eight may lack one.
FORTY_EIGHT = tuple(f"m{i}" for i in range(48))
SIXTEEN = tuple(f"m{i // 3}" for i in range(48))
UNEVEN = SIXTEEN[:24] + tuple(model for i, model in enumerate(SIXTEEN[24:]) if i % 3 < 2)
ALIKE_MANY = (
    Case("48 models, apart", FORTY_EIGHT, _alike(0.2, FORTY_EIGHT)),
    Case(
        "48 models, half of prompts together", FORTY_EIGHT, _alike(0.2, FORTY_EIGHT), together=0.5
    ),
    Case("16 x 3, apart", SIXTEEN, _alike(0.2, SIXTEEN)),
    Case("16 x 3, models agree", SIXTEEN, _alike(0.2, SIXTEEN), together=0.3, within=0.8),
    Case("8 x 3 and 8 x 2, apart", UNEVEN, _alike(0.2, UNEVEN)),
    Case("8 x 3 and 8 x 2, models agree", UNEVEN, _alike(0.2, UNEVEN), together=0.3, within=0.8),
    Case("16 x 3, counts alone, apart", SIXTEEN, _alike(0.2, SIXTEEN), counts_only=True),
    Case(
        "16 x 3, counts alone, models agree",
        SIXTEEN,
        _alike(0.2, SIXTEEN),
        together=0.3,
        within=0.8,
        counts_only=True,
    ),
)
DIFFERENT_MANY = (
    Case("one config of 48 models, apart", FORTY_EIGHT, _worse_first(FORTY_EIGHT, 1)),
    Case(
        "one precision of 16 x 3, models agree",
        SIXTEEN,
        _worse_first(SIXTEEN, 1),
        together=0.3,
        within=0.8,
    ),
    Case(
        "a model of 16 x 3, models agree",
        SIXTEEN,
        _worse_first(SIXTEEN, 3),
        together=0.3,
        within=0.8,
    ),
    Case("a model of 8 x 3 and 8 x 2, apart", UNEVEN, _worse_first(UNEVEN, 3)),
    Case("half of 48 models, apart", FORTY_EIGHT, _worse_first(FORTY_EIGHT, 24)),
)


def dropped_by_rule(case: Case, flags: np.ndarray) -> np.ndarray:
    """Which configs the rule finds worse than the best, (configs,); where they differ, those that
    are not usable too."""
    prompts = flags.shape[1]
    configs = len(case.models)
    # Where each model has one config they alternate, so that no precision is shared by all.
    places = [case.models[:i].count(model) for i, model in enumerate(case.models)]
    alone = configs == len(set(case.models))
    precisions = [PRECISIONS[i % 3 if alone else place] for i, place in enumerate(places)]
    names = [f"{model}-{own}" for model, own in zip(case.models, precisions, strict=True)]
    rows = [
        ConfigMetrics(
            config=names[i],
            model=case.models[i],
            precision=precisions[i],
            prompts=prompts,
            tokens_per_second=1.0,
            memory_bytes=1,
            broken=int(flags[0, :, i].sum()),
            broken_judged=prompts,
            adherent_prompts=int(flags[1, :, i].sum()),
            adherence_judged=prompts,
        )
        for i in range(configs)
    ]
    nothing = np.full((prompts, configs), np.nan)
    outcomes = Outcomes(
        tuple(names),
        {name: one.astype(np.int8) for name, one in zip(RULE_METRICS, flags, strict=True)},
        nothing,
        nothing,
        np.arange(prompts),
    )
    study = Observed(rows, None if case.counts_only else outcomes)
    found = apply(study, Rule())
    alike = len(set(case.broken)) == 1
    worse = (found.quality.usable & ~found.good)[0] if alike else ~found.good[0]
    by_config = dict(zip((row.config for row in study.rows), worse, strict=True))
    # What is not compared is dead: no test dropped it.
    return np.array([by_config.get(name, not alike) for name in names])


def dropped_before(case: Case, flags: np.ndarray) -> np.ndarray:
    """Which configs the rule of before drops: (configs,)."""
    prompts, configs = flags.shape[1:]
    dropped = np.zeros(configs, dtype=bool)
    for one, sign in zip(flags, (1, -1), strict=True):
        counts = one.sum(axis=0)
        best = int((sign * counts).argmin())
        p = [
            fisher_exact(int(counts[i]), prompts, int(counts[best]), prompts)
            if case.counts_only
            else mcnemar_exact(
                int((one[:, i] & ~one[:, best]).sum()), int((one[:, best] & ~one[:, i]).sum())
            )
            for i in range(configs)
            if i != best
        ]
        dropped[[i for i in range(configs) if i != best]] |= holm(p) < ALPHA
    return dropped


def measure(task: tuple[Case, int, int]) -> np.ndarray:
    """How often each config is dropped, and any, now and before: (2, configs + 1), as shares."""
    case, prompts, studies = task
    rng = np.random.default_rng(2026)
    found = np.zeros((2, len(case.models) + 1))
    for _ in range(studies):
        flags = case.draw(rng, prompts)
        for place, rule in enumerate((dropped_by_rule, dropped_before)):
            dropped = rule(case, flags)
            found[place] += [*dropped, dropped.any()]
    return found / studies


def show_rule(studies: int, sizes: Sequence[int], workers: int, *, many: bool) -> None:
    """Print what the rule drops of alike and of different configs, as Markdown tables."""
    alikes, differents = (ALIKE_MANY, DIFFERENT_MANY) if many else (ALIKE, DIFFERENT)
    alike = [(case, prompts, studies) for case in alikes for prompts in sizes]
    different = [(case, sizes[0], studies) for case in differents]
    with ProcessPoolExecutor(workers) as pool:
        print(f"{studies:,} studies a line, α {ALPHA:g}\n")
        print("| alike configs | prompts | any dropped | before |\n| --- | --- | --- | --- |")
        for (case, prompts, _), found in zip(alike, pool.map(measure, alike), strict=True):
            now, before = found[:, -1]
            print(f"| {case.name} | {prompts} | {now:.2%} | {before:.2%} |", flush=True)
        print("\n| 35 % broken against 5 % | prompts | power | before | others | before |")
        print("| --- | --- | --- | --- | --- | --- |")
        for (case, prompts, _), found in zip(different, pool.map(measure, different), strict=True):
            worse = np.array(case.broken) > min(case.broken)
            shares = [one[:-1][which].mean() for which in (worse, ~worse) for one in found]
            figures = " | ".join(f"{share:.1%}" for share in shares)
            print(f"| {case.name} | {prompts} | {figures} |", flush=True)


def paired_power(
    only_first: float, only_second: float, prompts: int, decides: Callable[[int, int], bool]
) -> float:
    """Exact chance of the tables, by their discordant counts, that a test decides."""
    tables = [
        (b, c, prompts - b - c)
        for b in range(prompts + 1)
        for c in range(prompts + 1 - b)
        if decides(b, c)
    ]
    rates = [only_first, only_second, 1 - only_first - only_second]
    return float(stats.multinomial.pmf(tables, prompts, rates).sum())


def mcnemar_power(only_first: float, only_second: float, prompts: int) -> float:
    """Exact power of the exact McNemar test."""
    return paired_power(only_first, only_second, prompts, lambda b, c: mcnemar_exact(b, c) < ALPHA)


def paired_equivalence_power(rate: float, prompts: int) -> float:
    """Exact chance of "equivalent" where both discordant rates are `rate`."""

    def equivalent(b: int, c: int) -> bool:
        pairs = (0, b, c, prompts - b - c)
        judged = judge_counts((b, prompts), (c, prompts), more_is_better=True, pairs=pairs)
        return judged.verdict == EQUIVALENT

    return paired_power(rate, rate, prompts, lambda b, c: b + c < 6 and equivalent(b, c))


def fisher_power(first: float, second: float, prompts: int) -> float:
    """Exact power of Fisher's test, `prompts` at each config: the tables that it rejects."""
    counts = range(prompts + 1)
    ways = np.outer(
        stats.binom.pmf(counts, prompts, first), stats.binom.pmf(counts, prompts, second)
    )
    rejects = [[fisher_exact(x, prompts, y, prompts) < ALPHA for y in counts] for x in counts]
    return float(ways[np.array(rejects)].sum())


def ratio_power(noise: float, ratio: float, prompts: int) -> float:
    """The normal approximation for a length whose log ratio has this noise a prompt, weighted."""
    # A lognormal base of sigma 0.8 weights prompts unevenly: the effective n is n·E[w]²/E[w²].
    effective = prompts / math.exp(0.8**2)
    distance = math.log(ratio) / (noise * math.sqrt(2 / effective))
    return float(stats.norm.sf(stats.norm.ppf(1 - ALPHA / 2) - distance))


def main() -> None:
    """Print the figures as Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2_000)
    parser.add_argument("--prompts", default="30", help="with --rule several, by commas")
    parser.add_argument("--rule", action="store_true", help="the sweet spot's quality step")
    parser.add_argument("--many", action="store_true", help="with --rule, of 48 configs")
    parser.add_argument("--workers", type=int, default=1, help="processes of --rule")
    options = parser.parse_args()
    studies = options.studies
    sizes = [int(number) for number in options.prompts.split(",")]
    if options.rule:
        show_rule(studies, sizes, options.workers, many=options.many)
        return
    n = sizes[0]

    def judge_all(judge: Judge, prompts: int = n) -> list[Judgement]:
        rng = np.random.default_rng(2026)
        return [judge(rng, prompts) for _ in range(studies)]

    begin = time.perf_counter()
    print(f"{studies:,} studies of {n} prompts each, α {ALPHA:g}\n")
    print("| no difference | better or worse |\n| --- | --- |")
    for name, judge in NULL.items():
        print(f"| {name} | {share(judge_all(judge), BETTER, WORSE):.2%} |")
    print("\n| at the margin's edge | equivalent | TOST p < α |\n| --- | --- | --- |")
    for name, judge in EDGE.items():
        judged = judge_all(judge)
        passed = sum((one.equivalence_p or 0.0) < ALPHA for one in judged) / studies
        print(f"| {name} | {share(judged, EQUIVALENT):.2%} | {passed:.2%} |")
    pairs, rates = (5 / 30, 1 / 30), (8 / 30, 3 / 30)
    needed, fisher_needed = power.mcnemar_needed(*pairs), power.fisher_needed(*rates)
    assert needed and fisher_needed, "rates that differ"
    rows = (
        ("paired, 35 % v 5 %", paired(0.35, 0.05), n, mcnemar_power(0.35, 0.05, n)),
        ("counts, 43 % v 13 %", counts(0.43, 0.13), n, fisher_power(0.43, 0.13, n)),
        (
            "paired, 17 % v 3 %, at the n said to be needed",
            paired(*pairs),
            needed,
            mcnemar_power(*pairs, needed),
        ),
        (
            "counts, 27 % v 10 %, at the n said to be needed",
            counts(*rates),
            fisher_needed,
            fisher_power(*rates, fisher_needed),
        ),
        (
            "paired, equivalent, 1 % each way",
            paired(0.01, 0.01),
            n,
            paired_equivalence_power(0.01, n),
        ),
    )
    print("\n| power | prompts | simulated | exact |\n| --- | --- | --- | --- |")
    for name, judge, prompts, exact in rows:
        verdicts = (EQUIVALENT,) if "equivalent" in name else (BETTER, WORSE)
        simulated = share(judge_all(judge, prompts), *verdicts)
        print(f"| {name} | {prompts} | {simulated:.1%} | {exact:.1%} |")
    found = share(judge_all(lengths(1.1, 0.15)), BETTER, WORSE)
    normal = f"{ratio_power(0.15, 1.1, n):.1%} (normal)"
    print(f"| lengths, 10 % apart, 15 % noise | {n} | {found:.1%} | {normal} |")
    print(f"\n{time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
