"""How long a whole answer takes, config by config: its first token, and the tokens after it.

`results` are those of a bench's report (studies/bench/report.py) that ran without an error.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vibecore.catalog.engines import LLAMA_CPP, engine_in_words
from vibecore.core import formats
from vibecore.studies.bench.figures import answer_rates
from vibecore.views.charts.figure import (
    Figure,
    described,
    drawn,
    line_axis,
    lined_height,
    scaled,
    tip,
)
from vibecore.views.charts.vega import alt

Json = Mapping[str, Any]

# The two parts of an answer: its prompt up to the first token, and the rest.
PARTS = {"first token (TTFT)": "#b0639b", "tokens after it": "#3a80c4"}
LINE = 34
# Pixels from a line's middle down to its bar; the label stands above it, so that none is cut.
BELOW = 6


class Said(NamedTuple):
    """A line of the chart: its name, that with the engine, and its label; seconds to the first and
    to the last token."""

    name: str
    full: str
    label: str
    first: float
    whole: float


def answer_figure(results: Sequence[Json], batch_size: int) -> Figure:
    """Milliseconds of a whole answer in two parts, with its tokens per second: of one engine, for
    beside another that takes forty times as long nothing could be read off a bar, and of what
    llama.cpp alone runs."""
    all_of_them = [
        (result, speed)
        for result in results
        for speed in result["speeds"]
        if speed["batch_size"] == batch_size
    ]
    if not all_of_them:
        return Figure("No answer was measured")
    engine, measured = _of_one_engine(all_of_them)
    values, said = [], []
    for result, speed in measured:
        first = statistics.median(one["first_token_seconds"] for one in speed["by_repetition"])
        whole = statistics.median(one["total_seconds"] for one in speed["by_repetition"])
        words = engine_in_words(result["engine"], result["environment"], batch_size)
        full = f"{result['config']} {words}"
        name = result["config"] + words.removeprefix(engine) if words.startswith(engine) else full
        ttft = formats.latency(first)
        rate = f"{answer_rates(speed)['median']:,.0f} tok/s"
        said.append(
            Said(name, full, f"{formats.latency(whole)}, {rate}, TTFT {ttft}", first, whole)
        )
        common = {
            "name": name,
            "label": said[-1].label,
            "ttft": ttft,
            "tpot": formats.latency(speed["step_p50_seconds"]),
        }
        values += [
            {**common, "part": part, "order": order, "milliseconds": 1000 * took}
            for order, (part, took) in enumerate(zip(PARTS, (first, whole - first), strict=True))
        ]
    new_tokens = max(speed["new_tokens"] for _, speed in measured)
    title = _title(said, batch_size, formats.counted(new_tokens, "token"))
    base = drawn(values).encode(y=line_axis("name", [one.name for one in said]))
    legend = alt.Legend(orient="top", title=None, symbolOpacity=1)
    bars = base.mark_bar(height=9, opacity=0.8, yOffset=BELOW).encode(
        x=scaled("milliseconds", "milliseconds", 1.05 * 1000 * max(one.whole for one in said)),
        color=alt.Color(
            "part:N",
            scale=alt.Scale(domain=list(PARTS), range=list(PARTS.values())),
            legend=legend,
        ),
        order="order:Q",
        tooltip=[
            tip("name", "config"),
            tip("part", "part"),
            tip("milliseconds:Q", "ms of it", ".1f"),
            tip("label", "whole answer"),
            tip("tpot", "TPOT"),
        ],
    )
    words = base.transform_filter("datum.order == 0").mark_text(
        align="left", baseline="middle", dx=2, dy=-BELOW - 1, fontSize=12
    )
    words = words.encode(x=alt.datum(0), text="label:N")
    description = f"{title}. " + "; ".join(f"{one.name} {one.label}" for one in said)
    note = (
        "From the prompt to the last token, median of the repetitions; tok/s is new tokens over "
        "that time" + (", all sequences together." if batch_size > 1 else ".")
    )
    if len(measured) < len(all_of_them):
        others = {result["engine"] for result, _ in all_of_them} - {engine, LLAMA_CPP}
        note += f" Answers of {formats.listed(sorted(others))} are in the table below."
    chart = described(bars + words, lined_height(len(said), LINE), description)
    return Figure(title, note, chart, description)


def _of_one_engine(measured: Sequence[tuple[Json, Json]]) -> tuple[str, list[tuple[Json, Json]]]:
    """The engine that answers fastest at its best, and what was measured of it and of llama.cpp;
    that is chosen only where there is no other."""
    best, _ = min(
        [pair for pair in measured if pair[0]["engine"] != LLAMA_CPP] or measured,
        key=lambda pair: min(one["total_seconds"] for one in pair[1]["by_repetition"]),
    )
    engine = best["engine"]
    return engine, [pair for pair in measured if pair[0]["engine"] in (engine, LLAMA_CPP)]


def _title(said: Sequence[Said], batch_size: int, tokens: str) -> str:
    """The fastest whole answer, and how much of it waits for the first token."""
    best = min(said, key=lambda one: one.whole)
    return (
        f"At batch {batch_size}, {best.full} answers fastest: {tokens} in "
        f"{formats.latency(best.whole)}, {formats.percent(best.first / best.whole)} of that before "
        "the first"
    )
