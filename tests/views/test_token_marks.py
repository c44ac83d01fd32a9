"""A parent's output with the tokens marked at which a config would have chosen otherwise."""

from __future__ import annotations

import math

import pytest

from vibecore.core.fidelity import TokenMarks
from vibecore.views.token_marks import LED_BY, OWN, leading, led_along, visible

PIECES = ["Name", ":", " The", " cat", "\n", " sat", ".", "<end>"]
# place -> what the config would choose there; None: what stands there, unlike the parent now
CHOICES = {3: " dog", 4: " ", 7: None}


def marks() -> TokenMarks:
    return TokenMarks(
        against="1M-bf16",
        kld=[0.25 if place in CHOICES else 0.0 for place in range(len(PIECES))],
        same_top=[place not in CHOICES for place in range(len(PIECES))],
        log_p=[math.log(0.3)] * len(PIECES),
        parent_log_p=[math.log(0.6)] * len(PIECES),
        top_p=[0.4] * len(PIECES),
        pieces=list(PIECES),
        top_pieces=[CHOICES.get(place) for place in range(len(PIECES))],
    )


def card(**changes) -> dict:
    return {
        "config": "1M-4bit",
        "folds": [{"name": "prompt", "label": "Prompt", "text": "Say"}],
        "text": "its own",
        "instead": None,
        "pieces": [],
        "verdicts": ["kept"],
        **changes,
    }


def test_the_parents_output_stands_in_the_place_of_the_configs_own() -> None:
    led = led_along(card(), marks(), "1M-bf16")
    assert led["heading"] == "1M-bf16's output: another choice at 3 of 8 tokens"
    assert led["text"] == "".join(PIECES) == "".join(piece["text"] for piece in led["pieces"])
    assert led["folds"][1:] == [{"name": "own", "label": OWN, "text": "its own"}]
    assert led["verdicts"] == ["kept"]
    assert leading(card())["heading"] == LED_BY


def test_an_empty_output_is_folded_as_what_is_said_of_it() -> None:
    led = led_along(card(text="", instead="The output is empty."), marks(), "1M-bf16")
    assert led["folds"][1]["text"] == "The output is empty."
    assert led["instead"] is None


def test_a_mark_has_the_other_choice_with_its_probability_and_both_sides_of_its_own() -> None:
    marked = [p for p in led_along(card(), marks(), "p")["pieces"] if p["marks"]]
    assert [p["text"] for p in marked] == ["cat", "\n", "<end>"]
    assert [p["after"] for p in marked] == ["“ dog” 40 %", "“␣” 40 %", "this one 40 %"]
    assert marked[0]["title"] == "“ cat”: 30 % here, 60 % at the parent; KLD 0.250"


def test_what_stands_after_a_token_with_a_line_end_stays_on_its_line() -> None:
    found = marks()
    found.pieces[3] = " cat.\n\n  "
    pieces = led_along(card(), found, "p")["pieces"]
    place = next(number for number, piece in enumerate(pieces) if piece["marks"])
    assert (pieces[place]["text"], pieces[place + 1]["text"]) == ("cat.", "\n\n  ")
    assert "".join(piece["text"] for piece in pieces) == "".join(found.pieces)


@pytest.mark.parametrize(
    ("token", "seen"), [(" the", " the"), (" ", "␣"), ("\n\n", "⏎⏎"), (":\n", ":⏎"), ("\t", "⇥")]
)
def test_white_space_is_seen(token: str, seen: str) -> None:
    assert visible(token) == seen


def test_an_output_without_another_choice_is_whole() -> None:
    same = marks()
    same.same_top[:] = [True] * len(PIECES)
    led = led_along(card(), same, "1M-bf16")
    assert [piece["text"] for piece in led["pieces"]] == ["".join(PIECES)]
    assert led["heading"].endswith("another choice at 0 of 8 tokens")
