"""The metrics table as the dashboard shows it: cells with a figure, a note and a value to sort by.

A cell is a dict: `text` is what a person reads, `note` the small line under it, `sort` the
number behind it (None sorts last), `interval` (low, rate, high) as fractions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vibecore.analysis import Decision, wilson_interval
from vibecore.analysis.pairwise import Pair
from vibecore.core import formats
from vibecore.studies.queries import Summary
from vibecore.views.charts.style import mark_of

Row = Mapping[str, Any]
Cell = dict[str, Any]
# label, unit line, whether numeric, cell
Column = tuple[str, str, bool, Callable[[Row], Cell]]
UNKNOWN = "–"

MEMORY_SOURCES = {"measured": "measured", "estimated": "estimated"}


def metric_table(summary: Summary, link: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """The table of every config's metrics; `link` gives the view that a config's row opens.

    Degenerate outputs and IFEval's loose reading have columns where the study has them.
    """
    rows = summary.rows
    batched = any((row["batch_size"] or 1) > 1 for row in rows)
    columns: tuple[Column, ...] = (
        ("config", "", False, _config),
        ("speed", "tok/s, batched" if batched else "tok/s", True, _speed),
        ("vs bf16", "same model", True, _versus),
        ("new tokens", "mean", True, _new_tokens),
        ("repetitive", "fewer is better", True, _rate_of("repetitive", "repetition_judged")),
        *_optional(rows, "degenerate", "any published cut", "degenerate", "degenerate_judged"),
        ("empty", "fewer is better", True, _rate_of("empty", "repetition_judged")),
        ("adherent", "all of a prompt", True, _rate_of("adherent_prompts", "adherence_judged")),
        ("constraints", "met of all", True, _rate_of("constraints_met", "constraints_judged")),
        *_optional(
            rows,
            "adherent, loose",
            "all of a prompt",
            "adherent_prompts_loose",
            "adherence_judged_loose",
        ),
        *_optional(
            rows,
            "constraints, loose",
            "met of all",
            "constraints_met_loose",
            "constraints_judged_loose",
        ),
        ("memory", "", True, _memory),
    )
    return {
        "caption": f"Metrics of study {summary.study['name']}, one row a config",
        "columns": [
            {"label": label, "unit": unit, "numeric": numeric}
            for label, unit, numeric, _ in columns
        ],
        "rows": [
            {
                "id": row["config"],
                "marked": row["sweet_spot"],
                "link": link(row["config"]),
                "cells": [cell(row) for *_, cell in columns],
            }
            for row in rows
        ],
    }


def exclusion_table(summary: Summary) -> dict[str, Any]:
    """What kept every config but the sweet spot from being it."""
    return {
        "caption": "Why each other config is not the sweet spot",
        "look": "plain",
        "sortable": False,
        "columns": [{"label": "not chosen"}, {"label": "because"}],
        "rows": [
            {
                "id": row["config"],
                "cells": [
                    {"text": row["config"], "shape": shape(row["precision"])},
                    {"text": summary.sweet_spot.excluded[row["config"]]},
                ],
            }
            for row in summary.rows
            if row["config"] in summary.sweet_spot.excluded
        ],
    }


# metric -> what the config that did best on it is said to have
BEST = {
    "repetition": "the lowest rate",
    "adherence": "the highest rate",
    "speed": "the fastest",
    "memory": "the least",
}


def judgement_table(decision: Decision, rows: Sequence[Row]) -> dict[str, Any]:
    """Each config judged on each metric against the one that did best on it.

    A cell shows the verdict; its note the estimate, interval, method, p and n.
    """
    found = {(pair.config, pair.metric): pair for pair in decision.pairs}
    best = {pair.metric: pair.best for pair in decision.pairs}
    metrics = [metric for metric in BEST if metric in best]
    shown = {config for config, _ in found} | set(best.values())
    return {
        "caption": "Each config against the one that did best, metric by metric",
        "look": "verdicts",
        "columns": [
            {"label": "config"},
            *(
                {
                    "label": metric,
                    "unit": f"against {best[metric]}",
                    "narrow": f"{metric}, against {best[metric]}",
                }
                for metric in metrics
            ),
        ],
        "rows": [
            {
                "id": row["config"],
                "cells": [
                    {
                        "text": row["config"],
                        "sort": row["config"],
                        "shape": shape(row["precision"]),
                        "badge": "sweet spot"
                        if row["config"] == decision.sweet_spot.config
                        else None,
                    },
                    *(
                        _best_cell(row, metric)
                        if row["config"] == best[metric]
                        else _pair_cell(found.get((row["config"], metric)))
                        for metric in metrics
                    ),
                ],
            }
            for row in rows
            if row["config"] in shown
        ],
    }


def _pair_cell(pair: Pair | None) -> Cell:
    if pair is None:
        return {"text": UNKNOWN, "sort": None}
    if pair.judgement is None:
        return {"text": f"× {pair.ratio:.3g}", "sort": None, "note": f"not judged: {pair.note}"}
    judged = pair.judgement
    notes = filter(None, (judged.details(), judged.outlook()))
    return {"text": judged.headline(), "sort": judged.estimate, "note": "; ".join(notes)}


def _best_cell(row: Row, metric: str) -> Cell:
    figures = {
        "repetition": formats.count_and_rate(row["repetitive"], row["repetition_judged"]),
        "adherence": formats.count_and_rate(row["adherent_prompts"], row["adherence_judged"]),
        "speed": f"{formats.number(row['tokens_per_second'])} tok/s",
        "memory": formats.memory(row["memory_bytes"]),
    }
    return {"text": figures[metric], "sort": None, "note": BEST[metric]}


def shape(precision: str) -> dict[str, str]:
    """A precision's mark, as the table component draws it."""
    mark = mark_of(precision)
    return {"shape": mark.shape, "colour": mark.colour}


def rate_cell(count: int | None, total: int | None) -> Cell:
    """A count of a total with its rate and 95 % Wilson interval."""
    if count is None or not total:
        return {"text": UNKNOWN, "sort": None}
    low, high = wilson_interval(count, total)
    return {
        "text": formats.count_and_rate(count, total),
        "note": f"{100 * low:.0f}–{100 * high:.0f} %",
        "sort": count / total,
        "interval": [low, count / total, high],
    }


def _config(row: Row) -> Cell:
    notes = {
        "failed": "failed",
        "running": f"in progress, {row['prompts']} prompts so far",
        "stopped": f"stopped after {row['prompts']} prompts",
        "pending": "not started",
    }
    note = notes.get(row["status"])
    if row["weights"] == "dummy":
        note = "; ".join(filter(None, (note, "random weights, quality not scored")))
    return {
        "text": row["config"],
        "sort": row["config"],
        "shape": shape(row["precision"]),
        "badge": "sweet spot" if row["sweet_spot"] else None,
        "note": note,
        "opens": True,
    }


def _speed(row: Row) -> Cell:
    speed = row["tokens_per_second"]
    notes = [f"batch {row['batch_size']}"] if (row["batch_size"] or 1) > 1 else []
    if row["decoded_by"] != row["engine"]:
        notes.append(f"by engine {row['decoded_by']}")
    return {"text": formats.number(speed), "sort": speed, "note": ", ".join(notes) or None}


def _versus(row: Row) -> Cell:
    text = formats.percent(row["vs_bf16"], signed=True)
    if row["precision"] == "bf16":
        return {"text": "baseline", "sort": None}
    return {"text": text, "sort": row["vs_bf16"]}


def _new_tokens(row: Row) -> Cell:
    return {"text": formats.number(row["mean_new_tokens"], 0), "sort": row["mean_new_tokens"]}


def _optional(
    rows: Sequence[Row], label: str, unit: str, count: str, total: str
) -> tuple[Column, ...]:
    """A rate's column where any row knows the rate, else none."""
    known = any(row[count] is not None for row in rows)
    return ((label, unit, True, _rate_of(count, total)),) if known else ()


def _rate_of(count: str, total: str) -> Callable[[Row], Cell]:
    return lambda row: rate_cell(row[count], row[total])


def _memory(row: Row) -> Cell:
    return {
        "text": formats.memory(row["memory_bytes"]),
        "sort": row["memory_bytes"],
        "note": MEMORY_SOURCES.get(row["memory_source"]),
    }


def prompt_table(scores: Sequence[Row], link: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Each prompt at each config in words; `link` gives the view that a prompt's row opens.

    `scores` are rows of read_scores.
    """
    configs = list(dict.fromkeys(score["config"] for score in scores))
    prompts: dict[str, dict[str, Row]] = {}
    for score in scores:
        prompts.setdefault(score["prompt_id"], {})[score["config"]] = score
    return {
        "caption": "Constraints met by prompt and config",
        "columns": [{"label": "prompt"}, *({"label": config} for config in configs)],
        "rows": [
            {
                "id": prompt,
                "link": link(prompt),
                "cells": [
                    {"text": prompt, "sort": prompt, "opens": True},
                    *(_met(by_config.get(config)) for config in configs),
                ],
            }
            for prompt, by_config in prompts.items()
        ],
    }


def _met(score: Row | None) -> Cell:
    if score is None or not score["constraints_judged"]:
        return {"text": UNKNOWN, "sort": None}
    return {
        "text": f"{score['constraints_met']} of {score['constraints_judged']}",
        "sort": score["constraints_met"] / score["constraints_judged"],
        "note": "repetitive" if score["repetitive"] else None,
    }
