"""Outputs too long to show: their beginning, how much there is, and where the rest is."""

from __future__ import annotations

from tests.support.rows import row_of
from vibecore.core.rows import OutputRow, VerdictRow
from vibecore.views.cards import output_card
from vibecore.views.long_text import MOST_CHARACTERS, beginning
from vibecore.views.terminal import MOST_CHARACTERS_OF_A_CELL, print_outputs, print_table

LONG = "over and " * 1_000_000


def output(**fields: object) -> OutputRow:
    known = {"prompt_id": "p", "config": "c", "category": "x", "constraints": [], **fields}
    return row_of(OutputRow, **known)


def test_what_is_short_stays_as_it_is() -> None:
    row = output(text="x" * MOST_CHARACTERS, reasoning=None, token_ids=[1])
    assert beginning(row) == (row, [])


def test_each_long_text_is_cut_and_counted() -> None:
    row = output(text=LONG, reasoning=LONG, rendered_prompt="short", token_ids=[1])
    shorter, notes = beginning(row)
    assert (shorter.text, shorter.reasoning) == (LONG[:MOST_CHARACTERS],) * 2
    assert (shorter.rendered_prompt, shorter.token_ids) == ("short", None)
    assert notes == [
        "the first 40,000 of the answer's 9,000,000 characters are shown",
        "the first 40,000 of the reasoning's 9,000,000 characters are shown",
    ]


def test_a_terminal_shows_a_part_and_names_the_way_to_the_rest(capsys) -> None:
    print_outputs([output(text=LONG)])
    shown = capsys.readouterr().out
    assert len(shown) < 2 * MOST_CHARACTERS
    note = (
        "(the first 40,000 of the answer's 9,000,000 characters are shown; --format json has all)"
    )
    assert note in shown


def test_a_table_shows_the_beginning_of_a_cell_a_heading_and_a_title(capsys) -> None:
    print_table([{"name": LONG, LONG: "x"}, {"name": "short", LONG: "y"}], LONG)
    shown = capsys.readouterr().out
    # A cell's column beside it is as high as it is.
    assert len(shown) < 20 * MOST_CHARACTERS_OF_A_CELL
    assert shown.count("9,000,000") == 3


def test_a_long_explanation_is_cut_in_a_terminal(capsys) -> None:
    verdict = VerdictRow("word_count", {}, "fail", None, LONG, cut=False)
    print_outputs([output(text="short", constraints=[verdict])])
    assert len(capsys.readouterr().out) < 2 * MOST_CHARACTERS_OF_A_CELL


def test_a_card_shows_a_part_and_names_the_files() -> None:
    for marking in ("repetition", "difference", "nothing"):
        card = output_card(
            output(text=LONG, broken_by=["loop"], loop_onset=10),
            "bf16",
            marking=marking,
            baseline=output(text=LONG[1:], config="d") if marking == "difference" else None,
        )
        assert len(card["text"]) == MOST_CHARACTERS
        assert sum(len(piece["text"]) for piece in card["pieces"]) == MOST_CHARACTERS
        assert "40,000 of the answer's 9,000,000 characters" in card["notice"]
        assert card["notice"].endswith("the files below the texts have all")
    assert output_card(output(text="short"), "bf16")["notice"] is None
