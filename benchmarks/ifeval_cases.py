"""(instruction, arguments, response) cases for two judges of IFEval, both verdicts frequent."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from vibecore.scoring.ifeval import INSTRUCTIONS
from vibecore.scoring.ifeval.instructions import LANGUAGES, RELATIONS

Arguments = dict[str, Any]


def cases(
    texts: list[tuple[str, str]], count: int, seed: int = 0
) -> Iterator[tuple[str, str, Arguments, str]]:
    """(kind of text, instruction, arguments, text): the instructions in turn, texts at random."""
    chance = random.Random(seed)
    names = list(INSTRUCTIONS)
    shaped = [(kind, text) for kind, text in texts if kind in ("markdown", "shape")]
    for index in range(count):
        name = names[index % len(names)]
        kind, text = chance.choice(shaped if _is_of_form(name) and index % 2 else texts)
        make = ARGUMENTS.get(name)
        yield kind, name, make(text, chance) if make else {}, text


def _is_of_form(name: str) -> bool:
    """Whether the instruction asks for a form that few texts have."""
    return name.startswith(("detectable", "combination", "startend"))


def _relation(chance: random.Random) -> str:
    return chance.choice(RELATIONS)


def _word(text: str, chance: random.Random) -> str:
    """A word of the text, or one that it may lack; often one that is a pattern as well."""
    words = [w for w in text.split() if w.isalnum()] or ["storm"]
    common = ("storm", "light", "a.b", "C++", "the", "IT", "straße", "İ", "don't", "x|y", "5")
    return chance.choice((chance.choice(words), chance.choice(common)))


def _near(value: int, chance: random.Random, least: int = 1) -> int:
    return max(least, value + chance.randint(-2, 2))


ARGUMENTS: dict[str, Callable[[str, random.Random], Arguments]] = {
    "keywords:existence": lambda t, c: {"keywords": [_word(t, c) for _ in range(c.randint(1, 3))]},
    "keywords:frequency": lambda t, c: {
        "keyword": c.choice(("", " ")) + _word(t, c),
        "frequency": c.randint(1, 4),
        "relation": _relation(c),
    },
    "keywords:forbidden_words": lambda t, c: {
        "forbidden_words": [_word(t, c) for _ in range(c.randint(1, 3))]
    },
    "keywords:letter_frequency": lambda t, c: {
        "letter": (letter := c.choice("aeiostzQXK")),
        "let_frequency": _near(t.lower().count(letter.lower()), c),
        "let_relation": _relation(c),
    },
    "language:response_language": lambda t, c: {"language": c.choice([*LANGUAGES, *["en"] * 20])},
    "length_constraints:number_sentences": lambda t, c: {
        "num_sentences": _near(len([p for p in t.split(".") if p.strip()]), c),
        "relation": _relation(c),
    },
    "length_constraints:number_paragraphs": lambda t, c: {
        "num_paragraphs": _near(t.count("***") + 1, c)
    },
    "length_constraints:number_words": lambda t, c: {
        "num_words": _near(len(t.split()), c),
        "relation": _relation(c),
    },
    "length_constraints:nth_paragraph_first_word": lambda t, c: _nth_paragraph(t, c),
    "detectable_content:number_placeholders": lambda t, c: {
        "num_placeholders": _near(t.count("]"), c)
    },
    "detectable_content:postscript": lambda t, c: {
        "postscript_marker": c.choice(("P.S.", "P.P.S", "P.P.S.", "PS", _word(t, c)))
    },
    "detectable_format:number_bullet_lists": lambda t, c: {
        "num_bullets": _near(sum(line.strip()[:1] in ("*", "-") for line in t.split("\n")), c)
    },
    "detectable_format:number_highlighted_sections": lambda t, c: {
        "num_highlights": _near(t.count("*") // 2, c)
    },
    "detectable_format:multiple_sections": lambda t, c: {
        "section_spliter": (mark := c.choice(("Section", "SECTION ", "PARAGRAPH", "Day", "(a)"))),
        "num_sections": _near(t.count(mark), c),
    },
    "combination:repeat_prompt": lambda t, c: {
        "prompt_to_repeat": c.choice((t.strip()[: c.randint(1, 80)].upper(), "Write a poem."))
        or "x"
    },
    "startend:end_checker": lambda t, c: {
        "end_phrase": c.choice((t.strip()[-c.randint(1, 30) :].upper(), "Any other questions?"))
        or "x"
    },
    "change_case:capital_word_frequency": lambda t, c: {
        "capital_frequency": _near(sum(map(str.isupper, t.split())), c),
        "capital_relation": _relation(c),
    },
}


def _nth_paragraph(text: str, chance: random.Random) -> Arguments:
    pieces = text.split("\n\n")
    number = chance.randint(1, len(pieces))
    words = pieces[number - 1].split() or ["storm"]
    return {
        "num_paragraphs": max(number, _near(sum(bool(p.strip()) for p in pieces), chance)),
        "nth_paragraph": number,
        "first_word": chance.choice((words[0].strip("'\".,!?") or "x", "Storm")),
    }
