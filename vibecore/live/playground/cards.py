"""Panes as a person reads them: rows with every figure and score, and cards for the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vibecore.catalog.suites import Constraint
from vibecore.core.formats import memory, to_json
from vibecore.core.records import Generation
from vibecore.live.playground.constraint_form import constraint_words
from vibecore.live.playground.tries import Pane, Try
from vibecore.scoring import ConstraintResult, Score, judge
from vibecore.scoring.measures.repetition import repetition_ratio
from vibecore.scoring.text.words import count_words
from vibecore.views.cards import NO_TEXT, missing_card, output_card
from vibecore.views.terminal import FINISH_WORDS

Row = dict[str, Any]

MEASURES = tuple(one.name for one in fields(Score) if one.name != "constraints")
FIGURES = (
    "prompt_tokens",
    "new_tokens",
    "finish_reason",
    "first_token_seconds",
    "total_seconds",
    "tokens_per_second",
    "decode_tokens_per_second",
    "peak_memory_bytes",
    "token_ids",
)
VERDICT_WORDS = {
    "pass": "✓ met",
    "fail": "× not met",
    "error": "! check failed",
    "skipped": "– skipped",
}


def pane_row(tried: Try, pane: Pane) -> Row:
    """All that is known of a pane, as plain data; None for what is not known (yet).

    `comparable` is whether its figures compare with a study's; times in seconds, memory in bytes.
    """
    generation, report, score = pane.generation, pane.report, pane.score
    return {
        "config": pane.config.id,
        "status": pane.status,
        "error": pane.error,
        "comparable": tried.wish.comparable,
        "text": pane.text,
        "was_warm": pane.was_warm,
        "load_seconds": report.load_seconds if report else None,
        "weight_bytes": report.weight_bytes if report else None,
        **{name: getattr(generation, name, None) for name in FIGURES},
        **_score_row(score),
        "constraints": [vars(result) for result in score.constraints] if score else [],
    }


def _score_row(score: Score | None) -> Row:
    row = {name: getattr(score, name, None) for name in MEASURES}
    judged = score is not None and score.constraints_total
    row["constraints_met"] = score.constraints_met if judged else None
    row["constraints_judged"] = score.constraints_judged if judged else None
    row["adherent"] = score.adherent if score else None
    return row


def pane_card(tried: Try, pane: Pane) -> Row:
    """A pane as an output card (see output_cards): what it is doing, its text, its scores.

    While it runs, the measures are those of the text so far; constraints are judged at the end.
    """
    precision = pane.config.precision.name
    if not pane.text and pane.generation is None:
        card = missing_card(pane.config.id, precision, _instead(tried, pane))
    else:
        row = pane_row(tried, pane) | {"category": tried.wish.prompt.category}
        if pane.score is None and pane.text:
            row |= _live_scores(pane.text)
        marking = "repetition" if pane.ended else "nothing"
        card = output_card(row, precision, marking=marking)
        card["notice"] = pane.error or card["notice"]
    card["status"], card["busy"] = pane.status, pane.status in ("loading", "running")
    card["facts"] = pane_facts(pane)
    if tried.wish.comparable is False:
        card["label"] = "sampled: not comparable with studies"
    return card


def _live_scores(text: str) -> Row:
    """The measures that are cheap enough to be taken many times while a text grows."""
    return {"repetition_ratio": repetition_ratio(text), "words": count_words(text)}


def pane_facts(pane: Pane) -> list[str]:
    """Its figures in words, in the order in which they come to be known."""
    facts = [] if pane.status == "done" else [_status_words(pane)]
    if pane.was_warm:
        facts.append("was loaded")
    elif pane.report is not None:
        facts.append(f"load {pane.report.load_seconds:.2f} s")
    if pane.generation is not None:
        on_gpu = pane.report is not None and pane.report.environment.get("device") == "cuda"
        facts += generation_facts(pane.generation, on_gpu)
    elif pane.status == "running" and pane.began_at is not None:
        facts += _running_facts(pane, pane.began_at)
    return facts


def generation_facts(generation: Generation, on_gpu: bool) -> list[str]:
    """Time to the first token, speed, tokens, how it ended, peak memory: of the GPU, or of a CPU
    worker's whole process, most of which is Python and torch."""
    facts = [f"first token {generation.first_token_seconds:.3f} s"]
    if generation.tokens_per_second is not None:
        facts.append(f"{generation.tokens_per_second:.1f} tok/s")
    facts.append(f"{generation.new_tokens} token{'' if generation.new_tokens == 1 else 's'}")
    if generation.finish_reason != "stopped":
        facts.append(FINISH_WORDS[generation.finish_reason])
    whose = "peak" if on_gpu else "process peak"
    facts.append(f"{whose} {memory(generation.peak_memory_bytes)}")
    return facts


def _running_facts(pane: Pane, began_at: float) -> list[str]:
    now = time.monotonic()
    if pane.first_text_at is None:
        return [f"{now - began_at:.1f} s"]
    pieces, seconds = len(pane.pieces), now - began_at
    return [
        f"first text {pane.first_text_at - began_at:.3f} s",
        f"about {pieces / seconds:.1f} tok/s",
        f"about {pieces} tokens",
    ]


def _status_words(pane: Pane) -> str:
    words = {
        "resolving": "looking for its weights",
        "loading": "loading",
        "running": "running",
        "stopped": "stopped",
        "failed": "failed",
    }
    if pane.status != "queued":
        return words[pane.status]
    return f"place {len(pane.ahead)} in the queue" if pane.ahead else "waiting"


def _instead(tried: Try, pane: Pane) -> str:
    if pane.error:
        return pane.error
    if pane.status == "queued" and pane.ahead:
        return f"Waits for the device. Before it: {', '.join(pane.ahead)}."
    if pane.status == "queued":
        return "Its turn comes after the panes before it."
    if pane.status == "stopped":
        return "Stopped before it began to write."
    if pane.status == "running" and tried.wish.weights == "dummy":
        return NO_TEXT
    return "Nothing written yet."


def _judged_once(tried: Try, pane: Pane, constraint: Constraint) -> ConstraintResult:
    """The verdict on an ended pane, kept in it: the page asks whenever a widget moves, and judging
    may run a model's code."""
    scored = pane.score.constraints if pane.score else ()
    kept = {_key(result): result for result in scored} | pane.verdicts
    key = _key(constraint)
    if key not in kept:
        kept[key] = pane.verdicts[key] = judge(
            pane.text or "", constraint, execute_code=tried.wish.execute_code
        )
    return kept[key]


def _key(one: Constraint | ConstraintResult) -> str:
    return to_json([one.check, one.arguments])


def verdict_table(tried: Try, constraints: Sequence[Constraint]) -> Row:
    """Every constraint against every output of a try, as a table of the page (metric_cells)."""
    panes = [pane for pane in tried.panes if pane.ended and pane.text]

    def verdict(pane: Pane, constraint: Constraint) -> Row:
        result = _judged_once(tried, pane, constraint)
        return {"text": VERDICT_WORDS[result.status], "note": result.explanation}

    return {
        "caption": "What each output makes of each constraint",
        "look": "checked",
        "sortable": False,
        "columns": [
            {"label": ""},
            {"label": "constraint"},
            *({"label": pane.config.id} for pane in panes),
        ],
        "rows": [
            {
                "id": str(number),
                "cells": [
                    {"text": str(number)},
                    {"text": constraint_words(constraint)},
                    *(verdict(pane, constraint) for pane in panes),
                ],
            }
            for number, constraint in enumerate(constraints, 1)
        ],
    }
