"""Marking and diff: pieces join to the text, and marks mean what the scores mean."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibecore.scoring.measures.repetition import repetition_ratio
from vibecore.studies.published import read_samples
from vibecore.views.differences import MOST_PAIRS, find_divergence, spans_not_in
from vibecore.views.text_marks import (
    cut,
    loop_start,
    mark_difference,
    mark_repetition,
    repeated_spans,
)

TEXTS = st.text(alphabet="ab \n.", max_size=60)


@given(TEXTS, TEXTS)
def test_pieces_join_to_the_text(text: str, baseline: str) -> None:
    assert "".join(p["text"] for p in mark_repetition(text, 3)) == text
    assert "".join(p["text"] for p in mark_difference(text, baseline)) == text


def test_repeated_pairs_are_those_the_score_counts() -> None:
    text = "one two three one two four"
    assert [text[a:b] for a, b in repeated_spans(text)] == ["one two"]
    assert repetition_ratio(text) == pytest.approx(1 / 5)


@pytest.mark.parametrize(("sample", "share"), [(0, 0.73), (1, 0.17)])
def test_published_samples(sample: int, share: float) -> None:
    text = read_samples()[sample]["text"]
    marked = sum(len(text[a:b].split()) for a, b in repeated_spans(text))
    # Words covered by a repeated pair: at least the pairs, and not all of the text.
    assert share * (len(text.split()) - 1) <= marked + 1 < len(text.split())


def test_a_loop_starts_where_the_text_repeats_to_its_end() -> None:
    text = "Once there was a cat. " + "It sat and sat on. " * 5
    start = loop_start(text)
    assert start is not None
    turn = len("It sat and sat on. ")
    assert text[start:-turn] == text[start + turn :]
    assert loop_start("No loop is here at all, only words.") is None


def test_a_loop_without_a_score_is_not_marked() -> None:
    assert not any(p["here"] for p in mark_repetition("ab " * 30, None))
    assert any(p["here"] == "loops after 7 tokens" for p in mark_repetition("ab " * 30, 7))


@pytest.mark.parametrize(
    ("text", "baseline", "word", "rest"),
    [
        ("the cat sat", "the dog sat", 1, "cat sat"),
        ("the cat", "the cat sat", 2, ""),
        ("the cats", "the cat", 1, "cats"),
        ("", "a", 0, ""),
    ],
)
def test_divergence(text: str, baseline: str, word: int, rest: str) -> None:
    divergence = find_divergence(text, baseline)
    assert divergence is not None
    assert (divergence.token, divergence.word) == (None, word)
    assert text[divergence.character :] == rest


def test_divergence_counts_tokens_where_they_compare() -> None:
    divergence = find_divergence("a b c", "a b d", [5, 6, 7], [5, 6, 8])
    assert divergence is not None and divergence.token == 2
    assert find_divergence("a b", "a b", [5, 6], [5, 6]) is None
    assert find_divergence("a b", "a b") is None
    # The same text, but one went on: an end token is a difference.
    ended = find_divergence("a b", "a b", [5, 6, 0], [5, 6])
    assert ended is not None and ended.token == 2


def test_difference_marks_what_the_baseline_lacks() -> None:
    text, baseline = "a quick brown fox ran", "a brown fox sat"
    assert [text[a:b] for a, b in spans_not_in(text, baseline)] == ["quick", "ran"]


@pytest.mark.parametrize(
    ("text", "baseline"),
    [
        ("word and " * 3_000, "word or " * 2_000 + "and word " * 1_000),
        ("a. " * 10_000, "a. b. " * 5_000),
        (" ".join(f"x{n % 50} y" for n in range(5_000)), "y x1 " * 5_000),
    ],
)
def test_a_diff_of_texts_that_repeat_looks_at_few_pairs(
    text: str, baseline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = 0
    find = SequenceMatcher.find_longest_match

    def counted(self, alo=0, ahi=None, blo=0, bhi=None):
        nonlocal looked_at
        looked_at += sum(len(self.b2j.get(word, ())) for word in self.a[alo:ahi])
        assert looked_at <= 2 * MOST_PAIRS
        return find(self, alo, ahi, blo, bhi)

    monkeypatch.setattr(SequenceMatcher, "find_longest_match", counted)
    assert spans_not_in(text, baseline)
    assert spans_not_in(text, text) == []


def test_a_text_that_repeats_is_marked_between_its_common_beginning_and_end() -> None:
    text = "word and " * 2_000 + "never " + "word and " * 2_000
    baseline = "word and " * 4_000
    assert [text[a:b] for a, b in spans_not_in(text, baseline)] == ["never"]


def test_a_text_of_many_spans_is_cut_in_one_pass() -> None:
    class Place(int):
        """A place that counts how often it is compared."""

        compared = 0

        def __le__(self, other: int) -> bool:
            Place.compared += 1
            return int(self) <= int(other)

    many = 2_000
    spans = [(Place(3 * n), Place(3 * n + 2), "x") for n in range(many)]
    pieces = cut("abc" * many, spans)
    assert [piece["marks"] for piece in pieces[:3]] == [["x"], [], ["x"]]
    assert len(pieces) == 2 * many and Place.compared <= 10 * many


def test_cut_at_overlapping_spans() -> None:
    pieces = cut("abcdef", [(0, 4, "x"), (2, 6, "y")], [(2, "here")])
    assert [(p["text"], p["marks"], p["here"]) for p in pieces] == [
        ("ab", ["x"], None),
        ("cd", ["x", "y"], "here"),
        ("ef", ["y"], None),
    ]
