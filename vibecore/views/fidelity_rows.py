"""The figures of fidelity as rows: of text for a terminal, and flat ones for CSV and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vibecore.analysis.fidelity.summary import FidelitySummary
from vibecore.core import formats

Row = dict[str, Any]
# How a way is called in a row: the parent against itself, and by what.
WAY_WORDS = {
    "alone": "",
    "batch": " (itself, in a batch)",
    "graph": " (itself, by graph)",
    "steps": " (itself, token by token)",
}
# Fields that are no plain number: an interval is two columns, and these are others.
_NESTED = ("by_category", "floor")


def terminal_rows(found: Sequence[FidelitySummary]) -> list[Row]:
    """One row a summary, as text: figures with their 95 % intervals."""
    return [
        {
            "config": row.config,
            "against": row.against + WAY_WORDS[row.way],
            "over": f"{row.reference}, {row.tokens:,} tokens",
            "mean KLD": formats.divergence(row.mean_kld)
            + _bracketed(row.mean_kld_interval, formats.divergence_range),
            "median": formats.divergence(row.kld_median),
            "99 %": formats.divergence(row.kld_p99),
            "maximum": formats.divergence(row.kld_max),
            "same top": f"{100 * row.same_top:.2f} %"
            + _bracketed(row.same_top_interval, _percent_range),
            "RMS Δp": f"{100 * row.rms_delta_p:.3f} %",
            "PPL ratio": f"{row.perplexity_ratio:.4f}"
            + _bracketed(row.perplexity_ratio_interval, _ratio_range),
            "floor": "–" if row.floor is None else formats.divergence(row.floor.mean_kld),
            "verdict": row.verdict or "–",
        }
        for row in found
    ]


def flat_rows(found: Sequence[FidelitySummary]) -> list[Row]:
    """One row a summary with a number in each column; an interval is `_low` and `_high`."""
    return [_flat(row) for row in found]


def _flat(summary: FidelitySummary) -> Row:
    row: Row = {}
    for field in fields(summary):
        value = getattr(summary, field.name)
        if field.name.endswith("_interval"):
            low, high = value or (None, None)
            row |= {field.name.replace("_interval", "_low"): low}
            row |= {field.name.replace("_interval", "_high"): high}
        elif field.name not in _NESTED:
            row[field.name] = value
    floor = summary.floor
    row["floor_way"] = floor and floor.way
    row["floor_mean_kld"] = floor and floor.mean_kld
    row["floor_upper"] = floor and floor.upper
    return row


def _bracketed(interval: tuple[float, float] | None, words: Any) -> str:
    return f" ({words(*interval)})" if interval else ""


def _percent_range(low: float, high: float) -> str:
    return f"{100 * low:.2f}–{100 * high:.2f}"


def _ratio_range(low: float, high: float) -> str:
    return f"{low:.4f}–{high:.4f}"
