"""How text is cut into sentences."""

from __future__ import annotations

import pytest
import regex

from vibecore.scoring.text import sentences as module
from vibecore.scoring.text.abbreviations import belongs, may_belong
from vibecore.scoring.text.blocks import Block, blocks
from vibecore.scoring.text.sentences import ends_with_stop, sentence_key, sentences


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One.", 1),
        ("No stop at the end", 1),
        ("One. Two! Three? Four…", 4),
        ("one. two. three.", 3),
        ("Really?! Yes!!! Well...", 3),
        # Stops that end nothing.
        ("It costs 3.5 euros. Cheap.", 2),
        ("Run setup.py and read v1.2.3 of it.", 1),
        ("See example.com for more.", 1),
        ("Dr. Smith met Mrs. Jones vs. nobody.", 1),
        ("Use a tool, e.g. a saw, i.e. a blade.", 1),
        ("J. R. Smith wrote it.", 1),
        ("So did I. Then it rained.", 2),
        ("See no. 5 on p. 7.", 1),
        ("No. I will not.", 2),
        ("He came at 5 p.m. on Monday.", 1),
        ("He came at 5 p.m. She left.", 2),
        ("Pens, ink, etc. are sold here. Ask.", 2),
        ("Wait... what is that?", 1),
        ("Wait... What is that?", 2),
        ("Well… it rained.", 1),
        # Quotes, brackets and emphasis around a stop.
        ('"Stop!" he said. "Now."', 2),
        ('"Stop." She ran.', 2),
        ("“Stop!” He ran.", 2),
        ("(It was late.) We left.", 2),
        ("It was late (very late!) and cold.", 1),
        ("**Bold.** Then plain.", 2),
        # No space after the stop.
        ("She went home.The door was open.", 2),
        ("GO HOME!THE DOOR IS OPEN!", 2),
        ("Call System.Out.println now.", 1),
        # Lines.
        ("First line\nSecond line", 2),
        ("A sentence that runs\nonto the next line.", 1),
        ("Roses are red,\nViolets are blue.", 1),
        ("A stop.\nand lower case after it.", 2),
        ("Heading\n\nlower-case text", 2),
        ("1. First.\n2. Second.\n3. Third", 3),
        ("- one\n- two", 2),
        ("# Title\nText.", 1),
        ("---\n***\n...", 0),
        ("```python\nx\n```", 0),
        ("今日は。元気です。", 2),
        ("\u3164", 0),
    ],
)
def test_sentences(text, count):
    assert len(sentences(text)) == count, sentences(text)


def test_sentences_are_pieces_of_the_text():
    assert sentences('He said "No." Then\nhe left. ') == ('He said "No."', "Then he left.")


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("1. Boil it.\n2. Pour it.", ("Boil it.", "Pour it.")),
        ("- [x] Done.\n(2) Next", ("Done.", "Next")),
        ("One.🎉 Two.[1] Three.", ("One.🎉", "Two.[1]", "Three.")),
        ("> It was\n> late.", ("It was late.",)),
        ("We get\n\\[ x = 5. \\]\nwhere x is 5.", ("We get where x is 5.",)),
        ("Mr.\u00a0Lee  left.\tHe ran.", ("Mr. Lee left.", "He ran.")),
        ("एक। दो।", ("एक।", "दो।")),
    ],
)
def test_pieces(text, pieces):
    assert sentences(text) == pieces


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("# A\nB", [Block("A", label=True), Block("B")]),
        ("A\n===\nB", [Block("A", label=True), Block("B")]),
        ("# A", [Block("A")]),
        ("The Storm\n\nIt came.", [Block("The Storm", label=True), Block("It came.")]),
        ("The Storm\n\nIt came", [Block("The Storm"), Block("It came")]),
        ("Title: Storm\nIt came.", [Block("Title: Storm", label=True), Block("It came.")]),
        ("Yes\n\nIt came.", [Block("Yes"), Block("It came.")]),
        ("*The Storm*\n\nIt came.", [Block("*The Storm*", label=True), Block("It came.")]),
        ("<p>A.</p><p class='x'>B</p>", [Block("A."), Block("B")]),
        ("• A • B", [Block("A"), Block("B")]),
        ("**1.** A\n2) B", [Block("A", number=1), Block("B", number=2)]),
        ("3) A 4) B", [Block("A", number=3), Block("B", number=4)]),
        ("1️⃣ A", [Block("A", number=1)]),
        ("a,\n\nB", [Block("a, B")]),
        ("a\n\nb", [Block("a"), Block("b")]),
        ("A\n```js\nx\n```\nb", [Block("A b")]),
        ("~~~md\nA. B.\n~~~\nc", [Block("A. B."), Block("c")]),
        ("```\nx = 1\n", []),
        ("A<br/>B", [Block("A"), Block("B")]),
        ("\\[\nx\n\nB", [Block("B")]),
        ("\\begin{align}\nx\n\\end{align} B", [Block("B")]),
        ("$$ x $$", []),
        ("A\\\nB", [Block("A"), Block("B")]),
        ("| a | b |", [Block("a", label=True), Block("b")]),
    ],
)
def test_blocks(text, found):
    assert blocks(text) == found


@pytest.mark.parametrize(
    ("before", "word", "following", "expected"),
    [
        ("Add 2 ", "tbsp", "sugar", True),
        ("He came ", "in", "then", False),
        ("It is 5 ", "ft", "He", False),
        ("the ", "U.S", "Senate", True),
        ("the ", "U.S", "She", False),
        ("", "Dr", "Lee", True),
        ("see ", "p", "7", True),
        ("", "No", "it", False),
        ("until ", "Jan", "5", True),
        ("a ", "mid-Jan", "5", True),
        ("a ", "10ft", "wall", True),
        ("Plan ", "B", "Go", False),
        ("George ", "W", "Bush", True),
        ("the man (", "J", "Smith", True),
        ("Lee, ", "A", "and", True),
        ("the matrix ", "M", "Rows", False),
        ("", "1", "Boil", True),
        ("Step ", "IV", "Boil", True),
        ("a ", "plain", "word", False),
    ],
)
def test_a_stop_belongs_to_an_abbreviation(before, word, following, expected):
    assert (may_belong(word) and belongs(before, word, following, False, 0)) is expected


def test_stops_are_those_of_unicode():
    """All of ours end sentences by Unicode, and all of Unicode's in the scripts named here."""
    ours = regex.compile(f"[{module._STOPS}]")
    terminal = regex.compile(r"\p{Sentence_Terminal}")
    named = regex.compile(
        r"[\p{Arab}\p{Armn}\p{Beng}\p{Deva}\p{Ethi}\p{Hani}\p{Khmr}\p{Mymr}\p{Zyyy}]"
    )
    for character in map(chr, range(0x80, 0xD800)):
        if ours.match(character):
            assert terminal.match(character), hex(ord(character))
        elif terminal.match(character) and named.match(character):
            # Burmese's comma, a leader and marks of medieval and phonetic texts.
            assert (
                character
                in "\u104a\u2024\u2e3c\u2e53\u2e54\u2cf9\u2cfa\u2cfb\u2e2e\u2e60\u2e61\ua92f"
            ), hex(ord(character))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("He ran.", "HE RAN!", True),
        ("“He ran.”", '"He ran"', True),
        ("It’s *so*.", "It's so", True),
        ("Café.", "Cafe\u0301.", True),
        ("[Read](http://a.b) it", "Read it", True),
        ("He ran 5 km.", "He ran 6 km.", False),
        ("हाँ।", "हाँ", True),
        ("हाँ", "हूँ", False),
    ],
)
def test_sentence_key(first, second, same):
    assert (sentence_key(first) == sentence_key(second)) is same


def test_ends_with_stop():
    assert all(map(ends_with_stop, ("a.", "a!”", "**a.**", "a।", "(a?)", "a!🎉", "a.[1]")))
    assert not any(map(ends_with_stop, ("", "a", "a,", "(a)")))
