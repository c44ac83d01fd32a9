"""Memory, speed and quality at once, with the Pareto front and the sweet spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from vibecore.analysis import wilson_interval
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core import formats
from vibecore.core.machine import GIB
from vibecore.views.charts.dot_interval import sweet_spot_ring
from vibecore.views.charts.figure import (
    TICKS,
    Figure,
    Value,
    colour_and_shape,
    described,
    drawn,
    legend_height,
    picks,
    precision_marks,
    scaled,
    tip,
)
from vibecore.views.charts.style import ACCENT, NEUTRAL
from vibecore.views.charts.vega import alt
from vibecore.views.short_names import names_of, short_names

MIB = 1024**2
# Pixels of the drawing, its axis and its legends of one row.
HEIGHT = 440
# From so many characters on a label is the model's name alone: colour and shape say the precision.
LONG_LABEL = 15
# A label's distance from its mark, the width of its characters and its height, as shares of the
# drawing on a phone.
LABEL_DISTANCE, CHARACTER_WIDTH, LABEL_HEIGHT = 0.07, 0.022, 0.06
HALF = 0.5
# Of more marks than this only the front's, and of more on the front only the sweet spot's, has a
# label; of more configs off the front a title says how many.
MOST_LABELS, MOST_IN_TITLE = 24, 8
# Where a label may stand, in heights above or below its mark, the nearest first.
PLACES = (0, *(sign * steps for steps in range(1, 9) for sign in (1, -1)))


@dataclass(frozen=True)
class Point:
    """A config of which memory (bytes), speed (tokens per second) and repetition are known."""

    row: ConfigMetrics
    memory: int
    speed: float
    repetition: float

    @property
    def costs(self) -> tuple[float, float, float]:
        """What is better when less."""
        return self.memory, -self.speed, self.repetition

    def is_behind(self, other: Point) -> bool:
        """Whether another is at least as good on all three and better on one."""
        no_worse = all(a <= b for a, b in zip(other.costs, self.costs, strict=True))
        return no_worse and other.costs != self.costs


def known_points(rows: Sequence[ConfigMetrics]) -> list[Point]:
    """The configs of which all three are known."""
    return [
        Point(row, row.memory_bytes, row.tokens_per_second, row.repetition_rate)
        for row in rows
        if row.memory_bytes and row.tokens_per_second and row.repetition_rate is not None
    ]


def pareto_front(points: Sequence[Point]) -> list[str]:
    """Configs that no other beats: less memory, more speed and fewer repetitive at once."""
    return [point.row.config for point in points if not any(map(point.is_behind, points))]


def tradeoff_figure(rows: Sequence[ConfigMetrics]) -> Figure:
    """Memory against speed; size of mark by the share of outputs that do not repeat themselves."""
    points = known_points(rows)
    if not points:
        return Figure("Memory, speed and quality are not all known for any config")
    front = pareto_front(points)
    largest = max(point.memory for point in points)
    unit, size = ("GiB", GIB) if largest >= 0.1 * GIB else ("MiB", MIB)
    names = short_names([point.row for point in points])
    labels = _labels([point.row for point in points], names)
    values = [_value(point, size, point.row.config in front, labels) for point in points]
    labelled = _labelled(values)
    # Room at the right for a name, on a phone too.
    right = 1.3 * max(v["memory"] for v in values)
    top = 1.18 * max(v["speed"] for v in values)
    _place_labels(labelled, values, right, top)

    x = scaled("memory", f"memory, {unit}", right)
    y = _speed_axis("speed", top)
    precisions = precision_marks(point.row.precision for point in points)
    colour, shape = colour_and_shape("precision", precisions)
    fluent = alt.Size(
        "fluent:Q",
        scale=alt.Scale(domain=[0, 1], range=[30, 420]),
        legend=alt.Legend(
            title="not repetitive:",
            orient="bottom",
            format=".0%",
            values=[0.25, 0.5, 1.0],
            symbolFillColor=NEUTRAL,
            symbolStrokeColor=NEUTRAL,
            titleOrient="left",
        ),
    )
    tooltip = [
        tip("config", "config"),
        tip("memory_label", "memory"),
        tip("speed:Q", "tok/s", ".1f"),
        tip("repetitive", "repetitive"),
        tip("front", "on the Pareto front"),
        tip("n", "n"),
    ]
    base = drawn(values).encode(x=x, y=y)
    marks = base.encode(color=colour, shape=shape, size=fluent)
    clicks = base.mark_point(filled=True, size=900, opacity=0.001).encode(tooltip=tooltip)
    layers = [
        marks.transform_filter(alt.datum.front == "yes").mark_point(filled=True, opacity=1),
        marks.transform_filter(alt.datum.front == "no").mark_point(
            filled=False, opacity=1, strokeWidth=2
        ),
    ]
    for chosen, side in product((False, True), ("left", "right")):
        named = [v for v in labelled if (v["sweet_spot"], v["side"]) == (chosen, side)]
        if named:
            words = drawn(named).encode(x=x, y=_speed_axis("label_y", top), text="label:N")
            words = words.mark_text(
                align="right" if side == "left" else "left",
                dx=-20 if side == "left" else 20,
                baseline="middle",
                lineBreak="\n",
                fontSize=12,
                fontWeight=600 if chosen else "normal",
            )
            layers.append(words.encode(color=alt.value(ACCENT)) if chosen else words)
    if spots := [value for value in values if value["sweet_spot"]]:
        layers.append(sweet_spot_ring(drawn(spots).encode(x=x, y=y), size=900))
    description = "Memory against speed. " + "; ".join(
        f"{v['config']}: {v['memory_label']}, {v['speed']:.1f} tok/s, repetitive {v['repetitive']}"
        for v in values
    )
    chart = described(
        alt.LayerChart(layer=[*layers, clicks.add_params(picks("config"))]),
        HEIGHT + legend_height(len(precisions)),
        description,
    )
    note = (
        "Best is top left, and large. Filled marks are the Pareto front of the figures as they "
        "are: a hollow one is no better than another config on memory, speed and repetition, and "
        "worse on at least one. The front has no interval; a difference in repetition whose "
        "intervals overlap can put a config on it or off it."
    )
    return Figure(_title(points, front, names), note, chart, description)


def _speed_axis(field: str, top: float) -> alt.Y:
    return alt.Y(
        f"{field}:Q",
        title="new tokens per second",
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, top]),
    )


def _labels(rows: Sequence[ConfigMetrics], names: Mapping[str, str]) -> dict[str, str]:
    """Each config's label: its short name, or the model's alone where that is long."""
    models = names_of(rows).models
    long = len(models) > 1 and max(map(len, names.values())) >= LONG_LABEL
    return {row.config: models[row.model] if long else names[row.config] for row in rows}


@dataclass(frozen=True)
class Strip:
    """What a label or a mark covers: from `left` to `right` at a height, in shares of the
    drawing."""

    left: float
    right: float
    height: float

    def touches(self, other: Strip) -> bool:
        """Whether two overlap."""
        apart = self.right < other.left or other.right < self.left
        return not apart and abs(self.height - other.height) < LABEL_HEIGHT


def _labelled(values: Sequence[Value]) -> list[Value]:
    """Those whose marks have a label: all of few."""
    found = list(values)
    for less in (lambda v: v["front"] == "yes" or v["sweet_spot"], lambda v: v["sweet_spot"]):
        if len(found) > MOST_LABELS:
            found = list(filter(less, found))
    return found


def _place_labels(
    labelled: Sequence[Value], values: Sequence[Value], right: float, top: float
) -> None:
    """Give each labelled value the side of its mark on which its label stands, and the label's
    height, so that labels cover neither each other nor other marks where there is room."""
    taken: list[Strip] = []
    for value in sorted(labelled, key=lambda v: -v["speed"]):
        x, y = value["memory"] / right, value["speed"] / top
        value["side"] = "right" if x < HALF else "left"
        longest = max(map(len, value["label"].split("\n")))
        width = LABEL_DISTANCE + CHARACTER_WIDTH * longest
        # Nothing is written over the first half of the distance: a mark beside this one's is free.
        gap = LABEL_DISTANCE / 2
        ends = (x + gap, x + width) if x < HALF else (x - width, x - gap)
        marks = [
            Strip(other["memory"] / right, other["memory"] / right, other["speed"] / top)
            for other in values
            if other is not value
        ]
        # "sweet spot" stands on a second line.
        lines = 2 if value["sweet_spot"] else 1
        places = [
            [Strip(*ends, y + (steps - line) * LABEL_HEIGHT) for line in range(lines)]
            for steps in PLACES
        ]
        inside = [one for one in places if all(0 < part.height < 1 for part in one)] or places
        covered = [*taken, *marks]
        free = (
            one for one in inside if not any(part.touches(it) for part in one for it in covered)
        )
        chosen = next(free, inside[0])
        taken += chosen
        value["label_y"] = chosen[0].height * top


def _value(point: Point, size: int, on_front: bool, labels: Mapping[str, str]) -> Value:
    row = point.row
    return {
        "config": row.config,
        "label": labels[row.config] + ("\nsweet spot" if row.sweet_spot else ""),
        "precision": row.precision,
        "memory": point.memory / size,
        "memory_label": f"{formats.memory(point.memory)} {row.memory_source}",
        "speed": point.speed,
        "fluent": 1 - point.repetition,
        "repetitive": formats.count_and_rate(row.repetitive, row.repetition_judged),
        "front": "yes" if on_front else "no",
        "n": row.prompts,
        "sweet_spot": row.sweet_spot,
    }


def _title(points: Sequence[Point], front: list[str], names: Mapping[str, str]) -> str:
    beaten = [point for point in points if point.row.config not in front]
    if not beaten:
        first = "Every config is on the Pareto front of memory, speed and repetition"
    elif len(beaten) == 1:
        first = (
            f"{names[beaten[0].row.config]} alone is off the Pareto front of memory, speed and "
            f"repetition{_by_how_much(beaten[0], points, names)}"
        )
    elif len(beaten) > MOST_IN_TITLE:
        first = (
            f"{len(front)} of {len(points)} configs are on the Pareto front of memory, speed and "
            "repetition"
        )
    else:
        which = ", ".join(names[point.row.config] for point in beaten)
        first = f"Off the Pareto front of memory, speed and repetition: {which}"
    chosen = next((point.row.config for point in points if point.row.sweet_spot), None)
    if chosen is None:
        return first
    where = "on" if chosen in front else "off"
    return f"{first}; the sweet spot, {names[chosen]}, is {where} the front"


def _by_how_much(beaten: Point, points: Sequence[Point], names: Mapping[str, str]) -> str:
    """What a config is worse at than the first that is ahead of it; of repetition both counts,
    with 95 % intervals."""
    ahead = next(filter(beaten.is_behind, points))
    what = ("memory", "speed", "repetition")
    worse = [n for n, a, b in zip(what, ahead.costs, beaten.costs, strict=True) if a < b]
    text = f", behind {names[ahead.row.config]} on {formats.listed(worse)}"
    if worse[-1] != "repetition":
        return text
    return f"{text}, repetitive {_repetition(beaten)} against {_repetition(ahead)}"


def _repetition(point: Point) -> str:
    count, total = point.row.repetitive or 0, point.row.repetition_judged or 1
    low, high = wilson_interval(count, total)
    return f"{count}/{total} (95 % {100 * low:.0f}–{100 * high:.0f} %)"
