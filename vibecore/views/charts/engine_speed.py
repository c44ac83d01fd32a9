"""What a bench found: decoding against the memory's bandwidth, engine against engine, host
against device.

`results` are those of a bench's report (studies/bench/report.py) that ran without an error; its
JSON names the MBU `ceiling_share` and the bottleneck `reading`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vibecore.catalog.engines import LLAMA_CPP, engine_in_words, left_to
from vibecore.core import formats
from vibecore.views.charts.dot_interval import Axis, Dot, dot_chart
from vibecore.views.charts.figure import (
    LINE_HEIGHT,
    Figure,
    beside_names,
    colour_and_shape,
    described,
    drawn,
    line_axis,
    lined_height,
    room_for,
    scaled,
    tip,
)
from vibecore.views.charts.style import NEUTRAL, Mark
from vibecore.views.charts.vega import alt

# A bench's JSON: a result, or what one measured at a batch size.
Json = Mapping[str, Any]

# One colour and shape an engine; its name is beside it wherever it is drawn.
ENGINE_MARKS = {
    "eager": Mark("#b0639b", "square"),
    "graph": Mark("#3a80c4", "circle"),
    LLAMA_CPP: Mark("#219a76", "triangle"),
}
OTHER_ENGINE = Mark(NEUTRAL, "diamond")
# The two sides of a step: what the host spends on launching it, what the device on running it.
SIDES = {"host": "#b0639b", "device": "#3a80c4"}
GIGA = 1e9
# Pixels from a line's middle down to its bar, where a label stands above the bar.
BELOW = 6
# Pixels of a label with the gap before it.
RATIO_LABEL, TIME_LABEL = 85, 80
CACHE_RESIDENT = "cache-resident"


def speed_at(result: Json, batch_size: int) -> Json | None:
    """What was measured at a batch size."""
    return next((s for s in result["speeds"] if s["batch_size"] == batch_size), None)


def batch_sizes(results: Sequence[Json]) -> list[int]:
    """Every batch size that was measured, ascending."""
    return sorted({speed["batch_size"] for result in results for speed in result["speeds"]})


def mbu_figure(results: Sequence[Json], batch_size: int) -> Figure:
    """Bytes of weights read per second, each bar against what a copy reached in its process."""
    values = [
        {
            "name": _name(result, batch_size),
            "engine": left_to(result["environment"], batch_size) or result["engine"],
            "achieved": speed["achieved_bytes_per_second"] / GIGA,
            "copy": result["ceiling_bytes_per_second"] / GIGA,
            "mbu": speed["ceiling_share"],
            "bottleneck": speed["reading"],
            "label": _utilisation(speed),
        }
        for result, speed in _measured(results, batch_size)
    ]
    if not values:
        return Figure("No decoding speed was measured")
    bounded = [value for value in values if value["bottleneck"] != CACHE_RESIDENT]
    best = max(bounded or values, key=lambda value: value["mbu"])
    least = min(bounded or values, key=lambda value: value["mbu"])
    title = f"At batch {batch_size}, {best['name']} reaches {formats.percent(best['mbu'])} MBU"
    if least is not best:
        title += f", the most; {least['name']} {formats.percent(least['mbu'])}, the least"
    if not bounded:
        title = f"At batch {batch_size}, a cache can hold all weights, so MBU is not meaningful"
    most = max(max(value["copy"], value["achieved"]) for value in values)
    colour, _ = colour_and_shape("engine", _marks(value["engine"] for value in values))
    base = drawn(values).encode(y=line_axis("name", [value["name"] for value in values]))
    bars = base.mark_bar(height=9, opacity=0.8, yOffset=BELOW).encode(
        x=scaled("achieved", "GB of weights read per second", 1.05 * most),
        color=colour,
        tooltip=[
            tip("name", "config, engine"),
            tip("achieved:Q", "GB/s read", ".1f"),
            tip("copy:Q", "GB/s of a copy", ".1f"),
            tip("label", "MBU, bottleneck"),
        ],
    )
    copies = base.mark_tick(color=NEUTRAL, thickness=3, height=13, yOffset=BELOW)
    copies = copies.encode(x="copy:Q")
    # Above its bar: beside it a label would cover the tick, and end outside a phone's page.
    words = base.mark_text(align="left", baseline="middle", dx=2, dy=-BELOW - 1, fontSize=12)
    words = words.encode(x=alt.datum(0), text="label:N")
    description = "Model bandwidth utilisation (MBU). " + "; ".join(
        f"{value['name']} {value['label']}" for value in values
    )
    note = (
        "Model bandwidth utilisation: weights read per step × steps per second, cache and "
        "activations left out, over the bandwidth of a copy (the tick) in the same process with "
        "the same threads, read and written bytes counted: about as fast as this memory gets."
    )
    chart = described(bars + copies + words, lined_height(len(values), 34), description)
    return Figure(title, note, chart, description)


def engine_figure(results: Sequence[Json], batch_size: int) -> Figure:
    """Decode speed of each engine, config by config, and their ratio."""
    by_config: dict[str, dict[str, Json]] = defaultdict(dict)
    left_out: list[str] = []
    for result, speed in _measured(results, batch_size):
        # Two names for one engine's speed are no comparison.
        if left_to(result["environment"], batch_size):
            left_out.append(_name(result, batch_size))
        else:
            by_config[result["config"]][result["engine"]] = speed
    ratios = {
        config: _median(engines["graph"]) / _median(engines["eager"])
        for config, engines in by_config.items()
        if {"eager", "graph"} <= engines.keys()
    }
    if not ratios:
        engines = {engine for found in by_config.values() for engine in found}
        alone = (
            "No config was decoded by two engines"
            if len(engines) > 1
            else "One engine alone decoded"
        )
        return Figure(f"{alone}: there is nothing to compare")
    dots = [
        _engine_dot(config, engine, speed, ratios.get(config))
        for config, engines in by_config.items()
        for engine, speed in engines.items()
    ]
    least, most = (f"{pick(ratios.values()):.1f}" for pick in (min, max))
    spread = least if least == most else f"{least} to {most}"
    title = f"At batch {batch_size}, engine graph decodes {spread} times as fast as eager"
    description = f"{title}. " + "; ".join(
        f"{dot.line} {dot.lane} {dot.value:.1f} tokens per second" for dot in dots
    )
    axis = "tokens per second, all sequences of the batch" if batch_size > 1 else "tokens/s"
    marks = _marks(dot.group for dot in dots)
    most_speed = max(dot.high or 0 for dot in dots)
    width = beside_names(dot.line for dot in dots)
    chart = dot_chart(
        dots,
        Axis(axis, alt.Scale(domain=[0, room_for(most_speed, RATIO_LABEL, width)])),
        description=description,
        marks=marks,
        # A lane each: side by side, the figures of two like engines would overlap.
        lanes=list(marks),
        label_limit=320,
        line_height=2 * LINE_HEIGHT,
    )
    note = "Decoding alone, one repetition."
    if any(s["repetitions"] > 1 for engines in by_config.values() for s in engines.values()):
        note = (
            "Decoding alone, median of the repetitions; the line runs from the least to the most."
        )
    if left_out:
        note += f" Left out: {', '.join(left_out)}."
    return Figure(title, note, chart, description)


def host_figure(results: Sequence[Json], batch_size: int) -> Figure:
    """Milliseconds that the host and the device each spend on one step."""
    measured = _measured(results, batch_size)
    known = [
        (result, speed)
        for result, speed in measured
        if speed["gpu_seconds"] is not None and speed["host_seconds"] is not None
    ]
    if not known:
        why = "the study ran on a CPU, which is both"
        if any(result["on_gpu"] for result, _ in measured):
            why = "for no step could both be measured"
        return Figure(f"Host and device time were not measured apart: {why}")
    values = [
        {
            "name": _name(result, batch_size),
            "side": side,
            "milliseconds": 1000 * seconds,
            "label": f"{side} {1000 * seconds:.2f}",
            "bottleneck": speed["reading"],
        }
        for result, speed in known
        for side, seconds in (("host", speed["host_seconds"]), ("device", speed["gpu_seconds"]))
    ]
    bound = [_name(r, batch_size) for r, s in known if s["host_seconds"] >= s["gpu_seconds"]]
    title = f"At batch {batch_size}, {len(bound)} of {len(known)} wait for the host"
    if len(bound) == len(known):
        title = f"At batch {batch_size}, every one waits for the host, none for the device"
    elif not bound:
        title = f"At batch {batch_size}, none waits for the host: the device is busy throughout"
    names = [_name(result, batch_size) for result, _ in known]
    longest = max(value["milliseconds"] for value in values)
    most = room_for(longest, TIME_LABEL, beside_names(names))
    base = drawn(values).encode(
        y=line_axis("name", names), yOffset=alt.YOffset("side:N", sort=list(SIDES))
    )
    bars = base.mark_bar(opacity=0.8).encode(
        x=scaled("milliseconds", "milliseconds per step", most),
        color=alt.Color(
            "side:N",
            scale=alt.Scale(domain=list(SIDES), range=list(SIDES.values())),
            legend=None,
        ),
        tooltip=[
            tip("name", "config, engine"),
            tip("side", "who"),
            tip("milliseconds:Q", "ms per step", ".3f"),
            tip("bottleneck", "bottleneck"),
        ],
    )
    words = base.mark_text(align="left", dx=5, fontSize=12).encode(
        x="milliseconds:Q", text="label:N"
    )
    description = "Host and device time of one step. " + "; ".join(
        f"{v['name']} {v['label']} ms" for v in values
    )
    note = "Launching a step, and running it. Where launching takes longer, the device idles."
    if unknown := [_name(r, batch_size) for r, s in measured if (r, s) not in known]:
        note += f" Host and device were not measured apart: {', '.join(unknown)}."
    chart = described(bars + words, lined_height(len(known), 2 * LINE_HEIGHT), description)
    return Figure(title, note, chart, description)


def _measured(results: Sequence[Json], batch_size: int) -> list[tuple[Json, Json]]:
    """Each result that has a speed at this batch size, with the speed."""
    pairs = [(result, speed_at(result, batch_size)) for result in results]
    return [(result, speed) for result, speed in pairs if speed is not None]


def _utilisation(speed: Json) -> str:
    if speed["reading"] == CACHE_RESIDENT:
        return f"{speed['achieved_bytes_per_second'] / GIGA:.1f} GB/s, {CACHE_RESIDENT}"
    return f"{formats.percent(speed['ceiling_share'])}, {speed['reading']}"


def _median(speed: Json) -> float:
    return speed["decode_tokens_per_second"]["median"]


def _engine_dot(config: str, engine: str, speed: Json, ratio: float | None) -> Dot:
    rate = speed["decode_tokens_per_second"]
    label = f"{rate['median']:,.0f}"
    if engine == "graph" and ratio:
        label += f"\n{ratio:.1f} × eager"
    tips = {
        "config": config,
        "engine": engine,
        "median tok/s": f"{rate['median']:.1f}",
        "least": f"{rate['least']:.1f}",
        "most": f"{rate['most']:.1f}",
    }
    ends = (rate["least"], rate["most"])
    return Dot(config, rate["median"], *ends, label, group=engine, lane=engine, tips=tips)


def _name(result: Json, batch_size: int) -> str:
    engine = engine_in_words(result["engine"], result["environment"], batch_size)
    return f"{result['config']} {engine}"


def _marks(engines: Iterable[str]) -> dict[str, Mark]:
    """The mark of each engine, in the order of the legend."""
    return {engine: ENGINE_MARKS.get(engine, OTHER_ENGINE) for engine in engines}
