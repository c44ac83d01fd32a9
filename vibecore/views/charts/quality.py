"""Rates with their 95 % Wilson intervals: repetition, and adherence at both levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from vibecore.analysis import wilson_interval
from vibecore.core import formats
from vibecore.views.charts.figure import (
    TICKS,
    Figure,
    Row,
    config_axis,
    config_height,
    described,
    labels,
    named,
    picks,
    precisions,
    sweet_spot_ring,
    tip,
)

# level -> (count column, total column, title, how its figures are named)
ADHERENCE_LEVELS = {
    "by prompt": ("adherent_prompts", "adherence_judged", "all constraints of a prompt met"),
    "by constraint": ("constraints_met", "constraints_judged", "single constraints met"),
}
INTERVALS = "Bars are 95 % Wilson intervals: where two overlap widely, n is too small to tell."


def repetition_figure(rows: Sequence[Row]) -> Figure:
    """Share of repetitive outputs by config."""
    values = rate_values(rows, "repetitive", "repetition_judged")
    if not values:
        return Figure("Repetition is not scored in this study", "", None)
    least = [v for v in values if v["rate"] == min(v["rate"] for v in values)]
    most = [v for v in values if v["rate"] == max(v["rate"] for v in values)]
    if least == most:
        title = f"Every config repeats itself on {least[0]['count']} of {least[0]['total']} outputs"
    else:
        apart = "do not overlap" if least[0]["high"] < most[0]["low"] else "overlap"
        title = (
            f"{named(least)}: fewest repetitive outputs, {least[0]['count']} of "
            f"{least[0]['total']}; {named(most)}: most, {most[0]['count']} of "
            f"{most[0]['total']}; the intervals of the two {apart}"
        )
    chart, description = _rate_chart(values, "share of outputs that are repetitive")
    return Figure(
        title, f"Repetitive: 0.5 or more of the word pairs. {INTERVALS}", chart, description
    )


def adherence_figure(rows: Sequence[Row], level: str) -> Figure:
    """Share met at a level, a key of ADHERENCE_LEVELS."""
    count, total, words = ADHERENCE_LEVELS[level]
    values = rate_values(rows, count, total)
    if not values:
        return Figure(f"Adherence {level} is not known in this study", "", None)
    best = [v for v in values if v["rate"] == max(v["rate"] for v in values)]
    worst = [v for v in values if v["rate"] == min(v["rate"] for v in values)]
    things = "prompts met in full" if level == "by prompt" else "constraints met"
    if best == worst:
        title = f"Every config has {best[0]['count']} of {best[0]['total']} {things}"
    else:
        title = (
            f"{named(best)}: most {things}, {best[0]['count']} of {best[0]['total']}; "
            f"{named(worst)}: fewest, {worst[0]['count']} of {worst[0]['total']}"
        )
    chart, description = _rate_chart(values, words)
    return Figure(title, f"Adherence {level}: {words}. {INTERVALS}", chart, description)


def rate_values(rows: Sequence[Row], count: str, total: str) -> list[dict[str, Any]]:
    """One value a config: its rate, its interval and how a person reads it."""
    values = []
    for row in rows:
        if row[count] is None or not row[total]:
            continue
        low, high = wilson_interval(row[count], row[total])
        values.append(
            {
                "config": row["config"],
                "precision": row["precision"],
                "count": row[count],
                "total": row[total],
                "rate": row[count] / row[total],
                "low": low,
                "high": high,
                "label": formats.count_and_rate(row[count], row[total]),
                "range": f"{100 * low:.0f}–{100 * high:.0f} %",
                "sweet_spot": row["sweet_spot"],
            }
        )
    return values


def _rate_chart(values: list[dict[str, Any]], title: str) -> tuple[Any, str]:
    colour, shape = precisions(values)
    axis = config_axis(values)
    x = alt.X(
        "rate:Q",
        title=title,
        axis=alt.Axis(format=".0%", tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1]),
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=axis)
    tooltip = [
        tip("config", "config"),
        tip("label", "rate"),
        tip("range", "95 % interval"),
        tip("total", "n"),
    ]
    intervals = base.mark_rule(strokeWidth=2.5, opacity=0.6).encode(
        x=alt.X("low:Q", title=title), x2="high:Q", color=colour, tooltip=tooltip
    )
    points = (
        base.mark_point(filled=True, size=130, opacity=1)
        .encode(color=colour, shape=shape, tooltip=tooltip)
        .add_params(picks("config"))
    )
    words = labels(values, x=alt.X("high:Q", title=title), y=axis)
    description = f"{title[:1].upper()}{title[1:]}, with 95 % intervals. " + "; ".join(
        f"{v['config']} {v['label']}, {v['range']}" for v in values
    )
    ring = sweet_spot_ring(values, x=x, y=axis)
    return described(
        intervals + points + words + ring, config_height(values), description
    ), description
