"""The evidence of a finding: estimates with their intervals against "no difference"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt

from vibecore.analysis.claims.wording import evidence_table, verdict_text
from vibecore.analysis.stats.verdicts import BETTER, WORSE
from vibecore.views.charts.figure import (
    FURNITURE,
    TICKS,
    Figure,
    Row,
    described,
    tip,
    zero_rule,
)
from vibecore.views.charts.style import PRECISION_MARKS

INK = PRECISION_MARKS["bf16"].colour
ROW_HEIGHT = 26
RESOLVED = (BETTER, WORSE)
# A ratio's interval can reach far; beyond this the drawing ends, and the table has the figure.
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


def evidence_figure(evidence: Sequence[Row], kind: str) -> Figure:
    """The evidence rows of one kind, a key of KINDS; without any, a figure without a chart."""
    drawn = KINDS[kind]
    rows = [row for row in evidence if row["kind"] == kind and not _is_empty(row)]
    if not rows:
        return Figure("There is no estimate to draw", "", None)
    values = [_value(row, told) for row, told in zip(rows, evidence_table(rows), strict=True)]
    scale = alt.Scale(nice=True)
    if drawn.log:
        ends = [1.0, *_known(values)] + [v[e] for v in values for e in ("low", "high") if v[e]]
        scale = alt.Scale(type="log", nice=False, domain=[min(ends) / 1.1, max(ends) * 1.1])
    elif kind in ("rate", "share"):
        scale = alt.Scale(domain=[0, max(1.0, *_known(values))])
    elif kind == "times":
        scale = alt.Scale(domain=[0, 1.2 * max(1.0, *_known(values))])
    axis = alt.Axis(format=drawn.form, tickCount=TICKS)
    y = alt.Y(
        "label:N",
        sort=[v["label"] for v in values],
        title=None,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelLimit=300,
            labelPadding=8,
            labelOverlap=False,
            labelFlush=False,
            labelBound=False,
        ),
    )
    tooltip = [
        tip("label", "compared"),
        tip("told", "estimate"),
        tip("figures", "figures"),
        tip("verdict", "verdict"),
        tip("n", "n"),
        tip("method", "method"),
    ]
    base = alt.Chart(alt.Data(values=values)).encode(y=y, tooltip=tooltip)
    layers = []
    if drawn.none is not None:
        layers.append(zero_rule(drawn.none))
    if any(v["low"] is not None for v in values):
        layers.append(
            base.transform_filter("datum.low !== null")
            .mark_rule(strokeWidth=2.2, opacity=0.6, color=INK, clip=True)
            .encode(x=alt.X("low:Q", title=drawn.axis, axis=axis, scale=scale), x2="high:Q")
        )
    layers.append(
        base.transform_filter("datum.estimate !== null")
        .mark_point(size=110, color=INK, opacity=1, strokeWidth=2)
        .encode(
            x=alt.X("estimate:Q", title=drawn.axis, axis=axis, scale=scale),
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            fill=alt.value(INK),
        )
    )
    description = _title(rows, kind) + ". " + "; ".join(f"{v['label']} {v['told']}" for v in values)
    chart = described(alt.layer(*layers), ROW_HEIGHT * len(values) + FURNITURE - 30, description)
    return Figure(_title(rows, kind), _note(rows, kind), chart, description)


def _is_empty(row: Row) -> bool:
    return row["estimate"] is None and row["low"] is None


def _known(values: Sequence[Row]) -> list[float]:
    return [value["estimate"] for value in values if value["estimate"] is not None]


def _value(row: Row, told: Row) -> Row:
    bounded = {"low": row["low"], "high": row["high"]}
    if row["kind"] == "ratio" and row["low"] is not None:
        bounded = {
            "low": max(row["low"], 1 / FARTHEST),
            "high": min(row["high"], FARTHEST),
        }
    return {
        **bounded,
        "label": row["label"] or row["compared"],
        "estimate": row["estimate"],
        "told": told["estimate, interval"],
        "figures": row["figures"],
        "verdict": verdict_text(row),
        "n": told["n"],
        "method": row["method"],
        "filled": 1 if row["verdict"] in (*RESOLVED, None) else 0,
    }


def _title(rows: Sequence[Row], kind: str) -> str:
    judged = [row for row in rows if row["verdict"] and kind in ("difference", "ratio")]
    if judged:
        resolved = sum(row["verdict"] in RESOLVED for row in judged)
        noun = "difference is" if len(judged) == 1 else "differences are"
        return f"{resolved} of {len(judged)} {noun} resolved"
    if kind == "ratio" and any(row["low"] is not None for row in rows):
        apart = sum(row["low"] is not None and not row["low"] <= 1 <= row["high"] for row in rows)
        return f"{apart} of {len(rows)} ratios have an interval that leaves 1 out"
    if kind == "rate":
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        return f"The intervals reach from {100 * low:.0f} % to {100 * high:.0f} %"
    ends = [pick(rows, key=lambda row: row["estimate"]) for pick in (min, max)]
    figures = [row["estimate, interval"] for row in evidence_table(ends)]
    if figures[0] == figures[1]:
        return f"{ends[0]['measure'].capitalize()}: {figures[0]}"
    return f"{ends[0]['measure'].capitalize()}: {figures[0]} to {figures[1]}"


def _note(rows: Sequence[Row], kind: str) -> str:
    if any(row["low"] is not None for row in rows):
        words = ["Bars are 95 % intervals."]
        if KINDS[kind].none is not None:
            words.append("The line is no difference.")
        if any(row["verdict"] and row["verdict"] not in RESOLVED for row in rows):
            words.append("A hollow mark shows no difference, or none yet.")
        if any(row["estimate"] is None for row in rows):
            words.append("A bar without a mark has a count of zero, so no ratio of its own.")
        return " ".join(words)
    if kind == "ratio":
        return "As reported: one figure each, so no interval."
    return "Counted, not sampled: no interval." if kind == "times" else ""
