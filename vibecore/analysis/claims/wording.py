"""Evidence rows in words: a clause a row, with its interval, p, n and method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vibecore.analysis.stats.verdicts import BETTER, EQUIVALENT, WORSE, p_value
from vibecore.core import formats

Row = Mapping[str, Any]

# Comparisons that a reason tells one by one; the evidence has all of them.
MOST_TOLD = 3


def evidence_table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Evidence rows as a person reads them, every cell text."""
    return [
        {
            "compared": row["compared"],
            "measure": row["measure"],
            "figures": row["figures"],
            "estimate, interval": _estimate(row),
            "p": "–" if row["p"] is None else p_of(row),
            "verdict": verdict_text(row),
            "n": "–" if row["n"] is None else str(row["n"]),
            "method": row["method"],
        }
        for row in rows
    ]


def verdict_text(row: Row) -> str:
    """The verdict, with the margin where it is one of equivalence."""
    if row["verdict"] == EQUIVALENT:
        unit = "%" if row["kind"] == "ratio" else "points"
        return f"equivalent within {100 * row['margin']:.0f} {unit}"
    return row["verdict"] or "–"


def _estimate(row: Row) -> str:
    if row["low"] is not None:
        return interval(row)
    if row["estimate"] is None:
        return "–"
    return formats.percent(row["estimate"]) if row["kind"] == "share" else f"{row['estimate']:.2f}×"


def summed_up(rows: Sequence[Row]) -> str:
    """Evidence as a sentence: all of a few rows; of many, those resolved and the strongest of
    the rest. n and method stand once at the end where the rows share them."""
    if not rows:
        return ""
    resolved = [row for row in rows if row["verdict"] in (BETTER, WORSE)]
    tested = sorted((row for row in rows if row["p"] is not None), key=lambda row: row["p"])
    chosen, lead = list(rows), ""
    if len(rows) > MOST_TOLD and tested:
        open_ones = [row for row in tested if row not in resolved]
        chosen, lead = [*resolved[:MOST_TOLD], *open_ones[:1]], "The strongest evidence: "
    shared = len({(row["n"], row["method"]) for row in rows}) == 1
    clauses = "; ".join(told(row, with_method=not shared) for row in chosen)
    return f"{lead}{clauses} ({_foot(rows[0])})." if shared else f"{lead}{clauses}."


def beside(row: Row) -> str:
    """What stands beside a verdict: figures, estimate with interval, p, n and method."""
    parts = [row["figures"], _estimate(row)]
    if row["p"] is not None:
        parts.append(p_of(row))
    return ", ".join([*parts, _foot(row)])


def told(row: Row, with_method: bool = True) -> str:
    """An evidence row in a clause: figures, estimate with interval, p, verdict, n, method."""
    parts = [f"{row['compared']}: {row['measure']} {row['figures']}"]
    if row["low"] is not None:
        parts.append(interval(row))
    if row["p"] is not None:
        parts.append(p_of(row))
    if row["verdict"]:
        parts.append(verdict_text(row))
    if with_method:
        parts.append(_foot(row))
    return ", ".join(parts)


def _foot(row: Row) -> str:
    return f"n = {row['n']}, {row['method']}" if row["n"] else row["method"]


def interval(row: Row) -> str:
    """The estimate with its 95 % interval, in the unit of its kind; for equivalence with the
    90 % interval that its two one-sided tests rest on."""
    same = row["verdict"] == EQUIVALENT
    low, high = (row["inner_low"], row["inner_high"]) if same else (row["low"], row["high"])
    level = "90 %" if same else "95 %"
    if row["kind"] == "ratio":
        seen = "no ratio" if row["estimate"] is None else f"{row['estimate']:.2f} times"
        return f"{seen} ({level} {low:.2f} to {high:.2f})"
    if row["kind"] == "difference":
        return (
            f"{100 * row['estimate']:+.0f} points ({level} {100 * low:+.0f} to {100 * high:+.0f})"
        ).replace("-", "−")
    return f"{formats.percent(row['estimate'])} ({level} {100 * low:.0f} to {100 * high:.0f} %)"


def p_of(row: Row) -> str:
    """The p behind a verdict: of the two one-sided tests where it is equivalence."""
    if row["verdict"] == EQUIVALENT:
        return f"TOST p {p_value(row['equivalence_p'])}"
    return p_text(row["p"], row["p_adjusted"])


def p_text(p: float, adjusted: float | None = None) -> str:
    """`p = 0.02, Holm 0.10`."""
    text = f"p {p_value(p)}"
    return text if adjusted is None or adjusted == p else f"{text}, Holm {p_value(adjusted)}"
