"""How fast each config is, and what quantising costs it."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from vibecore.core import formats
from vibecore.views.charts.figure import (
    TICKS,
    Figure,
    Row,
    config_axis,
    config_height,
    described,
    labels,
    picks,
    precisions,
    sweet_spot_ring,
    tip,
    zero_rule,
)

LOSS_AXIS = "speed against bf16 of the same model"


def speed_figure(rows: Sequence[Row]) -> Figure:
    """Tokens per second by config. `rows` are those of a Summary."""
    known = [row for row in rows if row["tokens_per_second"]]
    if not known:
        return Figure("No speed is known yet", "", None)
    fastest = max(known, key=lambda row: row["tokens_per_second"])
    slowest = min(known, key=lambda row: row["tokens_per_second"])
    title = f"{fastest['config']} is the fastest, at {fastest['tokens_per_second']:.1f} tok/s"
    if slowest is not fastest:
        times = fastest["tokens_per_second"] / slowest["tokens_per_second"]
        title += f", {times:.1f} times as fast as {slowest['config']}, the slowest"
    values = [
        {
            "config": row["config"],
            "precision": row["precision"],
            "speed": row["tokens_per_second"],
            "label": f"{row['tokens_per_second']:.1f}",
            "n": row["prompts"],
            "tokens": formats.number(row["mean_new_tokens"], 0),
            "sweet_spot": row["sweet_spot"],
        }
        for row in known
    ]
    colour, shape = precisions(known)
    x = alt.X(
        "speed:Q",
        title="new tokens per second",
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1.15 * fastest["tokens_per_second"]]),
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=config_axis(known))
    tooltip = [
        tip("config", "config"),
        tip("speed:Q", "tok/s", ".1f"),
        tip("n", "prompts (n)"),
        tip("tokens", "mean new tokens"),
    ]
    stems = base.mark_rule(strokeWidth=2, opacity=0.55).encode(
        x=x, x2=alt.datum(0), color=colour, tooltip=tooltip
    )
    points = (
        base.mark_point(filled=True, size=130, opacity=1)
        .encode(color=colour, shape=shape, tooltip=tooltip)
        .add_params(picks("config"))
    )
    description = "Speed in new tokens per second. " + _spoken(known)
    chart = described(
        stems
        + points
        + labels(values, x=x, y=config_axis(known))
        + sweet_spot_ring(values, x=x, y=config_axis(known)),
        config_height(known),
        description,
    )
    note = "Speed is new tokens over total time, prompt included."
    return Figure(title, note, chart, description)


def loss_figure(rows: Sequence[Row]) -> Figure:
    """Speed against the same model at bf16."""
    known = [row for row in rows if row["vs_bf16"] is not None]
    if not known:
        return Figure("No config has a bf16 baseline of its own model to compare with", "", None)
    values = [
        {
            "config": row["config"],
            "precision": row["precision"],
            "change": row["vs_bf16"],
            "beside": min(0.0, row["vs_bf16"]),
            "label": formats.percent(row["vs_bf16"], signed=True),
            "n": row["prompts"],
            "sweet_spot": row["sweet_spot"],
        }
        for row in known
    ]
    colour, shape = precisions(known)
    x = alt.X(
        "change:Q",
        title=LOSS_AXIS,
        axis=alt.Axis(format=".0%", tickCount=TICKS),
        scale=alt.Scale(
            domain=[
                min(-0.05, *(v["change"] for v in values)) - 0.25,
                max(0.05, *(v["change"] for v in values)) + 0.05,
            ]
        ),
    )
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=config_axis(known))
    tooltip = [tip("config", "config"), tip("label", "against bf16"), tip("n", "prompts (n)")]
    stems = base.mark_rule(strokeWidth=2, opacity=0.55).encode(x2=alt.datum(0), color=colour)
    points = (
        base.mark_point(filled=True, size=130, opacity=1)
        .encode(color=colour, shape=shape, tooltip=tooltip)
        .add_params(picks("config"))
    )
    beside = alt.X("beside:Q", title=LOSS_AXIS)
    words = labels(values, left=True, x=beside, y=config_axis(known))
    description = "Speed against bf16. " + "; ".join(f"{v['config']} {v['label']}" for v in values)
    chart = described(
        zero_rule() + stems + points + words,
        config_height(known),
        description,
    )
    return Figure(_loss_title(known), "0 % is bf16 of the same model.", chart, description)


def _loss_title(rows: Sequence[Row]) -> str:
    parts = []
    for precision in dict.fromkeys(row["precision"] for row in rows):
        changes = sorted(row["vs_bf16"] for row in rows if row["precision"] == precision)
        slow, fast = changes[0], changes[-1]
        if fast < 0:
            least, most = (f"{-100 * change:.0f}" for change in (fast, slow))
            span = most if least == most else f"{least} to {most}"
            parts.append(f"{precision} is {span} % slower than bf16")
        elif slow >= 0:
            least, most = (f"{100 * change:.0f}" for change in (slow, fast))
            span = most if least == most else f"{least} to {most}"
            parts.append(f"{precision} is {span} % faster than bf16")
        else:
            parts.append(
                f"{precision} runs from {-100 * slow:.0f} % slower to {100 * fast:.0f} % faster"
            )
    return "; ".join(parts)


def _spoken(rows: Sequence[Row]) -> str:
    return "; ".join(f"{row['config']} {row['tokens_per_second']:.1f}" for row in rows)
