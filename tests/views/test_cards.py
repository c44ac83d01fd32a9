"""Output cards: what is said of an output before it is read."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest

from vibecore.catalog.suites import Prompt
from vibecore.core.rows import OutputRow
from vibecore.scoring import score_output
from vibecore.views.cards import SCORES, output_card

PROMPT = Prompt("p", "creative", "Write a line about the sea.", ())


def card(text: str, token_ids: list[int] | None = None, **changed: Any) -> dict[str, Any]:
    """The card of an output that ended by itself, scored now."""
    scores = asdict(score_output(PROMPT, text, token_ids))
    known = {
        **scores,
        "config": "1M-bf16",
        "prompt_id": PROMPT.id,
        "category": "creative",
        "text": text,
        "new_tokens": 5,
        "finish_reason": "eos",
        "constraints": [],
        "constraints_judged": 0,
        **changed,
    }
    return output_card(OutputRow(**{f.name: known.get(f.name) for f in fields(OutputRow)}), "bf16")


def test_a_plain_output_has_no_notice() -> None:
    assert card("The sea is calm.")["notice"] is None


@pytest.mark.parametrize(
    ("text", "token_ids", "notice"),
    [
        ("la " * 20, None, "broken: repetitive, says one thing over"),
        ("a", [4, *[1, 2] * 10], "broken: loops after 1 token (period 2)"),
        ("I'm sorry, but no.", None, "begins as a refusal"),
        (
            "The sea was calm that day. Море было спокойным весь день.",
            None,
            "goes on in another script from character 27",
        ),
    ],
)
def test_what_is_amiss_is_said(text: str, token_ids: list[int] | None, notice: str) -> None:
    assert card(text, token_ids)["notice"] == notice


def test_the_published_cuts_exceeded_are_counted_and_named() -> None:
    found = card("the same line of words again\n" * 12)
    assert found["notice"] == "broken: repetitive"
    scores = {score["label"]: score for score in found["scores"]}
    assert scores["duplicate 5-grams"]["value"] == "0.92"
    assert "duplicate 5-grams" in scores["cuts exceeded"]["note"]
    assert int(scores["cuts exceeded"]["value"]) == len(scores["cuts exceeded"]["note"].split(", "))


def test_scores_of_an_older_scorer_are_left_out() -> None:
    older = dict.fromkeys(
        ("degenerate", "degenerate_by", "duplicates", "loop_period", "prompt_echo", "refusal")
    )
    found = card("la " * 20, language_switch=None, **older)
    assert found["notice"] == "broken: repetitive, says one thing over"
    labels = [score["label"] for score in found["scores"]]
    assert "duplicate 5-grams" not in labels
    assert "echo" not in labels
    assert SCORES["rep_4"][0] not in labels
