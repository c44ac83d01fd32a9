"""Outputs as the dashboard shows them: one card a config, and the list of prompts beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from vibecore.analysis.metrics import ConfigMetrics
from vibecore.core.formats import counted
from vibecore.core.rows import OutputRow, PromptResult
from vibecore.scoring.text.reasoning import split_reasoning
from vibecore.views.broken import LITTLE_PROSE, NO_WORDS, broken_because
from vibecore.views.cut_off import DECIDED, so_far, whole_decided
from vibecore.views.disagreement import differences
from vibecore.views.long_text import beginning
from vibecore.views.tables.metrics import shape
from vibecore.views.terminal import FINISH_WORDS
from vibecore.views.text_marks import Piece, cut, mark_difference, mark_repetition

# A card as the page's component takes it.
Card = dict[str, Any]

IN_FILE = "the files below the texts have all"
MARKINGS = ("repetition", "difference", "nothing")
NO_TEXT = "No text: only speed and memory were measured."
EMPTY_TEXT = "The output is empty."
# finish reason -> what a card says in place of an answer that is not there, and beside one that is
NO_ANSWER = {
    "thinking": "No answer: the tokens ran out while the model was still reasoning.",
    "non_finite": "No text: the logits were not finite from the first token on.",
}
NOTICES = {
    "length": "truncated",
    "thinking": "no answer",
}

# score -> (label, decimals, what the value says)
SCORES: dict[str, tuple[str, int, str]] = {
    "repetition_ratio": ("repetition", 2, "share of word pairs seen before; repetitive from 0.50"),
    "rep_4": ("rep-4", 2, "share of token 4-grams seen before"),
    "distinct_2": ("distinct-2", 2, "distinct word pairs over words"),
    "zlib_ratio": ("zlib ratio", 1, "size over compressed size; published cut 2.4, for prose"),
    "duplicate_5_grams": (
        "duplicate 5-grams",
        2,
        "share of characters in runs of five words seen before; published cut 0.15",
    ),
    "prompt_echo": ("echo", 2, "share of the prompt's four-word runs found in the output"),
    "words": ("words", 0, ""),
    "sentences": ("sentences", 0, ""),
}


def output_card(
    row: OutputRow,
    precision: str,
    *,
    badge: str | None = None,
    published: bool = False,
    marking: str = "repetition",
    baseline: OutputRow | None = None,
    same_tokenizer: bool = False,
) -> Card:
    """One output as a card: facts, marked text, verdicts and scores.

    `marking` is one of MARKINGS; `difference` compares with
    `baseline`, by tokens where `same_tokenizer` says that token ids compare.
    """
    row, cut_off = beginning(_split(row))
    baseline = baseline and beginning(_split(baseline))[0]
    text = row.text
    return {
        "config": row.config,
        "shape": shape(precision),
        "badge": badge,
        "label": "published sample" if published else None,
        "facts": _facts(row),
        "notice": "; ".join(filter(None, [_notice(row), *cut_off, IN_FILE if cut_off else None]))
        or None,
        "folds": _folds(row),
        "code": is_code(row.category, text),
        "text": text,
        "pieces": _pieces(row, marking, baseline, same_tokenizer),
        "instead": instead(text, row.finish_reason),
        "verdicts": [
            {
                "status": verdict.status,
                "check": verdict.check.replace("_", " "),
                "explanation": verdict.explanation,
                "cut": so_far(verdict, row.new_tokens) or None,
            }
            for verdict in row.constraints
        ],
        "met": _met(row),
        "scores": _scores(row),
    }


def _split(row: OutputRow) -> OutputRow:
    """An output whose text holds reasoning too, as one whose reasoning is stored apart."""
    reasoning, answer = split_reasoning(row.text or "")
    if reasoning is None or row.reasoning:
        return row
    return replace(row, text=answer, reasoning=reasoning, token_ids=None)


def missing_card(config: str, precision: str, why: str) -> Card:
    """A card for a config that has no output of this prompt."""
    return {"config": config, "shape": shape(precision), "instead": why, "pieces": []}


def prompt_rows(results: Sequence[PromptResult], configs: Sequence[str]) -> list[dict[str, Any]]:
    """The prompt list: each prompt with its first words, one state a config, and in which verdicts
    these configs differ.

    A state is `pass` (all constraints met), `fail`, or `none` (no verdict); `broken` is beside it.
    Of several samples the first counts.
    """
    listed: dict[str, list[PromptResult]] = {}
    for result in results:
        here = listed.setdefault(result.prompt_id, [])
        if all(other.config != result.config for other in here):
            here.append(result)
    rows = []
    for prompt_id, found in listed.items():
        chosen = [result for result in found if result.config in configs]
        rows.append(
            {
                "id": prompt_id,
                "category": found[0].category,
                "words": first_words(found[0].prompt),
                "differ": differences(chosen),
                "states": [
                    {
                        "config": result.config,
                        "state": state_of(result),
                        "broken": bool(result.broken),
                        "cut": bool(result.adherent_cut),
                    }
                    for result in chosen
                ],
            }
        )
    return rows


def state_of(result: PromptResult) -> str:
    """`pass` where all judged constraints are met, `fail` where not, `none` without a verdict."""
    return "none" if result.adherent is None else "pass" if result.adherent else "fail"


def first_words(text: str, most: int = 60) -> str:
    """The beginning of a text on one line, whole words, at most `most` characters."""
    words = " ".join(text[: 4 * most].split())
    if len(words) <= most and len(text) <= 4 * most:
        return words
    return words[: most - 1].rsplit(" ", 1)[0] + "…"


def is_code(category: str, text: str | None) -> bool:
    """Whether a text is set as code: an answer to a code prompt, or one with a code fence."""
    return category == "code" or (text is not None and "```" in text)


def instead(text: str | None, finish_reason: str | None) -> str | None:
    """What stands in place of an output's text; None where it has one."""
    if text is None:
        return NO_TEXT
    return None if text.strip() else NO_ANSWER.get(finish_reason or "", EMPTY_TEXT)


def why_missing(run: ConfigMetrics, published: bool) -> str:
    """Why a config has no output of a prompt."""
    if published:
        return "No output of this config was published."
    if run.status == "failed":
        return f"This config failed: {run.error}"
    return f"No output yet: the run is {run.status}."


def _folds(row: OutputRow) -> list[dict[str, str]]:
    """What is folded above an answer: the prompt as it was asked, and the reasoning."""
    folds = []
    if row.rendered_prompt is not None:
        label = "Prompt as the model was asked"
        if row.prompt_tokens is not None:
            label += f", {counted(row.prompt_tokens, 'token')}"
        folds.append({"name": "prompt", "label": label, "text": row.rendered_prompt})
    if row.reasoning:
        label = "Reasoning, not scored"
        if row.reasoning_tokens:
            label += f", {counted(row.reasoning_tokens, 'token')}"
        folds.append({"name": "reasoning", "label": label, "text": row.reasoning})
    return folds


def _facts(row: OutputRow) -> list[str]:
    facts = []
    if row.new_tokens is not None:
        facts.append(counted(row.new_tokens, "token"))
    if row.tokens_per_second is not None:
        facts.append(f"{row.tokens_per_second:.1f} tok/s")
    if row.finish_reason:
        facts.append(FINISH_WORDS[row.finish_reason])
    return facts


def _notice(row: OutputRow) -> str | None:
    period = f" (period {row.loop_period})" if row.loop_period else ""
    loop = f"loops after {counted(row.loop_onset or 0, 'token')}{period}"
    broken = broken_because(row) if row.loop_onset is None else broken_because(row, loop)
    notices = [broken] if broken else []
    if row.finish_reason in NOTICES:
        notices.append(NOTICES[row.finish_reason])
    if decided := whole_decided(row):
        notices.append(decided)
    if row.refusal:
        notices.append("begins as a refusal")
    if row.language_switch is not None:
        notices.append(f"goes on in another script from character {row.language_switch:,}")
    return "; ".join(notices) or None


def cut_name(name: str) -> str:
    """A published cut's name in words: `duplicate 5-grams`, `top 2-gram`."""
    return name.replace("_", " ").replace(" gram", "-gram")


def _scores(row: OutputRow) -> list[dict[str, str]]:
    known = {**(row.duplicates or {}), **vars(row)}
    scores = [
        {"label": label, "value": f"{known[name]:.{digits}f}", "note": note}
        for name, (label, digits, note) in SCORES.items()
        if known.get(name) is not None
    ]
    if row.broken_by is not None and row.repetition_ratio is None:
        scores.insert(0, {"label": "repetition", "value": "not measured", "note": NO_WORDS})
    if row.broken_by is not None and row.degenerate is None:
        scores.append({"label": "cuts exceeded", "value": "not judged", "note": LITTLE_PROSE})
    if row.degenerate:
        over = row.degenerate_by or []
        note = ", ".join(map(cut_name, over))
        scores.append({"label": "cuts exceeded", "value": str(len(over)), "note": note})
    return scores


def _met(row: OutputRow) -> str | None:
    if row.constraints_judged is None:
        return None
    if not row.constraints_judged:
        return "no constraint judged"
    met = f"{row.constraints_met} of {counted(row.constraints_judged, 'constraint')} met"
    return f"{met}; {row.constraints_cut} {DECIDED}" if row.constraints_cut else met


def _pieces(
    row: OutputRow, marking: str, baseline: OutputRow | None, same_tokenizer: bool
) -> list[Piece]:
    text = row.text
    if not text:
        return []
    if marking == "repetition":
        return mark_repetition(text, row.loop_onset, loops="loop" in (row.broken_by or ()))
    if marking == "difference" and baseline is not None and baseline.text is not None:
        if baseline.config == row.config:
            return cut(text, [])
        ids = (_answer_ids(row), _answer_ids(baseline)) if same_tokenizer else (None, None)
        return mark_difference(text, baseline.text, *ids)
    return cut(text, [])


def _answer_ids(row: OutputRow) -> Sequence[int] | None:
    """The tokens after the reasoning."""
    return row.token_ids and row.token_ids[row.reasoning_tokens or 0 :]
