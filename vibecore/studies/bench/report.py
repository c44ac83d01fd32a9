"""A bench's report: the fields of its JSON, and its tables (report_file.py reads one back).

The JSON is one object. Seconds, bytes and joules throughout; None where a figure is not available.

- `format` "vibecheck-bench", `version` 1, `created_at` (UTC), `hardware`, `device` (cpu, cuda)
- `interleaved`: whether repetitions went round all configs, or one config came after the other
- `settings`: weights, prompt_tokens, new_tokens, batch_sizes, repetitions, engines
- `results`, one a config and engine:
  - `config model precision engine source weights revision dtype environment`
    (`engine` is llama.cpp where that alone runs the config, whatever `settings` say)
  - `error`: why nothing was measured; `trouble`: what ended its measuring early, the profile's too
  - `load_seconds weight_bytes estimated_weight_bytes on_gpu context threads cache_bytes`
  - `bytes_per_step`: weights that a step reads (engine/profiling/bandwidth.py);
    `ceiling_bytes_per_second`: a copy in the same process, read and written bytes counted
  - `speeds`, one a batch size: `batch_size repetitions new_tokens`, `first_token_seconds` and
    `decode_tokens_per_second` (each median, least, most over the repetitions; a batch's rate
    counts all its sequences), `answer_tokens_per_second` likewise over the whole time, prompt
    included (figures.answer_rates gives it for a report that lacks it),
    `step_p50_seconds step_p99_seconds` over all steps,
    `by_repetition` (first_token_seconds and total_seconds of each),
    `host_seconds gpu_seconds` (of one step),
    `peak_allocated_bytes peak_reserved_bytes joules_per_token` (prompt included); on a CPU the
    first is resident memory of the process, by llama.cpp on a GPU all that the card has less,
    `achieved_bytes_per_second ceiling_share reading` (figures.READINGS)
  - `prompt_processing`, `token_generation`: llama-bench's pp and tg rates, `name` and
    `tokens_per_second`; None with --no-llama-bench
  - `profile` (with --profile): rows of engine/profiling/profile.py
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vibecore.catalog.engines import engine_in_words
from vibecore.core import formats
from vibecore.core.formats import counted
from vibecore.studies.bench.figures import answer_rates

FORMAT, VERSION = "vibecheck-bench", 1
UNKNOWN = "–"
# From here on a decimal says nothing more.
LARGE_RATE = 1000
Row = dict[str, Any]


def speed_rows(report: Mapping[str, Any]) -> list[Row]:
    """Decoding as a person reads it: one row a config, engine and batch size."""
    rows = []
    for result in report["results"]:
        if result["error"]:
            rows.append({**_named(result), "bottleneck": f"failed: {result['error']}"})
        rows += [_speed_row(result, speed) for speed in result["speeds"]]
    return _known(rows)


def model_rows(report: Mapping[str, Any]) -> list[Row]:
    """Loading, memory and llama-bench's rates: one row a config and engine that ran."""
    return _known([_model_row(result) for result in report["results"] if not result["error"]])


def models_caption(results: Sequence[Mapping[str, Any]]) -> str:
    """What model_rows tell."""
    llama = any(result["token_generation"] for result in results)
    return "Loading, memory, and llama-bench's rates" if llama else "Loading and memory"


def _known(rows: list[Row]) -> list[Row]:
    """The rows with the same columns, those that no row knows left out."""
    columns = dict.fromkeys(name for row in rows for name in row)
    known = [name for name in columns if any(row.get(name, UNKNOWN) != UNKNOWN for row in rows)]
    return [{name: row.get(name, UNKNOWN) for name in known} for row in rows]


def _named(result: Mapping[str, Any]) -> Row:
    return {"config": result["config"], "engine": result["engine"]}


def _speed_row(result: Mapping[str, Any], speed: Mapping[str, Any]) -> Row:
    rate = speed["decode_tokens_per_second"]
    batch_size = speed["batch_size"]
    return {
        "config": result["config"],
        "engine": engine_in_words(result["engine"], result["environment"], batch_size),
        "batch": str(batch_size),
        "TTFT ms": milliseconds(speed["first_token_seconds"]["median"]),
        "TPOT p50 ms": milliseconds(speed["step_p50_seconds"]),
        "TPOT p99 ms": milliseconds(speed["step_p99_seconds"]),
        "decode tok/s": _rate(rate["median"]),
        "least–most": f"{_rate(rate['least'])}–{_rate(rate['most'])}"
        if speed["repetitions"] > 1
        else UNKNOWN,
        "answer tok/s": _rate(answer_rates(speed)["median"]),
        "MBU": formats.percent(speed["ceiling_share"]),
        "host ms": milliseconds(speed["host_seconds"]),
        "device ms": milliseconds(speed["gpu_seconds"]),
        "GB/s": _rate(speed["achieved_bytes_per_second"] / 1e9),
        "J/token": formats.number(speed["joules_per_token"], 3),
        "bottleneck": speed["reading"],
    }


def _model_row(result: Mapping[str, Any]) -> Row:
    largest = max(result["speeds"], key=lambda speed: speed["batch_size"])
    rates = (result["prompt_processing"], result["token_generation"])
    return {
        **_named(result),
        "load s": f"{result['load_seconds']:.1f}",
        "weights": formats.memory(result["weight_bytes"]),
        # Reports of before it was measured do not say where they ran.
        "peak allocated" if result.get("on_gpu", True) else "peak resident": formats.memory(
            largest["peak_allocated_bytes"]
        ),
        "reserved": formats.memory(largest["peak_reserved_bytes"]),
        "copy GB/s": _rate(result["ceiling_bytes_per_second"] / 1e9),
        **{
            f"{rate['name']} tok/s": _rate(rate["tokens_per_second"]["median"])
            for rate in rates
            if rate
        },
    }


def _rate(value: float) -> str:
    return f"{value:.1f}" if value < LARGE_RATE else f"{value:.0f}"


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds: `1.25`."""
    return UNKNOWN if seconds is None else f"{1000 * seconds:.2f}"


def to_markdown(report: Mapping[str, Any]) -> str:
    """Both tables under a line that says where and how they were measured."""
    tables = (formats.to_markdown(rows(report)) for rows in (speed_rows, model_rows))
    return "\n".join([headline(report) + "\n", *tables])


def headline(report: Mapping[str, Any]) -> str:
    """Where and how a report was measured, in one line."""
    settings = report["settings"]
    order = "interleaved" if report["interleaved"] else "one config after the other"
    made = sorted(set(repetitions_made(report))) or [0]
    repetitions = counted(made[-1], "repetition")
    if len(made) > 1:
        repetitions = f"{made[0]} to {repetitions}"
    return (
        f"{report['hardware']}, {report['created_at'][:10]}: "
        f"{counted(settings['new_tokens'], 'token')} after a prompt of "
        f"{settings['prompt_tokens']}, {repetitions}, "
        f"{order}, weights {weights_of(report)}"
    )


def weights_of(report: Mapping[str, Any]) -> str:
    """What the weights were, `mixed` where configs differ."""
    kinds = {result["weights"] for result in report["results"]}
    return kinds.pop() if len(kinds) == 1 else "mixed"


def repetitions_made(report: Mapping[str, Any]) -> list[int]:
    """Repetitions of each config, engine and batch size; fewer than requested on a time limit."""
    return [speed["repetitions"] for result in report["results"] for speed in result["speeds"]]
