"""How text is cut into sentences."""

from __future__ import annotations

import pytest

from vibecore.scoring.text.sentences import sentences


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
