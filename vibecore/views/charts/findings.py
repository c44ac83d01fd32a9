"""The evidence of a finding: estimates with their intervals against "no difference"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vibecore.analysis.claims.evidence import EvidenceRow
from vibecore.analysis.claims.wording import estimate, verdict_text
from vibecore.analysis.stats.verdicts import RESOLVED
from vibecore.views.charts.dot_interval import Axis, Dot, dot_chart
from vibecore.views.charts.figure import Figure
from vibecore.views.charts.vega import alt

# A ratio's interval can reach far; so many times beyond the ratio itself, or beyond no difference,
# the drawing ends, and the table has the figure.
FARTHEST = 20.0


@dataclass(frozen=True)
class Kind:
    """How one kind of estimate is drawn: its axis, where "no difference" is, its scale."""

    axis: str
    none: float | None
    form: str
    log: bool = False


# kind of an evidence row -> how it is drawn
KINDS = {
    "difference": Kind("difference of rates", 0.0, "+.0%"),
    "ratio": Kind("ratio (logarithmic)", 1.0, ".2~f", log=True),
    "rate": Kind("rate", None, ".0%"),
    "share": Kind("share", None, ".0%"),
    "times": Kind("times", 1.0, ".1f"),
}


def evidence_figure(evidence: Sequence[EvidenceRow], kind: str) -> Figure:
    """The evidence rows of one kind, a key of KINDS; without any, a figure without a chart."""
    form = KINDS[kind]
    rows = [row for row in evidence if row.kind == kind and not _is_empty(row)]
    if not rows:
        return Figure("There is no estimate to draw")
    dots = [_dot(row) for row in rows]
    description = (
        _title(rows, kind) + ". " + "; ".join(f"{dot.line} {dot.tips['estimate']}" for dot in dots)
    )
    chart = dot_chart(
        dots,
        Axis(form.axis, _scale(dots, kind), form.form),
        description=description,
        rule_at=form.none,
        label_limit=300,
    )
    return Figure(_title(rows, kind), _note(rows, kind), chart, description)


def _scale(dots: Sequence[Dot], kind: str) -> alt.Scale:
    known = [1.0, *(dot.value for dot in dots if dot.value is not None)]
    if KINDS[kind].log:
        ends = [*known, *(end for dot in dots for end in (dot.low, dot.high) if end)]
        return alt.Scale(type="log", nice=False, domain=[min(ends) / 1.1, max(ends) * 1.1])
    if kind in ("rate", "share"):
        return alt.Scale(domain=[0, max(known)])
    return alt.Scale(domain=[0, 1.2 * max(known)]) if kind == "times" else alt.Scale(nice=True)


def _is_empty(row: EvidenceRow) -> bool:
    return row.estimate is None and row.interval is None


def _dot(row: EvidenceRow) -> Dot:
    low, high = row.interval or (None, None)
    if row.kind == "ratio" and low is not None and high is not None:
        low = max(low, min(1.0, row.estimate or 1.0) / FARTHEST)
        high = min(high, max(1.0, row.estimate or 1.0) * FARTHEST)
    name = row.label or row.compared
    return Dot(
        name,
        row.estimate,
        low,
        high,
        filled=row.verdict in (*RESOLVED, None),
        tips={
            "compared": name,
            "estimate": estimate(row),
            "figures": row.figures,
            "verdict": verdict_text(row),
            "n": "–" if row.n is None else str(row.n),
            "method": row.method,
        },
    )


def _title(rows: Sequence[EvidenceRow], kind: str) -> str:
    judged = [row for row in rows if row.verdict and kind in ("difference", "ratio")]
    if judged:
        resolved = sum(row.verdict in RESOLVED for row in judged)
        noun = "difference is" if len(judged) == 1 else "differences are"
        return f"{resolved} of {len(judged)} {noun} resolved"
    intervals = [row.interval for row in rows if row.interval]
    if kind == "ratio" and intervals:
        apart = sum(not low <= 1 <= high for low, high in intervals)
        return f"{apart} of {len(rows)} ratios have an interval that leaves 1 out"
    if kind == "rate":
        least, most = min(low for low, _ in intervals), max(high for _, high in intervals)
        return f"The intervals reach from {100 * least:.0f} % to {100 * most:.0f} %"
    ends = [pick(rows, key=lambda row: row.estimate or 0.0) for pick in (min, max)]
    figures = dict.fromkeys(estimate(row) for row in ends)
    return f"{ends[0].measure.capitalize()}: {' to '.join(figures)}"


def _note(rows: Sequence[EvidenceRow], kind: str) -> str:
    if any(row.interval for row in rows):
        words = ["Bars are 95 % intervals."]
        if KINDS[kind].none is not None:
            words.append("The line is no difference.")
        if any(row.verdict and row.verdict not in RESOLVED for row in rows):
            words.append("A hollow mark shows no difference, or none yet.")
        if any(row.estimate is None for row in rows):
            words.append("A bar without a mark has a count of zero, so no ratio of its own.")
        return " ".join(words)
    if kind == "ratio":
        return "As reported: one figure each, so no interval."
    return "Counted, not sampled: no interval." if kind == "times" else ""
