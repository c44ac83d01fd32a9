"""What a bench found: decoding against the memory's ceiling, engine against engine, host against
device.

`results` are those of a bench's report (vibecore/bench/report.py) that ran without an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import altair as alt

from vibecore.catalog.configs import engine_in_words, left_to
from vibecore.core import formats
from vibecore.views.charts.figure import FURNITURE, TICKS, Figure, Row, described, tip
from vibecore.views.charts.style import NEUTRAL, Mark

# One colour and shape an engine; its name stands beside it wherever it is drawn.
ENGINE_MARKS = {
    "eager": Mark("#b0639b", "square", "square"),
    "graph": Mark("#3a80c4", "circle", "circle"),
}
OTHER_ENGINE = Mark(NEUTRAL, "diamond", "diamond")
# The two sides of a step: what the host spends on launching it, what the device on running it.
SIDES = {"host": "#b0639b", "device": "#3a80c4"}
LINE_HEIGHT = 26
GIGA = 1e9
CACHE_RESIDENT = "cache-resident"


def speed_at(result: Row, batch_size: int) -> Row | None:
    """What was measured at a batch size."""
    return next((s for s in result["speeds"] if s["batch_size"] == batch_size), None)


def batch_sizes(results: Sequence[Row]) -> list[int]:
    """Every batch size that was measured, ascending."""
    return sorted({speed["batch_size"] for result in results for speed in result["speeds"]})


def ceiling_figure(results: Sequence[Row], batch_size: int) -> Figure:
    """Bytes of weights read per second, each bar against what a copy reached in its process."""
    values = [
        {
            "name": _name(result, batch_size),
            "engine": left_to(result["environment"], batch_size) or result["engine"],
            "achieved": speed["achieved_bytes_per_second"] / GIGA,
            "ceiling": result["ceiling_bytes_per_second"] / GIGA,
            "share": speed["ceiling_share"],
            "reading": speed["reading"],
            "label": _against_ceiling(speed),
        }
        for result in results
        if (speed := speed_at(result, batch_size))
    ]
    if not values:
        return Figure("No decoding speed was measured", "", None)
    best = max(values, key=lambda value: value["share"])
    least = min(values, key=lambda value: value["share"])
    title = (
        f"At batch {batch_size}, {best['name']} reads weights at "
        f"{formats.percent(best['share'])} of the ceiling"
    )
    if least is not best:
        title += f", the most; {least['name']} at {formats.percent(least['share'])}, the least"
    if all(value["reading"] == CACHE_RESIDENT for value in values):
        title = f"At batch {batch_size}, a cache can hold all weights: the memory is no ceiling"
    most = max(max(value["ceiling"], value["achieved"]) for value in values)
    x = alt.X(
        "achieved:Q",
        title="GB of weights read per second",
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1.05 * most]),
    )
    base = alt.Chart(alt.Data(values=values)).encode(y=names_axis(values))
    tooltip = [
        tip("name", "config, engine"),
        tip("achieved:Q", "GB/s read", ".1f"),
        tip("ceiling:Q", "GB/s of a copy", ".1f"),
        tip("label", "reading"),
    ]
    bars = base.mark_bar(height=12, opacity=0.8).encode(
        x=x, color=_engines(values), tooltip=tooltip
    )
    ceilings = base.mark_tick(color=NEUTRAL, thickness=3, height=18).encode(x="ceiling:Q")
    words = base.mark_text(align="left", dx=7).encode(x="achieved:Q", text="label:N")
    description = "Share of the bandwidth ceiling. " + "; ".join(
        f"{value['name']} {value['label']}" for value in values
    )
    note = (
        "Weights read per step × steps per second, cache and activations left out. The tick is a "
        "copy in the same process with the same threads, read and written bytes counted: about as "
        "fast as this memory gets."
    )
    return lined(title, note, bars + ceilings + words, values, description)


def _against_ceiling(speed: Row) -> str:
    if speed["reading"] == CACHE_RESIDENT:
        return f"{speed['achieved_bytes_per_second'] / GIGA:.1f} GB/s, {CACHE_RESIDENT}"
    return f"{formats.percent(speed['ceiling_share'])}, {speed['reading']}"


def engine_figure(results: Sequence[Row], batch_size: int) -> Figure:
    """Decode speed of each engine, config by config, and their ratio."""
    by_config: dict[str, dict[str, Row]] = defaultdict(dict)
    left_out: list[str] = []
    for result in results:
        speed = speed_at(result, batch_size)
        # Two names for one engine's speed are no comparison.
        if speed and left_to(result["environment"], batch_size):
            left_out.append(_name(result, batch_size))
        elif speed:
            by_config[result["config"]][result["engine"]] = speed
    values: list[dict[str, Any]] = []
    ratios = []
    for config, engines in by_config.items():
        rates = {name: s["decode_tokens_per_second"] for name, s in engines.items()}
        ratio = _ratio(rates)
        ratios += [ratio] if ratio else []
        for engine, rate in rates.items():
            label = f"{rate['median']:,.0f}"
            if engine == "graph" and ratio:
                label += f", {ratio:.1f} × eager"
            values.append(
                {"config": config, "engine": engine, **rate, "label": label, "name": config}
            )
    if not ratios:
        return Figure("One engine alone decoded: there is nothing to compare", "", None)
    spread = f"{min(ratios):.1f}" if len(ratios) == 1 else f"{min(ratios):.1f} to {max(ratios):.1f}"
    title = f"At batch {batch_size}, engine graph decodes {spread} times as fast as eager"
    x = alt.X(
        "median:Q",
        title="tokens per second, all sequences of the batch" if batch_size > 1 else "tokens/s",
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1.35 * max(value["most"] for value in values)]),
    )
    colour, domain = _engines(values), _engine_domain(values)
    # A line each: side by side, the figures of two like engines would stand on one another.
    base = alt.Chart(alt.Data(values=values)).encode(
        y=names_axis(values), yOffset=alt.YOffset("engine:N", sort=domain)
    )
    shapes = alt.Shape(
        "engine:N",
        scale=alt.Scale(domain=domain, range=[_mark(engine).vega for engine in domain]),
        legend=alt.Legend(orient="top", title=None),
    )
    tooltip = [
        tip("config", "config"),
        tip("engine", "engine"),
        tip("median:Q", "median tok/s", ".1f"),
        tip("least:Q", "least", ".1f"),
        tip("most:Q", "most", ".1f"),
    ]
    lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("least:Q"), x2="most:Q", color=colour)
    points = base.mark_point(filled=True, size=120, opacity=1).encode(
        x=x, color=colour, shape=shapes, tooltip=tooltip
    )
    words = base.mark_text(align="left", dx=11).encode(x="most:Q", text="label:N")
    description = f"{title}. " + "; ".join(
        f"{v['config']} {v['engine']} {v['median']:.1f} tokens per second" for v in values
    )
    note = "Decoding alone, one repetition."
    if any(
        speed["repetitions"] > 1 for engines in by_config.values() for speed in engines.values()
    ):
        note = (
            "Decoding alone, median of the repetitions; the line runs from the least to the most."
        )
    if left_out:
        note += f" Left out: {', '.join(left_out)}."
    return lined(
        title, note, lines + points + words, list(by_config), description, line=2 * LINE_HEIGHT
    )


def _ratio(rates: dict[str, Row]) -> float | None:
    if not {"eager", "graph"} <= rates.keys():
        return None
    return rates["graph"]["median"] / rates["eager"]["median"]


def host_figure(results: Sequence[Row], batch_size: int) -> Figure:
    """Milliseconds that the host and the device each spend on one step."""
    measured = [(r, speed) for r in results if (speed := speed_at(r, batch_size))]
    known = [
        (result, speed)
        for result, speed in measured
        if speed["gpu_seconds"] is not None and speed["host_seconds"] is not None
    ]
    if not known:
        why = "the study ran on a CPU, which is both"
        if any(result["on_gpu"] for result, _ in measured):
            why = "for no step could both be measured"
        return Figure(f"Host and device time are not told apart: {why}", "", None)
    values = [
        {
            "name": _name(result, batch_size),
            "side": side,
            "milliseconds": 1000 * speed[key],
            "label": f"{1000 * speed[key]:.2f}",
            "reading": speed["reading"],
        }
        for result, speed in known
        for side, key in (("host", "host_seconds"), ("device", "gpu_seconds"))
    ]
    bound = [_name(r, batch_size) for r, s in known if s["host_seconds"] >= s["gpu_seconds"]]
    title = f"At batch {batch_size}, the host is what {len(bound)} of {len(known)} wait for"
    if len(bound) == len(known):
        title = f"At batch {batch_size}, every one waits for the host, none for the device"
    elif not bound:
        title = f"At batch {batch_size}, none waits for the host: the device is busy throughout"
    x = alt.X(
        "milliseconds:Q",
        title="milliseconds per step",
        axis=alt.Axis(tickCount=TICKS),
        scale=alt.Scale(domain=[0, 1.12 * max(value["milliseconds"] for value in values)]),
    )
    names = list(dict.fromkeys(value["name"] for value in values))
    base = alt.Chart(alt.Data(values=values)).encode(
        y=names_axis(values), yOffset=alt.YOffset("side:N", sort=list(SIDES))
    )
    colour = alt.Color(
        "side:N",
        scale=alt.Scale(domain=list(SIDES), range=list(SIDES.values())),
        legend=None,
    )
    tooltip = [
        tip("name", "config, engine"),
        tip("side", "who"),
        tip("milliseconds:Q", "ms per step", ".3f"),
        tip("reading", "reading"),
    ]
    bars = base.mark_bar(opacity=0.8).encode(x=x, color=colour, tooltip=tooltip)
    words = base.mark_text(align="left", dx=5).encode(x="milliseconds:Q", text=alt.Text("words:N"))
    words = words.transform_calculate(words="datum.side + ' ' + datum.label")
    description = "Host and device time of one step. " + "; ".join(
        f"{v['name']} {v['side']} {v['label']} ms" for v in values
    )
    note = "Launching a step, and running it. Where launching takes longer, the device idles."
    if unknown := [_name(r, batch_size) for r, s in measured if (r, s) not in known]:
        note += f" Host and device were not told apart: {', '.join(unknown)}."
    return lined(title, note, bars + words, names, description, line=2 * LINE_HEIGHT)


def _name(result: Row, batch_size: int) -> str:
    engine = engine_in_words(result["engine"], result["environment"], batch_size)
    return f"{result['config']} {engine}"


def _mark(engine: str) -> Mark:
    return ENGINE_MARKS.get(engine, OTHER_ENGINE)


def _engine_domain(values: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(value["engine"] for value in values))


def _engines(values: Sequence[Row]) -> alt.Color:
    domain = _engine_domain(values)
    return alt.Color(
        "engine:N",
        scale=alt.Scale(domain=domain, range=[_mark(engine).colour for engine in domain]),
        legend=alt.Legend(orient="top", title=None),
    )


def names_axis(values: Sequence[Row]) -> alt.Y:
    """The values' names down the side, in their order."""
    return alt.Y(
        "name:N",
        sort=list(dict.fromkeys(value["name"] for value in values)),
        title=None,
        axis=alt.Axis(
            ticks=False,
            domain=False,
            labelLimit=320,
            labelPadding=8,
            labelOverlap=False,
            labelFlush=False,
            labelBound=False,
        ),
    )


def lined(
    title: str,
    note: str,
    chart: Any,
    lines: Sequence[object],
    description: str,
    line: int = LINE_HEIGHT,
) -> Figure:
    """A figure with so many lines, one below the other."""
    height = line * len(lines) + FURNITURE
    return Figure(title, note, described(chart, height, description), description)
