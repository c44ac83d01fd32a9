"""In what configs differ on a prompt, and which two differ most."""

from __future__ import annotations

from typing import Any

from tests.support.rows import row_of
from vibecore.core.rows import PromptOutput
from vibecore.views.disagreement import (
    differences,
    furthest_pair,
    order_note,
    share_met,
    texts_differ,
)


def output(config: str, **known: Any) -> PromptOutput:
    """A config's output that meets its one constraint."""
    given = {
        "sample": 0,
        "adherent": True,
        "broken": False,
        "constraints_met": 1,
        "constraints_judged": 1,
        "text": "a b c",
    }
    return row_of(PromptOutput, **{**given, **known, "config": config})


def test_what_differs_is_named() -> None:
    plain = output("a")
    assert differences([plain, output("b")]) == []
    assert differences([plain, output("b", broken=True)]) == ["broken"]
    missed = output("b", adherent=False, constraints_met=0)
    assert differences([plain, missed]) == ["adherence", "constraints met"]


def test_what_is_not_known_is_no_difference() -> None:
    unknown = output("b", adherent=None, broken=None, constraints_judged=0, constraints_met=0)
    assert share_met(unknown) is None
    assert differences([output("a"), unknown]) == []
    assert not texts_differ(["x", None])
    assert texts_differ(["x", "y"])


def test_the_furthest_two_are_by_verdicts_then_by_words() -> None:
    alike = [output("a"), output("b", text="a b d"), output("c", text="e f")]
    assert furthest_pair(alike) == ("a", "c")
    missed = output("d", adherent=False, constraints_met=0)
    assert furthest_pair([*alike, missed]) == ("c", "d")


def test_a_config_without_output_is_in_no_pair() -> None:
    assert furthest_pair([output("a"), output("b", sample=None, text=None)]) is None
    assert furthest_pair([output("a", text=""), output("b", text="")]) == ("a", "b")


def test_the_note_says_what_settles_ties() -> None:
    assert "words that the two most different answers" in order_note("disagreement", True)
    assert "6,000 outputs" in order_note("disagreement", False)
    assert "suite" in order_note("suite", True)
