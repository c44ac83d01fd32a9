"""Checks on speed, on where its time goes, and on the choice that the rule makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vibecore.analysis.claims.evidence import (
    ADHERENCE,
    ALPHA,
    REPETITION,
    EvidenceRow,
    compared,
    judge_of_family,
    speed_row,
)
from vibecore.analysis.claims.quality import NO_QUANTISED, ONE_MODEL
from vibecore.analysis.claims.record import (
    CONTRADICTED,
    NOT_RESOLVED,
    NOT_TESTABLE,
    SUPPORTED,
    Outcome,
    decide,
    need,
)
from vibecore.analysis.claims.study_data import Report, StudyData
from vibecore.analysis.claims.wording import summed_up
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.analysis.stats.exact import holm
from vibecore.analysis.stats.verdicts import BETTER, EQUIVALENT, WORSE
from vibecore.catalog.architectures import ModelSpec
from vibecore.catalog.gpus import MEMORY_BOUND_SHARE
from vibecore.catalog.precisions import PRECISIONS
from vibecore.core import formats

# How often a choice has to win the resampled studies before it counts as settled.
SETTLED = 0.95
# "Barely": a loss of a tenth at most.
BARELY = 0.90
# With fewer pairs no two-sided sign test reaches 5 %.
FEWEST = 6
# Kernels and operations that turn stored weights back into 16 bit, by what their names contain.
# `mm_dequant` rescales a product, not weights, and is none of them.
WEIGHT_DEQUANTISING = ("vectorwise_dequant", "dequantize_blockwise", "dequantizeblockwise")
# A product of 8-bit integers, by operator or by GPU kernel: weights multiplied as they are stored.
INTEGER_PRODUCTS = (
    *("_int_mm", "int8_linear_matmul", "int8_scaled_mm", "igemm", "imma"),
    # cuBLAS and CUTLASS name the type of their operands; s884 is a tile of 16-bit products.
    *("_s8", "s8_", "_i8", "i8_"),
)
MOSTLY = 0.5
# Times per layer within this ratio are taken as the same; layers' bytes differ by more.
SAME_TIME = 1.1
LARGER_LAYERS = 1.5

NO_SPEED = "The study gives no speeds for the configs to be compared at one batch size."
NO_SPREAD = (
    "The study has too few prompts that were timed alone (one speed a config, prompts in batches, "
    "or a few prompts), so no interval can be put on a difference. Its figures: "
)
NO_PROFILE = (
    "It takes a profile of an 8bit decode step by engine eager, and this study has none; "
    "python -m vibecore bench --engine eager --profile makes one."
)


def four_bit_is_the_sweet_spot(study: StudyData) -> Outcome:
    """The rule chooses a 4bit config, and goes on choosing one when prompts are resampled."""
    if study.choice is None:
        need(any(row.broken is not None for row in study.rows), study.choice_reason)
    if not study.shares:
        return Outcome(
            NOT_RESOLVED,
            f"{study.choice_reason} How often resampled studies would choose a 4bit config is not "
            "known.",
        )
    four_bit = {row.config for row in study.rows if row.precision == "4bit"}
    share = sum(share for config, share in study.shares.items() if config in four_bit)
    chosen = study.choice in four_bit
    return Outcome(
        decide(
            supported=chosen and share >= SETTLED,
            contradicted=not chosen and share <= 1 - SETTLED,
        ),
        "The rule asks which config needs the least memory of those fast enough and not shown to "
        f"be worse; its answer here is {study.choice or 'that there is none'}, and this claim does "
        f"not change it. The claim asks more: that a 4bit config is the answer in "
        f"{formats.percent(SETTLED)} or more of resampled studies. It is in "
        f"{formats.percent(share)} ({study.shares_method}).",
        tuple(
            EvidenceRow(
                compared=config or "none",
                measure="wins the rule",
                figures=formats.percent(wins),
                kind="share",
                estimate=wins,
                method=study.shares_method,
                label=config or "none",
            )
            for config, wins in sorted(study.shares.items(), key=lambda item: -item[1])
        ),
    )


def eight_bit_is_slowest(study: StudyData) -> Outcome:
    """8bit is slower than every other quantisation of the same model."""
    pairs = [
        (eight, other)
        for model in study.models
        if (eight := study.row(model, "8bit"))
        for other in study.quantised(model)
        if other is not eight
    ]
    need(pairs, "The study has no model at 8bit and another quantisation.")
    rows = need([row for a, b in pairs if (row := speed_row(study, a, b))], NO_SPEED)
    if any(row.p is None for row in rows):
        return Outcome(NOT_TESTABLE, NO_SPREAD + summed_up(rows), tuple(rows))
    adjusted = holm([row.p for row in rows]).tolist()
    rows = [replace(row, p_adjusted=p) for row, p in zip(rows, adjusted, strict=True)]
    faster = [p < ALPHA for row, p in zip(rows, adjusted, strict=True) if row.verdict == BETTER]
    verdict = decide(supported=all(row.verdict == WORSE for row in rows), contradicted=any(faster))
    return Outcome(verdict, summed_up(rows), tuple(rows))


def larger_four_bit_barely_loses(study: StudyData) -> Outcome:
    """The larger model at 4bit keeps nine tenths of its 16-bit speed, and its quality."""
    missing = "The study has no model at both 4bit and 16 bit."
    own = need(study.row(study.larger, "4bit"), missing)
    baseline = need(study.baseline(study.larger), missing)
    quality = judge_of_family(study, compared([(own, baseline)], REPETITION, ADHERENCE))
    speed = speed_row(study, own, baseline, margin=1 - BARELY)
    rows = need([*filter(None, [speed]), *quality], f"{NO_SPEED} Its quality is not scored.")
    interval = speed.interval if speed else None
    fast = interval is not None and interval[0] >= BARELY
    slow = interval is not None and interval[1] < BARELY and rows[0].verdict == WORSE
    kept = bool(quality) and all(row.verdict in (EQUIVALENT, BETTER) for row in quality)
    note = "" if interval else "Its speed has no spread, so no interval. "
    return Outcome(
        decide(
            supported=fast and kept,
            contradicted=slow or any(row.verdict == WORSE for row in quality),
        ),
        f"Barely is taken as at most {100 * (1 - BARELY):.0f} % slower, with quality that passes "
        f"a test of equivalence. {note}{summed_up(rows)}",
        tuple(rows),
    )


def smaller_loses_more_speed(study: StudyData) -> Outcome:
    """At every quantisation the smaller model keeps less of its 16-bit speed."""
    if len(study.models) < 2:
        need(None, ONE_MODEL)
    bases = study.baseline(study.smaller), study.baseline(study.larger)
    kept: list[tuple[EvidenceRow, EvidenceRow]] = []
    for small in study.quantised(study.smaller):
        large = study.row(study.larger, small.precision)
        if large and bases[0] and bases[1]:
            less, more = speed_row(study, small, bases[0]), speed_row(study, large, bases[1])
            if less and more:
                kept.append((less, more))
    need(kept, f"{NO_QUANTISED} Or its speeds are not known.")
    evidence = tuple(row for pair in kept for row in pair)
    intervals = [(a.interval, b.interval) for a, b in kept if a.interval and b.interval]
    if len(intervals) < len(kept):
        return Outcome(NOT_TESTABLE, NO_SPREAD + summed_up(evidence), evidence)
    # 95 % intervals that do not overlap: at least as strict as a test of the difference at 5 %,
    # however the two estimates depend on each other.
    large_enough = all((row.n or 0) >= FEWEST for row in evidence)
    lower = sum(small[1] < large[0] for small, large in intervals)
    higher = sum(small[0] > large[1] for small, large in intervals)
    few = "" if large_enough else f"Fewer than {FEWEST} timings resolve nothing. "
    return Outcome(
        decide(
            supported=large_enough and lower == len(kept),
            contradicted=large_enough and higher > 0,
        ),
        f"{few}The smaller model keeps less, by intervals that do not overlap, at {lower} of "
        f"{len(kept)} quantisations, more at {higher}. {summed_up(evidence)}",
        evidence,
    )


def speed_spread(report: Report) -> Outcome:
    """A single speed a config has no interval, so a small difference means nothing yet."""
    known = need([row for row in report.rows if row.tokens_per_second])
    losses = [
        f"{row.config} {formats.percent(row.tokens_per_second / base.tokens_per_second - 1, True)}"
        for row, base in report.by_quantising()
        if row.tokens_per_second and base.tokens_per_second
    ]
    against = f" As reported, against 16 bit: {', '.join(losses)}." if losses else ""
    return Outcome(
        NOT_RESOLVED,
        f"{len(known)} speeds are given without a spread, a number of repetitions or lengths, so "
        f"no difference between them has an interval.{against}",
    )


def bandwidth_ceiling(report: Report) -> Outcome:
    """Each speed as a share of what the GPU's memory bandwidth allows at batch 1: its MBU."""
    bandwidth = need(report.bandwidth)
    rows = []
    for row in report.rows:
        architecture = report.architecture(row.model)
        if architecture and row.precision in PRECISIONS and row.tokens_per_second:
            ceiling = bandwidth * 1e9 / bytes_per_token(architecture, row.precision)
            rows.append(
                EvidenceRow(
                    compared=row.config,
                    measure="speed",
                    figures=f"{row.tokens_per_second:g} of {ceiling:.0f} tok/s",
                    kind="share",
                    estimate=row.tokens_per_second / ceiling,
                    method="bandwidth over weight bytes read a token",
                )
            )
    shares = {row.compared: row.estimate or 0 for row in need(rows)}
    figures = ", ".join(
        f"{row.compared} {row.figures} ({100 * shares[row.compared]:.1f} %)" for row in rows
    )
    over = [config for config, share in shares.items() if share > 1]
    below = [share for share in shares.values() if share < MEMORY_BOUND_SHARE]
    span = " to ".join(f"{100 * pick(below or shares.values()):.1f} %" for pick in (min, max))
    how_many = "All" if len(below) in (0, len(rows)) else f"{len(below)} of"
    lead = (
        f"{how_many} {len(rows)} speeds are {span} of the ceiling that {bandwidth:g} GB/s sets at "
        "batch 1"
    )
    if over:
        lead = f"Faster than the memory bandwidth allows at batch 1: {', '.join(over)}"
    elif below:
        # The host's launches, small kernels, arithmetic: host and GPU time would tell.
        lead += ", below the ceiling; why is not known from these figures"
    verdict = CONTRADICTED if over else NOT_RESOLVED if below else SUPPORTED
    return Outcome(verdict, f"{lead}. {figures}.", tuple(rows))


def bytes_per_token(architecture: ModelSpec, precision: str) -> int:
    """Weight bytes that decoding one token reads: all but an untied embedding table."""
    total = PRECISIONS[precision].weight_bytes(architecture)
    if not architecture.tied:
        total -= 2 * architecture.vocab_size * architecture.hidden_size
    return total


def time_per_layer(report: Report) -> Outcome:
    """Whether a step's time per layer grows with the layer's size."""
    rows = []
    for large, small in report.by_size():
        one, other = _layer(report, large), _layer(report, small)
        if one and other:
            rows.append(
                EvidenceRow(
                    compared=f"{large.config} over {small.config}",
                    measure="ms a layer",
                    figures=f"{one[0]:.2f} v {other[0]:.2f} ms",
                    kind="times",
                    estimate=one[0] / other[0],
                    high=one[1] / other[1],
                    method="1000 / (tok/s × layers); the layer's parameters beside it",
                )
            )
    need(rows)
    flat = [
        row
        for row in rows
        if 1 / SAME_TIME < (row.estimate or 0) < SAME_TIME and (row.high or 0) > LARGER_LAYERS
    ]
    figures = "; ".join(
        f"{row.compared}: {row.figures} a layer, {row.estimate:.2f}×, with {row.high:.1f}× the "
        "parameters"
        for row in rows
    )
    within = f"{100 * (SAME_TIME - 1):.0f} %"
    lead = (
        f"At {len(flat)} of {len(rows)} precisions a token's time per layer is within {within} at "
        "both sizes, though the larger layer has more to read: it does not grow with the weights "
        "there. Why is not known from these figures, one a config and without an interval."
        if flat
        else f"A token's time per layer differs by more than {within} between the sizes at every "
        "precision; one figure a config, without an interval."
    )
    return Outcome(NOT_RESOLVED, f"{lead} {figures}.", tuple(rows))


def _layer(report: Report, row: ConfigMetrics) -> tuple[float, float] | None:
    """Milliseconds of a decode step and parameters, both a layer."""
    shape = report.architecture(row.model)
    if not shape or not row.tokens_per_second:
        return None
    layers = shape.layers
    return 1000 / row.tokens_per_second / layers, shape.linear_parameters / layers


def eight_bit_dequantises(study: StudyData) -> Outcome:
    """In a profile of one 8bit decode step, dequantising weights takes most of the time.

    It is contradicted only where products of 8-bit integers are seen as well, so that a profile
    whose names are not known decides nothing.
    """
    evidence, integer_products = [], []
    for config in (row.config for row in study.rows if row.precision == "8bit"):
        kernels = study.profiles.get(config, ())
        unit, where = "device_us", "GPU"
        if not any(kernel["device_us"] for kernel in kernels):
            unit, where = "host_us", "host"
        times = [(kernel["kernel"].lower(), kernel[unit] or 0) for kernel in kernels]
        total = sum(time for _, time in times)
        if not total:
            continue
        spent = sum(time for name, time in times if _has(name, WEIGHT_DEQUANTISING))
        integer_products.append(
            any(_has(name, INTEGER_PRODUCTS) and not _has(name, WEIGHT_DEQUANTISING)
                for name, _ in times)
        )  # fmt: skip
        evidence.append(
            EvidenceRow(
                compared=config,
                measure="dequantising weights",
                figures=f"{spent:.0f} of {total:.0f} µs",
                kind="share",
                estimate=spent / total,
                method=f"profile of one decode step, {where} time by kernel name",
                label=config,
            )
        )
    need(evidence, NO_PROFILE)
    shares = [row.estimate or 0 for row in evidence]
    seen = "are seen" if all(integer_products) else "are not seen in every profile"
    figures = "; ".join(f"{row.compared}: {row.figures}" for row in evidence)
    return Outcome(
        decide(
            supported=min(shares) >= MOSTLY,
            contradicted=max(shares) < MOSTLY and all(integer_products),
        ),
        f"Kernels that dequantise stored weights take {figures} ({evidence[0].method}), where the "
        f"claim needs {formats.percent(MOSTLY)} or more; products of 8-bit integers {seen}.",
        tuple(evidence),
    )


def _has(name: str, parts: Sequence[str]) -> bool:
    return any(part in name for part in parts)
