"""Behind the averages: adherence by category, and each prompt at each config."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import altair as alt

from vibecore.analysis import wilson_interval
from vibecore.core import formats
from vibecore.views.charts.figure import (
    FURNITURE,
    TICKS,
    Figure,
    Row,
    described,
    picks,
    precisions,
    tip,
)
from vibecore.views.charts.style import NEUTRAL

# Of one output: grey in three depths that show on a light and on a dark background.
STATES = {
    "all met": "rgba(133, 137, 142, 1)",
    "some met": "rgba(133, 137, 142, 0.4)",
    "none met": "rgba(133, 137, 142, 0.06)",
}


def category_figure(scores: Sequence[Row], rows: Sequence[Row]) -> Figure:
    """Constraints met by category and config. `scores` are rows of read_scores."""
    totals: dict[tuple[str, str], Counter] = {}
    for score in scores:
        counter = totals.setdefault((score["category"], score["config"]), Counter())
        counter["met"] += score["constraints_met"]
        counter["judged"] += score["constraints_judged"]
        counter["n"] += 1
    precision = {row["config"]: row["precision"] for row in rows}
    values = []
    for (category, config), counter in totals.items():
        if counter["judged"]:
            low, high = wilson_interval(counter["met"], counter["judged"])
            values.append(
                {
                    "category": category,
                    "config": config,
                    "precision": precision[config],
                    "rate": counter["met"] / counter["judged"],
                    "low": low,
                    "high": high,
                    "label": formats.count_and_rate(counter["met"], counter["judged"]),
                    "range": f"{100 * low:.0f}–{100 * high:.0f} %",
                    "n": counter["n"],
                }
            )
    if not values:
        return Figure("No category has scored outputs", "", None)
    shown = [row for row in rows if any(v["config"] == row["config"] for v in values)]
    categories = list(dict.fromkeys(score["category"] for score in scores))
    colour, shape = precisions(shown)
    y = alt.Y(
        "category:N",
        sort=categories,
        title=None,
        axis=alt.Axis(ticks=False, domain=False, labelPadding=8),
    )
    offset = alt.YOffset("config:N", sort=[row["config"] for row in shown])
    x = alt.X(
        "rate:Q",
        title="single constraints met",
        axis=alt.Axis(format=".0%", tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1]),
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, yOffset=offset)
    tooltip = [
        tip("category", "category"),
        tip("config", "config"),
        tip("label", "constraints met"),
        tip("range", "95 % interval"),
        tip("n", "prompts (n)"),
    ]
    intervals = base.mark_rule(strokeWidth=1.6, opacity=0.5).encode(
        x=alt.X("low:Q", title="single constraints met"),
        x2="high:Q",
        color=colour,
        tooltip=tooltip,
    )
    points = (
        base.mark_point(filled=True, size=75, opacity=1)
        .encode(color=colour, shape=shape, tooltip=tooltip)
        .add_params(picks("category", "config"))
    )
    names = base.mark_text(align="left", dx=8, fontSize=10).encode(
        x=alt.X("high:Q", title="single constraints met"), text="config:N"
    )
    description = "Constraints met by category and config. " + "; ".join(
        f"{v['category']} {v['config']} {v['label']}" for v in values
    )
    height = len(categories) * (15 * len(shown) + 22) + FURNITURE
    chart = described(intervals + points + names, height, description)
    note = "Bars are 95 % Wilson intervals over single constraints of the category's prompts."
    return Figure(_category_title(values, categories), note, chart, description)


def _category_title(values: Sequence[Row], categories: Sequence[str]) -> str:
    means = {}
    for category in categories:
        rates = [v["rate"] for v in values if v["category"] == category]
        if rates:
            means[category] = sum(rates) / len(rates)
    if len(means) < 2:
        only = next(iter(means))
        return f"In {only}, {100 * means[only]:.0f} % of constraints are met, on average"
    best, worst = max(means, key=means.get), min(means, key=means.get)
    return (
        f"Constraints of {best} prompts are met most ({100 * means[best]:.0f} % over all configs), "
        f"of {worst} prompts least ({100 * means[worst]:.0f} %)"
    )


def prompt_figure(scores: Sequence[Row], rows: Sequence[Row]) -> Figure:
    """Each prompt at each config: constraints met, and whether the output is repetitive."""
    if not scores:
        return Figure("No output is scored yet", "", None)
    values = [
        {
            "prompt_id": score["prompt_id"],
            "config": score["config"],
            "state": _state(score),
            "met": f"{score['constraints_met']} of {score['constraints_judged']}",
            "repetitive": "yes" if score["repetitive"] else "no",
            "sign": _sign(score),
            "category": score["category"],
        }
        for score in scores
    ]
    prompts = list(dict.fromkeys(score["prompt_id"] for score in scores))
    shown = [row for row in rows if any(v["config"] == row["config"] for v in values)]
    x = alt.X(
        "config:N",
        sort=[row["config"] for row in shown],
        title=None,
        axis=alt.Axis(orient="top", ticks=False, domain=False, labelAngle=-40, labelPadding=6),
    )
    y = alt.Y(
        "prompt_id:N",
        sort=prompts,
        title=None,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelPadding=8,
            labelLimit=160,
            labelOverlap=False,
            labelFlush=False,
        ),
    )
    tooltip = [
        tip("prompt_id", "prompt"),
        tip("config", "config"),
        tip("met", "constraints met"),
        tip("repetitive", "repetitive"),
        tip("category", "category"),
    ]
    picked = picks("prompt_id", "config")
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y, tooltip=tooltip)
    cells = base.mark_rect(stroke=NEUTRAL, strokeWidth=0.5).encode(
        color=alt.Color(
            "state:N",
            scale=alt.Scale(domain=list(STATES), range=list(STATES.values())),
            legend=alt.Legend(
                orient="top",
                title=None,
                symbolType="square",
                symbolSize=150,
                symbolStrokeWidth=0.5,
                symbolStrokeColor=NEUTRAL,
            ),
        )
    )
    marks = base.mark_text(fontSize=12).encode(text="sign:N")
    # On top and unseen: a click anywhere in a cell picks it.
    clicks = base.mark_rect(fillOpacity=0.001, color=NEUTRAL, cursor="pointer").add_params(picked)
    title = _prompt_title(scores, len(shown))
    description = f"{title}. A grid of {len(prompts)} prompts by {len(shown)} configs."
    chart = described(cells + marks + clicks, 19 * len(prompts) + FURNITURE, description)
    note = (
        "The fuller a cell, the more constraints are met; R is a repetitive one, – one without a "
        "verdict. A click opens it."
    )
    return Figure(title, note, chart, description)


def _state(score: Row) -> str:
    if not score["constraints_judged"]:
        return "none met"
    if score["adherent"]:
        return "all met"
    return "some met" if score["constraints_met"] else "none met"


def _sign(score: Row) -> str:
    unjudged = "" if score["constraints_judged"] else "–"
    return "R" if score["repetitive"] else unjudged


def _prompt_title(scores: Sequence[Row], configs: int) -> str:
    met: dict[str, list[bool]] = {}
    for score in scores:
        if score["adherent"] is not None:
            met.setdefault(score["prompt_id"], []).append(score["adherent"])
    if not met:
        return "No prompt has a verdict on all of its constraints"
    none = sum(not any(outcomes) for outcomes in met.values())
    every = sum(all(outcomes) and len(outcomes) == configs for outcomes in met.values())
    return f"Of {len(met)} prompts, {none} are met in full by no config, {every} by every config"
