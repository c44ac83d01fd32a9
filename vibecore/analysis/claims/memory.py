"""Checks on memory: counted, not sampled, so without intervals."""

from __future__ import annotations

from dataclasses import replace

from vibecore.analysis.claims.evidence import EvidenceRow, memory_row
from vibecore.analysis.claims.record import (
    CONTRADICTED,
    SUPPORTED,
    NotTestable,
    Outcome,
    need,
)
from vibecore.analysis.claims.study_data import CLAIMED, Report, StudyData
from vibecore.analysis.metrics import PEAK_MEMORY, ConfigMetrics
from vibecore.catalog.memory import ONE_PROMPT, Need, Workload
from vibecore.catalog.memory import need as memory_need
from vibecore.catalog.models import MODELS, Config
from vibecore.catalog.precisions import PRECISIONS
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
    """The larger model's 16-bit config with a context takes most of the card.

    By the memory model, as every other "does it fit"; of a model that is not in the catalogue, by
    the peak that was measured, which leaves out what the runtime takes.
    """
    missing = "The study has no memory of a 16-bit config."
    row = need(study.baseline(study.larger), missing)
    found = _need(study, row)
    if found:
        size, method = found.total, f"memory model, {CONTEXT_TOKENS:,} tokens"
        parts = _parts(found)
    elif row.memory_basis == PEAK_MEMORY:
        size, method = need(row.memory_bytes, missing), f"{PEAK_MEMORY}, {row.memory_source}"
        parts = f"{method}; what the runtime takes beside it is not counted"
    else:
        raise NotTestable("The model's shape is not known, so its context is not counted.")
    share = size / (CARD_GIB * GIB)
    evidence = EvidenceRow(
        compared=row.config,
        measure="memory",
        figures=f"{formats.memory(size)} of {CARD_GIB} GiB",
        kind="share",
        estimate=share,
        method=method,
        label=f"{row.config} in {CARD_GIB} GiB",
    )
    return Outcome(
        SUPPORTED if share > TIGHT else CONTRADICTED,
        f"{row.config} takes {formats.memory(size)} ({parts}): {formats.percent(share)} of "
        f"{CARD_GIB} GiB, where tight is taken as more than {formats.percent(TIGHT)}.",
        (evidence,),
    )


def memory_tight(report: Report) -> Outcome:
    """Whether the largest 16-bit config, with a context's KV cache, is tight on the card."""
    row, card = need(report.baseline(report.larger)), need(report.vram_gib)
    found = need(_need(report, row))
    share = found.total / (card * GIB)
    verdict, is_tight = (SUPPORTED, "is") if share > TIGHT else (CONTRADICTED, "is not")
    return Outcome(
        verdict,
        f"{row.config} needs {formats.memory(found.total)} ({_parts(found)}): "
        f"{formats.percent(share)} of {card:g} GiB, which {is_tight} tight (more than "
        f"{formats.percent(TIGHT)}).",
    )


def _need(study: StudyData, row: ConfigMetrics) -> Need | None:
    """What a config takes of a GPU with a chat's context, None for a model whose shape is not
    known."""
    spec = study.architecture(row.model)
    model = next((one for one in MODELS.values() if spec and one.spec == spec), None)
    if model is None or row.precision not in PRECISIONS:
        return None
    new = ONE_PROMPT.new_tokens
    workload = Workload(CONTEXT_TOKENS - new, new)
    config = Config(model, PRECISIONS[row.precision])
    return memory_need(config, "cuda", workload, gpu=study.hardware)


def _parts(found: Need) -> str:
    """The parts of what is needed, in words."""
    size = formats.memory
    return (
        f"by the memory model, for {CONTEXT_TOKENS:,} tokens: {size(found.weights)} of weights, "
        f"{size(found.cache)} of keys and values, {size(found.activations)} of activations, "
        f"{size(found.runtime)} for the runtime"
    )
