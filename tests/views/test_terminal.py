"""Outputs as a terminal shows them."""

from __future__ import annotations

import pytest

from tests.support.rows import row_of
from vibecore.core.rows import OutputRow, VerdictRow
from vibecore.views.terminal import output_facts, print_outputs


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "(empty)"),
        (" \n", "(empty)"),
        (None, "(no text: only speed and memory were measured)"),
        ("[red]fine[/red]", "[red]fine[/red]"),
    ],
)
def test_an_output_without_text_says_why(
    capsys: pytest.CaptureFixture[str], text: str | None, shown: str
) -> None:
    print_outputs([row_of(OutputRow, prompt_id="p", config="c", text=text, constraints=[])])
    assert capsys.readouterr().out.splitlines()[1] == shown


def test_facts_are_counted_and_flagged() -> None:
    row = row_of(OutputRow, new_tokens=1, finish_reason="eos", repetition_ratio=0.0, empty=True)
    assert output_facts(row) == "1 token · ended by itself · repetition 0.00 · broken: empty"


def test_what_the_token_limit_decided_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    verdict = VerdictRow("word_count", {}, "fail", None, "found 3 words", cut=True)
    row = row_of(
        OutputRow,
        prompt_id="p",
        config="c",
        text="The sea so",
        new_tokens=200,
        finish_reason="length",
        adherent_cut=True,
        constraints=[verdict],
    )
    print_outputs([row])
    shown = capsys.readouterr().out
    assert "200 tokens · cut at the limit · adherence decided by the token limit" in shown
    assert "found 3 words (fails so far: the answer was cut off at 200 tokens)" in shown
