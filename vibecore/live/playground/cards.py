"""Panes as people read them: rows with every figure and score, and cards for the page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from vibecore.analysis.asked import ModelAsked, asked_in_words
from vibecore.catalog.suites import Constraint
from vibecore.core.formats import counted, duration, memory, to_json
from vibecore.core.records import Generation
from vibecore.core.rows import OutputRow, VerdictRow
from vibecore.live.playground.constraint_form import constraint_words
from vibecore.live.playground.session import Pane, Session
from vibecore.live.playground.worker_pool import Loaded
from vibecore.live.table import row, table
from vibecore.scoring import Score
from vibecore.scoring.measures.repetition import repetition_ratio
from vibecore.scoring.score import judge_output
from vibecore.scoring.text.reasoning import answer_of
from vibecore.scoring.text.words import count_words
from vibecore.views.cards import NO_ANSWER, NO_TEXT, missing_card, output_card
from vibecore.views.cut_off import explained
from vibecore.views.terminal import FINISH_WORDS

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
    "rendered_prompt",
    "reasoning",
    "reasoning_tokens",
)
VERDICT_WORDS = {
    "pass": "✓ met",
    "fail": "× not met",
    "error": "! check failed",
    "skipped": "– skipped",
}
STATUS_WORDS = {"resolving": "looking for its weights", "queued": "waiting"}
# What somebody can do about an answer that did not come.
ADVICE = "Allow more new tokens, or switch thinking off."
STOPPED_THINKING = "Stopped while it was thinking, before an answer."
FAILED_THINKING = "Failed while it was thinking, before an answer."
BROKEN = "The logits became NaN or infinite here, so what it wrote is not scored."
STILL_THINKING = "Thinking; no answer yet."


def pane_row(session: Session, pane: Pane) -> dict[str, Any]:
    """Everything known about a pane, for JSON; None for what is not known (yet).

    `comparable`: whether its figures compare with a study's. Times in seconds, memory in bytes.
    """
    report, score = pane.report, pane.score
    asked = pane.report.environment if pane.report else {}
    return {
        "config": pane.config.id,
        "status": pane.status,
        "error": pane.error,
        "comparable": session.request.comparable,
        "kind": pane.kind,
        "stored_as": pane.stored_as,
        "chat_template": asked.get("chat_template"),
        "system": asked.get("system"),
        "thinking": asked.get("thinking"),
        "text": pane.text,
        "was_warm": pane.was_warm,
        "startup_seconds": pane.startup_seconds,
        "load_seconds": report.load_seconds if report else None,
        "warm_up_seconds": pane.warm_up_seconds,
        "weight_bytes": report.weight_bytes if report else None,
        **_figures_and_scores(pane),
        "constraints": [vars(result) for result in score.constraints] if score else [],
    }


def _figures_and_scores(pane: Pane) -> dict[str, Any]:
    score = pane.score
    judged = score if score is not None and score.constraints_total else None
    return {
        **{name: getattr(pane.generation, name, None) for name in FIGURES},
        **{name: getattr(score, name, None) for name in MEASURES},
        "constraints_met": judged.constraints_met if judged else None,
        "constraints_judged": judged.constraints_judged if judged else None,
        "adherent": score.adherent if score else None,
        "constraints_cut": judged.constraints_cut if judged else None,
        "adherent_cut": judged.adherent_cut if judged else None,
    }


def pane_card(session: Session, pane: Pane) -> dict[str, Any]:
    """A pane as an output card (see views.cards): its status, its text, its scores.

    While it runs, the measures are of the text so far; constraints are judged at the end.
    """
    precision = pane.config.precision.name
    if not pane.text and not pane.reasoning and pane.generation is None:
        card = missing_card(pane.config.id, precision, _instead(session, pane))
    else:
        marking = "repetition" if pane.ended else "nothing"
        card = output_card(_output_row(session, pane), precision, marking=marking)
        if not pane.text and (why := why_no_answer(pane)):
            card["instead"] = why
        card["notice"] = pane.error or card["notice"]
    card["status"], card["busy"] = pane.status, pane.status in ("loading", "running")
    card["facts"] = pane_facts(pane)
    if not session.request.comparable:
        card["label"] = "sampled: not comparable with studies"
    return card


def why_no_answer(pane: Pane) -> str | None:
    """Why what it wrote is no answer; None where it is one, or random weights made no text."""
    if pane.generation is None:
        if pane.text or (pane.ended and not pane.reasoning):
            return None
        ended = FAILED_THINKING if pane.error else STOPPED_THINKING
        return ended if pane.ended else STILL_THINKING
    reason = pane.generation.finish_reason
    made_none = pane.generation.text is None and reason != "non_finite"
    if pane.has_answer or made_none:
        return None
    if reason == "thinking":
        return f"{NO_ANSWER[reason]} {ADVICE}"
    if reason == "stopped":
        return STOPPED_THINKING
    return BROKEN if pane.text else NO_ANSWER[reason]


def _output_row(session: Session, pane: Pane) -> OutputRow:
    """A pane as a row of a study's outputs."""
    known: dict[str, Any] = {
        "config": pane.config.id,
        "text": pane.text,
        "category": session.request.prompt.category,
        **_figures_and_scores(pane),
        "constraints": list(pane.score.constraints) if pane.score else [],
    }
    known["reasoning"] = pane.reasoning
    if pane.generation is None and pane.text:
        # The measures that are cheap enough to be computed at every refresh while a text grows.
        known |= {
            "repetition_ratio": repetition_ratio(pane.text),
            "words": count_words(pane.text),
        }
    shown: dict[str, Any] = {one.name: known.get(one.name) for one in fields(OutputRow)}
    return OutputRow(**shown)


def pane_facts(pane: Pane) -> list[str]:
    """How it was asked and its figures, in words and in the order in which they become known."""
    facts = [] if pane.status == "done" else [_status_words(pane)]
    facts += asked_facts(pane)
    if pane.was_warm:
        facts.append("was loaded")
    elif pane.report is not None:
        if pane.startup_seconds is not None:
            facts.append(f"start-up {pane.startup_seconds:.2f} s")
        facts.append(f"load {pane.report.load_seconds:.2f} s")
        if pane.warm_up_seconds is not None:
            facts.append(f"warm-up {pane.warm_up_seconds:.2f} s")
    if pane.generation is not None:
        on_gpu = pane.report is not None and pane.report.environment.get("device") == "cuda"
        facts += generation_facts(pane.generation, on_gpu)
    elif pane.status == "running" and pane.began_at is not None:
        facts += _running_facts(pane, pane.began_at)
    return facts


def asked_facts(pane: Pane) -> list[str]:
    """What its model is and how that was asked, as one fact: `instruct model, chat template,
    thinking off`, and how its weights were stored. None before it is loaded."""
    if pane.report is None:
        return []
    asked = pane.report.environment
    how = asked_in_words(asked.get("chat_template"), asked.get("system"), asked.get("thinking"))
    words = [*([f"{pane.kind} model"] if pane.kind else []), *([how] if how else [])]
    model = ModelAsked(
        config=pane.config.id,
        model=pane.config.model.name,
        precision=pane.config.precision.name,
        stored_as=pane.stored_as,
    )
    return [fact for fact in (", ".join(words), model.stored) if fact]


def generation_facts(generation: Generation, on_gpu: bool) -> list[str]:
    """TTFT, speed, tokens, finish reason and peak memory: of the GPU, or of a CPU worker's whole
    process, most of which is Python and torch."""
    facts = [f"TTFT {generation.first_token_seconds:.3f} s"]
    if generation.tokens_per_second is not None:
        facts.append(f"{generation.tokens_per_second:.1f} tok/s")
    facts.append(counted(generation.new_tokens, "token"))
    if generation.finish_reason != "stopped":
        facts.append(FINISH_WORDS[generation.finish_reason])
    whose = "peak" if on_gpu else "process peak"
    facts.append(f"{whose} {memory(generation.peak_memory_bytes)}")
    return facts


def loaded_facts(loaded: Loaded) -> str:
    """Where a warm worker's model is loaded, its memory, and for how long it has been idle."""
    idle = "in use" if loaded.busy else f"idle for {duration(loaded.idle_seconds)}"
    return (
        f"{loaded.device}, weights {memory(loaded.weight_bytes)}, "
        f"process {memory(loaded.process_bytes)}, {idle}"
    )


def _running_facts(pane: Pane, began_at: float) -> list[str]:
    seconds = time.monotonic() - began_at
    pieces = len(pane.pieces) + len(pane.reasoning_pieces)
    if pane.first_text_at is None:
        return [f"{seconds:.1f} s"]
    return [
        f"first text {pane.first_text_at - began_at:.3f} s",
        f"about {pieces / seconds:.1f} tok/s",
        f"about {counted(pieces, 'token')}",
    ]


def _status_words(pane: Pane) -> str:
    if pane.status == "queued" and pane.ahead:
        return f"place {len(pane.ahead)} in the queue"
    return STATUS_WORDS.get(pane.status, pane.status)


def _instead(session: Session, pane: Pane) -> str:
    """What a card says in place of a text."""
    if pane.error:
        return pane.error
    if pane.status == "queued" and pane.ahead:
        return f"Waiting for the device. Ahead of it: {', '.join(pane.ahead)}."
    if pane.status == "queued":
        return "Runs after the configs before it."
    if pane.status == "stopped":
        return "Stopped before it began to write."
    if pane.status == "running" and session.request.weights == "dummy":
        return NO_TEXT
    return "Nothing written yet."


def _judged_once(session: Session, pane: Pane, constraint: Constraint) -> VerdictRow:
    """A constraint's result on an ended pane, cached in the pane: the page asks at every rerun, and
    judging may run a model's code."""
    scored = pane.score.constraints if pane.score else ()
    known = {_key(result): result for result in scored} | pane.verdicts
    key = _key(constraint)
    if key not in known:
        known[key] = pane.verdicts[key] = judge_output(
            answer_of(pane.text or ""),
            constraint,
            pane.generation.finish_reason if pane.generation else None,
            pane.score.broken_by if pane.score else (),
            execute_code=session.request.execute_code,
        )
    return known[key]


def _key(one: Constraint | VerdictRow) -> str:
    return to_json([one.check, one.arguments])


def verdict_table(session: Session, constraints: Sequence[Constraint]) -> dict[str, Any]:
    """Every constraint judged on every output of a session, as a table of the page."""
    panes = [
        pane
        for pane in session.panes
        if pane.ended and pane.text and (pane.generation is None or pane.has_answer)
    ]

    def verdict(pane: Pane, constraint: Constraint) -> dict[str, Any]:
        result = _judged_once(session, pane, constraint)
        new_tokens = pane.generation.new_tokens if pane.generation else None
        note = explained(result, new_tokens)
        return {"text": VERDICT_WORDS[result.status], "note": note}

    return table(
        "Each constraint judged on each output",
        ["", "constraint", *(pane.config.id for pane in panes)],
        (
            row(
                str(number),
                str(number),
                constraint_words(constraint),
                *(verdict(pane, constraint) for pane in panes),
            )
            for number, constraint in enumerate(constraints, 1)
        ),
        look="checked",
    )
