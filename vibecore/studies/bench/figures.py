"""Pure: from repetitions to the figures of a report, and to the reading of what bounds a step."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from vibecore.catalog.gpus import MEMORY_BOUND_SHARE

Row = dict[str, Any]

READINGS = {
    "overhead-bound": "the host takes at least as long to launch a step as the device to run it",
    "memory-bound": "the step reads its weights at half of the copy's bandwidth or more",
    "cache-resident": "a cache can hold all weights, so the memory's bandwidth is no ceiling",
    "kernel-bound": "the device is busy, but reads its weights at less than half of the copy's "
    "bandwidth: small kernels, dequantisation or arithmetic",
    "below the ceiling": "less than half of the copy's bandwidth; host and device were not timed "
    "apart (on a CPU they are one), so overhead and arithmetic are not told apart",
}


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed, by nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and most."""
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def speed(
    repetitions: Sequence[Mapping[str, Any]], batch_size: int, facts: Mapping, costs: Mapping
) -> Row:
    """The figures of one config, engine and batch size.

    A repetition has prefill_seconds, step_seconds, peak_allocated_bytes, peak_reserved_bytes and
    joules (None where not known); `costs` has one step's host_seconds and gpu_seconds (None
    where not known). Token rates count all sequences of the batch, steps count once.
    """
    steps = [second for one in repetitions for second in one["step_seconds"]]
    step = statistics.median(steps)
    host, gpu = costs["host_seconds"], costs["gpu_seconds"]
    achieved = facts["bytes_per_step"] / step
    share = achieved / facts["ceiling_bytes_per_second"]
    joules = [one["joules"] for one in repetitions if one["joules"] is not None]
    tokens = batch_size * (1 + len(repetitions[0]["step_seconds"]))
    found = {
        "batch_size": batch_size,
        "repetitions": len(repetitions),
        "new_tokens": 1 + len(repetitions[0]["step_seconds"]),
        "first_token_seconds": spread([one["prefill_seconds"] for one in repetitions]),
        "step_p50_seconds": step,
        "step_p99_seconds": percentile(steps, 0.99),
        "decode_tokens_per_second": spread(
            [
                batch_size * len(one["step_seconds"]) / sum(one["step_seconds"])
                for one in repetitions
            ]
        ),
        "by_repetition": [
            {
                "first_token_seconds": one["prefill_seconds"],
                "total_seconds": one["prefill_seconds"] + sum(one["step_seconds"]),
            }
            for one in repetitions
        ],
        "host_seconds": host,
        "gpu_seconds": gpu,
        "peak_allocated_bytes": _most(repetitions, "peak_allocated_bytes"),
        "peak_reserved_bytes": _most(repetitions, "peak_reserved_bytes"),
        "joules_per_token": statistics.median(joules) / tokens if joules else None,
        "achieved_bytes_per_second": achieved,
        "ceiling_share": share,
        "reading": reading(host, gpu, share, facts["bytes_per_step"], facts["cache_bytes"]),
    }
    return {**found, "answer_tokens_per_second": answer_rates(found)}


def answer_rates(speed: Mapping[str, Any]) -> dict[str, float]:
    """Tokens per second of whole answers, the prompt's time included and all sequences of the
    batch together, of a report's entry of `speeds`: older reports do not hold it themselves."""
    tokens = speed["batch_size"] * speed["new_tokens"]
    return spread([tokens / one["total_seconds"] for one in speed["by_repetition"]])


def reading(
    host_seconds: float | None,
    gpu_seconds: float | None,
    ceiling_share: float,
    bytes_per_step: int,
    cache_bytes: int | None,
) -> str:
    """What bounds a decode step, by the rules of READINGS, the first that holds:

    host time ≥ device time; half of the bandwidth ceiling reached, unless a cache could hold the
    weights; a cache could hold them; neither.
    """
    if host_seconds is not None and gpu_seconds is not None and host_seconds >= gpu_seconds:
        return "overhead-bound"
    if cache_bytes is not None and bytes_per_step <= cache_bytes:
        return "cache-resident"
    if ceiling_share >= MEMORY_BOUND_SHARE:
        return "memory-bound"
    return "below the ceiling" if gpu_seconds is None else "kernel-bound"


def llama_rate(name: str, tokens: int, seconds: Sequence[float]) -> Row:
    """A rate as llama-bench names it: `pp512`, `tg128`."""
    return {"name": f"{name}{tokens}", "tokens_per_second": spread([tokens / s for s in seconds])}


def _most(repetitions: Sequence[Mapping[str, Any]], name: str) -> int | None:
    return max((one[name] for one in repetitions if one[name] is not None), default=None)
