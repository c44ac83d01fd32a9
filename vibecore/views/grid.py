"""The grid of prompts × configs: each cell a beginning of an answer with its verdicts and marks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

from vibecore.analysis import SweetSpot
from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core.formats import counted
from vibecore.core.rows import PromptOutput
from vibecore.views.badge import choice_badge
from vibecore.views.broken import broken_because
from vibecore.views.cards import first_words, instead, is_code, state_of, why_missing
from vibecore.views.cut_off import DECIDED
from vibecore.views.disagreement import differences, furthest_pair, texts_differ
from vibecore.views.tables.metrics import shape

# A link's address as the components take it, made from a prompt and the configs to open.
Link = Callable[[str, Sequence[str]], dict[str, Any]]


def column_heads(
    rows: Sequence[ConfigMetrics], names: Mapping[str, str], spot: SweetSpot
) -> list[dict[str, Any]]:
    """One head a config: short name, full name, and its totals over the whole study."""
    return [
        {
            "config": row.config,
            "name": names[row.config],
            "shape": shape(row.precision),
            "badge": choice_badge(spot, row.config),
            "totals": _totals(row),
        }
        for row in rows
    ]


def grid_rows(
    outputs: Sequence[PromptOutput],
    runs: Mapping[str, ConfigMetrics],
    names: Mapping[str, str],
    link: Link,
    *,
    published: bool = False,
) -> list[dict[str, Any]]:
    """One row a prompt, of rows of store.read_prompt_outputs, with one cell a config."""
    rows = []
    for prompt_id, group in groupby(outputs, key=lambda row: row.prompt_id):
        found = list(group)
        configs = [str(row.config) for row in found]
        pair = furthest_pair(found)
        differ = differences(found)
        if texts_differ([row.text for row in found]):
            differ.append("text")
        rows.append(
            {
                "id": prompt_id,
                "category": found[0].category,
                "words": first_words(found[0].prompt),
                "prompt": found[0].prompt,
                "link": link(prompt_id, configs),
                "differ": differ,
                "pair": {
                    "text": f"{names[pair[0]]} and {names[pair[1]]}",
                    "link": link(prompt_id, pair),
                }
                if pair and differ and len(found) > 2
                else None,
                "cells": [_cell(row, runs[str(row.config)], published) for row in found],
            }
        )
    return rows


def _cell(row: PromptOutput, run: ConfigMetrics, published: bool) -> dict[str, Any]:
    if row.sample is None:
        return {"state": "none", "verdict": "no output", "instead": why_missing(run, published)}
    text = row.text
    return {
        "state": state_of(row),
        "verdict": _verdict(row),
        "broken": broken_because(row),
        "text": text,
        "left": max(0, (row.characters or 0) - len(text or "")),
        "code": is_code(row.category, text),
        "instead": instead(text, row.finish_reason),
    }


def _verdict(row: PromptOutput) -> str:
    if not row.constraints_judged:
        return "not judged"
    met = f"{row.constraints_met} of {row.constraints_judged} met"
    return f"{met} so far" if row.adherent_cut else met


def _totals(row: ConfigMetrics) -> list[str]:
    totals = []
    if row.adherence_judged:
        totals.append(f"{row.adherent_prompts} of {row.adherence_judged} adherent")
    if row.adherence_cut:
        totals.append(f"{row.adherence_cut} {DECIDED}")
    if row.constraints_judged:
        totals.append(
            f"{row.constraints_met:,} of {counted(row.constraints_judged, 'constraint')} met"
        )
    if row.broken_judged:
        totals.append(f"{row.broken} of {row.broken_judged} broken")
    return totals
