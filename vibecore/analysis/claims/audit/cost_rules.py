"""Rules on memory and speed, against the architecture and the GPU's memory bandwidth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vibecore.analysis.claims.audit.record import (
    CARRIED,
    CONTRADICTED,
    NOT_CARRIED,
    NOT_TESTABLE,
    Note,
)
from vibecore.analysis.claims.audit.report_file import ReportFile
from vibecore.analysis.claims.evidence import evidence_row, memory_row
from vibecore.analysis.claims.memory import CONTEXT_TOKENS, TIGHT, cache_bytes_per_token
from vibecore.catalog.configs import GIB, PRECISIONS, Architecture
from vibecore.core import formats

Row = dict[str, Any]

# Under this share of the ceiling, what a step costs is not the reading of its weights.
OVERHEAD_BOUND = 0.25
# Times per layer within this ratio are taken as the same; layers' bytes differ by more.
SAME_TIME = 1.1
LARGER_LAYERS = 1.5


def memory_fall(report: ReportFile) -> list[Note]:
    """How much less memory 4bit takes than 16 bit, against the claimed factor."""
    rule, study = "memory-fall", report.study()
    rows = [
        memory_row(base, row)
        for model in study.models
        if (base := study.baseline(model)) and (row := study.row(model, "4bit"))
        and base["memory_bytes"] and row["memory_bytes"]
    ]  # fmt: skip
    if not rows:
        return [Note(rule, NOT_TESTABLE, "The models' shapes and memory are not known.")]
    claimed = report.claimed("memory_fall")[0]
    figures = "; ".join(
        f"{row['compared']}: {row['figures']}, {row['estimate']:.1f}×" for row in rows
    )
    carried = all(round(row["estimate"]) >= claimed for row in rows)
    return [
        Note(
            rule,
            CARRIED if carried else CONTRADICTED,
            f'"{claimed:g}×" less memory from 16 bit to 4bit is {_span(rows)} by the architecture: '
            f"quantisers leave embeddings and head in 16 bit ({figures}; {rows[0]['method']}).",
            tuple(rows),
        )
    ]


def _span(rows: Sequence[Row]) -> str:
    low, high = (pick(row["estimate"] for row in rows) for pick in (min, max))
    return f"{high:.1f}×" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f}× to {high:.1f}×"


def memory_tight(report: ReportFile) -> list[Note]:
    """Whether the largest 16-bit config, with a context's cache, is tight on the card."""
    rule, study = "memory-tight", report.study()
    row = study.baseline(study.larger)
    architecture = report.architectures.get(study.larger)
    if not report.vram_gib or not row or not row["memory_bytes"] or not architecture:
        return [Note(rule, NOT_TESTABLE, "It takes the card's memory and a 16-bit model's shape.")]
    cache = CONTEXT_TOKENS * cache_bytes_per_token(architecture)
    needed = row["memory_bytes"] + cache
    share = needed / (report.vram_gib * GIB)
    tight = share > TIGHT
    return [
        Note(
            rule,
            CARRIED if tight else CONTRADICTED,
            f"{row['config']} needs {formats.memory(row['memory_bytes'])} of weights and "
            f"{formats.memory(cache)} for the keys and values of {CONTEXT_TOKENS:,} tokens: "
            f"{formats.percent(share)} of {report.vram_gib:g} GB, "
            f"{'which is' if tight else 'which is not'} tight (more than "
            f"{formats.percent(TIGHT)}).",
        )
    ]


def bandwidth_ceiling(report: ReportFile) -> list[Note]:
    """Each speed as a share of what the GPU's memory bandwidth allows at batch 1."""
    rule = "bandwidth-ceiling"
    rows = []
    for row in report.rows:
        architecture = report.architectures.get(row["model"])
        precision = PRECISIONS.get(row["precision"])
        if not (report.bandwidth and architecture and precision and row["tokens_per_second"]):
            continue
        ceiling = report.bandwidth * 1e9 / bytes_per_token(architecture, row["precision"])
        rows.append(
            evidence_row(
                compared=row["config"],
                measure="speed",
                figures=f"{row['tokens_per_second']:g} of {ceiling:.0f} tok/s",
                kind="share",
                estimate=row["tokens_per_second"] / ceiling,
                method="bandwidth over weight bytes read a token",
            )
        )
    if not rows:
        return [Note(rule, NOT_TESTABLE, "It takes speeds, the GPU's bandwidth and known shapes.")]
    shares = sorted(row["estimate"] for row in rows)
    figures = ", ".join(
        f"{row['compared']} {row['figures']} ({100 * row['estimate']:.1f} %)" for row in rows
    )
    bound = [row for row in rows if row["estimate"] < OVERHEAD_BOUND]
    over = [row for row in rows if row["estimate"] > 1]
    notes = []
    if over:
        names = ", ".join(row["compared"] for row in over)
        sentence = f"Faster than the memory bandwidth allows at batch 1: {names} ({figures})."
        notes.append(Note(rule, CONTRADICTED, sentence, tuple(rows)))
    elif bound:
        how_many = "All" if len(bound) == len(rows) else f"{len(bound)} of"
        notes.append(
            Note(
                rule,
                NOT_CARRIED,
                f"{how_many} {len(rows)} speeds are {100 * shares[0]:.1f} % to "
                f"{100 * max(row['estimate'] for row in bound):.1f} % of the ceiling that "
                f"{report.bandwidth:g} GB/s sets: overhead-bound, so they say little about what "
                f"precision costs the hardware. {figures}.",
                tuple(rows),
            )
        )
    else:
        sentence = f"Speeds are {100 * shares[0]:.0f} % to {100 * shares[-1]:.0f} % of the ceiling."
        notes.append(Note(rule, CARRIED, f"{sentence} {figures}.", tuple(rows)))
    return notes


def bytes_per_token(architecture: Architecture, precision: str) -> int:
    """Weight bytes that decoding one token reads: all but an untied embedding table."""
    total = architecture.weight_bytes(PRECISIONS[precision])
    if not architecture.tie_word_embeddings:
        total -= 2 * architecture.vocab_size * architecture.hidden_size
    return total


def time_per_layer(report: ReportFile) -> list[Note]:
    """A step's time per layer that does not grow with the layer's size is overhead."""
    study, rows = report.study(), []
    for large, small in study.by_size():
        shapes = [report.architectures.get(row["model"]) for row in (small, large)]
        speeds = [row["tokens_per_second"] for row in (small, large)]
        if not all(shapes) or not all(speeds):
            continue
        times = [
            1000 / speed / shape.num_hidden_layers
            for speed, shape in zip(speeds, shapes, strict=True)
        ]
        widths = [shape.linear_parameters / shape.num_hidden_layers for shape in shapes]
        rows.append(
            evidence_row(
                compared=f"{large['config']} over {small['config']}",
                measure="ms a layer",
                figures=f"{times[1]:.2f} v {times[0]:.2f} ms",
                kind="times",
                estimate=times[1] / times[0],
                high=widths[1] / widths[0],
                method="1000 / (tok/s × layers); the layer's parameters beside it",
            )
        )
    if not rows:
        return [Note("time-per-layer", NOT_TESTABLE, "It takes speeds of two known shapes.")]
    flat = [
        row
        for row in rows
        if 1 / SAME_TIME < row["estimate"] < SAME_TIME and row["high"] > LARGER_LAYERS
    ]
    figures = "; ".join(
        f"{row['compared']}: {row['figures']} a layer, {row['estimate']:.2f}×, with "
        f"{row['high']:.1f}× the parameters"
        for row in rows
    )
    lead = (
        f"At {len(flat)} of {len(rows)} precisions a layer takes the same time at both sizes: its "
        "time is spent on something other than its weights."
        if flat
        else "A layer's time differs between the sizes at every precision."
    )
    return [
        Note("time-per-layer", NOT_CARRIED if flat else CARRIED, f"{lead} {figures}.", tuple(rows))
    ]


def speed_spread(report: ReportFile) -> list[Note]:
    """A single speed a config has no interval, so a small difference means nothing yet."""
    known = [row for row in report.rows if row["tokens_per_second"]]
    if not known:
        return [Note("speed-spread", NOT_TESTABLE, "The file gives no speeds.")]
    study = report.study()
    losses = [
        f"{row['config']} {formats.percent(row['tokens_per_second'] / base_speed - 1, True)}"
        for row, base in study.by_quantising()
        if row["tokens_per_second"] and (base_speed := base["tokens_per_second"])
    ]
    against = f" As reported, against 16 bit: {', '.join(losses)}." if losses else ""
    return [
        Note(
            "speed-spread",
            NOT_CARRIED,
            f"{len(known)} speeds stand without a spread, a number of repetitions or lengths, so "
            f"no difference between them has an interval.{against}",
        )
    ]
