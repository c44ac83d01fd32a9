"""Claims on memory, and on where the time of an 8bit step goes: counted, not sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vibecore.analysis.claims.evidence import evidence_row, memory_row
from vibecore.analysis.claims.record import CONTRADICTED, SUPPORTED, Outcome, decide, not_testable
from vibecore.analysis.claims.study_data import StudyData
from vibecore.catalog.configs import GIB, MODELS, Architecture
from vibecore.core import formats

# "4×" rounded to a whole number is at least this.
FOURFOLD = 3.5
# The published claim's card, when it is called tight, and the context that a chat keeps.
CARD_GIB, TIGHT, CONTEXT_TOKENS = 8, 0.80, 2_048
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


def memory_falls_fourfold(study: StudyData) -> Outcome:
    """16 bit over 4bit memory is 4, rounded, for every model. Bytes are counted, not sampled."""
    pairs = [
        (baseline, row)
        for model in study.models
        if (baseline := study.baseline(model)) and (row := study.row(model, "4bit"))
        and baseline["memory_bytes"] and row["memory_bytes"]
        and baseline["memory_basis"] == row["memory_basis"]
    ]  # fmt: skip
    if not pairs:
        return not_testable("The study has no memory of a model at both 16 bit and 4bit.")
    rows = [
        memory_row(base, row, f"{base['model']}: {base['precision']} ÷ 4bit") for base, row in pairs
    ]
    ratios = [row["estimate"] for row in rows]
    verdict = SUPPORTED if min(ratios) >= FOURFOLD else CONTRADICTED
    figures = "; ".join(
        f"{row['compared']}: {row['figures']}, {row['estimate']:.1f} times" for row in rows
    )
    return Outcome(
        verdict,
        f"{figures} ({rows[0]['method']}). Quantisers leave embeddings and head in 16 bit.",
        tuple(rows),
    )


def bf16_is_tight(study: StudyData) -> Outcome:
    """The larger model's 16-bit config with a context takes most of the card."""
    row = study.baseline(study.larger)
    if not row or not row["memory_bytes"]:
        return not_testable("The study has no memory of a 16-bit config.")
    model = MODELS.get(row["model"])
    measured_peak = row["memory_basis"] == "peak allocated on the GPU"
    cache = 0
    if not measured_peak:
        if model is None or model.architecture is None:
            return not_testable("The model's shape is not known, so its cache cannot be counted.")
        cache = CONTEXT_TOKENS * cache_bytes_per_token(model.architecture)
    needed = row["memory_bytes"] + cache
    share = needed / (CARD_GIB * GIB)
    with_cache = f" and {formats.memory(cache)} for {CONTEXT_TOKENS:,} tokens" if cache else ""
    evidence = evidence_row(
        compared=row["config"],
        measure="memory",
        figures=f"{formats.memory(needed)} of {CARD_GIB} GiB",
        kind="share",
        estimate=share,
        method=f"{row['memory_basis']}, {row['memory_source']}",
        label=f"{row['config']} in {CARD_GIB} GiB",
    )
    return Outcome(
        SUPPORTED if share > TIGHT else CONTRADICTED,
        f"{row['config']} takes {formats.memory(row['memory_bytes'])} ({evidence['method']})"
        f"{with_cache}: {formats.percent(share)} of {CARD_GIB} GiB, where tight is taken as more "
        f"than {formats.percent(TIGHT)}.",
        (evidence,),
    )


def cache_bytes_per_token(architecture: Architecture) -> int:
    """Bytes of one token's keys and values in 16 bit, over all layers."""
    head = architecture.hidden_size // architecture.num_attention_heads
    return architecture.num_hidden_layers * architecture.num_key_value_heads * head * 2 * 2


def eight_bit_dequantises(study: StudyData) -> Outcome:
    """In a profile of one 8bit decode step, dequantising weights takes most of the time.

    It is contradicted only where products of 8-bit integers are seen as well, so that a profile
    whose names are not known decides nothing.
    """
    eight = [row["config"] for row in study.rows if row["precision"] == "8bit"]
    evidence, integer_products = [], []
    for config in eight:
        kernels = study.profiles.get(config, ())
        unit = "device_us" if any(kernel["device_us"] for kernel in kernels) else "host_us"
        total = sum(kernel[unit] or 0 for kernel in kernels)
        if not total:
            continue
        named = [kernel for kernel in kernels if _is(kernel, WEIGHT_DEQUANTISING)]
        spent = sum(kernel[unit] or 0 for kernel in named)
        integer_products.append(
            any(_is(k, INTEGER_PRODUCTS) and not _is(k, WEIGHT_DEQUANTISING) for k in kernels)
        )
        evidence.append(
            evidence_row(
                compared=config,
                measure="dequantising weights",
                figures=f"{spent:.0f} of {total:.0f} µs",
                kind="share",
                estimate=spent / total,
                method=(
                    "profile of one decode step, "
                    f"{'GPU' if unit == 'device_us' else 'host'} time by kernel name"
                ),
                label=config,
            )
        )
    if not evidence:
        return not_testable(
            "It takes a profile of an 8bit decode step by engine eager, and this study has none; "
            "python -m vibecore bench --engine eager --profile makes one."
        )
    shares = [row["estimate"] for row in evidence]
    seen = "are seen" if all(integer_products) else "are not seen in every profile"
    told = "; ".join(f"{row['compared']}: {row['figures']}" for row in evidence)
    return Outcome(
        decide(
            supported=min(shares) >= MOSTLY,
            contradicted=max(shares) < MOSTLY and all(integer_products),
        ),
        f"Kernels that dequantise stored weights take {told} ({evidence[0]['method']}), where the "
        f"claim needs {formats.percent(MOSTLY)} or more; products of 8-bit integers {seen}.",
        tuple(evidence),
    )


def _is(kernel: Mapping[str, Any], names: Sequence[str]) -> bool:
    return any(name in kernel["kernel"].lower() for name in names)
