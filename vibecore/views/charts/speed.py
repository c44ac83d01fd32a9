"""How fast each config is, and what quantising costs it."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core import formats
from vibecore.views.charts.dot_interval import Axis, config_dot, dot_chart
from vibecore.views.charts.figure import Figure, precision_marks
from vibecore.views.short_names import short_names

LOSS_AXIS = "speed against bf16 of the same model"
# Room at the right for a mark's label, as a share of the fastest speed: long names leave a drawing
# on a phone half as wide.
LABEL_ROOM, LABEL_ROOM_LONG, LONG_NAME = 1.2, 1.45, 15


def speed_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Tokens per second by config."""
    known = [(row, row.tokens_per_second) for row in rows if row.tokens_per_second]
    if not known:
        return Figure("No speed is known yet")
    names = short_names(rows)
    slowest, least = min(known, key=lambda pair: pair[1])
    fastest, most = max(known, key=lambda pair: pair[1])
    title = f"{names[fastest.config]} is the fastest, at {most:.1f} tok/s"
    if slowest is not fastest:
        title += f", {most / least:.1f} times as fast as {names[slowest.config]}, the slowest"
    dots = [
        config_dot(
            row,
            names[row.config],
            speed,
            0.0,
            speed,
            f"{speed:.1f}",
            {
                "tok/s": f"{speed:.1f}",
                "prompts (n)": str(row.prompts),
                "mean new tokens": formats.number(row.mean_new_tokens, 0),
            },
        )
        for row, speed in known
    ]
    room = LABEL_ROOM_LONG if max(map(len, names.values())) >= LONG_NAME else LABEL_ROOM
    description = "Speed in new tokens per second. " + "; ".join(
        f"{row.config} {speed:.1f}" for row, speed in known
    )
    chart = dot_chart(
        dots,
        Axis("new tokens per second", alt.Scale(domain=[0, room * most])),
        description=description,
        marks=precision_marks(dot.group for dot in dots),
    )
    note = "Speed is new tokens over total time, prompt included."
    return Figure(title, note, chart, description)


def loss_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Speed against the same model at bf16."""
    known = [(row, row.vs_bf16) for row in rows if row.vs_bf16 is not None]
    if not known:
        return Figure("No config has a bf16 baseline of its own model to compare with")
    names = short_names(rows)
    changes = [change for _, change in known]
    dots = [
        config_dot(
            row,
            names[row.config],
            change,
            min(0.0, change),
            max(0.0, change),
            formats.percent(change, signed=True),
            {
                "against bf16": formats.percent(change, signed=True),
                "prompts (n)": str(row.prompts),
            },
        )
        for row, change in known
    ]
    description = "Speed against bf16. " + "; ".join(f"{d.line} {d.label}" for d in dots)
    ends = [min(-0.05, *changes) - 0.25, max(0.05, *changes) + 0.05]
    chart = dot_chart(
        dots,
        Axis(LOSS_AXIS, alt.Scale(domain=ends), ".0%"),
        description=description,
        marks=precision_marks(dot.group for dot in dots),
        rule_at=0,
        labels_at="low",
    )
    title = "; ".join(
        _change(name, sorted(change for row, change in known if row.precision == name))
        for name in dict.fromkeys(row.precision for row, _ in known)
    )
    return Figure(title, "0 % is bf16 of the same model.", chart, description)


def _change(precision: str, changes: Sequence[float]) -> str:
    """A precision's changes of speed, slowest first, in words."""
    slow, fast = changes[0], changes[-1]
    if slow < 0 <= fast:
        return f"{precision} runs from {-100 * slow:.0f} % slower to {100 * fast:.0f} % faster"
    least, most = (f"{abs(100 * change):.0f}" for change in sorted((slow, fast), key=abs))
    span = most if least == most else f"{least} to {most}"
    return f"{precision} is {span} % {'slower' if fast < 0 else 'faster'} than bf16"
