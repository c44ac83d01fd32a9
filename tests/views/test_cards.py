"""Output cards: what is said of an output before it is read."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import pytest

from vibecore.catalog.suites import Prompt
from vibecore.core.rows import OutputRow, VerdictRow
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
        ("la " * 20, None, "broken: repetitive"),
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
    assert found["notice"] == "broken: repetitive, ends in a loop"
    scores = {score["label"]: score for score in found["scores"]}
    assert scores["duplicate 5-grams"]["value"] == "0.92"
    assert "duplicate 5-grams" in scores["cuts exceeded"]["note"]
    assert int(scores["cuts exceeded"]["value"]) == len(scores["cuts exceeded"]["note"].split(", "))


def test_scores_of_an_older_scorer_are_left_out() -> None:
    absent = "degenerate degenerate_by duplicates loop_period prompt_echo refusal broken_by"
    older = dict.fromkeys(absent.split())
    found = card("la " * 20, language_switch=None, **older)
    assert found["notice"] == "broken: repetitive, says one thing over"
    labels = [score["label"] for score in found["scores"]]
    assert "duplicate 5-grams" not in labels
    assert "echo" not in labels
    assert SCORES["rep_4"][0] not in labels


SHORT = VerdictRow("word_count", {}, "fail", None, "found 3 words, wanted at least 5", cut=True)
ENDS = VerdictRow("ends_with", {}, "pass", None, 'ends with "so"', cut=True)
LONG = VerdictRow("no_commas", {}, "fail", None, "found 1 comma, wanted none", cut=False)


def test_what_the_token_limit_decided_is_marked() -> None:
    found = card(
        "The sea, so",
        new_tokens=200,
        finish_reason="length",
        constraints=[SHORT, ENDS, LONG],
        constraints_met=1,
        constraints_judged=3,
        constraints_cut=2,
        adherent_cut=False,
    )
    assert [one["cut"] for one in found["verdicts"]] == [
        "fails so far: the answer was cut off at 200 tokens",
        "passes so far: the answer was cut off at 200 tokens",
        None,
    ]
    assert found["met"] == "1 of 3 constraints met; 2 decided by the token limit"
    assert found["notice"] == "truncated"


def test_an_adherence_that_the_token_limit_decided_is_in_the_notice() -> None:
    found = card("The sea so", finish_reason="length", constraints=[SHORT], adherent_cut=True)
    assert found["notice"] == "truncated; adherence decided by the token limit"


def test_what_older_scorers_did_not_know_is_not_said() -> None:
    older = VerdictRow("word_count", {}, "fail", None, "found 3 words, wanted at least 5")
    found = card(
        "The sea so",
        finish_reason="length",
        constraints=[older],
        constraints_met=0,
        constraints_judged=1,
        constraints_cut=None,
        adherent_cut=None,
    )
    assert (found["verdicts"][0]["cut"], found["notice"]) == (None, "truncated")
    assert found["met"] == "0 of 1 constraint met"


def test_reasoning_in_a_text_is_folded_above_the_answer() -> None:
    found = card("<think>\nSo it is calm.\n</think>\n\nThe sea is calm.")
    assert found["text"] == "The sea is calm."
    assert "".join(piece["text"] for piece in found["pieces"]) == "The sea is calm."
    [fold] = found["folds"]
    assert fold["label"] == "Reasoning, not scored"
    assert "So it is calm." in fold["text"]
