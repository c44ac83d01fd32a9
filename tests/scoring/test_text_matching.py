"""How a phrase is looked for: forms of words, markup, characters that are taken for the same."""

from __future__ import annotations

import pytest

from vibecore.catalog.suites import Constraint
from vibecore.scoring import constraint_defect
from vibecore.scoring.text.characters import count_character, fold
from vibecore.scoring.text.inflection import inflected_forms
from vibecore.scoring.text.layout import is_rule, text_lines, text_paragraphs, without_code
from vibecore.scoring.text.lists import numbered_lists
from vibecore.scoring.text.matching import phrase, plain


@pytest.mark.parametrize(
    ("word", "forms", "others"),
    [
        ("storm", "storms stormed storming", "stormy stormily brainstorm"),
        ("light", "lights lit lighted lighting lighter lightest", "lightly lighten"),
        ("child", "children", "childish childhood"),
        ("Children", "child children", "childlike"),
        ("feed", "feeds fed feeding", "fee fees feeder"),
        ("happy", "happier happiest", "happily happiness"),
        ("be", "is are was were been being am", "bee"),
        ("sheep", "sheep", "sheeps"),
        ("zorble", "zorbles zorbled zorbling", "zorbly"),
    ],
)
def test_inflected_forms(word, forms, others):
    found = inflected_forms(word)
    assert found >= {word.lower(), *forms.split()}
    assert not found & set(others.split())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("_a_ __b__ *c* **d** ***e*** ~~f~~ `g`", "a b c d e f g"),
        ("**_a_** _**b**_", "a b"),
        ("snake_case a_b_c 5*3*2 x**2", "snake_case a_b_c 5*3*2 x**2"),
        ("un*believ*able **S**torm sto**rm**", "unbelievable storm storm"),
        (r"snake\_case \*a\*", "snake_case a"),
        ("~5 a~b", "~5 a~b"),
        ("```python\nx\n```", "x"),
        ("ﬁ Ｗ 𝐱 … “q” ‘r’ e\u0301 \u00adx", "fi w x ... \"q\" 'r' é x"),
        ("x² ½ ① İ ß", "x² ½ ① i ss"),
    ],
)
def test_what_a_text_is_taken_for(text, shown):
    assert plain(text) == shown


def test_folding_twice_changes_nothing():
    texts = ("İI ıi ß ẞ ﬀ ǅ Σς ΐ", "ｶﾞ ﷺ K Å", "e\u0301\u0327", "\ud800 \x00")
    assert all(fold(fold(text)) == fold(text) for text in texts)


def test_marks_without_end_are_ordered_in_linear_time():
    assert len(fold("a" + "\u0316\u0300" * 25_000)) < 100
    assert count_character("a" + "\u0316\u0300" * 25_000, "ß") == 0


@pytest.mark.parametrize(
    ("written", "defect"),
    [
        ("~", "~ stands right after a word"),
        ("storm ~", "~ stands right after a word"),
        ("3~", "~ stands after an English word, of letters only"),
        ("喜欢~", "~ stands after an English word"),
        ("\u200b", "nothing can be seen"),
    ],
)
@pytest.mark.parametrize(
    ("check", "key"),
    [("contains_all", "phrases"), ("contains_any", "phrases"), ("forbidden_words", "words")],
)
def test_phrases_that_do_not_fit_are_refused(check, key, written, defect):
    assert defect in (constraint_defect(Constraint(check, {key: ["a", written]})) or "")
    assert constraint_defect(Constraint(check, {key: ["a", "storm~", "~5", "a~b"]})) is None


def test_a_phrase_to_count_is_refused_too():
    arguments = {"phrase": "~", "relation": "eq", "count": 1}
    assert "right after" in (constraint_defect(Constraint("phrase_count", arguments)) or "")


def test_occurrences_of_several_forms_do_not_overlap():
    assert phrase("storm~").count("Storms stormed; a storm, stormy.") == 3
    assert phrase("ice cream~").count("ice\ncreams, Ice **cream**, iced cream") == 2


@pytest.mark.parametrize("line", ["---", "* * *", "- - -", "___", "=====", "———", "|--|:-:|"])
def test_rules(line):
    assert is_rule(line)


@pytest.mark.parametrize("line", ["...", "--", "**a**", "- a", "🙂", "| a |", "!!!", "-- -a"])
def test_what_is_no_rule(line):
    assert not is_rule(line)


def test_lines_paragraphs_and_code():
    text = "# T\na\n\n---\n```python\nx\n\n  ```\nb\n> ```\n> y\n> ```\n"
    assert text_lines(text) == ("# T", "a", "x", "b", "> y")
    assert text_paragraphs("# T\n\na\nb\n***\nc") == ["a\nb", "c"]
    assert without_code(text).split() == ["#", "T", "a", "---", "b"]
    assert text_lines("```Roses are red\n``a``` b\n") == ("Roses are red", "``a``` b")
    assert without_code("~~~md\na\n```\n~~~\nb") == "a\n```\nb"


@pytest.mark.parametrize(
    ("text", "outer", "inner"),
    [
        ("1. a\n   1. x\n      1. y\n   2. z\n2. b", [[1, 2]], [[1, 2], [1]]),
        ("1. a\n 2. b\n  3. c", [[1, 2, 3]], []),
        ("  1. a\n2. b", [[1, 2]], []),
        ("1. a\nx\n1. b", [[1, 1]], []),
        ("1. a\n2. b\nx\n1. c", [[1, 2], [1]], []),
        ("1. a\n2. b\n1. c", [[1, 2, 1]], []),
        ("text\n2. b\n\n1. a", [[1]], []),
    ],
)
def test_numbered_lists(text, outer, inner):
    found = numbered_lists(text)
    assert (found.outer, found.inner) == (outer, inner)
