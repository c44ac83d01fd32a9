"""The three-way verdict on two configs: better or worse, equivalent, or not resolved.

"Better" and "worse" need a significant test and an interval that leaves out no difference;
"equivalent" needs two one-sided tests (TOST, Schuirmann 1987) within a stated margin and their
interval inside it. All else is "not resolved": never "equal".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vibecore.analysis.stats import power
from vibecore.analysis.stats.exact import fisher_exact, mcnemar_exact
from vibecore.analysis.stats.intervals import newcombe_interval, tango_interval

BOOTSTRAP = "paired bootstrap-t and swap test"
BETTER, WORSE, EQUIVALENT, UNRESOLVED = "better", "worse", "equivalent", "not resolved"
# Of a distance, which is neither good nor bad.
FURTHER, NEARER = "further", "nearer"
# A difference was found.
RESOLVED = (BETTER, WORSE, FURTHER, NEARER)


@dataclass(frozen=True)
class Judgement:
    """The first config compared with the second.

    `estimate` is a difference of rates, first minus second, as a fraction; on the scale `ratio`
    it is first over second. `low` to `high` is its 1 − α interval, `inner_low` to `inner_high`
    the 1 − 2α interval that equivalence needs. `n` counts prompts: pairs, or the smaller of
    two totals. `needed_n` prompts would resolve the difference seen with power 0.8, in a single
    comparison at α; None where nothing is left to resolve or no difference was seen.
    """

    verdict: str
    estimate: float
    low: float
    high: float
    p: float | None
    equivalence_p: float | None
    n: int
    method: str
    margin: float
    needed_n: int | None
    scale: str = "difference"
    inner_low: float | None = None
    inner_high: float | None = None
    equivalence_method: str | None = None
    alpha: float = 0.05

    def sentence(self) -> str:
        """The verdict with its estimate, interval, method, p and n."""
        more = f"; {self.outlook()}" if self.needed_n else ""
        return f"{self.headline()} ({self.details()}){more}"

    def headline(self) -> str:
        """The verdict with its n or its margin."""
        if self.verdict == EQUIVALENT:
            return f"equivalent within {self._margin()}"
        return f"{self.verdict} at n = {self.n:,}" if self.verdict == UNRESOLVED else self.verdict

    def details(self) -> str:
        """The evidence for the verdict: estimate, interval, method, p and n."""
        size = "" if self.verdict == UNRESOLVED else f", n = {self.n:,}"
        if self.verdict == EQUIVALENT:
            return (
                f"{self._estimate()}, {_level(1 - 2 * self.alpha)} interval "
                f"{self._range(self.inner_low, self.inner_high)}; {self.equivalence_method}, "
                f"p {p_value(self.equivalence_p)}{size}"
            )
        return (
            f"{self._estimate()}, {_level(1 - self.alpha)} interval "
            f"{self._range(self.low, self.high)}; {self.evidence()}{size}"
        )

    def outlook(self) -> str:
        """How many prompts would resolve the difference seen; empty where that is not known."""
        if not self.needed_n:
            return ""
        return f"about {self.needed_n:,} prompts would resolve this size, with power 0.8"

    def evidence(self) -> str:
        """The method and its p."""
        return self.method if self.p is None else f"{self.method}, p {p_value(self.p)}"

    def _estimate(self) -> str:
        if self.scale == "ratio":
            return f"ratio {self.estimate:.3g}"
        return f"difference {_points(self.estimate)} points"

    def _range(self, low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return "–"
        if self.scale == "ratio":
            return f"{low:.3g} to {high:.3g}".replace("inf", "∞")
        return f"{_points(low)} to {_points(high)}"

    def _margin(self) -> str:
        unit = "%" if self.scale == "ratio" else "points"
        return f"{100 * self.margin:g} {unit}"


def judge_counts(
    first: tuple[int, int],
    second: tuple[int, int],
    *,
    more_is_better: bool,
    pairs: tuple[int, int, int, int] | None = None,
    alpha: float = 0.05,
    margin: float = 0.10,
    p_adjusted: float | None = None,
    adjusted_by: str = "",
) -> Judgement:
    """Judge two rates, each a (count, total) with a total above zero.

    With `pairs` (both, only first, only second, neither), the same prompts: exact McNemar,
    Tango's interval and the paired TOST. Without: Fisher, Newcombe's interval and the
    independent TOST. `p_adjusted` replaces p in the verdict where several comparisons were made: by
    Holm, or by another test `adjusted_by`, which decides by itself, whatever this comparison's own
    interval is.
    """
    from vibecore.analysis.stats import equivalence

    rates = first[0] / first[1], second[0] / second[1]
    if pairs is not None:
        both, only_first, only_second, _ = pairs
        n = sum(pairs)
        if n != first[1] or n != second[1] or both + only_first != first[0]:
            raise ValueError("pairs must add up to the counts")
        test, method = partial(mcnemar_exact, only_first, only_second), "exact McNemar"
        interval = partial(tango_interval, only_first, only_second, n)
        equivalence_p = equivalence.paired_equivalence(only_first, only_second, n, margin)
        exact, kind = equivalence.is_exact(n), "paired"
    else:
        n = min(first[1], second[1])
        test, method = partial(fisher_exact, *first, *second), "Fisher"
        interval = partial(newcombe_interval, *first, *second)
        equivalence_p = equivalence.independent_equivalence(*first, *second, margin)
        exact, kind = equivalence.is_exact(first[1], second[1]), "independent"
    if p_adjusted is None:
        p = test()
    else:
        p, method = p_adjusted, adjusted_by or f"{method}, Holm"
    outer, inner = interval(1 - alpha), interval(1 - 2 * alpha)
    margins = (-margin, margin)
    if adjusted_by and p < alpha:
        verdict = BETTER if (rates[0] > rates[1]) == more_is_better else WORSE
    else:
        verdict = _verdict(p, outer, equivalence_p, inner, margins, alpha, more_is_better)
    needed = None
    if verdict == UNRESOLVED:
        if pairs is not None:
            needed = power.mcnemar_needed(pairs[1] / n, pairs[2] / n, alpha)
        else:
            needed = power.fisher_needed(*rates, alpha)
    return Judgement(
        verdict,
        rates[0] - rates[1],
        *outer,
        p,
        equivalence_p,
        n,
        method,
        margin,
        # A resolved size is no answer: Holm may leave open what one comparison would resolve.
        needed if needed is None or needed > n else None,
        "difference",
        *inner,
        f"{kind} {'exact' if exact else 'score'} TOST",
        alpha,
    )


def judge_ratio(
    first: Sequence[float],
    second: Sequence[float],
    *,
    first_weights: Sequence[float] | None = None,
    second_weights: Sequence[float] | None = None,
    more_is_better: bool,
    alpha: float = 0.05,
    margin: float = 0.05,
) -> Judgement | None:
    """Judge values of the same prompts by the ratio of their sums: paired bootstrap-t, swap test.

    With weights each sum is divided by the sum of its weights: tokens over seconds, say. The
    interval covers other prompts, not another run on another day. Equivalent means within
    1/(1 + margin) and 1 + margin. None where nothing was sampled: fewer than FEWEST_PROMPTS, or the
    same ratio on each; `no_spread` says which. Raises ValueError where a sum is not above zero.
    """
    from vibecore.analysis.stats.bootstrap import bootstrap_ratio

    found = bootstrap_ratio(first, second, first_weights, second_weights)
    if found is None:
        return None
    low, high = found.interval(alpha)
    inner = found.inner_interval(alpha)
    log_margin = math.log1p(margin)
    p, equivalence_p = found.p(), found.equivalence_p(log_margin)
    margins = (-log_margin, log_margin)
    verdict = _verdict(p, (low, high), equivalence_p, inner, margins, alpha, more_is_better)
    needed = None
    if verdict == UNRESOLVED:
        needed = power.ratio_needed(found.estimate, found.error * math.sqrt(found.n), alpha)
    return Judgement(
        verdict,
        math.exp(found.estimate),
        _exp(low),
        _exp(high),
        p,
        equivalence_p,
        found.n,
        BOOTSTRAP,
        margin,
        needed if needed is None or needed > found.n else None,
        "ratio",
        _exp(inner[0]),
        _exp(inner[1]),
        "bootstrap-t TOST",
        alpha,
    )


def no_spread(prompts: int) -> str:
    """Why a ratio over so many prompts was not judged: see judge_ratio."""
    from vibecore.analysis.stats.bootstrap import FEWEST_PROMPTS

    if prompts < FEWEST_PROMPTS:
        return f"{prompts} prompt{'s' * (prompts != 1)}, an interval needs {FEWEST_PROMPTS}"
    return "the same ratio on every prompt, no spread"


def without_difference(judged: Judgement) -> str:
    """The verdict once an adjusted p no longer supports the difference: it can still be
    equivalent, which has tests of its own."""
    if judged.equivalence_p is None or judged.inner_low is None or judged.inner_high is None:
        return UNRESOLVED
    least, most = -judged.margin, judged.margin
    if judged.scale == "ratio":
        least, most = 1 / (1 + judged.margin), 1 + judged.margin
    within = least < judged.inner_low and judged.inner_high < most
    return EQUIVALENT if judged.equivalence_p < judged.alpha and within else UNRESOLVED


def p_value(p: float | None) -> str:
    """`= 0.02`, or `< 0.001`; `not known` without a p."""
    if p is None:
        return "not known"
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _verdict(
    p: float,
    interval: tuple[float, float],
    equivalence_p: float,
    inner: tuple[float, float],
    margins: tuple[float, float],
    alpha: float,
    more_is_better: bool,
) -> str:
    if p < alpha and not interval[0] <= 0 <= interval[1]:
        return BETTER if (interval[0] > 0) == more_is_better else WORSE
    if equivalence_p < alpha and margins[0] < inner[0] and inner[1] < margins[1]:
        return EQUIVALENT
    return UNRESOLVED


def _exp(log: float) -> float:
    """exp, with what is too large left infinite."""
    return math.exp(log) if log < 700 else math.inf


def _points(share: float) -> str:
    """Percentage points to a decimal, or to one digit where that would round them away."""
    points = 100 * share
    text = f"{points:.1f}" if abs(points) >= 0.05 or not points else f"{points:.1g}"
    return text.replace("-", "−")


def _level(confidence: float) -> str:
    return f"{100 * confidence:g} %"
