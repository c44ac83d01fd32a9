"""Duplicate shares and their cuts, echo, refusal, and change of script."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from vibecore.catalog.suites import Prompt
from vibecore.scoring import score_output
from vibecore.scoring.measures import degenerate
from vibecore.scoring.measures.degenerate import cuts_exceeded
from vibecore.scoring.measures.duplicates import GOPHER_CUTS, duplicate_shares
from vibecore.scoring.measures.echo import prompt_echo
from vibecore.scoring.measures.refusal import REFUSALS, is_refusal
from vibecore.scoring.measures.script import language_switch

PLAIN = Prompt("plain", "creative", "Write about a storm at sea.", ())


def shares_by_definition(text: str) -> dict[str, float]:
    """Table A1 as the module's docstring reads it, without a thought for speed."""
    words = text.split()
    total = sum(map(len, words))
    shares = dict.fromkeys(GOPHER_CUTS, 0.0)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    paragraphs = ["\n".join(part.split("\n")) for part in text.split("\n\n") if part.strip()]
    for name, items in (("line", lines), ("paragraph", paragraphs)):
        again = [item for place, item in enumerate(items) if item in items[:place]]
        if items:
            characters = [len("".join(item.split())) for item in items]
            shares[f"duplicate_{name}s"] = len(again) / len(items)
            shares[f"duplicate_{name}_characters"] = sum(
                len("".join(item.split())) for item in again
            ) / sum(characters)
    for n in range(2, 11):
        grams = [tuple(words[start : start + n]) for start in range(len(words) - n + 1)]
        if len(set(grams)) == len(grams):
            continue
        if n < 5:
            times = Counter(grams)
            most = max(times.values())
            often = [gram for gram in times if times[gram] == most]
            top = max(often, key=lambda gram: sum(map(len, gram)))
            starts = [start for start, gram in enumerate(grams) if gram == top]
        else:
            starts = [start for start, gram in enumerate(grams) if gram in grams[:start]]
        inside = {start + step for start in starts for step in range(n)}
        name = f"top_{n}_gram" if n < 5 else f"duplicate_{n}_grams"
        shares[name] = sum(len(words[place]) for place in inside) / total
    return shares


def test_the_shares_agree_with_their_definition() -> None:
    chance = random.Random(1)
    for _ in range(400):
        pieces = chance.choices(["a", "bb ", "ccc ", "d ", "e f g h i j"], k=8)
        some = [" ".join(chance.choices(pieces, k=chance.randrange(1, 6))) for _ in range(5)]
        lines = chance.choices(some, k=9)
        joints = chance.choices(["\n", "\n\n"], k=chance.randrange(9))
        text = "".join(
            part.strip() + joint for part, joint in zip(lines, joints, strict=False)
        ).strip()
        assert duplicate_shares(text) == pytest.approx(shares_by_definition(text)), repr(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("one", {}),
        ("a b c d", {}),
        ("a b a b", {"top_2_gram": 1.0}),
        # "a a" three times over four words: no word is counted twice.
        ("a a a a", {"top_2_gram": 1.0, "top_3_gram": 1.0}),
        ("xx\nyy\nxx", {"duplicate_lines": 1 / 3, "duplicate_line_characters": 1 / 3}),
        (
            "a b c d e 1 a b c d e",
            {"top_2_gram": 4 / 11, "top_3_gram": 6 / 11, "top_4_gram": 8 / 11}
            | {"duplicate_5_grams": 5 / 11},
        ),
    ],
)
def test_shares_of_small_texts(text: str, wanted: dict[str, float]) -> None:
    assert duplicate_shares(text) == pytest.approx(dict.fromkeys(GOPHER_CUTS, 0.0) | wanted)


def test_the_cuts_are_those_of_table_a1() -> None:
    assert list(GOPHER_CUTS.values()) == [
        *(0.30, 0.30, 0.20, 0.20, 0.20, 0.18, 0.16),
        *(0.15, 0.14, 0.13, 0.12, 0.11, 0.10),
    ]


@pytest.mark.parametrize(("name", "cut"), GOPHER_CUTS.items())
def test_a_share_at_its_cut_passes_and_above_it_does_not(
    name: str, cut: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = random.Random(3)
    prose = " ".join("".join(letters.choices("abcdefghijklmnopqrst", k=6)) for _ in range(50))
    shares = dict.fromkeys(GOPHER_CUTS, 0.0)
    monkeypatch.setattr(degenerate, "duplicate_shares", lambda _: shares)
    shares[name] = cut
    assert cuts_exceeded(prose) == (shares, [])
    shares[name] = cut + 1e-9
    assert cuts_exceeded(prose) == (shares, [name])
    # Such short documents never met these cuts.
    assert cuts_exceeded(" ".join(prose.split()[:49])) == ({}, [])


def test_the_zlib_cut_is_for_as_much_text_as_fifty_words() -> None:
    assert cuts_exceeded("ab" * 124) == ({}, None)
    assert cuts_exceeded("ab" * 125) == ({}, ["zlib_ratio"])
    assert cuts_exceeded("我喜欢猫。" * 19) == ({}, None)
    assert cuts_exceeded("我喜欢猫。" * 20) == ({}, ["zlib_ratio"])


def test_repetitive_and_degenerate_are_two_flags() -> None:
    # Every word pair is new, but one line occurs twice among three.
    chance = random.Random(2)
    line = " ".join("".join(chance.choices("abcdefghijklmnop", k=5)) for _ in range(60))
    twice = score_output(PLAIN, f"{line}\n{line} more\nend")
    assert (twice.repetitive, twice.degenerate) == (False, True)
    assert "duplicate_10_grams" in twice.degenerate_by
    short = score_output(PLAIN, "la la la la la")
    assert (short.repetitive, short.degenerate, short.degenerate_by) == (True, None, ())
    fine = score_output(PLAIN, line)
    assert (fine.repetitive, fine.degenerate) == (False, False)


@pytest.mark.parametrize(
    ("prompt", "text", "share"),
    [
        ("one two three", "one two three", None),
        ("a b c d", "nothing of it", 0.0),
        ("a b c d", "he said: a b c d", 1.0),
        ("a b c d e", "a b c d", 0.5),
        ("a b c d a b c d", "a b c d", 0.25),
    ],
)
def test_prompt_echo(prompt: str, text: str, share: float | None) -> None:
    assert prompt_echo(prompt, text) == share


@pytest.mark.parametrize("start", REFUSALS)
def test_a_refusal_is_found_at_the_start(start: str) -> None:
    assert is_refusal(f"{start.capitalize()} anything.")
    assert is_refusal(f'\n  "**{start.upper()}** of it'.replace("'", "’"))
    assert not is_refusal(f"He laughed. {start}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I'm sorry for the storm, said the sea.",
        "I cannot remember the day we met.",
        "As an aid to memory, draw a map.",
        "Sorry is a hard word.",
    ],
)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not is_refusal(text)


ENGLISH = "The lighthouse stood alone on the rocks. "
RUSSIAN = "Маяк стоял один на скалах над морем."
CHINESE = "灯塔独自站在礁石上，海浪一遍又一遍地拍打着它的脚。"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (ENGLISH * 2, None),
        (ENGLISH + RUSSIAN, len(ENGLISH)),
        (ENGLISH + CHINESE, len(ENGLISH)),
        (RUSSIAN + " " + ENGLISH, len(RUSSIAN) + 1),
        (RUSSIAN, None),
        (CHINESE, None),
        # A word or two of another script is a quotation.
        (ENGLISH + "He said: привет. " + ENGLISH, None),
        (ENGLISH + "In Russian: доброе утро.", None),
        # And back again: the end is in the first script.
        (ENGLISH + RUSSIAN + ENGLISH, None),
        ("Dж" * 60, None),
        ("12345 ☃" * 20, None),
    ],
)
def test_language_switch(text: str, place: int | None) -> None:
    assert language_switch(text) == place
    assert score_output(PLAIN, text).language_switch == place
