"""Evidence in words: a clause a row, with its interval, p, n and method."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vibecore.analysis.claims.evidence import EvidenceRow
from vibecore.analysis.stats.verdicts import EQUIVALENT, RESOLVED, p_value
from vibecore.core import formats

# Resolved comparisons that a reason names one by one; the evidence has all of them.
MOST_NAMED = 3


def evidence_table(rows: Sequence[EvidenceRow]) -> list[dict[str, str]]:
    """Evidence as a person reads it, every cell text."""
    return [
        {
            "compared": row.compared,
            "measure": row.measure,
            "figures": row.figures,
            "estimate, interval": estimate(row),
            "p": _p(row) or "–",
            "verdict": verdict_text(row),
            "n": "–" if row.n is None else str(row.n),
            "method": row.method,
        }
        for row in rows
    ]


def verdict_text(row: EvidenceRow) -> str:
    """The verdict, with the margin where it is one of equivalence."""
    if row.verdict == EQUIVALENT and row.margin is not None:
        unit = "%" if row.kind == "ratio" else "points"
        return f"equivalent within {100 * row.margin:.0f} {unit}"
    return row.verdict or "–"


def summed_up(rows: Sequence[EvidenceRow]) -> str:
    """Evidence as a sentence: all of a few rows; of many, those resolved and, of the rest, the one
    with the smallest p. n and method come once, at the end, where all rows share them."""
    if not rows:
        return ""
    resolved = [row for row in rows if row.verdict in RESOLVED]
    rest = sorted((row for row in rows if row.p is not None and row not in resolved), key=_weight)
    if len(rows) <= MOST_NAMED or not (resolved or rest):
        return _joined(rows)
    last = (
        f"the smallest p of {len(rest)} others: "
        if resolved
        else f"Of {len(rest)} the smallest p: "
    )
    text = _joined([*resolved[:MOST_NAMED], *rest[:1]], last if len(rest) > 1 else "")
    more = len(resolved) - MOST_NAMED
    return f"{text} {more} more are resolved." if more > 0 else text


def _joined(rows: Sequence[EvidenceRow], last: str = "") -> str:
    """The clauses of some rows as a sentence, `last` before the last one."""
    alike = len({(row.n, row.method) for row in rows}) == 1
    clauses = [_clause(row) + ("" if alike else f", {_basis(row)}") for row in rows]
    clauses[-1] = last + clauses[-1]
    return f"{'; '.join(clauses)}{f' ({_basis(rows[0])})' if alike else ''}."


def _weight(row: EvidenceRow) -> tuple[float, float]:
    """The order of rows by what they show of a difference, the most first."""
    if row.kind == "ratio" and row.estimate:
        return row.p or 0, -abs(math.log(row.estimate))
    return row.p or 0, -abs(row.estimate or 0)


def beside(row: EvidenceRow) -> str:
    """What a verdict rests on: figures, estimate with interval, p, n and method."""
    return ", ".join(filter(None, (row.figures, estimate(row), _p(row), _basis(row))))


def _clause(row: EvidenceRow) -> str:
    """Figures, estimate with interval, p and verdict."""
    parts = (
        f"{row.compared}: {row.measure} {row.figures}",
        row.low is not None and estimate(row),
        _p(row),
        row.verdict and verdict_text(row),
    )
    return ", ".join(part for part in parts if part)


def _basis(row: EvidenceRow) -> str:
    return f"n = {row.n}, {row.method}" if row.n else row.method


def estimate(row: EvidenceRow) -> str:
    """The estimate with its 95 % interval, in the unit of its kind; for equivalence with the
    90 % interval that its two one-sided tests rest on."""
    low, high, level = row.low, row.high, "95 %"
    if row.verdict == EQUIVALENT:
        low, high, level = row.inner_low, row.inner_high, "90 %"
    if low is None or high is None:
        if row.estimate is None:
            return "–"
        share = row.kind == "share"
        return formats.percent(row.estimate) if share else f"{row.estimate:.2f}×"
    if row.kind == "ratio":
        seen = "no ratio" if row.estimate is None else f"{_times(row.estimate)} times"
        return f"{seen} ({level} {_times(low)} to {_times(high)})"
    if row.kind == "difference":
        ends = f"({level} {100 * low:+.0f} to {100 * high:+.0f})"
        return f"{100 * (row.estimate or 0):+.0f} points {ends}".replace("-", "−")
    return f"{formats.percent(row.estimate)} ({level} {100 * low:.0f} to {100 * high:.0f} %)"


def _times(ratio: float) -> str:
    """A ratio with two decimals, or without any from a thousand on."""
    return f"{ratio:.2f}" if ratio < 1000 else f"{ratio:,.0f}"


def _p(row: EvidenceRow) -> str:
    """The p behind a verdict: of the two one-sided tests where it is equivalence, else with
    Holm's where that is another."""
    if row.p is None:
        return ""
    if row.verdict == EQUIVALENT and row.equivalence_p is not None:
        return f"TOST p {p_value(row.equivalence_p)}"
    adjusted = row.p_adjusted is not None and row.p_adjusted != row.p
    return f"p {p_value(row.p)}" + (f", Holm {p_value(row.p_adjusted or 0)}" if adjusted else "")
