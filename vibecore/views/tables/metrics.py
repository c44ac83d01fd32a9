"""The metrics table as the dashboard shows it: cells with a figure, a note and a value to sort by.

A cell is a dict, sent to the table component as JSON: `text` is what a person reads, `note` the
small line under it, `also` a second one, `sort` the number behind it (None sorts last), `interval`
(low, rate, high) as fractions.

A table has a row for each config of a study, or for `some` of them; its columns and its short names
are those of the whole study either way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from vibecore.analysis import Decision
from vibecore.analysis.metrics import (
    JUDGED_METRICS,
    UNKNOWN,
    ConfigMetrics,
    Metric,
    known_metrics,
)
from vibecore.analysis.pairwise import Pair
from vibecore.core import formats
from vibecore.core.rows import ScoreRow
from vibecore.studies.queries import Summary
from vibecore.views.badge import choice_badge
from vibecore.views.charts.style import mark_of
from vibecore.views.models_asked import model_column
from vibecore.views.precision_words import described_config
from vibecore.views.short_names import Names, names_of

Cell = dict[str, Any]


def metric_table(
    summary: Summary,
    link: Callable[[str], dict[str, Any]],
    some: Sequence[ConfigMetrics] | None = None,
) -> dict[str, Any]:
    """The table of the configs' metrics; `link` gives the view that a config's row opens."""
    metrics = known_metrics(summary.rows)
    column, names = model_column(summary.rows), names_of(summary.rows)
    models = {row.config: cell for row, cell in zip(summary.rows, column or (), strict=False)}
    return {
        "caption": f"Metrics of study {summary.study.name}, one row a config",
        "columns": [
            {"label": "config", "unit": "", "numeric": False},
            *([{"label": "model", "unit": "", "numeric": False}] if models else []),
            *(
                {"label": m.label, "unit": m.unit, "beside": _unit(m), "numeric": True}
                for m in metrics
            ),
        ],
        "rows": [
            {
                "id": row.config,
                "marked": row.sweet_spot,
                "link": link(row.config),
                "cells": [
                    _config(row, names, choice_badge(summary.sweet_spot, row.config)),
                    *([_model_cell(*models[row.config])] if models else []),
                    *(_metric_cell(metric, row) for metric in metrics),
                ],
            }
            for row in (summary.rows if some is None else some)
        ],
    }


def exclusion_table(
    summary: Summary, some: Sequence[ConfigMetrics] | None = None
) -> dict[str, Any]:
    """What kept every config but the sweet spot from being it."""
    names = names_of(summary.rows)
    return {
        "caption": "Why each other config is not the sweet spot",
        "look": "plain",
        "sortable": False,
        "columns": [{"label": "not chosen"}, {"label": "because"}],
        "rows": [
            {
                "id": row.config,
                "cells": [
                    config_cell(row.config, row.precision, names),
                    {"text": names.in_text(summary.sweet_spot.excluded[row.config])},
                ],
            }
            for row in (summary.rows if some is None else some)
            if row.config in summary.sweet_spot.excluded
        ],
    }


def judgement_table(
    decision: Decision,
    rows: Sequence[ConfigMetrics],
    some: Sequence[ConfigMetrics] | None = None,
) -> dict[str, Any]:
    """Each config judged on each metric against the one that did best on it; `rows` are all of the
    study.

    A cell shows the verdict; its note the estimate, interval, method, p and n.
    """
    found = {(pair.config, pair.metric): pair for pair in decision.pairs}
    best = {pair.metric: pair.best for pair in decision.pairs}
    metrics = [metric for metric in JUDGED_METRICS if metric in best]
    shown = {config for config, _ in found} | set(best.values())
    names = names_of(rows)
    return {
        "caption": "Each config against the one that did best, metric by metric",
        "look": "verdicts",
        "columns": [
            {"label": "config"},
            *(
                {
                    "label": metric,
                    "unit": f"against {names.short(best[metric])}",
                }
                for metric in metrics
            ),
        ],
        "rows": [
            {
                "id": row.config,
                "cells": [
                    {
                        **config_cell(row.config, row.precision, names),
                        "badge": choice_badge(decision.sweet_spot, row.config),
                    },
                    *(
                        _best_cell(row, metric)
                        if row.config == best[metric]
                        else _pair_cell(found.get((row.config, metric)))
                        for metric in metrics
                    ),
                ],
            }
            for row in (rows if some is None else some)
            if row.config in shown
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


def _best_cell(row: ConfigMetrics, name: str) -> Cell:
    metric = JUDGED_METRICS[name]
    unit = _unit(metric)
    return {"text": f"{metric.text(row)} {unit}".strip(), "sort": None, "note": metric.best}


def _unit(metric: Metric) -> str:
    """The unit that stands beside a figure, where the figure does not have it itself."""
    return "" if metric.of else metric.heading


def config_cell(config: str, precision: str, names: Names) -> Cell:
    """A config's short name with its precision's mark; the full name is on demand."""
    return {
        "text": names.short(config),
        "full": names.full(config),
        "sort": config,
        "shape": shape(precision),
    }


def shape(precision: str) -> dict[str, str]:
    """A precision's mark, as the components draw it; `path` is its outline where the shape is none
    that they know."""
    mark = mark_of(precision)
    drawn = {"shape": mark.shape, "colour": mark.colour}
    return drawn if mark.path is None else drawn | {"path": mark.path}


def _rate_cell(metric: Metric, row: ConfigMetrics) -> Cell:
    """A count of a total with its rate and, where there is one, its 95 % interval."""
    count, total = metric.value(row), metric.total(row)
    if count is None or not total:
        return {"text": UNKNOWN, "sort": None}
    cell = {"text": metric.text(row), "sort": count / total}
    if (interval := metric.interval_of(row)) is not None:
        low, high = interval
        cell |= {
            "note": metric.show_range(low, high),
            "also": metric.note(row) or None,
            "interval": [low, count / total, high],
        }
    return cell


def _metric_cell(metric: Metric, row: ConfigMetrics) -> Cell:
    if metric.of:
        return _rate_cell(metric, row)
    value, note = metric.value(row), metric.note(row) or None
    cell = {"text": metric.text(row), "sort": value, "note": note}
    if (interval := metric.interval_of(row)) is not None:
        cell |= {"note": metric.show_range(*interval), "also": note}
    return cell


def _model_cell(kind: str, note: str) -> Cell:
    return {"text": kind, "sort": kind, "note": note or None}


def _config(row: ConfigMetrics, names: Names, badge: str | None) -> Cell:
    notes = {
        "failed": "failed",
        "running": f"in progress, {formats.counted(row.prompts, 'prompt')} so far",
        "stopped": f"stopped after {formats.counted(row.prompts, 'prompt')}",
        "pending": "not started",
    }
    note = notes.get(row.status)
    if row.weights == "dummy":
        note = "; ".join(filter(None, (note, "random weights, quality not scored")))
    cell = config_cell(row.config, row.precision, names)
    full = ": ".join(filter(None, (cell["full"], described_config(row))))
    return {**cell, "full": full or None, "badge": badge, "note": note, "opens": True}


def prompt_table(
    scores: Sequence[ScoreRow], link: Callable[[str], dict[str, Any]], names: Names
) -> dict[str, Any]:
    """Each prompt at each config in words; `link` gives the view that a prompt's row opens.

    `scores` are rows of read_scores.
    """
    configs = list(dict.fromkeys(score.config for score in scores))
    prompts: dict[str, dict[str, ScoreRow]] = {}
    for score in scores:
        prompts.setdefault(score.prompt_id, {})[score.config] = score
    return {
        "caption": "Constraints met by prompt and config",
        "columns": [{"label": "prompt"}, *_headings(configs, names)],
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


def _headings(configs: Sequence[str], names: Names) -> list[Cell]:
    """Columns headed by configs' short names."""
    return [{"label": names.short(config), "full": names.full(config)} for config in configs]


def _met(score: ScoreRow | None) -> Cell:
    if score is None or not score.constraints_judged:
        return {"text": UNKNOWN, "sort": None}
    return {
        "text": f"{score.constraints_met} of {score.constraints_judged}",
        "sort": score.constraints_met / score.constraints_judged,
        "note": "repetitive" if score.repetitive else None,
    }
