"""Checks on memory: counted, not sampled, so without intervals."""

from __future__ import annotations

from dataclasses import replace

from vibecore.analysis.claims.evidence import EvidenceRow, memory_row
from vibecore.analysis.claims.record import CONTRADICTED, SUPPORTED, Outcome, need
from vibecore.analysis.claims.study_data import CLAIMED, Report, StudyData
from vibecore.analysis.metrics import PEAK_MEMORY, ConfigMetrics
from vibecore.catalog.memory import cache_bytes
from vibecore.core import formats
from vibecore.core.machine import GIB

# The published claim's card, when it is called tight, and the context that a chat keeps.
CARD_GIB, TIGHT, CONTEXT_TOKENS = 8, 0.80, 2_048
LEFT_AS_IT_IS = "4bit (NF4) leaves embeddings and head in 16 bit."


def _falls(
    study: StudyData, claimed: float, times: str, missing: str = ""
) -> tuple[str, list[EvidenceRow], str]:
    """16-bit over 4bit memory of each model, and whether, rounded, each is the claimed factor."""
    pairs = [(study.baseline(model), study.row(model, "4bit")) for model in study.models]
    rows = [
        memory_row(base, row, f"{base.model}: {base.precision} ÷ 4bit")
        for base, row in pairs
        if base and row
    ]
    known = need([row for row in rows if row], missing)
    supported = all(round(row.estimate or 0) >= claimed for row in known)
    figures = "; ".join(f"{r.compared}: {r.figures}, {r.estimate:.1f}{times}" for r in known)
    return SUPPORTED if supported else CONTRADICTED, known, figures


def memory_falls_fourfold(study: StudyData) -> Outcome:
    """16 bit over 4bit memory is 4, rounded, for every model."""
    missing = "The study has no memory of a model at both 16 bit and 4bit."
    verdict, rows, figures = _falls(study, CLAIMED["memory_fall"][0], " times", missing)
    return Outcome(
        verdict,
        f"{figures} ({rows[0].method}). {LEFT_AS_IT_IS}",
        tuple(rows),
    )


def memory_fall(report: Report) -> Outcome:
    """How much less memory 4bit takes than 16 bit, against the stated factor."""
    claimed = report.claimed("memory_fall")[0]
    verdict, rows, figures = _falls(report, claimed, "×")
    ends = [f"{pick(row.estimate or 0 for row in rows):.1f}×" for pick in (min, max)]
    return Outcome(
        verdict,
        f'"{claimed:g}×" less memory from 16 bit to 4bit is {" to ".join(dict.fromkeys(ends))}: '
        f"{figures} ({rows[0].method}). {LEFT_AS_IT_IS}",
        tuple(replace(row, label=None) for row in rows),
    )


def bf16_is_tight(study: StudyData) -> Outcome:
    """The larger model's 16-bit config with a context takes most of the card."""
    missing = "The study has no memory of a 16-bit config."
    row = need(study.baseline(study.larger), missing)
    size, cache = need(row.memory_bytes, missing), 0
    # A measured peak has the run's own context in it.
    if row.memory_basis != PEAK_MEMORY:
        cache = _cache(study, row, "The model's shape is not known, so its cache is not counted.")
    share = (size + cache) / (CARD_GIB * GIB)
    with_cache = f" and {formats.memory(cache)} for {CONTEXT_TOKENS:,} tokens" if cache else ""
    evidence = EvidenceRow(
        compared=row.config,
        measure="memory",
        figures=f"{formats.memory(size + cache)} of {CARD_GIB} GiB",
        kind="share",
        estimate=share,
        method=f"{row.memory_basis}, {row.memory_source}",
        label=f"{row.config} in {CARD_GIB} GiB",
    )
    return Outcome(
        SUPPORTED if share > TIGHT else CONTRADICTED,
        f"{row.config} takes {formats.memory(size)} ({evidence.method}){with_cache}: "
        f"{formats.percent(share)} of {CARD_GIB} GiB, where tight is taken as more than "
        f"{formats.percent(TIGHT)}.",
        (evidence,),
    )


def memory_tight(report: Report) -> Outcome:
    """Whether the largest 16-bit config, with a context's KV cache, is tight on the card."""
    row, card = need(report.baseline(report.larger)), need(report.vram_gib)
    size, cache = need(row.memory_bytes), _cache(report, row)
    share = (size + cache) / (card * GIB)
    verdict, is_tight = (SUPPORTED, "is") if share > TIGHT else (CONTRADICTED, "is not")
    return Outcome(
        verdict,
        f"{row.config} needs {formats.memory(size)} of weights and {formats.memory(cache)} for "
        f"the keys and values of {CONTEXT_TOKENS:,} tokens: {formats.percent(share)} of "
        f"{card:g} GiB, which {is_tight} tight (more than {formats.percent(TIGHT)}); activations "
        "and what the runtime takes are not counted.",
    )


def _cache(study: StudyData, row: ConfigMetrics, missing: str = "") -> int:
    """Bytes of the KV cache of a chat's context."""
    return cache_bytes(need(study.architecture(row.model), missing), CONTEXT_TOKENS)
